//! `POST /webhook`: what Label Studio tells is committed before it is acknowledged.
//!
//! Label Studio waits one second, inside the annotator's click, and then hangs up; so the work is spawned and
//! goes on without the connection.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{self, Payload};
use serde_json::{Value, json};

use super::State;
use super::body;
use super::error::ApiError;
use crate::domain::events::WebhookEvent;

/// Stores the event and starts what follows from it; 201 for events that teach, 200 for all others.
pub async fn webhook(state: web::Data<State>, payload: Payload) -> Result<HttpResponse, ApiError> {
    let event: Value = body::read(payload, state.limits.bytes).await?;
    let digest = blake3::hash(event.to_string().as_bytes()).to_hex().to_string();
    let event = WebhookEvent::from_json(&event)?;
    let teaches = event.teaches();
    let training = state.training.clone();
    let outcome = tokio::spawn(async move { training.record(event, digest).await })
        .await
        .map_err(|_| ApiError::Interrupted)??;
    let status = if teaches { StatusCode::CREATED } else { StatusCode::OK };
    let mut answer = json!({ "status": if teaches { "ok" } else { "noted" }, "result": {} });
    if let Some(job) = outcome.job {
        answer["job"] = json!(job.to_string());
    }
    Ok(HttpResponse::build(status).json(answer))
}
