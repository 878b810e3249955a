//! `POST /setup`: Label Studio asks for the version several times a second; the answer is a look-up in memory.

use actix_web::HttpRequest;
use actix_web::http::header::HOST;
use actix_web::web::{self, Json, Payload};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::ApiState;
use super::body;
use super::error::ApiError;
use super::shapes::PROTOCOL;
use crate::domain::project::ProjectRef;
use crate::labelstudio::{HookUrlError, check_hook_url};
use crate::training::Sighting;

/// The request as Label Studio 1.23 sends it; every field may be absent
#[derive(Deserialize, ToSchema)]
pub struct SetupRequest {
    /// `"{id}.{created_at}"`, or just the id.
    #[serde(default)]
    #[schema(value_type = String, required = false, example = "2.1795432467")]
    project: Value,
    /// The label config.
    #[serde(default)]
    schema: Option<String>,
}

/// The version that serves the project
#[derive(Serialize, ToSchema)]
pub struct SetupAnswer {
    /// `untrained` while nothing can be predicted.
    model_version: String,
}

/// Which version serves the project now
///
/// Answered from memory; what the request tells of the project is written down behind the answer.
#[utoipa::path(post, path = "/setup", tag = PROTOCOL, request_body = SetupRequest,
    responses((status = 200, description = "for any label config", body = SetupAnswer)))]
pub async fn setup(
    state: web::Data<ApiState>,
    asked: HttpRequest,
    payload: Payload,
) -> Result<Json<SetupAnswer>, ApiError> {
    warn_of_host(&state, &asked);
    let request: SetupRequest = body::read(payload, state.limits.bytes).await?;
    let project = ProjectRef::from_json(&request.project);
    let schema = request.schema.unwrap_or_default();
    let version = match (&project, state.label_configs.parse_in_request(&schema).await) {
        (Some(project), Ok(config)) => state.models.announced(project.id, &config).version,
        _ => state.models.no_version(),
    };
    if let Some(project) = project {
        state.training.saw_project(Sighting::new(project, schema));
    }
    Ok(Json(SetupAnswer { model_version: version }))
}

/// Says once if Label Studio knows this server by a name to which it keeps no webhook: it connects all the same.
fn warn_of_host(state: &ApiState, asked: &HttpRequest) {
    let host = asked.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    if let Err(error) = check_hook_url(&format!("http://{host}/webhook")) {
        state.warned_of_host.call_once(|| {
            tracing::warn!(
                "asked under a name that can't learn: {error}. If Label Studio knows this server by it, {}, and connect \
                 that address",
                HookUrlError::CURE
            );
        });
    }
}
