//! Which task to label next: the pool of unlabelled tasks, its ranking, and Label Studio's queue in that order.
//!
//! The pool is embedded in the background, so that ranking never waits for an image. After every publish the pool is
//! ranked anew and the head of the ranking is written to Label Studio as predictions whose scores carry the order.

mod compare;
mod embedded;
mod fill;
mod follow;
mod map;
mod marks;
mod near;
mod order;
mod pace;
mod pictures;
mod publish;
mod review;
mod rows;
mod store;
mod write;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, OwnedMutexGuard};

use crate::domain::ids::{ProjectId, TaskId};
use crate::embed::{EmbedError, Embedder};
use crate::inference::InferenceError;
use crate::labelstudio::{Client, LabelStudioError};
use crate::models::Models;
use crate::projection::ProjectionError;
use crate::ranking::Strategy;
use crate::storage::{Storage, StorageError};
pub use compare::{Change, Comparison};
use embedded::Embeddings;
pub use fill::PoolProgress;
pub use map::{Answer, Map, Picture};
use marks::Marks;
pub use near::Neighbour;
pub use order::{Ranked, Ranking, Says, Wish};
pub use review::{HeadReview, Outlier, Review};

/// What the scores of the predictions in Label Studio's queue mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOrder {
    /// The place in the ranking, so that the diversity of a batch is kept exactly
    Rank,
    /// Certainty in whole percents, which Label Studio shows, and the place only within one percent
    Certainty,
}

/// How the queue is kept.
#[derive(Clone, Copy, Debug)]
pub struct QueuePolicy {
    pub order: QueueOrder,
    /// Tasks at the head of the ranking that Label Studio gets; 0 leaves its queue alone.
    pub tasks: usize,
    /// Whether `sampling` is set to "Uncertainty sampling".
    pub set_sampling: bool,
    /// Whether a view "Most useful first" is kept in the Data Manager.
    pub keep_view: bool,
    /// Memory for the embeddings of a project's pool, in bytes; tasks beyond it are not ranked.
    pub pool_bytes: usize,
    /// For heads whose label config has no threshold.
    pub score_threshold: Option<f32>,
}

/// Why there is no ranking, or Label Studio did not take it over.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
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
    #[error(
        "project {project}: this server is not among its ML backends in Label Studio: {found}; connect it under Settings > \
         Model, or mend its address there"
    )]
    NotConnected { project: ProjectId, found: String },
    #[error(transparent)]
    Projection(#[from] ProjectionError),
    #[error("the ranking was interrupted")]
    Interrupted,
}

/// How Label Studio's queue of a project was written since the start of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBack {
    /// Times it was written.
    pub written: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Tasks of the last one that was written.
    pub tasks: usize,
    /// When it was, Unix microseconds.
    pub last_at: Option<i64>,
    /// Why the last attempt failed, if it did.
    pub problem: Option<String>,
    /// Whether one is under way.
    pub writing: bool,
}

/// The room's handle; clone it freely.
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

struct Inner {
    storage: Storage,
    embedder: Embedder,
    models: Models,
    label_studio: Client,
    policy: QueuePolicy,
    now: fn() -> i64,
    pools: Mutex<HashMap<ProjectId, Arc<ProjectPool>>>,
    /// Projects whose tasks are to be asked from Label Studio.
    unlisted: Mutex<BTreeSet<ProjectId>>,
    /// Something may be missing in a pool.
    fill: Notify,
    /// Something may be missing in Label Studio's queue.
    publish: Notify,
    /// How the writing of each project's queue went.
    write_backs: Mutex<HashMap<ProjectId, WriteBack>>,
    /// Of the version that was told last of each project, the tasks that Label Studio asked for: it stores the answers.
    asked: Mutex<HashMap<ProjectId, (String, BTreeSet<TaskId>)>>,
    /// The last time that Label Studio stored each project whole for us.
    switches: Mutex<HashMap<ProjectId, follow::Switch>>,
}

/// What is ranked of a project, and how far it is filled.
struct ProjectPool {
    /// Held as long as a ranking takes.
    embeddings: Arc<tokio::sync::Mutex<Embeddings>>,
    /// Held for moments, by requests too.
    marks: Mutex<Marks>,
}

/// What the queue needs from other rooms.
pub struct Rooms {
    pub storage: Storage,
    pub embedder: Embedder,
    pub models: Models,
    pub label_studio: Client,
}

impl Queue {
    /// `now` gives Unix microseconds.
    pub fn new(rooms: Rooms, policy: QueuePolicy, now: fn() -> i64) -> Self {
        let Rooms { storage, embedder, models, label_studio } = rooms;
        Self(Arc::new(Inner {
            storage,
            embedder,
            models,
            label_studio,
            policy,
            now,
            pools: Mutex::default(),
            unlisted: Mutex::default(),
            fill: Notify::new(),
            publish: Notify::new(),
            write_backs: Mutex::default(),
            asked: Mutex::default(),
            switches: Mutex::default(),
        }))
    }

