//! The program as people run it: a process with a data directory, a log and a port.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{LabelStudio, PATIENCE, until};

/// Log lines shown of a failed test.
const SHOWN_LINES: usize = 60;

/// A running backend; it is killed when dropped.
pub struct Backend {
    /// As Label Studio is told it, with credentials or a secret path if there are any.
    pub url: String,
    /// Where the operator asks, if not there: a secret path leads to Label Studio's protocol alone.
    pub operator: Option<String>,
    pub http: Client,
    arguments: Vec<String>,
    data: TempDir,
    port: u16,
    process: Child,
}

impl Backend {
    /// Starts one with an empty data directory and Label Studio's own token.
    pub async fn start(label_studio: &LabelStudio, arguments: &[&str]) -> Self {
        Self::start_with_token(label_studio, &label_studio.token, arguments).await
    }

    pub async fn start_with_token(label_studio: &LabelStudio, token: &str, arguments: &[&str]) -> Self {
        let fixed = ["--label-studio-url", &label_studio.url, "--label-studio-api-key", token];
        let arguments = fixed.iter().chain(arguments).map(|argument| (*argument).to_owned()).collect();
        let data = tempfile::tempdir().expect("a temporary directory");
        let process = spawn(&data, 0, &arguments);
        let http = Client::builder().no_proxy().timeout(PATIENCE).build().expect("an HTTP client");
        let mut backend =
            Self { url: String::new(), operator: None, http, arguments, data, port: 0, process };
        backend.listening().await;
        backend.url = format!("http://127.0.0.1:{}", backend.port);
        backend
    }

    /// Starts it again over the data it left, on the port Label Studio knows.
    pub async fn start_again(&mut self) {
        assert!(self.process.try_wait().expect("a process").is_some(), "it still runs");
        self.process = spawn(&self.data, self.port, &self.arguments);
        self.listening().await;
    }

    /// Stops it as a service manager does, and waits until it is gone.
    pub async fn terminate(&mut self) -> ExitStatus {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("`kill`").success());
        until("the program to end", async || self.process.try_wait().expect("a process")).await
    }

    /// Ends it as a power cut does.
    pub fn kill(&mut self) {
        self.process.kill().expect("a running process");
        self.process.wait().expect("an ended process");
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps what it knows.
    pub fn data_dir(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// What `GET /api/projects/{project}` says.
    pub async fn project(&self, project: i64) -> Value {
        let operator = self.operator.as_ref().unwrap_or(&self.url);
        let answer =
            self.http.get(format!("{operator}/api/projects/{project}")).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    /// The version that serves a project now.
    pub async fn version(&self, project: i64) -> String {
        self.project(project).await["version"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a version that learnt exactly `labels` tasks serves the project.
    pub async fn version_over(&self, project: i64, labels: usize) -> String {
        until(&format!("a version over {labels} labels"), async || {
            let shown = self.project(project).await;
            let newest = &shown["versions"][0];
            let serves = newest["labels"] == labels && newest["name"] == shown["version"];
            serves.then(|| newest["name"].as_str().unwrap_or_default().to_owned())
        })
        .await
    }

    /// Waits until another version than `old` serves the project.
    pub async fn version_after(&self, project: i64, old: &str) -> String {
        until(&format!("a version after {old}"), async || {
            Some(self.version(project).await).filter(|version| version != old)
        })
        .await
    }

    /// Waits until Label Studio serves tasks in the order of a version that fits, and gives it.
    pub async fn queue_of(&self, project: i64, fits: impl Fn(&str) -> bool) -> String {
        until("Label Studio's queue to be written", async || {
            let shown = self.project(project).await;
            shown["queue"]["version"].as_str().filter(|version| fits(version)).map(str::to_owned)
        })
        .await
    }

    /// Waits until every image of a project was looked at.
    pub async fn pool_filled(&self, project: i64) {
        until("the pool to be filled", async || {
            let shown = self.project(project).await;
            let pool = &shown["queue"]["pool"];
            (shown["queue"]["pool"]["embedded"].as_u64()? > 0 && pool["embedded"] == pool["tasks"])
                .then_some(())
        })
        .await;
    }

    /// Waits until a job is done or has failed, and gives it.
    pub async fn job_ended(&self, job: &str) -> Value {
        until(&format!("job {job} to end"), async || {
            let status = self.post("/job_status", &json!({ "job": job })).await;
            ["done", "waiting", "failed", "cancelled"]
                .iter()
                .any(|end| status["state"] == *end)
                .then_some(status)
        })
        .await
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let answer =
            self.http.post(format!("{}{path}", self.url)).json(body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.expect("JSON")
    }

    /// Everything it said so far, of every start.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("log")).unwrap_or_default()
    }

    /// Waits until the log holds a text.
    pub async fn says(&self, text: &str) {
        until(&format!("`{text}` in the log"), async || self.log().contains(text).then_some(())).await;
    }

    async fn listening(&mut self) {
        let file = port_file(&self.data);
        self.port = until("the server to listen", async || {
            let ended = self.process.try_wait().expect("a process");
            assert!(ended.is_none(), "it ended with {ended:?}:\n{}", self.log());
            std::fs::read_to_string(&file).ok()?.parse().ok()
        })
        .await;
        // The port is bound before the models are loaded; the backend counts from its first answer on.
        let health = format!("http://127.0.0.1:{}/health", self.port);
        until("an answer", async || self.http.get(&health).send().await.ok()).await;
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let log = self.log();
            let first = log.lines().count().saturating_sub(SHOWN_LINES);
            eprintln!("the backend's log ends with:");
            log.lines().skip(first).for_each(|line| eprintln!("  {line}"));
        }
    }
}

fn port_file(data: &TempDir) -> PathBuf {
    data.path().join("port")
}

/// Nothing of the environment reaches it: a developer's `LABEL_STUDIO_URL` must not change a test.
fn spawn(data: &TempDir, port: u16, arguments: &Vec<String>) -> Child {
    let _ = std::fs::remove_file(port_file(data));
    let log = File::options().create(true).append(true).open(data.path().join("log")).expect("a log file");
    Command::new(env!("CARGO_BIN_EXE_weathervane"))
        .env_clear()
        .args(["serve", "--port", &port.to_string()])
        .arg("--port-file")
        .arg(port_file(data))
        .arg("--data-dir")
        .arg(data.path().join("data"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("the program starts")
}
