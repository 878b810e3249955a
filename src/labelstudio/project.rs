//! Project data that weathervane reads and changes: tasks, predictions, the backend's title, settings.
//!
//! Label Studio 1.23 serves tasks by ascending score only over predictions whose version its project names, and it calls
//! the live backend only while the backend's title equals that name: so title and version move together.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::Call;
use super::{Client, LabelStudioError};
use crate::domain::ids::{ProjectId, TaskId};

/// Tasks asked for at once: an answer of about 1 MB.
const PAGE: usize = 1_000;

/// Largest answer with tasks or settings, in bytes: a page of tasks with images in `data:` URIs fits.
const MAX_BYTES: usize = 200_000_000;

/// A page of a project's tasks.
#[derive(Debug, Deserialize)]
pub struct TaskPage {
    /// Tasks of the project in all.
    pub total: usize,
    pub tasks: Vec<Value>,
}

/// An ML backend as Label Studio knows it.
#[derive(Clone, Debug, Deserialize)]
pub struct BackendRow {
    pub id: i64,
    pub url: String,
    #[serde(default)]
    pub title: Option<String>,
    /// Model version of its last `/setup` answer.
    #[serde(default)]
    pub model_version: Option<String>,
    /// `CO` where health and set-up answered just now; else `DI`, `ER`, `TR` or `PR`.
    #[serde(default)]
    pub state: Option<String>,
    /// Reason why it is not connected.
    #[serde(default)]
    pub error_message: Option<String>,
    #[serde(default)]
    pub(super) auth_method: Option<String>,
    #[serde(default)]
    pub(super) basic_auth_user: Option<String>,
}

/// The settings of a project that decide which task comes next.
#[derive(Clone, Debug, Deserialize)]
pub struct ProjectSettings {
    #[serde(default)]
    pub model_version: Option<String>,
    #[serde(default)]
    pub sampling: Option<String>,
}

/// A version of which Label Studio stores predictions.
#[derive(Clone, Debug, Deserialize)]
pub struct StoredVersion {
    pub model_version: Option<String>,
    pub count: i64,
}

/// A prediction that Label Studio stores.
#[derive(Clone, Debug, Deserialize)]
pub struct PredictionRow {
    pub id: i64,
    #[serde(default)]
    pub model_version: Option<String>,
}

#[derive(Deserialize)]
struct StoredVersions {
    #[serde(rename = "static")]
    stored: Vec<StoredVersion>,
}

#[derive(Deserialize)]
struct Configured {
    #[serde(default)]
    label_config: Option<String>,
}

#[derive(Deserialize)]
struct Created {
    created: usize,
}

impl Client {
    /// Page `page` (from 1) of a project's tasks (`GET /api/tasks`), by id; empty beyond the last.
    ///
    /// # Errors
    /// As every call: not configured, not reachable, refused, or the project is not there.
    pub async fn tasks_page(&self, project: ProjectId, page: usize) -> Result<TaskPage, LabelStudioError> {
        let call = Call::new(format!("list the tasks of project {project}"), Method::GET, "api/tasks")
            .query("project", project.to_string())
            .query("page", page.to_string())
            .query("page_size", PAGE.to_string());
        match self.json(&call, MAX_BYTES).await {
            // Label Studio knows no empty page.
            Err(LabelStudioError::NotFound { .. }) if page > 1 => {
                Ok(TaskPage { total: 0, tasks: Vec::new() })
            }
            page => page,
        }
    }

    /// The project's ML backends (`GET /api/ml`); Label Studio asks each for `/health` and `/setup` before it answers.
    ///
    /// # Errors
    /// As every call.
    pub async fn backends(&self, project: ProjectId) -> Result<Vec<BackendRow>, LabelStudioError> {
        let doing = format!("list the ML backends of project {project}");
        let call = Call::new(doing, Method::GET, "api/ml").query("project", project.to_string());
        self.json(&call, MAX_BYTES).await
    }

    /// Gives a backend a title (`PATCH /api/ml/{id}`), and with it the project's `model_version`, if that was the title
    /// before; Label Studio changes both in one transaction. It wants address and project, and asks the backend for its
    /// version again, which the answer holds; an empty password keeps the one it has.
    ///
    /// # Errors
    /// As every call; also where the check fails.
    pub async fn rename_backend(
        &self,
        project: ProjectId,
        backend: &BackendRow,
        title: &str,
    ) -> Result<BackendRow, LabelStudioError> {
        let mut body = json!({"url": backend.url, "project": project, "title": title});
        if backend.auth_method.as_deref() == Some("BASIC_AUTH") {
            body["auth_method"] = json!("BASIC_AUTH");
            body["basic_auth_user"] = json!(backend.basic_auth_user);
            body["basic_auth_pass"] = json!("");
        }
        let doing = format!("rename ML backend {} of project {project}", backend.id);
        let call = Call::new(doing, Method::PATCH, format!("api/ml/{}", backend.id)).body(body);
        self.json(&call, MAX_BYTES).await
    }

