//! Starts the real server on port 0, with a tiny backbone and a data directory of its own.

pub mod browser;
pub mod label_studio;
pub mod pictures;
pub mod queue;

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Parser;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use weathervane::app::Application;
use weathervane::config::Settings;

/// Long enough for a loaded machine; reached only by a failing test.
const PATIENCE: Duration = Duration::from_secs(60);

/// One image, four classes of weather.
pub const WEATHER: &str = r#"<View><Image name="image" value="$image"/>
  <Choices name="weather" toName="image" choice="single">
    <Choice value="cloudy"/><Choice value="rain"/><Choice value="shine"/><Choice value="sunrise"/>
  </Choices></View>"#;

#[derive(Parser)]
#[command(args_override_self = true)]
struct Line {
    #[command(flatten)]
    settings: Settings,
}

/// A running server and what it keeps.
pub struct Server {
    pub url: String,
    pub http: Client,
    pub data: TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<anyhow::Result<()>>>,
}

impl Server {
    /// A server with an empty data directory; `arguments` as on the command line.
    pub async fn start(arguments: &[&str]) -> Self {
        Self::start_on(tempfile::tempdir().expect("a temporary directory"), arguments).await
    }

    /// A server over the data another one left.
    pub async fn start_on(data: TempDir, arguments: &[&str]) -> Self {
        let application =
            Application::build(settings(data.path(), arguments)).await.expect("the server builds");
        let url = format!("http://127.0.0.1:{}", application.port());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(application.run_until(async move {
            let _ = stopped.await;
        }));
        let http = client();
        Self { url, http, data, stop: Some(stop), running: Some(running) }
    }

    /// Stops it as Ctrl-C does and hands its data on.
    pub async fn stop(mut self) -> TempDir {
        drop(self.stop.take());
        let running = self.running.take().expect("a server stops once");
        running.await.expect("no panic").expect("a clean stop");
        self.data
    }

    pub async fn get(&self, path: &str) -> Response {
        self.http.get(format!("{}{path}", self.url)).send().await.expect("an answer")
    }

    pub async fn get_json(&self, path: &str) -> Value {
        self.get(path).await.json().await.expect("JSON")
    }

    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.http.post(format!("{}{path}", self.url)).json(body).send().await.expect("an answer")
    }

    pub async fn post_json(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body).await;
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    /// Predicts tasks `(id, image)` of project 1.
    pub async fn predict(&self, config: &str, tasks: &[(i64, String)]) -> Vec<Value> {
        let tasks: Vec<Value> =
            tasks.iter().map(|(id, image)| json!({"id": id, "data": {"image": image}})).collect();
        let body = json!({"tasks": tasks, "project": "1.1700000000", "label_config": config, "params": {}});
        let answer = self.post_json("/predict", &body).await;
        answer["results"].as_array().expect("results").clone()
    }

    pub async fn setup(&self, config: &str) -> String {
        let body = json!({"project": "1.1700000000", "schema": config, "extra_params": {}});
        let answer = self.post_json("/setup", &body).await;
        answer["model_version"].as_str().expect("a version").to_owned()
    }

    /// Sends an annotation as Label Studio's webhook does.
    pub async fn annotate(&self, config: &str, id: i64, image: &str, class: &str) -> Response {
        self.post("/webhook", &annotation_event("ANNOTATION_CREATED", config, id, image, class)).await
    }

    /// Waits until `/setup` answers another version than `old`.
    pub async fn version_after(&self, config: &str, old: &str) -> String {
        let started = Instant::now();
        loop {
            let version = self.setup(config).await;
            if version != old {
                return version;
            }
            let project = self.get_json("/api/projects/1").await;
            assert!(started.elapsed() < PATIENCE, "still version {old}: {project:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Answers tasks with the pictures of three classes.
    pub async fn taught(&self, ids: std::ops::RangeInclusive<i64>) {
        for id in ids {
            let class = id as usize % 3;
            let picture = pictures::data_uri(class, id as u32);
            self.annotate(WEATHER, id, &picture, pictures::CLASSES[class]).await;
        }
    }

    /// Trains project 1 and waits until a version is there.
    pub async fn train(&self) {
        let answer = self.post_json("/train", &json!({"project": "1.1700000000"})).await;
        let job = self.job_ended(answer["job"].as_str().expect("a job id")).await;
        assert_eq!(job["state"], "done", "{job:#}");
    }

    /// Waits until so many images of project 1 are embedded and so many could not be had.
    pub async fn pool_filled(&self, embedded: u64, failed: u64) {
        let started = Instant::now();
        loop {
            let project = self.get_json("/api/projects/1").await;
            let pool = &project["queue"]["pool"];
            if (pool["embedded"].as_u64(), pool["failed"].as_u64()) == (Some(embedded), Some(failed)) {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{project:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the project's newest job has ended, and gives it.
    pub async fn job_ended(&self, job: &str) -> Value {
        let started = Instant::now();
        loop {
            let status = self.post_json("/job_status", &json!({"job": job})).await;
            if ["done", "waiting", "failed", "cancelled"]
                .contains(&status["state"].as_str().unwrap_or_default())
            {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "{status:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The event of one annotation of a task with the same id, in project 1.
pub fn annotation_event(action: &str, config: &str, id: i64, image: &str, class: &str) -> Value {
    json!({
        "action": action,
        "annotation": {
            "id": id, "task": id, "project": 1, "was_cancelled": false, "ground_truth": false,
            "completed_by": 1, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
            "result": [{"id": "r", "from_name": "weather", "to_name": "image", "type": "choices",
                        "value": {"choices": [class]}}],
        },
        "task": {"id": id, "data": {"image": image}, "project": 1},
        "project": {"id": 1, "title": "weather", "label_config": config, "min_annotations_to_start_training": 0},
    })
}

pub fn settings(data: &Path, arguments: &[&str]) -> Settings {
    let data = data.to_str().expect("a UTF-8 path");
    let fixed = ["test", "--port", "0", "--data-dir", data, "--train-quiet-ms", "20"];
    let backbone: &[&str] = if arguments.contains(&"--backbone") { &[] } else { &["--backbone", "tiny"] };
    Line::parse_from(fixed.iter().chain(backbone).chain(arguments)).settings
}

pub fn client() -> Client {
    weathervane::labelstudio::install_tls();
    Client::builder().timeout(PATIENCE).build().expect("an HTTP client")
}
