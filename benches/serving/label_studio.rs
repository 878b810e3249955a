//! What Label Studio sends, and a project that has learnt.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::pictures::{Picture, Pictures};
use crate::server::Server;

/// Tasks in one `/predict`.
pub const BATCH: usize = 32;

/// An annotation as Label Studio 1.23.2 sent it.
const EVENT: &str = include_str!(
    "../../tests/fixtures/label-studio/21-annotation-created-post-webhook-ANNOTATION_CREATED.json"
);

/// Between looks at what a server is doing when its time is not what is measured.
const LOOK: Duration = Duration::from_millis(50);

/// A project of weather photographs; a task's id is its picture's index.
pub struct Project {
    pub id: i64,
    event: Value,
}

impl Project {
    pub fn new(id: i64) -> anyhow::Result<Self> {
        let mut fixture: Value = serde_json::from_str(EVENT)?;
        let mut event = fixture["request"]["body_json"].take();
        event["project"]["id"] = json!(id);
        event["annotation"]["project"] = json!(id);
        event["task"]["project"] = json!(id);
        Ok(Self { id, event })
    }

    pub fn config(&self) -> &Value {
        &self.event["project"]["label_config"]
    }

    fn name(&self) -> String {
        format!("{}.1700000000", self.id)
    }

    /// The body of `/predict` for the pictures from `first` on.
    pub fn predict(&self, first: usize, pictures: &[Picture]) -> Value {
        let task = |(index, picture): (usize, &Picture)| json!({"id": first + index, "data": data(picture)});
        let tasks: Vec<Value> = pictures.iter().enumerate().map(task).collect();
        json!({"tasks": tasks, "project": self.name(), "label_config": self.config(), "params": {}})
    }

    /// The body of `/webhook` for a picture that somebody labelled.
    pub fn annotate(&self, index: usize, picture: &Picture) -> Value {
        let mut event = self.event.clone();
        event["annotation"]["id"] = json!(index);
        event["annotation"]["task"] = json!(index);
        event["annotation"]["result"][0]["value"]["choices"] = json!([picture.label]);
        event["task"]["id"] = json!(index);
        event["task"]["data"] = data(picture);
        event
    }

    /// The version that serves.
    pub async fn version(&self, server: &Server) -> anyhow::Result<String> {
        let body = json!({"project": self.name(), "schema": self.config(), "extra_params": {}});
        let answer = server.post("/setup", &body).await?;
        Ok(answer["model_version"].as_str().context("`/setup` names no version")?.to_owned())
    }

    /// Embeds pictures by predicting them; every one must get a prediction.
    pub async fn embed(&self, server: &Server, pictures: &[Picture]) -> anyhow::Result<()> {
        for (round, batch) in pictures.chunks(BATCH).enumerate() {
            let answer = server.post("/predict", &self.predict(round * BATCH, batch)).await?;
            let results = answer["results"].as_array().context("no results")?;
            ensure!(
                results.len() == batch.len() && results.iter().all(Value::is_object),
                "a picture got no prediction: {answer}"
            );
        }
        Ok(())
    }

    /// Labels pictures one by one, and waits until a version has learnt them all and nothing is queued.
    pub async fn label(&self, server: &Server, pictures: &[Picture]) -> anyhow::Result<()> {
        for (index, picture) in pictures.iter().enumerate() {
            server.post("/webhook", &self.annotate(index, picture)).await?;
        }
        loop {
            let project = self.settled(server).await?;
            let newest = project["versions"][0]["labels"].as_u64();
            if newest == Some(pictures.len() as u64) {
                return Ok(());
            }
            let failed = project["jobs"][0]["error"].as_str();
            ensure!(failed.is_none(), "training failed: {failed:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until no training is queued or running; gives the project's state.
    pub async fn settled(&self, server: &Server) -> anyhow::Result<Value> {
        loop {
            let project = server.get(&format!("/api/projects/{}", self.id)).await?;
            let busy =
                |job: &Value| ["queued", "running"].contains(&job["state"].as_str().unwrap_or_default());
            if !project["jobs"].as_array().context("no jobs")?.iter().any(busy) {
                return Ok(project);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A data directory whose project has learnt these pictures: what a server in use starts on.
    pub async fn learnt(&self, pictures: &Pictures) -> anyhow::Result<TempDir> {
        let data = tempfile::tempdir()?;
        let images: &Path = pictures.root.path();
        let server = Server::start(data.path(), images, &[])?;
        self.embed(&server, &pictures.pictures).await?;
        server.stop()?;
        // Without the starter, so that the project's own head is published even where the starter is better.
        let server = Server::start(data.path(), images, &["--no-starter"])?;
        self.label(&server, &pictures.pictures).await?;
        server.stop()?;
        Ok(data)
    }
}

fn data(picture: &Picture) -> Value {
    json!({"image": format!("/data/local-files/?d={}", picture.file)})
}
