//! The pool: a project's tasks with the embeddings of their images, filled in the background so that ranking never waits for an image,
//! and what is read off it: maps, neighbours, comparisons of versions, the review.

mod compare;
mod embeddings;
mod fill;
mod fill_state;
mod images;
mod map;
mod neighbours;
mod review;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedMutexGuard};

use crate::domain::error_kind::ErrorKind;
use crate::domain::ids::{ProjectId, TaskId};
use crate::domain::label_config::{LabelConfig, LabelConfigs};
use crate::embed::inference::InferenceError;
use crate::embed::{EmbedError, Embedder};
use crate::labelstudio::{Client, LabelStudioError};
use crate::models::Models;
use crate::projection::ProjectionError;
use crate::storage::{Storage, StorageError, TaskState};
pub use compare::{AnswerChange, Comparison};
pub(crate) use embeddings::PoolEmbeddings;
pub use fill::PoolProgress;
pub(crate) use fill::image_key;
use fill_state::FillState;
pub use map::{Answer, Map, PoolImage};
pub use neighbours::Neighbour;
pub use review::{HeadReview, Outlier, Review};

/// Error of reading or filling a pool.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    LabelStudio(#[from] LabelStudioError),
    #[error(transparent)]
    Inference(#[from] InferenceError),
    #[error(transparent)]
    Embed(#[from] Arc<EmbedError>),
    #[error("no project `{0}`")]
    NoProject(ProjectId),
    #[error("project {project} can't be ranked: {problem}")]
    NoHead { project: ProjectId, problem: String },
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    #[error("reading the pool was interrupted")]
    Interrupted,
}

impl PoolError {
    /// Returns the kind of the error, by what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Storage(error) => error.kind(),
            Self::Embed(error) => error.kind(),
            Self::NoProject(_) => ErrorKind::NotFound,
            Self::NoHead { .. } => ErrorKind::Conflict,
            Self::Inference(error) => error.kind(),
            Self::LabelStudio(_) | Self::Interrupted => ErrorKind::Unavailable,
            Self::Projection(_) => ErrorKind::Internal,
        }
    }
}

/// Handle of all projects' pools; clone it freely.
#[derive(Clone)]
pub struct Pool(Arc<Inner>);

struct Inner {
    storage: Storage,
    embedder: Embedder,
    label_configs: LabelConfigs,
    models: Models,
    label_studio: Client,
    /// Memory for the embeddings of a project, in bytes; tasks beyond it are not ranked.
    bytes: usize,
    now: fn() -> i64,
    projects: Mutex<HashMap<ProjectId, Arc<ProjectPool>>>,
    /// Projects whose tasks are to be asked from Label Studio.
    unlisted: Mutex<BTreeSet<ProjectId>>,
    /// Something may be missing.
    fill: Notify,
    /// More is embedded than before.
    filled: Notify,
}

/// Embeddings of a project's images, and the progress of filling them.
struct ProjectPool {
    /// Held as long as a ranking takes.
    embeddings: Arc<tokio::sync::Mutex<PoolEmbeddings>>,
    /// Held for moments, by requests too.
    fill_state: Mutex<FillState>,
}

/// Services that the pool uses.
pub struct PoolDependencies {
    pub storage: Storage,
    pub embedder: Embedder,
    pub label_configs: LabelConfigs,
    pub models: Models,
    pub label_studio: Client,
}

impl Pool {
    /// `bytes` of memory for the embeddings of a project; `now` gives Unix microseconds.
    pub fn new(dependencies: PoolDependencies, bytes: usize, now: fn() -> i64) -> Self {
        let PoolDependencies { storage, embedder, label_configs, models, label_studio } = dependencies;
        Self(Arc::new(Inner {
            storage,
            embedder,
            label_configs,
            models,
            label_studio,
            bytes,
            now,
            projects: Mutex::default(),
            unlisted: Mutex::default(),
            fill: Notify::new(),
            filled: Notify::new(),
        }))
    }

    /// Tasks came, changed or went; the pool follows in the background.
    pub fn tasks_changed(&self, project: ProjectId, tasks: impl Iterator<Item = TaskId>) {
        lock(&self.of(project).fill_state).note(tasks);
        self.0.fill.notify_one();
    }

