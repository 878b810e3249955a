//! `GET /heard`: which webhooks came, for whoever connects a project. It tells nothing that Label Studio's protocol keeps.

use actix_web::web::{self, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use super::error::ApiError;
use super::openapi::PROTOCOL;
use super::shapes;
use crate::domain::ids::ProjectId;
use crate::training::Webhooks;

/// The projects that are known, with what was heard of each
#[derive(Serialize, ToSchema)]
pub struct HeardAnswer {
    projects: Vec<HeardOf>,
}

/// What was heard of a project
#[derive(Serialize, ToSchema)]
pub struct HeardOf {
    #[schema(value_type = i64)]
    id: ProjectId,
    #[schema(value_type = shapes::Webhooks)]
    webhooks: Webhooks,
}

/// Which webhooks came since the start: whether Label Studio's do arrive
#[utoipa::path(get, path = "/heard", tag = PROTOCOL,
    responses((status = 200, description = "by project", body = HeardAnswer)))]
pub async fn heard(state: web::Data<State>) -> Result<Json<HeardAnswer>, ApiError> {
    let projects = state.storage.projects().await?.into_iter();
    let of = |id| HeardOf { id, webhooks: state.training.webhooks(id) };
    Ok(Json(HeardAnswer { projects: projects.map(|project| of(project.id)).collect() }))
}
