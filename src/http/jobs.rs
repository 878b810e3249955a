//! `POST /train` and `POST /job_status`: the older way to start a training, and how it goes.

use actix_web::HttpRequest;
use actix_web::web::{self, Json, Payload};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::ApiState;
use super::body;
use super::error::ApiError;
use super::shapes;
use super::shapes::{PROTOCOL, STATUS};
use crate::domain::ids::{JobId, ProjectId};
use crate::domain::project::ProjectRef;
use crate::storage::{Job, JobState};

/// The payload of older Label Studios; every field may be absent
#[derive(Deserialize, ToSchema)]
pub struct TrainRequest {
    /// Tasks with their annotations.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    annotations: Vec<Value>,
    /// Without it the project heard of last is meant.
    #[serde(default)]
    #[schema(value_type = String, required = false)]
    project: Value,
    #[serde(default)]
    label_config: Option<String>,
}

/// The job that was queued
#[derive(Serialize, ToSchema)]
pub struct Queued {
    job: String,
}

/// Learns the annotations it brings, asks for a training, and answers at once
#[utoipa::path(post, path = "/train", tag = PROTOCOL, request_body = TrainRequest,
    responses((status = 200, description = "queued", body = Queued)))]
pub async fn train(state: web::Data<ApiState>, payload: Payload) -> Result<Json<Queued>, ApiError> {
    let request: TrainRequest = body::read(payload, state.limits.bytes).await?;
    let project = ProjectRef::from_json(&request.project);
    let training = state.training.clone();
    let job =
        tokio::spawn(
            async move { training.request(project, request.label_config, request.annotations).await },
        )
        .await
        .map_err(|_| ApiError::Interrupted)??;
    Ok(Json(Queued { job: job.to_string() }))
}

/// Which job; a number is taken too
#[derive(Deserialize, ToSchema)]
pub struct JobStatusRequest {
    #[schema(value_type = String)]
    job: Value,
}

/// How a job goes, in Label Studio's way of asking
#[utoipa::path(post, path = "/job_status", tag = PROTOCOL, request_body = JobStatusRequest,
    responses((status = 200, description = "the job", body = JobAnswer)))]
pub async fn job_status(state: web::Data<ApiState>, payload: Payload) -> Result<Json<JobAnswer>, ApiError> {
    let request: JobStatusRequest = body::read(payload, state.limits.bytes).await?;
    let name = request.job.as_str().map_or_else(|| request.job.to_string(), str::to_owned);
    find(&state, name).await
}

/// How a job goes
#[utoipa::path(get, path = "/api/jobs/{job}", tag = STATUS, operation_id = "job", params(("job" = i64, Path)),
    responses((status = 200, description = "the job", body = JobAnswer)))]
pub async fn show(state: web::Data<ApiState>, request: HttpRequest) -> Result<Json<JobAnswer>, ApiError> {
    find(&state, request.match_info().query("job").to_owned()).await
}

async fn find(state: &ApiState, name: String) -> Result<Json<JobAnswer>, ApiError> {
    let job = match name.parse() {
        Ok(id) => state.storage.job(JobId(id)).await?,
        Err(_) => None,
    };
    let name = name.chars().take(40).collect();
    job.map(|job| Json(job.into())).ok_or(ApiError::NotFound { what: "job", name })
}

/// A training job; times are Unix microseconds
#[derive(Serialize, ToSchema)]
pub struct JobAnswer {
    job: String,
    /// `state` in Label Studio's words: `queued`, `started`, `finished` (also a `waiting` one), `failed`, `cancelled`.
    job_status: &'static str,
    #[schema(value_type = shapes::JobState)]
    state: JobState,
    #[schema(value_type = i64)]
    project: ProjectId,
    reason: String,
    attempts: i64,
    epoch: Option<i64>,
    epochs: Option<i64>,
    loss: Option<f64>,
    /// Number of the version it made.
    version: Option<i64>,
    /// The heads of that version.
    #[schema(value_type = Option<Vec<shapes::HeadCard>>)]
    metrics: Option<Value>,
    /// Why it failed, or why its last attempt did, or what it waits for.
    error: Option<String>,
    created_at_us: i64,
    started_at_us: Option<i64>,
    finished_at_us: Option<i64>,
}

impl From<Job> for JobAnswer {
    fn from(job: Job) -> Self {
        Self {
            job: job.id.to_string(),
            job_status: match job.state {
                JobState::Running => "started",
                JobState::Done | JobState::Waiting => "finished",
                other => other.as_str(),
            },
            state: job.state,
            project: job.project,
            reason: job.reason,
            attempts: job.attempts,
            epoch: job.epoch,
            epochs: job.epochs,
            loss: job.loss,
            version: job.version,
            metrics: job.metrics,
            error: job.error,
            created_at_us: job.created_at,
            started_at_us: job.started_at,
            finished_at_us: job.finished_at,
        }
    }
}
