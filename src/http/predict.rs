//! `POST /predict`: one entry per task, in order; a task that can't be predicted gets `[]` and a logged reason.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web::{self, Json, Payload};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::ApiState;
use super::body;
use super::error::{ApiError, ErrorAnswer};
use super::shapes;
use super::shapes::PROTOCOL;
use super::tasks::Tasks;
use crate::domain::ids::{ProjectId, TaskId};
use crate::domain::label_config::{HeadSpec, LabelConfig};
use crate::domain::prediction::prediction_with_regions;
use crate::domain::project::ProjectRef;
use crate::domain::task::Task;
use crate::media::BasicCredentials;
use crate::predict::{self, TaskBatch, Unpredicted};
use crate::training::Sighting;

/// A request that would wait longer for those before it is refused: Label Studio gives up after 100 s
/// (`ML_TIMEOUT_PREDICT`), and its own images take their time too.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The request as Label Studio sends it; only `tasks` is needed, and `label_config` of a project that is not known
#[derive(Deserialize, ToSchema)]
pub struct PredictRequest {
    /// A list, or one task alone; of a task only `data` is needed.
    #[schema(value_type = Vec<Object>)]
    tasks: Tasks,
    /// Without one, that of the project as it was seen last.
    #[serde(default)]
    label_config: Option<String>,
    #[serde(default)]
    #[schema(value_type = String, required = false, example = "2.1795432467")]
    project: Value,
    #[serde(default)]
    #[schema(value_type = Params, required = false)]
    params: Value,
}

/// What stands beside the tasks: the project's password for images on http hosts, and what the editor asks about.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described: what stands there is taken as it comes")]
struct Params {
    /// `{"result": [..]}`: regions that were just drawn; without it those of the tasks are answered about.
    #[schema(value_type = Object, required = false)]
    context: Option<Value>,
    #[schema(required = false)]
    login: Option<String>,
    #[schema(required = false)]
    password: Option<String>,
}

/// One entry for each task, in their order
#[derive(Serialize, ToSchema)]
pub struct PredictAnswer {
    #[schema(value_type = Vec<shapes::Entry>)]
    results: Vec<Value>,
}

/// Predicts tasks; one that can't be predicted gets an empty list and a logged reason
#[utoipa::path(post, path = "/predict", tag = PROTOCOL, request_body = PredictRequest,
    responses(
        (status = 200, description = "one entry for each task", body = PredictAnswer),
        (status = 503, description = "what waits already takes longer than Label Studio waits", body = ErrorAnswer)))]
pub async fn predict(state: web::Data<ApiState>, payload: Payload) -> Result<Json<PredictAnswer>, ApiError> {
    let started = Instant::now();
    let request: PredictRequest = body::read(payload, state.limits.bytes).await?;
    let Tasks { kept: tasks, count } = request.tasks;
    if count > state.limits.tasks {
        return Err(ApiError::TooManyTasks { tasks: count, limit: state.limits.tasks });
    }
    let project = ProjectRef::from_json(&request.project);
    let id = project.as_ref().map_or(ProjectId(0), |project| project.id);
    let credentials = credentials(&request.params);
    let context = request.params.get("context").cloned().unwrap_or_default();
    let xml = match request.label_config.filter(|xml| !xml.trim().is_empty()) {
        Some(xml) => xml,
        None => known_config(&state, id).await?,
    };
    let config = state.label_configs.parse_in_request(&xml).await;
    if let Some(project) = project {
        state.training.saw_project(Sighting::new(project, xml));
    }
    let results = match config {
        Ok(config) => {
            predict_tasks(&state, id, &config, Asked { tasks: &tasks, context, credentials }).await?
        }
        Err(error) => {
            tracing::warn!(project = %id, tasks = tasks.len(), %error, "nothing to predict");
            metrics::counter!("weathervane_tasks_unpredicted_total", "reason" => "label_config")
                .increment(tasks.len() as u64);
            vec![json!([]); tasks.len()]
        }
    };
    metrics::histogram!("weathervane_predict_seconds").record(started.elapsed().as_secs_f64());
    Ok(Json(PredictAnswer { results }))
}

/// The label config of a project as it was seen last.
async fn known_config(state: &ApiState, project: ProjectId) -> Result<String, ApiError> {
    let known = state.storage.project(project).await?;
    Ok(known.and_then(|project| project.label_config).unwrap_or_default())
}

/// Login and password of `params`; whatever else stands there is no reason to refuse the tasks.
fn credentials(params: &Value) -> Option<BasicCredentials> {
    let text = |field: &str| match params.get(field)? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    Some(BasicCredentials { login: text("login")?, password: text("password").unwrap_or_default().into() })
}

/// Tasks of a predict request, with its context and credentials.
struct Asked<'a> {
    tasks: &'a [Value],
    context: Value,
    credentials: Option<BasicCredentials>,
}

async fn predict_tasks(
    state: &ApiState,
    project: ProjectId,
    config: &Arc<LabelConfig>,
    asked: Asked<'_>,
) -> Result<Vec<Value>, ApiError> {
    let Asked { tasks, context, credentials } = asked;
    // One snapshot for the whole request: a retrain meanwhile never mixes two versions in one answer.
    let serving = state.models.announced(project, config);
    if serving.heads.iter().all(Option::is_none) {
        metrics::counter!("weathervane_tasks_unpredicted_total", "reason" => "no_model")
            .increment(tasks.len() as u64);
        tracing::info!(%project, tasks = tasks.len(), "no model yet: label images of at least two classes");
        return Ok(vec![json!([]); tasks.len()]);
    }
    let parsed: Vec<Option<Task>> = tasks.iter().enumerate().map(|(index, task)| read(index, task)).collect();
    let regions = predict::regions::of_tasks(project, config, tasks, &context);
    let batch = TaskBatch {
        project,
        config,
        serving: &serving,
        tasks: &parsed,
        regions: &regions,
        credentials: credentials.as_ref(),
        patience: Some(LONGEST_WAIT),
    };
    let predicted = predict::predict(&state.embedder, &batch).await?;
    predicted.iter().flat_map(|task| &task.problems).for_each(|problem| report(project, problem));
    let named: Vec<TaskId> = parsed.iter().flatten().map(|task| task.id).filter(|task| task.0 > 0).collect();
    state.queue.asked(project, &serving.version, named.into_iter());
    let results = predicted.into_iter().zip(&regions).map(|(task, regions)| {
        let images: Vec<(&HeadSpec, &[f32])> =
            task.images.iter().map(|(head, row)| (&config.heads[*head], row.as_slice())).collect();
        let answers = predict::regions::answers(config, regions, task.regions);
        prediction_with_regions(&images, &answers, &serving.version, state.score_threshold)
    });
    Ok(results.collect())
}

fn read(index: usize, task: &Value) -> Option<Task> {
    Task::to_predict(task)
        .inspect_err(|error| {
            metrics::counter!("weathervane_tasks_unpredicted_total", "reason" => "task").increment(1);
            tracing::warn!(index, %error, "task can't be read");
        })
        .ok()
}

fn report(project: ProjectId, problem: &Unpredicted) {
    let Unpredicted { task, cause, error } = problem;
    metrics::counter!("weathervane_tasks_unpredicted_total", "reason" => *cause).increment(1);
    tracing::warn!(%project, %task, error, "task not predicted");
}
