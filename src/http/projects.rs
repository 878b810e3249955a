//! Status of projects: their labels, versions and jobs, and what is missing.

use actix_web::HttpRequest;
use actix_web::web::{self, Json};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::ApiState;
use super::error::ApiError;
use super::jobs::JobAnswer;
use super::shapes;
use super::shapes::STATUS;
use crate::domain::annotation::UnusedAnswers;
use crate::domain::ids::{ProjectId, TaskId};
use crate::models::{HeadStatus, unrevised};
use crate::pool::PoolProgress;
use crate::storage::{Project, Version};
use crate::training::Webhooks;

/// Jobs and versions a project's page lists.
const RECENT: usize = 20;

/// Tasks without an answer that a project's page names.
const EMPTY: i64 = 20;

/// All projects
#[derive(Serialize, ToSchema)]
pub struct Projects {
    projects: Vec<Summary>,
    /// What this installation lacks.
    advice: Vec<String>,
}

/// Where a project stands
#[derive(Serialize, ToSchema)]
pub struct Summary {
    #[schema(value_type = i64)]
    id: ProjectId,
    title: Option<String>,
    tasks: i64,
    /// Those that count.
    annotations: i64,
    skipped: i64,
    labelled_tasks: i64,
    /// The version that serves.
    version: String,
    pinned: bool,
    queue: QueueSummary,
    #[schema(value_type = shapes::Webhooks)]
    webhooks: Webhooks,
    /// When Label Studio was found to have deleted it, Unix microseconds.
    deleted_at_us: Option<i64>,
    #[schema(value_type = Vec<shapes::ServingHead>)]
    heads: Vec<HeadStatus>,
    /// Why nothing is predicted or learnt.
    problem: Option<String>,
    /// Parts of the label config that are left out, with reasons.
    ignored: Vec<String>,
}

/// How Label Studio's queue follows
#[derive(Serialize, ToSchema)]
pub struct QueueSummary {
    /// The version in whose order Label Studio serves.
    version: Option<String>,
    /// Why the last attempt to write it failed.
    problem: Option<String>,
    #[schema(value_type = shapes::PoolProgress)]
    pool: PoolProgress,
}

/// A project with its newest versions and jobs
#[derive(Serialize, ToSchema)]
pub struct ProjectAnswer {
    #[serde(flatten)]
    summary: Summary,
    empty_answers: EmptyAnswers,
    labels: LabelsAnswer,
    versions: Vec<VersionAnswer>,
    jobs: Vec<JobAnswer>,
}

/// Tasks that were submitted without any choice: they are still open here, and labelled in Label Studio
#[derive(Serialize, ToSchema)]
pub struct EmptyAnswers {
    count: i64,
    /// The first 20 of them.
    #[schema(value_type = Vec<i64>)]
    tasks: Vec<TaskId>,
}

/// What becomes of the answers
#[derive(Serialize, ToSchema)]
pub struct LabelsAnswer {
    /// Answers that teach nothing, by reason, the most frequent first: at most 50, and one entry for all others.
    unused: Vec<UnusedAnswer>,
}

/// Answers that teach nothing for one reason
#[derive(Serialize, ToSchema)]
pub struct UnusedAnswer {
    /// The control tag that was answered; empty where many rare reasons are one entry.
    from_name: String,
    /// In words, with what to do.
    reason: String,
    annotations: usize,
    /// The first of their tasks, at most five.
    #[schema(value_type = Vec<i64>)]
    tasks: Vec<TaskId>,
    /// The class that the answered one may have been renamed to.
    perhaps: Option<String>,
}

impl UnusedAnswer {
    fn of(project: ProjectId, found: &UnusedAnswers) -> Self {
        Self {
            from_name: found.unused.from_name.clone(),
            reason: found.in_project(project),
            annotations: found.annotations,
            tasks: found.tasks.clone(),
            perhaps: found.renamed.clone(),
        }
    }
}

