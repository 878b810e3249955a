//! `GET /api/projects/{project}/queue`: which tasks to label next, and why.

use actix_web::HttpRequest;
use actix_web::web::{self, Json, Query};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ApiState;
use super::error::ApiError;
use super::projects::project_id;
use super::shapes;
use super::shapes::STATUS;
use crate::domain::ids::{ProjectId, TaskId};
use crate::pool::{PoolProgress, Review};
use crate::queue::Ranked;
use crate::ranking::Strategy;

/// Tasks listed unless the caller asks for another number.
const LIMIT: usize = 50;

/// Most tasks of one answer.
const MAX_LIMIT: usize = 10_000;

/// Characters of a wrong value that a refusal repeats.
const SHOWN_CHARS: usize = 20;

/// Tasks left out whose reason an answer gives.
const LEFT_OUT: usize = 20;

/// `?limit=50&strategy=u-herding`; both may be absent.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct QueueRequest {
    /// Tasks to list: 50, unless another number is asked for.
    #[serde(default)]
    #[param(required = false, value_type = usize)]
    limit: Option<String>,
    /// How to rank; docs/API.md lists the names.
    #[serde(default)]
    #[param(required = false, value_type = String)]
    strategy: Option<String>,
}

/// The head of the ranking
#[derive(Serialize, ToSchema)]
pub struct QueueAnswer {
    #[schema(value_type = i64)]
    project: ProjectId,
    version: String,
    /// The one used: a strategy that needs a model gives way while there is none.
    strategy: &'static str,
    /// Open tasks.
    ranked: usize,
    #[schema(value_type = shapes::PoolProgress)]
    pool: PoolProgress,
    left_out: Vec<LeftOutTask>,
    /// The most useful first.
    #[schema(value_type = Vec<shapes::Ranked>)]
    tasks: Vec<Ranked>,
}

/// A task that can't be ranked
#[derive(Serialize, ToSchema)]
pub struct LeftOutTask {
    #[schema(value_type = i64)]
    task: TaskId,
    reason: String,
}

/// Which tasks to label next, and why; nothing is written to Label Studio
#[utoipa::path(get, path = "/api/projects/{project}/queue", tag = STATUS, operation_id = "queue",
    params(("project" = i64, Path), QueueRequest),
    responses((status = 200, description = "the head of the ranking", body = QueueAnswer)))]
pub async fn show(
    state: web::Data<ApiState>,
    request: HttpRequest,
    wanted: Query<QueueRequest>,
) -> Result<Json<QueueAnswer>, ApiError> {
    let project = project_id(&state, &request).await?;
    let limit = match wanted.limit.as_deref() {
        None => LIMIT,
        Some(text) => match text.parse() {
            Ok(limit) if limit <= MAX_LIMIT => limit,
            _ => {
                let shown: String = text.chars().take(SHOWN_CHARS).collect();
                return Err(field(
                    "limit",
                    format!("`{shown}` is not a number of tasks from 0 to {MAX_LIMIT}"),
                ));
            }
        },
    };
    let strategy = wanted.strategy.as_deref().map(str::parse::<Strategy>).transpose();
    let strategy = strategy.map_err(|error| field("strategy", error.to_string()))?;
    let ranking = state.queue.rank(project, strategy, limit).await?;
    let progress = state.pool.progress(project).await?;
    let left_out = state.pool.left_out(project, LEFT_OUT).into_iter();
    Ok(Json(QueueAnswer {
        project,
        version: ranking.version,
        strategy: ranking.strategy.name(),
        ranked: ranking.pool,
        pool: progress,
        left_out: left_out.map(|(task, reason)| LeftOutTask { task, reason }).collect(),
        tasks: ranking.tasks,
    }))
}

/// What a person should look at: suspected label errors, near-copies, outliers, rare classes, when to stop
#[utoipa::path(get, path = "/api/projects/{project}/review", tag = STATUS, params(("project" = i64, Path)),
    responses((status = 200, description = "what there is to look at", body = shapes::Review)))]
pub async fn review(state: web::Data<ApiState>, request: HttpRequest) -> Result<Json<Review>, ApiError> {
    let project = project_id(&state, &request).await?;
    Ok(Json(Review::of(&state.pool, project).await?))
}

fn field(path: &str, problem: String) -> ApiError {
    ApiError::Field { path: path.to_owned(), problem }
}
