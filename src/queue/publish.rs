//! Publishing of orders: Label Studio's queue follows the newest version.
//!
//! An order that was begun is written to its end; the newest version is next, and those between are left out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::writer::{Due, Writer};
use super::{Publisher, Queue, QueueError, WriteBack, lock};
use crate::domain::ids::ProjectId;
use crate::pool::PoolError;
use crate::storage::Project;

/// Most tasks whose places, written as scores, stay below 0.001: the lowest probability that a live prediction of at most a
/// thousand classes can have.
pub const MAX_QUEUE_TASKS: usize = 999;

/// Pause between two rounds, so that what comes at once is seen at once.
const PAUSE: Duration = Duration::from_millis(50);

/// First pause after a failure; doubles up to [`LONGEST_PAUSE`].
const FIRST_RETRY: Duration = Duration::from_secs(2);

const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Where no order could be written for so long, Label Studio is told the newest version without one: predictions get
/// better though the order stays.
const PATIENCE: Duration = Duration::from_secs(60);

impl Publisher {
    pub(super) fn queue(&self) -> Queue {
        Queue(Arc::clone(&self.0))
    }

    /// Keeps Label Studio's queue in the order of the version that serves, until `stop`.
    pub async fn keep_published(&self, stop: CancellationToken) {
        if !self.keeps_order() {
            return;
        }
        let mut writers: HashMap<ProjectId, Writer> = HashMap::new();
        loop {
            let Some(pause) = stop.run_until_cancelled(self.publish_all(&mut writers)).await else { return };
            tokio::select! {
                () = self.0.publish.notified() => {}
                // The first order of a project without labels waits for its pool.
                () = self.0.pool.filled() => {}
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
                return;
            }
        }
    }

    fn keeps_order(&self) -> bool {
        self.0.label_studio.is_configured() && self.0.policy.tasks > 0
    }

    /// Goes on telling Label Studio the version in whose order it serves tasks, as an earlier process left it.
    pub async fn announce_again(&self) {
        if !self.keeps_order() {
            return;
        }
        let projects = match self.0.storage.projects().await {
            Ok(projects) => projects,
            Err(error) => {
                return tracing::warn!(%error, "projects can't be read, their newest versions are told");
            }
        };
        for project in projects {
            let (Some(name), Ok(config)) = (&project.queue_version, self.0.pool.config_of(&project)) else {
                continue;
            };
            match self.0.models.announced_as(project.id, name, &config).await {
                Ok(announced) => {
                    self.0.models.announce(project.id, announced);
                }
                Err(error) => {
                    tracing::warn!(project = %project.id, version = name, %error,
                        "the version of Label Studio's order can't be read, the newest is told");
                }
            }
        }
    }

    /// One round over all projects; gives how long to wait if nothing happens meanwhile.
    async fn publish_all(&self, writers: &mut HashMap<ProjectId, Writer>) -> Duration {
        let projects = match self.0.storage.projects().await {
            Ok(projects) => projects,
            Err(error) => {
                tracing::warn!(%error, "projects can't be read, no queue written");
                return FIRST_RETRY;
            }
        };
        let mut wait = LONGEST_PAUSE;
        for project in projects {
            let writer = writers.entry(project.id).or_default();
            if writer.due.is_none_or(|due| due <= Instant::now()) {
                writer.due = self.publish_noting(&project, writer).await.map(|pause| Instant::now() + pause);
            }
            if let Some(due) = writer.due {
                wait = wait.min(due.saturating_duration_since(Instant::now()));
            }
        }
        wait
    }

    /// Writes what is due and notes how it went; gives how long to leave Label Studio alone, `None` where nothing is due.
    async fn publish_noting(&self, project: &Project, writer: &mut Writer) -> Option<Duration> {
        match self.publish(project, writer).await {
            Ok(worked) => {
                writer.failures = 0;
                writer.failing_since = None;
                self.note(project.id, |log| log.problem = None);
                worked.map(|worked| writer.pause(worked))
            }
            Err(QueueError::Pool(PoolError::NoHead { .. })) => None,
            Err(error) => {
                self.note_failure(project.id, writer, &error);
                Some(LONGEST_PAUSE.min(FIRST_RETRY * 2_u32.pow(writer.failures.min(8) - 1)))
            }
        }
    }

    fn note_failure(&self, project: ProjectId, writer: &mut Writer, error: &QueueError) {
        writer.failures += 1;
        writer.forget_seen();
        metrics::counter!("weathervane_queue_failures_total").increment(1);
        let known = self.queue().problem(project);
        self.note(project, |log| {
            log.failed += 1;
            log.problem = Some(error.to_string());
        });
        if known.as_deref() != Some(&error.to_string()) {
            tracing::warn!(%project, %error, "Label Studio's queue not ordered, trying again");
        }
        let since = *writer.failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() > PATIENCE && self.0.models.announce(project, None).is_some() {
            tracing::warn!(%project, "Label Studio is told the newest version without its order");
        }
    }

