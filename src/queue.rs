//! Ranking of the pool by a query strategy, and Label Studio's queue in that order.
//!
//! After every publish the pool is ranked again and the head of the ranking is written to Label Studio as predictions whose scores
//! carry the order.

mod follow;
mod pace;
mod publish;
mod rank;
mod rows;
mod store;
mod write;
mod writer;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use crate::domain::error_kind::ErrorKind;
use crate::domain::ids::{ProjectId, TaskId};
use crate::labelstudio::{Client, LabelStudioError};
use crate::models::Models;
use crate::pool::{Pool, PoolError};
use crate::ranking::Strategy;
use crate::storage::{Storage, StorageError};
pub use rank::{HeadProbabilities, RankRequest, Ranked, Ranking};

/// Meaning of the scores of the predictions in Label Studio's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueOrder {
    /// The place in the ranking, so that the diversity of a batch is kept exactly
    Rank,
    /// Certainty in whole percents, which Label Studio shows, and the place only within one percent
    Certainty,
}

/// Settings of Label Studio's queue.
#[derive(Clone, Copy, Debug)]
pub struct QueuePolicy {
    pub order: QueueOrder,
    /// Tasks at the head of the ranking that Label Studio gets; 0 leaves its queue alone.
    pub tasks: usize,
    /// `true` if `sampling` is set to "Uncertainty sampling".
    pub set_sampling: bool,
    /// `true` if a view "Most useful first" is kept in the Data Manager.
    pub keep_view: bool,
    /// Score threshold of heads whose label config has none.
    pub score_threshold: Option<f32>,
}

/// Error of a ranking, or of its way into Label Studio.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    LabelStudio(#[from] LabelStudioError),
    #[error(transparent)]
    Pool(#[from] PoolError),
    #[error(
        "project {project}: this server is not among its ML backends in Label Studio: {found}; connect it under Settings > \
         Model, or mend its address there"
    )]
    NotConnected { project: ProjectId, found: String },
    #[error("the ranking was interrupted")]
    Interrupted,
}

impl QueueError {
    /// Returns the kind of the error, by what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Pool(error) => error.kind(),
            Self::Storage(error) => error.kind(),
            Self::NotConnected { .. } => ErrorKind::Conflict,
            Self::LabelStudio(_) | Self::Interrupted => ErrorKind::Unavailable,
        }
    }
}

/// Record of the writes of a project's queue in Label Studio since the start of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteBack {
    /// Number of orders that were written.
    pub written: u64,
    /// Number of attempts that failed.
    pub failed: u64,
    /// Number of tasks written of the last order.
    pub tasks: usize,
    /// Time of the last write, in Unix microseconds.
    pub last_at: Option<i64>,
    /// Error of the last attempt, if it failed.
    pub problem: Option<String>,
    /// `true` if a write is under way.
    pub writing: bool,
}

/// Handle for rankings and the state of what is written; clone it freely.
#[derive(Clone)]
pub struct Queue(Arc<Inner>);

/// Keeps Label Studio's queues in the order of the newest versions.
pub struct Publisher(Arc<Inner>);

struct Inner {
    storage: Storage,
    pool: Pool,
    models: Models,
    label_studio: Client,
    policy: QueuePolicy,
    now: fn() -> i64,
    /// Events from which on the order in force of a project may have run out.
    runs_out_at: Mutex<HashMap<ProjectId, usize>>,
    /// Something may be missing in Label Studio's queue.
    publish: Notify,
    /// Record of the writes of each project's queue.
    write_backs: Mutex<HashMap<ProjectId, WriteBack>>,
    /// Version answered last for each project, and the tasks that Label Studio requested of it: it stores the answers.
    asked: Mutex<HashMap<ProjectId, (String, BTreeSet<TaskId>)>>,
    /// The last time that Label Studio stored each project whole for us.
    switches: Mutex<HashMap<ProjectId, follow::Switch>>,
}

/// Services that the queue uses.
pub struct QueueDependencies {
    pub storage: Storage,
    pub pool: Pool,
    pub models: Models,
    pub label_studio: Client,
}

impl Queue {
    /// `now` gives Unix microseconds.
    pub fn new(dependencies: QueueDependencies, policy: QueuePolicy, now: fn() -> i64) -> Self {
        let QueueDependencies { storage, pool, models, label_studio } = dependencies;
        Self(Arc::new(Inner {
            storage,
            pool,
            models,
            label_studio,
            policy,
            now,
            runs_out_at: Mutex::default(),
            publish: Notify::new(),
            write_backs: Mutex::default(),
            asked: Mutex::default(),
            switches: Mutex::default(),
        }))
    }

    /// Tasks came, changed or went; the pool follows in the background.
    pub fn tasks_changed(&self, project: ProjectId, tasks: impl Iterator<Item = TaskId>) {
        self.0.pool.tasks_changed(project, tasks);
        let runs_out_at = lock(&self.0.runs_out_at).get(&project).copied();
        if self.0.pool.events(project) >= runs_out_at.unwrap_or_default() {
            self.0.publish.notify_one();
        }
    }

    /// Notes that the order in force may run out when events were about `events` tasks.
    fn wake_at(&self, project: ProjectId, events: usize) {
        lock(&self.0.runs_out_at).insert(project, events);
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

    /// Returns the publisher, which writes the orders.
    pub fn publisher(&self) -> Publisher {
        Publisher(Arc::clone(&self.0))
    }

    /// Returns the settings of Label Studio's queue.
    pub fn policy(&self) -> &QueuePolicy {
        &self.0.policy
    }

    /// Reason for which Label Studio's queue of a project is not in the ranking's order, if the last attempt failed.
    pub fn problem(&self, project: ProjectId) -> Option<String> {
        self.write_back(project).problem
    }

    /// Label Studio asked for predictions of these tasks and was answered with `version`.
    pub fn asked(&self, project: ProjectId, version: &str, tasks: impl Iterator<Item = TaskId>) {
        let mut all = lock(&self.0.asked);
        let (of, asked) = all.entry(project).or_default();
        if of != version {
            *of = version.to_owned();
            *asked = BTreeSet::new();
        }
        asked.extend(tasks);
    }

    /// The label config that Label Studio stored again for us when somebody may just have stored another, which an event
    /// reported at `at`.
    pub fn stored_again(&self, project: ProjectId, at: Instant) -> Option<String> {
        let switches = lock(&self.0.switches);
        let last = switches.get(&project)?;
        let is_close = last.began <= at && at <= last.ended + follow::EVENT_TAKES;
        last.label_config.clone().filter(|_| is_close)
    }

    fn was_asked(&self, project: ProjectId, version: &str, task: TaskId) -> bool {
        lock(&self.0.asked).get(&project).is_some_and(|(of, asked)| of == version && asked.contains(&task))
    }

    /// Returns the record of the writes of a project's queue since the start.
    pub fn write_back(&self, project: ProjectId) -> WriteBack {
        lock(&self.0.write_backs).get(&project).cloned().unwrap_or_default()
    }
}

/// A poisoned lock means that a neighbour panicked; what it guards is whole all the same.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
