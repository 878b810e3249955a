//! `GET /webhooks/received`: which webhooks came, for whoever connects a project. It tells nothing that Label Studio's protocol keeps.

use actix_web::web::{self, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::error::ApiError;
use super::shapes;
use super::shapes::PROTOCOL;
use crate::domain::ids::ProjectId;
use crate::training::Webhooks;

/// The projects that are known, with the webhooks received of each
#[derive(Serialize, ToSchema)]
pub struct WebhookLogAnswer {
    projects: Vec<ProjectWebhooks>,
}

/// Webhooks received of a project
#[derive(Serialize, ToSchema)]
pub struct ProjectWebhooks {
    #[schema(value_type = i64)]
    id: ProjectId,
    #[schema(value_type = shapes::Webhooks)]
    webhooks: Webhooks,
}

/// Which webhooks came since the start: whether Label Studio's do arrive
#[utoipa::path(get, path = "/webhooks/received", tag = PROTOCOL,
    responses((status = 200, description = "by project", body = WebhookLogAnswer)))]
pub async fn received(state: web::Data<ApiState>) -> Result<Json<WebhookLogAnswer>, ApiError> {
    let projects = state.storage.projects().await?.into_iter();
    let of = |id| ProjectWebhooks { id, webhooks: state.training.webhooks(id) };
    Ok(Json(WebhookLogAnswer { projects: projects.map(|project| of(project.id)).collect() }))
}
