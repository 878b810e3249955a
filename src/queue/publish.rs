//! Makes Label Studio serve the tasks in the ranking's order.
//!
//! Label Studio's "Uncertainty sampling" takes tasks by ascending score over the predictions of the one version its
//! project names. So the head of the ranking is stored as predictions of the new version with scores that carry the
//! order, and only then the version moves: one request switches from the old order to the new one.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{Queue, QueueError, QueueOrder, Ranked, Ranking, WriteBack, lock};
use crate::domain::ids::{ProjectId, TaskId};
use crate::domain::prediction::Prediction;
use crate::labelstudio::{BackendRow, LabelStudioError};
use crate::models;
use crate::storage::Project;

/// Score of the first task; each further one adds as much. A thousand stay below 0.001, the lowest probability that a
/// live prediction of at most a thousand classes can have.
const SCORE_STEP: f64 = 1e-6;

/// Most tasks whose order fits below every live score.
pub const MAX_QUEUE_TASKS: usize = 999;

/// Pause between two rounds: Label Studio works for each, and its SQLite has one writer.
const PAUSE: Duration = Duration::from_secs(1);

/// First pause after a failure; doubles up to [`LONGEST_PAUSE`].
const FIRST_RETRY: Duration = Duration::from_secs(2);

const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The view of the Data Manager that shows the same order.
const VIEW: &str = "Most useful first";

/// Label Studio's name of the sampling that follows scores.
const SAMPLING: &str = "Uncertainty sampling";

impl Queue {
    /// Keeps Label Studio's queue in the order of the version that serves, until `stop`.
    pub async fn keep_published(&self, stop: CancellationToken) {
        if !self.0.label_studio.is_configured() || self.0.policy.tasks == 0 {
            return;
        }
        let mut failures: HashMap<ProjectId, u32> = HashMap::new();
        loop {
            let Some(pause) = stop.run_until_cancelled(self.publish_all(&mut failures)).await else { return };
            tokio::select! {
                () = self.0.publish.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return;
            }
        }
    }

    /// One round over all projects; gives how long to wait if nothing happens meanwhile.
    async fn publish_all(&self, failures: &mut HashMap<ProjectId, u32>) -> Duration {
        let projects = match self.0.storage.projects().await {
            Ok(projects) => projects,
            Err(error) => {
                tracing::warn!(%error, "projects can't be read, no queue written");
                return FIRST_RETRY;
            }
        };
        for project in projects {
            match self.publish(&project).await {
                Ok(()) => {
                    failures.remove(&project.id);
                    self.note(project.id, |log| log.problem = None);
                }
                // The new version's own round comes at once.
                Err(QueueError::Overtaken(_)) => self.0.publish.notify_one(),
                Err(QueueError::NoHead { .. }) => {}
                Err(error) => {
                    let failed = failures.entry(project.id).or_default();
                    *failed += 1;
                    metrics::counter!("weathervane_queue_failures_total").increment(1);
                    let known = self.problem(project.id);
                    self.note(project.id, |log| {
                        log.failed += 1;
                        log.problem = Some(error.to_string());
                    });
                    if known.as_deref() != Some(&error.to_string()) {
                        tracing::warn!(project = %project.id, %error, "Label Studio's queue not ordered, trying again");
                    }
                }
            }
        }
        let most = failures.values().max().copied().unwrap_or(0);
        if most == 0 { LONGEST_PAUSE } else { LONGEST_PAUSE.min(FIRST_RETRY * 2_u32.pow(most.min(8) - 1)) }
    }

    /// Writes a project's queue if it is not that of the version that serves.
    async fn publish(&self, project: &Project) -> Result<(), QueueError> {
        let id = project.id;
        let config = self.config(id).await?;
        let version = self.0.models.serving(id, &config).version;
        let as_wanted = project.queue_strategy == project.strategy;
        if project.queue_version.as_deref() == Some(&version) && as_wanted {
            return Ok(());
        }
        let progress = self.progress(id).await?;
        let first = project.queue_version.is_none();
        if progress.embedded == 0 || (first && progress.embedded + progress.failed < progress.tasks) {
            // There is nothing to rank yet; a first order waits for the whole pool.
            return Ok(());
        }
        self.note(id, |log| log.writing = true);
        let written = self.rank_and_write(project, &version).await;
        self.note(id, |log| log.writing = false);
        written
    }

