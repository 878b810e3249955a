//! What stands where: projects, their labels, versions and jobs, and what is missing.

use actix_web::HttpRequest;
use actix_web::web::{self, Json};
use serde_json::{Value, json};

use super::State;
use super::error::ApiError;
use super::jobs::job_json;
use crate::domain::ids::ProjectId;
use crate::storage::{Project, Version};

/// Jobs and versions a project's page lists.
const RECENT: usize = 20;

/// `GET /api/projects`.
pub async fn list(state: web::Data<State>) -> Result<Json<Value>, ApiError> {
    let mut projects = Vec::new();
    for project in state.storage.projects().await? {
        projects.push(summary(&state, &project).await?);
    }
    Ok(Json(json!({ "projects": projects, "advice": state.advice })))
}

/// `GET /api/projects/{project}`.
pub async fn show(state: web::Data<State>, request: HttpRequest) -> Result<Json<Value>, ApiError> {
    let row = project(&state, &request).await?;
    let mut shown = summary(&state, &row).await?;
    let versions = state.storage.versions(row.id).await?;
    shown["versions"] = versions.iter().take(RECENT).map(version_json).collect();
    shown["jobs"] = state.storage.recent_jobs(row.id, RECENT as i64).await?.iter().map(job_json).collect();
    Ok(Json(shown))
}

/// The project a route names.
async fn project(state: &State, request: &HttpRequest) -> Result<Project, ApiError> {
    let name = request.match_info().query("project");
    let row = match name.parse() {
        Ok(id) => state.storage.project(ProjectId(id)).await?,
        Err(_) => None,
    };
    row.ok_or_else(|| ApiError::NotFound { what: "project", name: name.chars().take(40).collect() })
}

/// Its id.
pub(super) async fn project_id(state: &State, request: &HttpRequest) -> Result<ProjectId, ApiError> {
    Ok(project(state, request).await?.id)
}

async fn summary(state: &State, row: &Project) -> Result<Value, ApiError> {
    let labels = state.storage.annotation_counts(row.id).await?;
    let tasks = state.storage.task_counts(row.id).await?;
    let config = row.label_config.as_deref().map(|xml| state.training.label_config(xml));
    let (version, heads, problem) = match &config {
        Some(Ok(config)) => {
            let serving = state.models.serving(row.id, config);
            (serving.version.clone(), serving.describe(config), None)
        }
        Some(Err(error)) => (state.models.no_version(), json!([]), Some(error.to_string())),
        None => (state.models.no_version(), json!([]), Some("no label config seen yet".to_owned())),
    };
    Ok(json!({
        "id": row.id,
        "title": row.title,
        "tasks": tasks.total,
        "annotations": labels.live,
        "skipped": labels.cancelled,
        "labelled_tasks": tasks.labelled,
        "version": version,
        "pinned": row.pinned,
        "queue": {
            "version": row.queue_version,
            "problem": state.queue.problem(row.id),
            "pool": state.queue.progress(row.id).await?,
        },
        "webhooks": state.training.webhooks(row.id),
        "deleted_at_us": row.deleted_at,
        "heads": heads,
        "problem": problem.or_else(|| row.problem.clone()),
        "ignored": config.and_then(Result::ok).map(|config| config.ignored.clone()).unwrap_or_default(),
    }))
}

fn version_json(version: &Version) -> Value {
    json!({
        "number": version.number,
        "name": version.name,
        "labels": version.labels,
        "created_at_us": version.created_at,
        "heads": version.metrics,
    })
}
