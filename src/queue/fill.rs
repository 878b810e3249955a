//! Fills the pools in the background: tasks are listed, their images fetched and embedded, behind what people wait for.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::embedded::Image;
use super::{Queue, QueueError, lock};
use crate::domain::ids::{ProjectId, TaskId};
use crate::domain::label_config::LabelConfig;
use crate::domain::taken::taken_at;
use crate::domain::task::Task;
use crate::embed::Wanted;
use crate::storage::{EventRecord, Project, ProjectInfo, TaskRecord};

/// Tasks looked at in one go; their embeddings take a few megabytes.
pub(super) const PAGE: i64 = 500;

/// A pool is looked over after so long even if nothing was heard: a webhook may have been lost.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Images that could not be had are tried again after so many of those looks: ten minutes.
const RETRY_LOOKS: u32 = 10;

/// How far a pool has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PoolProgress {
    /// Tasks of the project.
    pub tasks: usize,
    /// Those with an embedding.
    pub embedded: usize,
    /// Those whose image can't be had; one whose host is left alone for a minute is tried once more first.
    pub failed: usize,
    /// Those of whose image only a part could be read.
    pub damaged: usize,
}

impl Queue {
    /// Keeps every project's pool filled until `stop`.
    pub async fn keep_filled(&self, stop: CancellationToken) {
        for project in self.0.storage.projects().await.unwrap_or_default() {
            self.connected(project.id);
        }
        let mut looks = 0_u32;
        loop {
            looks = looks.wrapping_add(1);
            let round = async {
                self.list_tasks().await;
                self.fill_all(looks.is_multiple_of(RETRY_LOOKS)).await;
            };
            if stop.run_until_cancelled(round).await.is_none() {
                return;
            }
            tokio::select! {
                () = self.0.fill.notified() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
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
    pub(super) async fn list_project(&self, project: ProjectId) -> Result<usize, QueueError> {
        let started = (self.0.now)();
        let known: BTreeSet<TaskId> = self.0.storage.task_states(project).await?.into_keys().collect();
        let (mut listed, mut total) = (BTreeSet::new(), usize::MAX);
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
                // Of those that were looked at before, some may have got another image.
                lock(&self.pool(project).marks).note(tasks.iter().map(|task| task.id));
            }
            if answer.tasks.is_empty() {
                break;
            }
            total = answer.total;
            if listed.len() >= total {
                break;
            }
        }
        // Pages shift when tasks come or go meanwhile: only a list that adds up says what is gone.
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
                let pool = self.pool(project.id);
                lock(&pool.marks).retry_failed();
            }
            match self.fill_project(project.id, &mut |_| {}).await {
                Ok(progress) => {
                    sum.tasks += progress.tasks;
                    sum.embedded += progress.embedded;
                    sum.failed += progress.failed;
                    sum.damaged += progress.damaged;
                }
                Err(QueueError::NoHead { .. }) => {}
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
    /// The label config has no head to rank by, or the database does not answer. Images that can't be had are counted.
    pub async fn fill_project(
        &self,
        project: ProjectId,
        seen: &mut (dyn FnMut(PoolProgress) + Send),
    ) -> Result<PoolProgress, QueueError> {
        let config = self.config(project).await?;
        let key = image_key(project, &config)?;
        let pool = self.pool(project);
        let before = (pool.embeddings(&key).await.len(), lock(&pool.marks).failed());
        self.fill_changed(project, &key).await?;
        loop {
            let after = lock(&pool.marks).seen;
            if pool.embeddings(&key).await.is_full() {
                tracing::warn!(%project, "pool memory is full: further tasks are not ranked; raise --pool-memory-mb");
                break;
            }
            lock(&pool.marks).reading = true;
            let read = self.0.storage.tasks_page(project, after, PAGE).await;
            let last = read.as_ref().ok().and_then(|tasks| tasks.last()).map(|task| task.id);
            lock(&pool.marks).page_read(last);
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
            // The first order of a project without labels waits for its pool.
            self.0.publish.notify_one();
        }
        Ok(progress)
    }

    async fn fill_changed(&self, project: ProjectId, key: &str) -> Result<(), QueueError> {
        let pool = self.pool(project);
        let changed: Vec<TaskId> = lock(&pool.marks).take_changed().into_iter().collect();
        for (page, ids) in changed.chunks(PAGE as usize).enumerate() {
            let embedded = async {
                let tasks = self.0.storage.tasks(project, ids).await?;
                self.embed_tasks(project, key, tasks).await
            };
            // Nobody else would look at the rest again.
            embedded.await.inspect_err(|_| {
                lock(&pool.marks).changed.extend(&changed[page * PAGE as usize..]);
            })?;
        }
        Ok(())
    }

    async fn embed_tasks(
        &self,
        project: ProjectId,
        key: &str,
        tasks: Vec<TaskRecord>,
    ) -> Result<(), QueueError> {
        let pool = self.pool(project);
        let mut wanted = Vec::with_capacity(tasks.len());
        let mut ids = Vec::with_capacity(tasks.len());
        for task in tasks {
            let task = Task::from(task);
            match task.image_source(key) {
                Ok(source) => {
                    ids.push((task.id, taken_at(&task.data, &source)));
                    wanted.push(Wanted {
                        project,
                        task: task.id,
                        source: source.into(),
                        place: None,
                        credentials: None,
                    });
                }
                Err(error) => lock(&pool.marks).not_found(task.id, error.to_string(), None),
            }
        }
        let batch = self.0.embedder.embed_quietly(wanted).await.inspect_err(|_| {
            // Nobody else would look at them again.
            lock(&pool.marks).changed.extend(ids.iter().map(|(task, _)| *task));
        })?;
        let mut embeddings = pool.embeddings(key).await;
        let mut marks = lock(&pool.marks);
        for ((task, taken_at), embedded) in ids.into_iter().zip(batch) {
            match embedded {
                Ok(embedded) => {
                    marks.found(task, embedded.damaged);
                    let image = Image { hash: embedded.hash, taken_at };
                    marks.revision += u64::from(embeddings.insert(task, image, &embedded.vector));
                }
                Err(error) => {
                    tracing::debug!(%project, %task, %error, "task not in the pool");
                    marks.not_found(task, error.to_string(), error.host_is_left_alone());
                }
            }
        }
        marks.embedded = embeddings.len();
        Ok(())
    }

    /// How far a project's pool has come.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn progress(&self, project: ProjectId) -> Result<PoolProgress, QueueError> {
        Ok(self.progress_among(project, self.0.storage.task_counts(project).await?.total))
    }

    /// The same where the number of tasks is known.
    pub fn progress_among(&self, project: ProjectId, tasks: i64) -> PoolProgress {
        let tasks = usize::try_from(tasks).unwrap_or(0);
        let pool = self.pool(project);
        let marks = lock(&pool.marks);
        let (failed, damaged) = (marks.failed(), marks.damaged().count());
        PoolProgress { tasks, embedded: marks.embedded, failed, damaged }
    }

    /// The project's label config as it was seen last.
    pub(super) async fn config(&self, project: ProjectId) -> Result<LabelConfig, QueueError> {
        let row = self.0.storage.project(project).await?.ok_or(QueueError::NoProject(project))?;
        config_of(&row)
    }
}

pub(super) fn config_of(row: &Project) -> Result<LabelConfig, QueueError> {
    let xml = row.label_config.as_deref().unwrap_or_default();
    LabelConfig::parse(xml)
        .map_err(|error| QueueError::NoHead { project: row.id, problem: error.to_string() })
}

/// The task variable whose image is ranked. Where all questions are about regions, whole images are still compared with each other.
pub(super) fn image_key(project: ProjectId, config: &LabelConfig) -> Result<String, QueueError> {
    let problem = || "every question has `model_skip`".to_owned();
    Ok(config
        .main_head()
        .ok_or_else(|| QueueError::NoHead { project, problem: problem() })?
        .image_key
        .clone())
}

fn record(task: Task) -> TaskRecord {
    TaskRecord { id: task.id, data: task.data, created_at: task.created_at, updated_at: 0 }
}
