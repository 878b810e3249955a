//! `POST /webhook`: what Label Studio tells is committed before it is acknowledged.
//!
//! Label Studio waits one second, inside the annotator's click, and then hangs up; so the work is spawned and
//! goes on without the connection.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Payload};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::ApiState;
use super::body;
use super::error::ApiError;
use super::shapes::PROTOCOL;
use crate::domain::events::WebhookEvent;

/// What became of an event
#[derive(Serialize, ToSchema)]
pub struct EventAnswer {
    /// `ok` for events that teach, `noted` for all others.
    status: &'static str,
    /// Always empty.
    result: Map<String, Value>,
    /// The job, if a training is queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
}

/// Tells an event; the answer comes after it is committed
///
/// A second delivery of the same event changes nothing.
#[utoipa::path(post, path = "/webhook", tag = PROTOCOL,
    request_body(content = Object, description = "the event as Label Studio sends it, with `action` and `project`"),
    responses(
        (status = 201, description = "annotations and `START_TRAINING`", body = EventAnswer),
        (status = 200, description = "all other events", body = EventAnswer)))]
pub async fn webhook(state: web::Data<ApiState>, payload: Payload) -> Result<HttpResponse, ApiError> {
    let event: Value = match body::read(payload, state.limits.bytes).await {
        Err(error @ ApiError::BodyTooLarge { .. }) => {
            list_again(&state).await;
            return Err(error);
        }
        event => event?,
    };
    // An event may tell of a million deletions: that is nothing for the threads that answer everybody.
    let read = web::block(move || {
        let digest = blake3::hash(event.to_string().as_bytes()).to_hex().to_string();
        WebhookEvent::from_json(&event).map(|event| (event, digest))
    });
    let (event, digest) = read.await.map_err(|_| ApiError::Interrupted)??;
    let teaches = event.teaches();
    let training = state.training.clone();
    let outcome = tokio::spawn(async move { training.record(event, digest).await })
        .await
        .map_err(|_| ApiError::Interrupted)??;
    let status = if teaches { StatusCode::CREATED } else { StatusCode::OK };
    Ok(HttpResponse::build(status).json(EventAnswer {
        status: if teaches { "ok" } else { "noted" },
        result: Map::new(),
        job: outcome.job.map(|job| job.to_string()),
    }))
}

/// An event that is too large may tell of many new tasks, of whichever project; Label Studio does not send it again.
async fn list_again(state: &ApiState) {
    tracing::warn!("an event was too large to be read: the tasks of all projects are asked for again");
    match state.storage.projects().await {
        Ok(projects) => projects.iter().for_each(|project| state.pool.connected(project.id)),
        Err(error) => tracing::warn!(%error, "the projects can't be read, so no tasks are asked for"),
    }
}