/// A version
#[derive(Serialize, ToSchema)]
pub struct VersionAnswer {
    number: i64,
    name: String,
    /// Labelled tasks it learnt from.
    labels: i64,
    /// Unix microseconds.
    created_at_us: i64,
    #[schema(value_type = Vec<shapes::HeadCard>)]
    heads: Value,
}

/// All projects, and what this installation lacks
#[utoipa::path(get, path = "/api/projects", tag = STATUS, operation_id = "projects",
    responses((status = 200, description = "all projects", body = Projects)))]
pub async fn list(state: web::Data<ApiState>) -> Result<Json<Projects>, ApiError> {
    let mut projects = Vec::new();
    for project in state.storage.projects().await? {
        projects.push(summary(&state, &project).await?);
    }
    Ok(Json(Projects { projects, advice: state.advice.clone() }))
}

/// One project, with its newest 20 versions and jobs
#[utoipa::path(get, path = "/api/projects/{project}", tag = STATUS, operation_id = "project",
    params(("project" = i64, Path)),
    responses((status = 200, description = "the project", body = ProjectAnswer)))]
pub async fn show(state: web::Data<ApiState>, request: HttpRequest) -> Result<Json<ProjectAnswer>, ApiError> {
    let row = project(&state, &request).await?;
    let versions = state.storage.versions(row.id).await?;
    let jobs = state.storage.recent_jobs(row.id, RECENT as i64).await?;
    let (count, tasks) = state.storage.empty_answers(row.id, EMPTY).await?;
    let config = row.label_config.as_deref().map(|xml| state.label_configs.parse(xml));
    let unused = match config {
        Some(Ok(config)) => {
            let found = state.training.labels().unused_answers(row.id, &config).await?;
            found.iter().map(|found| UnusedAnswer::of(row.id, found)).collect()
        }
        _ => Vec::new(),
    };
    Ok(Json(ProjectAnswer {
        summary: summary(&state, &row).await?,
        empty_answers: EmptyAnswers { count, tasks },
        labels: LabelsAnswer { unused },
        versions: versions.into_iter().take(RECENT).map(VersionAnswer::from).collect(),
        jobs: jobs.into_iter().map(JobAnswer::from).collect(),
    }))
}

/// The project a route names.
async fn project(state: &ApiState, request: &HttpRequest) -> Result<Project, ApiError> {
    let name = request.match_info().query("project");
    let row = match name.parse() {
        Ok(id) => state.storage.project(ProjectId(id)).await?,
        Err(_) => None,
    };
    row.ok_or_else(|| ApiError::NotFound { what: "project", name: name.chars().take(40).collect() })
}

/// Its id.
pub(super) async fn project_id(state: &ApiState, request: &HttpRequest) -> Result<ProjectId, ApiError> {
    Ok(project(state, request).await?.id)
}

async fn summary(state: &ApiState, row: &Project) -> Result<Summary, ApiError> {
    let labels = state.storage.annotation_counts(row.id).await?;
    let tasks = state.storage.task_counts(row.id).await?;
    let standing = state.training.status(row, tasks.total);
    Ok(Summary {
        id: row.id,
        title: row.title.clone(),
        tasks: tasks.total,
        annotations: labels.live,
        skipped: labels.cancelled,
        labelled_tasks: tasks.labelled,
        version: standing.version,
        pinned: row.pinned,
        queue: QueueSummary {
            version: row.queue_version.as_deref().map(|name| unrevised(name).to_owned()),
            problem: standing.queue_problem,
            pool: standing.pool,
        },
        webhooks: standing.webhooks,
        deleted_at_us: row.deleted_at,
        heads: standing.heads,
        problem: standing.problem,
        ignored: standing
            .config
            .and_then(Result::ok)
            .map(|config| config.ignored.clone())
            .unwrap_or_default(),
    })
}

impl From<Version> for VersionAnswer {
    fn from(version: Version) -> Self {
        Self {
            number: version.number,
            name: version.name,
            labels: version.labels,
            created_at_us: version.created_at,
            heads: version.metrics,
        }
    }
}