    /// Tasks came, changed or went; the pool follows in the background.
    pub fn tasks_changed(&self, project: ProjectId, tasks: impl Iterator<Item = TaskId>) {
        let pool = self.pool(project);
        let mut marks = lock(&pool.marks);
        marks.note(tasks);
        let may_run_out = marks.events >= marks.wakes_at;
        drop(marks);
        self.0.fill.notify_one();
        if may_run_out {
            self.0.publish.notify_one();
        }
    }

    /// The order in force may run out when events were about so many tasks.
    fn wake_at(&self, project: ProjectId, events: usize) {
        lock(&self.pool(project).marks).wakes_at = events;
    }

    /// A project was connected: its tasks are asked from Label Studio.
    pub fn connected(&self, project: ProjectId) {
        lock(&self.0.unlisted).insert(project);
        self.0.fill.notify_one();
    }

    /// Another version serves; Label Studio's queue follows in the background.
    pub fn version_changed(&self) {
        self.0.publish.notify_one();
    }

    /// Ranks a project's tasks by another strategy from now on, in Label Studio's queue too; `None`: as the program does
    /// by itself.
    ///
    /// # Errors
    /// The project is unknown, or the database does not answer.
    pub async fn follow(&self, project: ProjectId, strategy: Option<Strategy>) -> Result<(), QueueError> {
        self.0.storage.set_strategy(project, strategy.map(Strategy::name)).await?;
        self.0.publish.notify_one();
        Ok(())
    }

    /// How the queue is kept.
    pub fn policy(&self) -> &QueuePolicy {
        &self.0.policy
    }

    /// Why Label Studio's queue of a project is not in the ranking's order, if an attempt failed.
    pub fn problem(&self, project: ProjectId) -> Option<String> {
        self.write_back(project).problem
    }

    /// Label Studio asked for predictions of these tasks and was answered with `version`.
    pub fn asked(&self, project: ProjectId, version: &str, tasks: impl Iterator<Item = TaskId>) {
        let mut all = lock(&self.0.asked);
        let (of, asked) = all.entry(project).or_default();
        if of != version {
            (*of, *asked) = (version.to_owned(), BTreeSet::new());
        }
        asked.extend(tasks);
    }

    /// Tasks that events of a project were about since the start, each as often as it was.
    fn events(&self, project: ProjectId) -> usize {
        lock(&self.pool(project).marks).events
    }

    fn was_asked(&self, project: ProjectId, version: &str, task: TaskId) -> bool {
        lock(&self.0.asked).get(&project).is_some_and(|(of, asked)| of == version && asked.contains(&task))
    }

    /// How the writing of a project's queue went since the start.
    pub fn write_back(&self, project: ProjectId) -> WriteBack {
        lock(&self.0.write_backs).get(&project).cloned().unwrap_or_default()
    }

    /// Tasks that can't be ranked because their image can't be had, and why; at most `limit`.
    pub fn left_out(&self, project: ProjectId, limit: usize) -> Vec<(TaskId, String)> {
        let pool = self.pool(project);
        lock(&pool.marks).left_out().take(limit).map(|(task, reason)| (task, reason.to_owned())).collect()
    }

    /// Tasks of whose image only a part could be read, by id; at most `limit`.
    pub fn damaged(&self, project: ProjectId, limit: usize) -> Vec<TaskId> {
        let pool = self.pool(project);
        lock(&pool.marks).damaged().take(limit).collect()
    }

    /// Whether only a part of a task's image could be read.
    pub fn is_damaged(&self, project: ProjectId, task: TaskId) -> bool {
        lock(&self.pool(project).marks).is_damaged(task)
    }

    fn pool(&self, project: ProjectId) -> Arc<ProjectPool> {
        let mut pools = lock(&self.0.pools);
        let made = || {
            let embeddings = Embeddings::new(self.0.embedder.spec(), self.0.policy.pool_bytes);
            let embeddings = Arc::new(tokio::sync::Mutex::new(embeddings));
            // Numbers of an earlier process are not used again.
            let marks = Marks::new((self.0.now)().unsigned_abs());
            Arc::new(ProjectPool { embeddings, marks: Mutex::new(marks) })
        };
        Arc::clone(pools.entry(project).or_insert_with(made))
    }
}

impl ProjectPool {
    /// The embeddings of the images under `image_key`; waits while a ranking runs.
    async fn embeddings(&self, image_key: &str) -> OwnedMutexGuard<Embeddings> {
        let mut embeddings = Arc::clone(&self.embeddings).lock_owned().await;
        if embeddings.look_at(image_key) {
            lock(&self.marks).start_anew();
        }
        embeddings
    }
}

/// A poisoned lock means that a neighbour panicked; what it guards is whole all the same.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
