//! `POST /train` and `POST /job_status`: the older way to start a training, and how it goes.

use actix_web::HttpRequest;
use actix_web::web::{self, Json, Payload};
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;
use super::body;
use super::error::ApiError;
use crate::domain::ids::JobId;
use crate::domain::project::ProjectRef;
use crate::storage::Job;

/// The payload of older Label Studios; every field may be absent.
#[derive(Deserialize)]
pub struct TrainRequest {
    /// Tasks with their annotations.
    #[serde(default)]
    annotations: Vec<Value>,
    #[serde(default)]
    project: Value,
    #[serde(default)]
    label_config: Option<String>,
}

/// Learns the annotations it brings, asks for a training, and answers at once with the job's id.
pub async fn train(state: web::Data<State>, payload: Payload) -> Result<Json<Value>, ApiError> {
    let request: TrainRequest = body::read(payload, state.limits.bytes).await?;
    let project = ProjectRef::from_json(&request.project);
    let training = state.training.clone();
    let job =
        tokio::spawn(
            async move { training.request(project, request.label_config, request.annotations).await },
        )
        .await
        .map_err(|_| ApiError::Interrupted)??;
    Ok(Json(json!({ "job": job.to_string() })))
}

/// `{"job": id}`; a number is taken too.
#[derive(Deserialize)]
pub struct JobStatusRequest {
    job: Value,
}

/// How a job goes.
pub async fn job_status(state: web::Data<State>, payload: Payload) -> Result<Json<Value>, ApiError> {
    let request: JobStatusRequest = body::read(payload, state.limits.bytes).await?;
    let name = request.job.as_str().map_or_else(|| request.job.to_string(), str::to_owned);
    find(&state, name).await
}

/// `GET /api/jobs/{job}`.
pub async fn show(state: web::Data<State>, request: HttpRequest) -> Result<Json<Value>, ApiError> {
    find(&state, request.match_info().query("job").to_owned()).await
}

async fn find(state: &State, name: String) -> Result<Json<Value>, ApiError> {
    let job = match name.parse() {
        Ok(id) => state.storage.job(JobId(id)).await?,
        Err(_) => None,
    };
    let name = name.chars().take(40).collect();
    job.map(|job| Json(job_json(&job))).ok_or(ApiError::NotFound { what: "job", name })
}

/// A job as the status routes show it; `job_status` speaks Label Studio's words.
pub fn job_json(job: &Job) -> Value {
    let job_status = match job.state.as_str() {
        "running" => "started",
        "done" => "finished",
        other => other,
    };
    json!({
        "job": job.id.to_string(),
        "job_status": job_status,
        "state": job.state.as_str(),
        "project": job.project,
        "reason": job.reason,
        "attempts": job.attempts,
        "epoch": job.epoch,
        "epochs": job.epochs,
        "loss": job.loss,
        "version": job.version,
        "metrics": job.metrics,
        "error": job.error,
        "created_at_us": job.created_at,
        "started_at_us": job.started_at,
        "finished_at_us": job.finished_at,
    })
}
