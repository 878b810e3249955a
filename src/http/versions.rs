//! Versions: their names, going back to one, and holding on to it.

use actix_web::HttpRequest;
use actix_web::web::{self, Json, Payload};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::error::ApiError;
use super::projects::project_id;
use super::shapes::{PROTOCOL, STATUS};
use super::{VERSION_NAMES, body};

/// Names of versions
#[derive(Serialize, ToSchema)]
pub struct Names {
    versions: Vec<String>,
}

/// The names of all projects' versions, at most 200: Label Studio does not say which project it means
#[utoipa::path(get, path = "/versions", tag = PROTOCOL,
    responses((status = 200, description = "the names", body = Names)))]
pub async fn names(state: web::Data<ApiState>) -> Result<Json<Names>, ApiError> {
    let mut names = Vec::new();
    for project in state.storage.projects().await? {
        let versions = state.storage.versions(project.id).await?;
        names.extend(versions.into_iter().map(|version| version.name));
    }
    names.dedup();
    names.truncate(VERSION_NAMES);
    Ok(Json(Names { versions: names }))
}

/// The version that serves from now on
#[derive(Serialize, ToSchema)]
pub struct Activated {
    version: String,
}

/// Makes a version serve until the next training; Label Studio's queue follows
#[utoipa::path(post, path = "/api/projects/{project}/versions/{number}/activate", tag = STATUS,
    params(("project" = i64, Path), ("number" = i64, Path)),
    responses((status = 200, description = "it serves", body = Activated)))]
pub async fn activate(state: web::Data<ApiState>, request: HttpRequest) -> Result<Json<Activated>, ApiError> {
    let project = project_id(&state, &request).await?;
    let name = request.match_info().query("number");
    let not_found = || ApiError::NotFound { what: "version", name: name.chars().take(40).collect() };
    let number = name.parse().map_err(|_| not_found())?;
    let published = state.models.activate(project, number).await?;
    state.queue.version_changed();
    tracing::info!(%project, version = published.name, "version activated by request");
    Ok(Json(Activated { version: published.name.clone() }))
}

/// Whether the version that serves stays, whatever is trained
#[derive(Deserialize, Serialize, ToSchema)]
pub struct Pin {
    pinned: bool,
}

/// Pins a project, or lets it go: while it is pinned, trainings make versions and none of them serves
#[utoipa::path(post, path = "/api/projects/{project}/pin", tag = STATUS, request_body = Pin,
    params(("project" = i64, Path)), responses((status = 200, description = "as asked", body = Pin)))]
pub async fn pin(
    state: web::Data<ApiState>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<Pin>, ApiError> {
    let project = project_id(&state, &request).await?;
    let Pin { pinned } = body::read(payload, state.limits.bytes).await?;
    state.storage.set_pinned(project, pinned).await?;
    tracing::info!(%project, pinned, "pin changed by request");
    Ok(Json(Pin { pinned }))
}