    async fn rank_and_write(&self, project: &Project, version: &str) -> Result<(), QueueError> {
        let id = project.id;
        let started = std::time::Instant::now();
        let ranking = self.rank(id, None, self.0.policy.tasks.min(MAX_QUEUE_TASKS)).await?;
        if ranking.version != version {
            return Err(QueueError::Overtaken(id));
        }
        let written = self.write(project, &ranking).await?;
        self.0.storage.set_queue_version(id, version, project.strategy.as_deref()).await?;
        let now = (self.0.now)();
        self.note(id, |log| {
            log.written += 1;
            (log.tasks, log.last_at) = (written, Some(now));
        });
        metrics::histogram!("weathervane_queue_seconds").record(started.elapsed().as_secs_f64());
        tracing::info!(project = %id, version, tasks = written, strategy = ranking.strategy.name(),
            duration_ms = started.elapsed().as_millis() as u64, "Label Studio serves tasks in this version's order");
        Ok(())
    }

    fn note(&self, project: ProjectId, change: impl FnOnce(&mut WriteBack)) {
        change(lock(&self.0.write_backs).entry(project).or_default());
    }

    /// Stores the predictions, then moves the project's version.
    ///
    /// The backend's title moves first: while the project names the title of a backend, Label Studio takes that name
    /// away at every deletion of predictions, of whatever version.
    async fn write(&self, project: &Project, ranking: &Ranking) -> Result<usize, QueueError> {
        let (id, label_studio, version) = (project.id, &self.0.label_studio, &ranking.version);
        let settings = label_studio.project_settings(id).await?;
        let backend = self.backend(id, version).await?;
        let served = settings.model_version.as_deref() == Some(version.as_str());
        let stored = label_studio.stored_versions(id).await?;
        let has_some =
            stored.iter().any(|row| row.model_version.as_deref() == Some(version) && row.count > 0);
        // Where it is served already, an attempt was cut off after its last step; or another strategy is wanted.
        let complete = served && has_some && project.queue_strategy == project.strategy;
        label_studio.rename_backend(id, &backend, version).await?;
        if has_some && !complete {
            // Left by an attempt that was cut off, by tasks opened since the publish, or by another strategy: all of them
            // would blur the order.
            label_studio.delete_predictions(id, version).await?;
        }
        let written = if complete { 0 } else { self.import(id, ranking).await? };
        if !served {
            let kept =
                [Some(version.as_str()), project.queue_version.as_deref(), settings.model_version.as_deref()];
            let old = stored
                .into_iter()
                .filter_map(|row| row.model_version)
                .filter(|name| !kept.contains(&Some(name)));
            self.forget(id, old).await;
        }
        let config = self.config(id).await?;
        if self.0.models.serving(id, &config).version != *version {
            return Err(QueueError::Overtaken(id));
        }
        let mut fields = json!({"model_version": version});
        if self.0.policy.set_sampling && settings.sampling.as_deref() != Some(SAMPLING) {
            fields["sampling"] = json!(SAMPLING);
        }
        label_studio.change_project(id, fields).await?;
        if self.0.policy.keep_view {
            label_studio.ensure_view(id, VIEW).await?;
        }
        Ok(written)
    }

    /// This server among the project's ML backends: Label Studio has just asked each for its version.
    async fn backend(&self, project: ProjectId, version: &str) -> Result<BackendRow, QueueError> {
        let mut backends = self.0.label_studio.backends(project).await?;
        let count = backends.len();
        let ours = backends.iter().position(|backend| backend.model_version.as_deref() == Some(version));
        let not_connected =
            || QueueError::NotConnected { project, backends: count, version: version.to_owned() };
        ours.map(|index| backends.swap_remove(index)).ok_or_else(not_connected)
    }

