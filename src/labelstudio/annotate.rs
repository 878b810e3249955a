//! Calls of an annotator in Label Studio 1.23.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::Call;
use super::{Client, LabelStudioError};
use crate::domain::ids::{AnnotationId, ProjectId, TaskId};

/// Largest answer, in bytes: a task whose image stands in a `data:` URI fits.
const MAX_BYTES: usize = 200_000_000;

/// The part of a draft that matters here.
#[derive(Deserialize)]
struct Draft {
    /// The submitted annotation it would change.
    #[serde(default)]
    annotation: Option<AnnotationId>,
}

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
            // Label Studio answers the same for a project that is gone.
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
    /// An annotation as it is now (`GET /api/annotations/{id}/`).
    ///
    /// # Errors
    /// As every call; [`LabelStudioError::NotFound`] where it is deleted.
    pub async fn annotation(&self, id: AnnotationId) -> Result<Value, LabelStudioError> {
        let call = Call::new(format!("read annotation {id}"), Method::GET, format!("api/annotations/{id}/"));
        self.json(&call, MAX_BYTES).await
    }

    /// Returns `true` if somebody, be it another account, has changes of an annotation that are not submitted (`GET
    /// /api/tasks/{id}/drafts`).
    ///
    /// # Errors
    /// As every call.
    pub async fn has_draft(&self, task: TaskId, id: AnnotationId) -> Result<bool, LabelStudioError> {
        let doing = format!("list the drafts of task {task}");
        let call = Call::new(doing, Method::GET, format!("api/tasks/{task}/drafts"));
        let drafts: Vec<Draft> = self.json(&call, MAX_BYTES).await?;
        Ok(drafts.iter().any(|draft| draft.annotation == Some(id)))
    }

    /// Puts another result in an annotation's place (`PATCH /api/annotations/{id}/`). Label Studio keeps who gave the answer
    /// and how long it took, whether it was skipped and whether it is ground truth; it notes the token's account as who changed
    /// annotation and task last (`updated_by`), deletes every draft of the annotation, and tells its webhooks.
    ///
    /// # Errors
    /// As every call; [`LabelStudioError::NotFound`] where it is deleted.
    pub async fn change_answer(&self, id: AnnotationId, result: Value) -> Result<(), LabelStudioError> {
        let call =
            Call::new(format!("change annotation {id}"), Method::PATCH, format!("api/annotations/{id}/"))
                .body(json!({"result": result}));
        self.json::<Value>(&call, MAX_BYTES).await.map(drop)
    }
}
