//! `POST /setup`: Label Studio asks for the version several times a second; the answer is a look-up in memory.

use actix_web::web::{self, Json, Payload};
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;
use super::body;
use super::error::ApiError;
use crate::domain::project::ProjectRef;
use crate::training::Sighting;

/// The request as Label Studio 1.23 sends it; every field may be absent.
#[derive(Deserialize)]
pub struct SetupRequest {
    /// `"{id}.{created_at}"`, or just the id.
    #[serde(default)]
    project: Value,
    #[serde(default)]
    schema: Option<String>,
}

/// Answers the version that serves the project now. What the request tells of the project is written down
/// behind the answer.
pub async fn setup(state: web::Data<State>, payload: Payload) -> Result<Json<Value>, ApiError> {
    let request: SetupRequest = body::read(payload, state.limits.bytes).await?;
    let project = ProjectRef::from_json(&request.project);
    let schema = request.schema.unwrap_or_default();
    let version = match (&project, state.training.label_config(&schema)) {
        (Some(project), Ok(config)) => state.models.serving(project.id, &config).version,
        _ => state.models.no_version(),
    };
    if let Some(project) = project {
        state.training.saw_project(Sighting::new(project, schema));
    }
    Ok(Json(json!({ "model_version": version })))
}