    /// Stores the head of the ranking. A task deleted meanwhile makes Label Studio refuse all: then the list of tasks is
    /// asked for again, and those that are left are stored.
    async fn import(&self, project: ProjectId, ranking: &Ranking) -> Result<usize, QueueError> {
        let predictions = self.predictions(ranking, |_| true);
        match self.0.label_studio.import_predictions(project, predictions).await {
            Err(LabelStudioError::Status { status: 400, answer, .. }) => {
                tracing::warn!(%project, answer, "predictions refused, looking for deleted tasks");
                self.list_project(project).await?;
                let states = self.0.storage.task_states(project).await?;
                let left = self.predictions(ranking, |task| states.contains_key(&task));
                Ok(self.0.label_studio.import_predictions(project, left).await?)
            }
            taken => Ok(taken?),
        }
    }

    fn predictions(&self, ranking: &Ranking, is_there: impl Fn(TaskId) -> bool) -> Vec<Value> {
        let tasks = ranking.tasks.iter().enumerate().filter(|(_, ranked)| is_there(ranked.task));
        tasks
            .map(|(place, ranked)| prediction(place, ranked, &ranking.version, self.0.policy.order))
            .collect()
    }

    /// Deletes the predictions of old versions, if they are ours.
    async fn forget(&self, project: ProjectId, old: impl Iterator<Item = String>) {
        for name in old {
            let forget = async {
                if self.is_ours(project, &name).await? {
                    self.0.label_studio.delete_predictions(project, &name).await?;
                }
                Ok::<_, QueueError>(())
            };
            if let Err(error) = forget.await {
                tracing::warn!(%project, version = name, %error, "predictions of an old version stay in Label Studio for now");
            }
        }
    }

    async fn is_ours(&self, project: ProjectId, name: &str) -> Result<bool, QueueError> {
        let known = self.0.storage.version_named(project, models::published_name(name)).await?.is_some();
        Ok(known || self.0.models.is_builtin(name))
    }
}

/// A prediction as Label Studio imports it: its score is the place in the queue, that of each region the probability.
fn prediction(place: usize, ranked: &Ranked, version: &str, order: QueueOrder) -> Value {
    let mut prediction = ranked.prediction.clone().unwrap_or_else(|| Prediction {
        result: Vec::new(),
        score: 0.0,
        model_version: version.to_owned(),
    });
    if order == QueueOrder::Rank || ranked.prediction.is_none() {
        prediction.score = (place + 1) as f64 * SCORE_STEP;
    }
    let mut prediction = json!(prediction);
    prediction["task"] = json!(ranked.task);
    prediction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_carry_the_place_and_regions_the_probability() {
        let inner: Prediction = serde_json::from_value(json!({
            "result": [{"id": "a", "from_name": "w", "to_name": "i", "type": "choices",
                "value": {"choices": ["rain"]}, "score": 0.41}],
            "score": 0.41, "model_version": "v2"
        }))
        .unwrap();
        let ranked = Ranked {
            task: TaskId(7),
            score: 3.0,
            reason: String::new(),
            prediction: Some(inner),
            heads: Vec::new(),
        };
        let first = prediction(0, &ranked, "v2", QueueOrder::Rank);
        let last = prediction(MAX_QUEUE_TASKS - 1, &ranked, "v2", QueueOrder::Rank);
        assert_eq!((&first["task"], &first["result"][0]["score"]), (&json!(7), &json!(0.41)));
        assert!(first["score"].as_f64() < last["score"].as_f64() && last["score"].as_f64() < Some(1e-3));
        let plain = prediction(0, &ranked, "v2", QueueOrder::Probability);
        assert_eq!(plain["score"], json!(0.41));
        let empty = Ranked { prediction: None, ..ranked };
        let cold = prediction(1, &empty, "untrained", QueueOrder::Probability);
        assert_eq!((&cold["result"], &cold["model_version"]), (&json!([]), &json!("untrained")));
        assert!(cold["score"].as_f64() > Some(0.0));
    }
}