    /// Writes what is due of a project's queue; gives how long Label Studio worked, `None` where nothing was due.
    async fn publish(&self, project: &Project, writer: &mut Writer) -> Result<Option<Duration>, QueueError> {
        let id = project.id;
        let config = self.0.pool.config_of(project)?;
        let version = self.0.models.serving(id, &config).version;
        let events = self.0.pool.events(id);
        let due = match writer.due(project, &version, events) {
            Due::Look if self.runs_out(project, writer, events).await? => Due::Order,
            due => due,
        };
        match due {
            Due::Nothing | Due::Look => return Ok(None),
            Due::Order if !self.is_ready(project).await? => return Ok(None),
            Due::Order | Due::Rest | Due::Check => {}
        }
        self.note(id, |log| log.writing = true);
        let written = match due {
            Due::Rest => self.write_rest(project, writer).await,
            Due::Check => self.check_followed(project, writer).await,
            _ => self.rank_and_write(project, writer).await,
        };
        self.note(id, |log| log.writing = false);
        let (tasks, worked) = written?;
        let now = (self.0.now)();
        self.note(id, |log| {
            log.tasks = if due == Due::Order { tasks } else { log.tasks + tasks };
            log.written += u64::from(due == Due::Order);
            log.last_at = Some(now);
        });
        metrics::histogram!("weathervane_queue_seconds").record(worked.as_secs_f64());
        Ok(Some(worked))
    }

    /// There is something to rank; a first order waits for the whole pool.
    async fn is_ready(&self, project: &Project) -> Result<bool, QueueError> {
        let progress = self.0.pool.progress(project.id).await?;
        let is_full = progress.embedded + progress.failed >= progress.tasks;
        Ok(progress.embedded > 0 && (project.queue_version.is_some() || is_full))
    }

    async fn rank_and_write(
        &self,
        project: &Project,
        writer: &mut Writer,
    ) -> Result<(usize, Duration), QueueError> {
        let mut ranking =
            self.queue().rank(project.id, None, self.0.policy.tasks.min(MAX_QUEUE_TASKS)).await?;
        if self.0.pool.config_of(project)?.asks_about_regions() {
            // Label Studio asks nothing about a task that has a row of the order, so that its regions would get no answer.
            ranking.tasks.clear();
        }
        let (tasks, worked) = self.write_order(project, writer, &ranking).await?;
        tracing::info!(project = %project.id, version = ranking.version, tasks, strategy = ranking.strategy.name(),
            duration_ms = worked.as_millis() as u64, "Label Studio serves tasks in this version's order");
        Ok((tasks, worked))
    }

    fn note(&self, project: ProjectId, change: impl FnOnce(&mut WriteBack)) {
        change(lock(&self.0.write_backs).entry(project).or_default());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ids::TaskId;
    use crate::queue::writer::predictions;
    use crate::queue::{QueueOrder, Ranked};

    fn ranked(task: i64, certainty: Option<f64>) -> Ranked {
        let prediction = certainty.map(|certainty| {
            let region = json!({"id": "a", "from_name": "w", "to_name": "i", "type": "choices",
                "value": {"choices": ["rain"]}, "score": certainty});
            serde_json::from_value(json!({"result": [region], "score": certainty, "model_version": "v2"}))
                .unwrap()
        });
        Ranked {
            task: TaskId(task),
            score: 3.0,
            reason: String::new(),
            stands_for: None,
            alike: Vec::new(),
            prediction,
            heads: Vec::new(),
        }
    }

    fn scores(tasks: Vec<Ranked>, order: QueueOrder) -> Vec<f64> {
        let rows = predictions(&tasks, "v2.2", order);
        rows.iter().map(|(_, row)| row["score"].as_f64().unwrap()).collect()
    }

    #[test]
    fn scores_carry_the_place_and_regions_the_probability() {
        let tasks = (0..MAX_QUEUE_TASKS).map(|task| ranked(task as i64, Some(0.41)));
        let rows = predictions(&tasks.collect::<Vec<_>>(), "v2.2", QueueOrder::Rank);
        let (task, first) = &rows[0];
        assert_eq!((task, &first["task"], &first["model_version"]), (&TaskId(0), &json!(0), &json!("v2.2")));
        assert_eq!(first["result"][0]["score"], json!(0.41));
        let places: Vec<f64> = rows.iter().map(|(_, row)| row["score"].as_f64().unwrap()).collect();
        assert!(places.is_sorted() && places[0] > 0.0 && places[MAX_QUEUE_TASKS - 1] < 1e-3);
    }

    #[test]
    fn scores_read_as_certainty_where_that_is_wanted_and_a_task_without_a_prediction_is_first() {
        let tasks = || vec![ranked(7, Some(0.415)), ranked(8, Some(0.29)), ranked(9, None)];
        let formatted: Vec<String> =
            scores(tasks(), QueueOrder::Certainty).iter().map(|score| format!("{score:.6}")).collect();
        assert_eq!(formatted, ["0.410001", "0.290002", "0.000003"]);
        assert_eq!(scores(tasks(), QueueOrder::Rank), [1e-6, 2e-6, 3e-6]);
        let rows = predictions(&tasks(), "untrained", QueueOrder::Certainty);
        assert_eq!((&rows[2].1["result"], &rows[2].1["model_version"]), (&json!([]), &json!("untrained")));
    }
}