    /// The version that the project follows; `include` spares Label Studio the counting, three quarters of its work.
    ///
    /// # Errors
    /// As every call.
    pub async fn project_version(&self, project: ProjectId) -> Result<Option<String>, LabelStudioError> {
        #[derive(Deserialize)]
        struct Named {
            #[serde(default)]
            model_version: Option<String>,
        }
        let doing = format!("read the version of project {project}");
        let path = format!("api/projects/{project}");
        let call = Call::new(doing, Method::GET, path).query("include", "model_version");
        let Named { model_version } = self.json(&call, MAX_BYTES).await?;
        Ok(model_version)
    }

    /// The project's label config; as with [`Client::project_version`] nothing is counted.
    ///
    /// # Errors
    /// As every call.
    pub async fn label_config(&self, project: ProjectId) -> Result<Option<String>, LabelStudioError> {
        let doing = format!("read the label config of project {project}");
        let path = format!("api/projects/{project}");
        let call = Call::new(doing, Method::GET, path).query("include", "label_config");
        let Configured { label_config } = self.json(&call, MAX_BYTES).await?;
        Ok(label_config)
    }

    /// Lets the project follow a version (`PATCH /api/projects/{id}`) of which it stores predictions, or that is a backend's
    /// title; as with [`Client::project_version`] nothing is counted. Label Studio wants its own answer's `id`, for its webhooks
    /// (`api_webhook`). It stores the project whole (`Project.save`): gives the label config that it stored again.
    ///
    /// # Errors
    /// As every call; also where the version is neither.
    pub async fn follow_version(
        &self,
        project: ProjectId,
        version: &str,
    ) -> Result<Option<String>, LabelStudioError> {
        let doing = format!("let project {project} follow version {version}");
        let call = Call::new(doing, Method::PATCH, format!("api/projects/{project}"))
            .query("include", "id,model_version,label_config")
            .body(json!({"model_version": version}));
        let Configured { label_config } = self.json(&call, MAX_BYTES).await?;
        Ok(label_config)
    }

    /// The project's settings (`GET /api/projects/{id}`).
    ///
    /// # Errors
    /// As every call.
    pub async fn project_settings(&self, project: ProjectId) -> Result<ProjectSettings, LabelStudioError> {
        let doing = format!("read project {project}");
        self.json(&Call::new(doing, Method::GET, format!("api/projects/{project}")), MAX_BYTES).await
    }

    /// Changes settings of a project (`PATCH /api/projects/{id}`). `model_version` must be a backend's title or the
    /// version of a stored prediction.
    ///
    /// # Errors
    /// As every call.
    pub async fn change_project(&self, project: ProjectId, fields: Value) -> Result<(), LabelStudioError> {
        let doing = format!("change project {project}");
        let call = Call::new(doing, Method::PATCH, format!("api/projects/{project}")).body(fields);
        self.json::<Value>(&call, MAX_BYTES).await.map(drop)
    }

    /// Stores predictions (`POST /api/projects/{id}/import/predictions`) and gives how many were taken. One task that is
    /// not there makes Label Studio refuse them all.
    ///
    /// # Errors
    /// As every call. It is not tried again, since it may have arrived.
    pub async fn import_predictions(
        &self,
        project: ProjectId,
        predictions: Vec<Value>,
    ) -> Result<usize, LabelStudioError> {
        let doing = format!("store predictions in project {project}");
        let call = Call::new(doing, Method::POST, format!("api/projects/{project}/import/predictions"))
            .body(Value::Array(predictions));
        let Created { created } = self.json(&call, MAX_BYTES).await?;
        Ok(created)
    }

    /// The versions of which the project stores predictions, with their counts.
    ///
    /// # Errors
    /// As every call.
    pub async fn stored_versions(&self, project: ProjectId) -> Result<Vec<StoredVersion>, LabelStudioError> {
        let doing = format!("list the versions of project {project}");
        let call = Call::new(doing, Method::GET, format!("api/projects/{project}/model-versions/"))
            .query("extended", "true");
        let StoredVersions { stored } = self.json(&call, MAX_BYTES).await?;
        Ok(stored)
    }

    /// The predictions that Label Studio stores of a task, of whatever version (`GET /api/predictions`).
    ///
    /// # Errors
    /// As every call.
    pub async fn predictions_of(&self, task: TaskId) -> Result<Vec<PredictionRow>, LabelStudioError> {
        let doing = format!("list the predictions of task {task}");
        let call = Call::new(doing, Method::GET, "api/predictions").query("task", task.to_string());
        self.json(&call, MAX_BYTES).await
    }

    /// Changes a stored prediction in place (`PATCH /api/predictions/{id}`): an editor that holds it can still submit. It
    /// takes Label Studio some 100 ms, as long as importing fifty.
    ///
    /// # Errors
    /// As every call.
    pub async fn change_prediction(&self, id: i64, fields: Value) -> Result<(), LabelStudioError> {
        let call =
            Call::new(format!("change prediction {id}"), Method::PATCH, format!("api/predictions/{id}"));
        self.json::<Value>(&call.body(fields), MAX_BYTES).await.map(drop)
    }
}