    /// Tasks that events of a project were about since the start, each as often as it was.
    pub fn events(&self, project: ProjectId) -> usize {
        lock(&self.of(project).fill_state).events
    }

    /// A project was connected: its tasks are asked from Label Studio.
    pub fn connected(&self, project: ProjectId) {
        lock(&self.0.unlisted).insert(project);
        self.0.fill.notify_one();
    }

    /// Waits until more is embedded than before; one waits at a time.
    pub async fn filled(&self) {
        self.0.filled.notified().await;
    }

    /// Tasks that can't be ranked because their image is unavailable, and why; at most `limit`.
    pub fn left_out(&self, project: ProjectId, limit: usize) -> Vec<(TaskId, String)> {
        let pool = self.of(project);
        let fill_state = lock(&pool.fill_state);
        fill_state.left_out().take(limit).map(|(task, reason)| (task, reason.to_owned())).collect()
    }

    /// Tasks of whose image only a part could be read, by id; at most `limit`.
    pub fn damaged(&self, project: ProjectId, limit: usize) -> Vec<TaskId> {
        let pool = self.of(project);
        lock(&pool.fill_state).damaged().take(limit).collect()
    }

    /// Returns `true` if only a part of a task's image could be read.
    pub fn is_damaged(&self, project: ProjectId, task: TaskId) -> bool {
        lock(&self.of(project).fill_state).is_damaged(task)
    }

    /// The embeddings of the images under `image_key`; waits while a ranking runs.
    pub(crate) async fn embeddings(
        &self,
        project: ProjectId,
        image_key: &str,
    ) -> OwnedMutexGuard<PoolEmbeddings> {
        self.of(project).embeddings(image_key).await
    }

    /// Forgets tasks that are gone.
    pub(crate) fn retain(
        &self,
        project: ProjectId,
        embeddings: &mut PoolEmbeddings,
        keep: impl Fn(TaskId) -> bool,
    ) {
        let dropped = embeddings.retain(&keep);
        let pool = self.of(project);
        let mut fill_state = lock(&pool.fill_state);
        fill_state.revision += u64::from(dropped);
        fill_state.retain(&keep);
        fill_state.embedded = embeddings.len();
    }

    /// A number that grows with every change of a project's embeddings.
    pub fn revision(&self, project: ProjectId) -> u64 {
        lock(&self.of(project).fill_state).revision
    }

    /// The label config, the tasks that are not deleted, and the embeddings, which are held until they are dropped.
    async fn snapshot(&self, project: ProjectId) -> Result<Snapshot, PoolError> {
        let config = self.config(project).await?;
        let key = image_key(project, &config)?;
        let states = self.0.storage.task_states(project).await?;
        Ok((config, states, self.embeddings(project, &key).await))
    }

    fn of(&self, project: ProjectId) -> Arc<ProjectPool> {
        let mut projects = lock(&self.0.projects);
        let made = || {
            let embeddings = PoolEmbeddings::new(self.0.embedder.spec(), self.0.bytes);
            let embeddings = Arc::new(tokio::sync::Mutex::new(embeddings));
            // Numbers of an earlier process are not used again.
            let fill_state = FillState::new((self.0.now)().unsigned_abs());
            Arc::new(ProjectPool { embeddings, fill_state: Mutex::new(fill_state) })
        };
        Arc::clone(projects.entry(project).or_insert_with(made))
    }
}

/// A project's label config, its tasks that are not deleted, and their embeddings, which are held until they are dropped.
type Snapshot = (Arc<LabelConfig>, BTreeMap<TaskId, TaskState>, OwnedMutexGuard<PoolEmbeddings>);

impl ProjectPool {
    async fn embeddings(&self, image_key: &str) -> OwnedMutexGuard<PoolEmbeddings> {
        let mut embeddings = Arc::clone(&self.embeddings).lock_owned().await;
        if embeddings.select_image_key(image_key) {
            lock(&self.fill_state).start_again();
        }
        embeddings
    }
}

/// A poisoned lock means that a neighbour panicked; what it guards is whole all the same.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
