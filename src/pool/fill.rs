//! Filling of the pools in the background: tasks are listed, their images fetched and embedded, behind what people wait for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::embeddings::TaskImage;
use super::{Pool, PoolError, lock};
use crate::domain::capture_time::taken_at;
use crate::domain::ids::{ProjectId, TaskId};
use crate::domain::label_config::LabelConfig;
use crate::domain::task::Task;
use crate::embed::ImageRequest;
use crate::storage::{EventRecord, Project, ProjectInfo, TaskRecord};

/// Number of tasks read at once; their embeddings take a few megabytes.
pub(super) const PAGE: i64 = 500;

/// Interval at which pools are filled even if no event was received: a webhook may have been lost.
const FILL_INTERVAL: Duration = Duration::from_secs(60);

/// Unavailable images are requested again after so many of those rounds: ten minutes.
const RETRY_ROUNDS: u32 = 10;

/// Progress of filling a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PoolProgress {
    /// Tasks of the project.
    pub tasks: usize,
    /// Those with an embedding.
    pub embedded: usize,
    /// Those whose image is unavailable; one whose host is left alone for a minute is tried once more first.
    pub failed: usize,
    /// Those of whose image only a part could be read.
    pub damaged: usize,
}

impl Pool {
    /// Keeps every project's pool filled until `stop`.
    pub async fn keep_filled(&self, stop: CancellationToken) {
        for project in self.0.storage.projects().await.unwrap_or_default() {
            self.connected(project.id);
        }
        let mut rounds = 0_u32;
        loop {
            rounds = rounds.wrapping_add(1);
            let round = async {
                self.list_tasks().await;
                self.fill_all(rounds.is_multiple_of(RETRY_ROUNDS)).await;
            };
            if stop.run_until_cancelled(round).await.is_none() {
                return;
            }
            tokio::select! {
                () = self.0.fill.notified() => {}
                () = tokio::time::sleep(FILL_INTERVAL) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Asks Label Studio for the tasks of projects that were connected: some may have come before we did.
    async fn list_tasks(&self) {
        if !self.0.label_studio.is_configured() {
            return;
        }
        loop {
            let Some(project) = lock(&self.0.unlisted).pop_first() else { return };
            match self.list_project(project).await {
                Ok(tasks) => tracing::info!(%project, tasks, "tasks listed"),
                Err(error) => {
                    tracing::warn!(%project, %error, "tasks not listed; those that are opened are known")
                }
            }
        }
    }

    /// Takes over the project's list of tasks, page by page; those that are not in it any more are deleted.
    pub(crate) async fn list_project(&self, project: ProjectId) -> Result<usize, PoolError> {
        let started = (self.0.now)();
        let known: BTreeSet<TaskId> = self.0.storage.task_states(project).await?.into_keys().collect();
        let mut listed = BTreeSet::new();
        let mut total = usize::MAX;
        for page in 1.. {
            let answer = self.0.label_studio.tasks_page(project, page).await?;
            let tasks = answer.tasks.iter().filter_map(|task| {
                Task::from_json(task)
                    .inspect_err(|error| tracing::warn!(%project, %error, "task left out"))
                    .ok()
            });
            let tasks: Vec<TaskRecord> = tasks.map(record).collect();
            listed.extend(tasks.iter().map(|task| task.id));
            if self.0.storage.upsert_tasks(project, &tasks, (self.0.now)()).await? > 0 {
                // Of those that were read before, some may have got another image.
                lock(&self.of(project).fill_state).note(tasks.iter().map(|task| task.id));
            }
            if answer.tasks.is_empty() {
                break;
            }
            total = answer.total;
            if listed.len() >= total {
                break;
            }
        }
        // Pages shift when tasks come or go meanwhile: only a list that adds up shows what is gone.
        let complete = listed.len() == total;
        let gone: Vec<TaskId> = known.difference(&listed).copied().filter(|_| complete).collect();
        if !gone.is_empty() {
            tracing::info!(%project, tasks = gone.len(), "tasks that Label Studio no longer has are gone here too");
            let mut event = EventRecord::new(ProjectInfo::new(project), "TASKS_LISTED");
            event.deleted_tasks = gone;
            self.0.storage.record_event(&event, None, started).await?;
        }
        Ok(listed.len())
    }

    async fn fill_all(&self, retry: bool) {
        let projects = match self.0.storage.projects().await {
            Ok(projects) => projects,
            Err(error) => return tracing::warn!(%error, "projects can't be read, pools not filled"),
        };
        let mut sum = PoolProgress::default();
        for project in projects {
            if retry {
                let pool = self.of(project.id);
                lock(&pool.fill_state).retry_failed();
            }
            match self.fill_project(project.id, &mut |_| {}).await {
                Ok(progress) => {
                    sum.tasks += progress.tasks;
                    sum.embedded += progress.embedded;
                    sum.failed += progress.failed;
                    sum.damaged += progress.damaged;
                }
                Err(PoolError::NoHead { .. }) => {}
                Err(error) => tracing::warn!(project = %project.id, %error, "pool not filled"),
            }
        }
        metrics::gauge!("weathervane_pool_tasks", "state" => "embedded").set(sum.embedded as f64);
        metrics::gauge!("weathervane_pool_tasks", "state" => "failed").set(sum.failed as f64);
        metrics::gauge!("weathervane_pool_damaged_tasks").set(sum.damaged as f64);
        let waiting = sum.tasks.saturating_sub(sum.embedded + sum.failed);
        metrics::gauge!("weathervane_pool_tasks", "state" => "waiting").set(waiting as f64);
    }

    /// Embeds what a project's pool lacks; `seen` follows.
    ///
    /// # Errors
    /// The label config has no head to rank by, or the database does not answer. Unavailable images are counted.
    pub async fn fill_project(
        &self,
        project: ProjectId,
        seen: &mut (dyn FnMut(PoolProgress) + Send),
    ) -> Result<PoolProgress, PoolError> {
        let config = self.config(project).await?;
        let key = image_key(project, &config)?;
        let pool = self.of(project);
        let before = (pool.embeddings(&key).await.len(), lock(&pool.fill_state).failed());
        self.fill_changed(project, &key).await?;
        loop {
            let after = lock(&pool.fill_state).seen;
            if pool.embeddings(&key).await.is_full() {
                tracing::warn!(%project, "pool memory is full: further tasks are not ranked; raise --pool-memory-mb");
                break;
            }
            lock(&pool.fill_state).reading = true;
            let read = self.0.storage.tasks_page(project, after, PAGE).await;
            let last = read.as_ref().ok().and_then(|tasks| tasks.last()).map(|task| task.id);
            lock(&pool.fill_state).page_read(last);
            let tasks = read?;
            if tasks.is_empty() {
                break;
            }
            self.embed_tasks(project, &key, tasks).await?;
            seen(self.progress(project).await?);
        }
        let progress = self.progress(project).await?;
        if (progress.embedded, progress.failed) != before {
            let PoolProgress { embedded, failed, damaged, .. } = progress;
            tracing::info!(%project, embedded, failed, damaged, "pool filled");
            self.0.filled.notify_one();
        }
        Ok(progress)
    }

    async fn fill_changed(&self, project: ProjectId, key: &str) -> Result<(), PoolError> {
        let pool = self.of(project);
        let changed: Vec<TaskId> = lock(&pool.fill_state).take_changed().into_iter().collect();
        for (page, ids) in changed.chunks(PAGE as usize).enumerate() {
            let embedded = async {
                let tasks = self.0.storage.tasks(project, ids).await?;
                self.embed_tasks(project, key, tasks).await
            };
            // Nobody else would read the rest again.
            embedded.await.inspect_err(|_| {
                lock(&pool.fill_state).changed.extend(&changed[page * PAGE as usize..]);
            })?;
        }
        Ok(())
    }

    async fn embed_tasks(
        &self,
        project: ProjectId,
        key: &str,
        tasks: Vec<TaskRecord>,
    ) -> Result<(), PoolError> {
        let pool = self.of(project);
        let mut wanted = Vec::with_capacity(tasks.len());
        let mut ids = Vec::with_capacity(tasks.len());
        for task in tasks {
            let task = Task::from(task);
            match task.image_source(key) {
                Ok(source) => {
                    ids.push((task.id, taken_at(&task.data, &source)));
                    wanted.push(ImageRequest {
                        project,
                        task: task.id,
                        source: source.into(),
                        place: None,
                        credentials: None,
                    });
                }
                Err(error) => lock(&pool.fill_state).not_found(task.id, error.to_string(), None),
            }
        }
        let batch = self.0.embedder.embed_quietly(wanted).await.inspect_err(|_| {
            // Nobody else would read them again.
            lock(&pool.fill_state).changed.extend(ids.iter().map(|(task, _)| *task));
        })?;
        let mut embeddings = pool.embeddings(key).await;
        let mut fill_state = lock(&pool.fill_state);
        for ((task, taken_at), embedded) in ids.into_iter().zip(batch) {
            match embedded {
                Ok(embedded) => {
                    fill_state.found(task, embedded.damaged);
                    let image = TaskImage { hash: embedded.hash, taken_at };
                    fill_state.revision += u64::from(embeddings.insert(task, image, &embedded.vector));
                }
                Err(error) => {
                    tracing::debug!(%project, %task, %error, "task not in the pool");
                    fill_state.not_found(task, error.to_string(), error.host_is_left_alone());
                }
            }
        }
        fill_state.embedded = embeddings.len();
        Ok(())
    }

    /// Returns the progress of filling a project's pool.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn progress(&self, project: ProjectId) -> Result<PoolProgress, PoolError> {
        Ok(self.progress_among(project, self.0.storage.task_counts(project).await?.total))
    }

    /// The same where the number of tasks is known.
    pub fn progress_among(&self, project: ProjectId, tasks: i64) -> PoolProgress {
        let tasks = usize::try_from(tasks).unwrap_or(0);
        let pool = self.of(project);
        let fill_state = lock(&pool.fill_state);
        let failed = fill_state.failed();
        let damaged = fill_state.damaged().count();
        PoolProgress { tasks, embedded: fill_state.embedded, failed, damaged }
    }

    /// The project's label config as it was seen last.
    pub(crate) async fn config(&self, project: ProjectId) -> Result<Arc<LabelConfig>, PoolError> {
        let row = self.0.storage.project(project).await?.ok_or(PoolError::NoProject(project))?;
        self.config_of(&row)
    }

    /// A project's label config.
    pub(crate) fn config_of(&self, row: &Project) -> Result<Arc<LabelConfig>, PoolError> {
        let xml = row.label_config.as_deref().unwrap_or_default();
        let parsed = self.0.label_configs.parse(xml);
        parsed.map_err(|error| PoolError::NoHead { project: row.id, problem: error.to_string() })
    }
}

/// The task variable whose image is ranked. Where all questions are about regions, whole images are still compared with each other.
pub(crate) fn image_key(project: ProjectId, config: &LabelConfig) -> Result<String, PoolError> {
    let problem = || "every question has `model_skip`".to_owned();
    Ok(config.main_head().ok_or_else(|| PoolError::NoHead { project, problem: problem() })?.image_key.clone())
}

fn record(task: Task) -> TaskRecord {
    TaskRecord { id: task.id, data: task.data, created_at: task.created_at, updated_at: 0 }
}
