//! `GET /api/projects/{project}/queue`: which tasks to label next, and why.

use actix_web::HttpRequest;
use actix_web::web::{self, Json, Query};
use serde::Deserialize;
use serde_json::{Value, json};

use super::State;
use super::error::ApiError;
use super::projects::project_id;
use crate::queue::Review;
use crate::ranking::Strategy;

/// Tasks listed unless the caller asks for another number.
const LIMIT: usize = 50;

/// Most tasks of one answer.
const MAX_LIMIT: usize = 10_000;

/// Tasks left out whose reason an answer gives.
const LEFT_OUT: usize = 20;

/// `?limit=50&strategy=u-herding`; both may be absent.
#[derive(Deserialize)]
pub struct QueueRequest {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    strategy: Option<String>,
}

/// The head of the ranking with scores, reasons and predictions; nothing is written to Label Studio.
pub async fn show(
    state: web::Data<State>,
    request: HttpRequest,
    wanted: Query<QueueRequest>,
) -> Result<Json<Value>, ApiError> {
    let project = project_id(&state, &request).await?;
    let limit = wanted.limit.unwrap_or(LIMIT);
    if limit > MAX_LIMIT {
        return Err(field("limit", format!("{limit} tasks, at most {MAX_LIMIT}")));
    }
    let strategy = wanted.strategy.as_deref().map(str::parse::<Strategy>).transpose();
    let strategy = strategy.map_err(|error| field("strategy", error.to_string()))?;
    let ranking = state.queue.rank(project, strategy, limit).await?;
    let progress = state.queue.progress(project).await?;
    let left_out = state.queue.left_out(project, LEFT_OUT).into_iter();
    let left_out: Vec<Value> =
        left_out.map(|(task, reason)| json!({"task": task, "reason": reason})).collect();
    Ok(Json(json!({
        "project": project,
        "version": ranking.version,
        "strategy": ranking.strategy.name(),
        "ranked": ranking.pool,
        "pool": progress,
        "left_out": left_out,
        "tasks": ranking.tasks,
    })))
}

/// `GET /api/projects/{project}/review`: what a person should look at.
pub async fn review(state: web::Data<State>, request: HttpRequest) -> Result<Json<Review>, ApiError> {
    let project = project_id(&state, &request).await?;
    Ok(Json(state.queue.review(project).await?))
}

fn field(path: &str, problem: String) -> ApiError {
    ApiError::Field { path: path.to_owned(), problem }
}
