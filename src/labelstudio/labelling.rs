//! What an annotator does in Label Studio 1.23.

use reqwest::Method;
use serde_json::{Value, json};

use super::call::Call;
use super::{Client, LabelStudioError};
use crate::domain::ids::{ProjectId, TaskId};

/// Largest answer, in bytes: a task whose image stands in a `data:` URI fits.
const MAX_BYTES: usize = 200_000_000;

impl Client {
    /// The task that the label stream shows this account next (`GET /api/projects/{id}/next`); `None` where nothing is
    /// left to label.
    ///
    /// # Errors
    /// As every call; the project is not there.
    pub async fn next_task(&self, project: ProjectId) -> Result<Option<Value>, LabelStudioError> {
        let doing = format!("take the next task of project {project}");
        let call = Call::new(doing, Method::GET, format!("api/projects/{project}/next"));
        match self.json(&call, MAX_BYTES).await {
            Ok(task) => Ok(Some(task)),
            // Label Studio says the same of a project that is gone.
            Err(LabelStudioError::NotFound { .. }) => self.project_settings(project).await.map(|_| None),
            Err(error) => Err(error),
        }
    }

    /// Submits an answer (`POST /api/tasks/{id}/annotations`); `result` is a list of regions.
    ///
    /// # Errors
    /// As every call.
    pub async fn annotate(&self, task: TaskId, result: Value) -> Result<(), LabelStudioError> {
        let doing = format!("annotate task {task}");
        let call = Call::new(doing, Method::POST, format!("api/tasks/{task}/annotations"))
            .body(json!({"result": result}));
        self.json::<Value>(&call, MAX_BYTES).await.map(drop)
    }
}
