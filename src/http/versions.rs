//! Versions: their names, going back to one, and holding on to it.

use actix_web::HttpRequest;
use actix_web::web::{self, Json, Payload};
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;
use super::error::ApiError;
use super::projects::project_id;
use super::{VERSION_NAMES, body};

/// `GET /versions`, as Label Studio asks it.
pub async fn names(state: web::Data<State>) -> Result<Json<Value>, ApiError> {
    let mut names = Vec::new();
    for project in state.storage.projects().await? {
        let versions = state.storage.versions(project.id).await?;
        names.extend(versions.into_iter().map(|version| version.name));
    }
    names.dedup();
    names.truncate(VERSION_NAMES);
    Ok(Json(json!({ "versions": names })))
}

/// `POST /api/projects/{project}/versions/{number}/activate`: that version serves until the next training; Label
/// Studio's queue follows.
pub async fn activate(state: web::Data<State>, request: HttpRequest) -> Result<Json<Value>, ApiError> {
    let project = project_id(&state, &request).await?;
    let name = request.match_info().query("number");
    let not_found = || ApiError::NotFound { what: "version", name: name.chars().take(40).collect() };
    let number = name.parse().map_err(|_| not_found())?;
    let published = state.models.activate(project, number).await?;
    state.queue.version_changed();
    tracing::info!(%project, version = published.name, "version activated by request");
    Ok(Json(json!({ "version": published.name })))
}

/// `{"pinned": true}`.
#[derive(Deserialize)]
pub struct PinRequest {
    pinned: bool,
}

/// `POST /api/projects/{project}/pin`: while a project is pinned, trainings make versions and none of them serves.
pub async fn pin(
    state: web::Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<Value>, ApiError> {
    let project = project_id(&state, &request).await?;
    let PinRequest { pinned } = body::read(payload, state.limits.bytes).await?;
    state.storage.set_pinned(project, pinned).await?;
    tracing::info!(%project, pinned, "pin changed by request");
    Ok(Json(json!({ "pinned": pinned })))
}
