//! From annotation events to a new version: debounce, coalesce, lease, train, publish.
//!
//! An event and its training job are committed together before the webhook is acknowledged; one loop claims due
//! jobs, gathers labels and cached embeddings, has them fitted on a thread of its own and publishes. Label
//! Studio is the truth about annotations: its export repairs what webhooks lost.

mod dataset;
mod events;
mod labels;
mod reconcile;
mod run;
mod settle;
mod status;
mod trainer;
mod unused;
mod webhook_log;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{Notify, Semaphore};

use crate::domain::error_kind::ErrorKind;
use crate::domain::ids::{JobId, ProjectId};
use crate::domain::label_config::LabelConfigError;
use crate::domain::label_config::LabelConfigs;
use crate::embed::inference::InferenceError;
use crate::embed::{EmbedError, Embedder};
use crate::labelstudio::{Client, LabelStudioError};
use crate::model::FitError;
use crate::models::{Models, ModelsError};
use crate::pool::Pool;
use crate::queue::Queue;
use crate::storage::{Storage, StorageError};
pub use dataset::{assemble, waiting_for};
pub use events::Sighting;
pub use status::ProjectStatus;
pub use trainer::{Trainer, TrainerThread};
use webhook_log::WebhookLog;
pub use webhook_log::Webhooks;

/// Projects whose last sighting is remembered, so that a repeated one costs no write.
const SIGHTINGS: u64 = 10_000;

/// Maximum age of a count of unused answers, which reads them all.
const UNUSED_STALE: Duration = Duration::from_secs(5);

/// Event that starts a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Every change of an annotation
    Submit,
    /// Changes in projects whose own toggle is on, from its minimum of annotations on
    Toggle,
    /// Only a person
    Manual,
}

/// Schedule of trainings; times in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub trigger: Trigger,
    /// Annotation changes that make a training worth it.
    pub each_n_updates: i64,
    /// Wait until no annotation came for so long...
    pub quiet_us: i64,
    /// ... but no longer than this after the first one.
    pub max_wait_us: i64,
}

/// Error of a training, or of a request around it.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Models(#[from] ModelsError),
    #[error(transparent)]
    LabelStudio(#[from] LabelStudioError),
    #[error(transparent)]
    LabelConfig(#[from] LabelConfigError),
    #[error(transparent)]
    Inference(#[from] InferenceError),
    #[error(transparent)]
    Embed(#[from] Arc<EmbedError>),
    #[error("head `{head}`: {source}")]
    Fit { head: String, source: FitError },
    #[error("project {0} has no label config yet: open a task or press \"Start training\" in Label Studio")]
    NoLabelConfig(ProjectId),
    /// No head has labels of two classes; the text says what each waits for.
    #[error("{0}")]
    NothingToLearn(String),
    #[error("head `{head}`: {left_out} of {labels} labelled images are unavailable, the first: {first}")]
    ImagesMissing { head: String, left_out: usize, labels: usize, first: String },
    #[error(
        "project {0} does not exist in Label Studio any more; its labels and versions are kept here, connect it \
         again or check LABEL_STUDIO_URL"
    )]
    ProjectGone(ProjectId),
    #[error("no project is known yet: connect one in Label Studio (Settings > Model)")]
    NoProject,
    #[error("training job {0} is gone: it was deleted from the database while it was waited for")]
    JobGone(JobId),
    #[error("annotation {index} of the request: {problem}")]
    Annotation { index: usize, problem: String },
    #[error("another process took over the job")]
    LeaseLost,
    #[error("cancelled by shutdown")]
    Cancelled,
    #[error("training panicked: {0}")]
    Panicked(String),
}

impl TrainingError {
    /// Returns the kind of the error, by what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Storage(error) => error.kind(),
            Self::Models(error) => error.kind(),
            Self::Inference(error) => error.kind(),
            Self::Embed(error) => error.kind(),
            Self::LabelStudio(_) | Self::LeaseLost | Self::Cancelled => ErrorKind::Unavailable,
            Self::JobGone(_) => ErrorKind::NotFound,
            Self::NoProject | Self::ProjectGone(_) | Self::NoLabelConfig(_) | Self::NothingToLearn(_) => {
                ErrorKind::Conflict
            }
            Self::LabelConfig(_) | Self::ImagesMissing { .. } => ErrorKind::Conflict,
            Self::Annotation { .. } => ErrorKind::Invalid,
            Self::Fit { .. } | Self::Panicked(_) => ErrorKind::Internal,
        }
    }
}

/// Handle for events, requests and status; clone it freely.
#[derive(Clone)]
pub struct Training(Arc<Inner>);

/// Claims due jobs, runs them under a lease, and records their end.
#[derive(Clone)]
pub struct Worker(Arc<Inner>);

/// Repairs annotations by Label Studio's export.
#[derive(Clone)]
pub struct Reconciler(Arc<Inner>);

/// Reads the labels of tasks.
#[derive(Clone)]
pub struct LabelReader(Arc<Inner>);

struct Inner {
    storage: Storage,
    embedder: Embedder,
    models: Models,
    label_studio: Client,
    pool: Pool,
    queue: Queue,
    trainer: Trainer,
    policy: Policy,
    /// Names this process in leases.
    owner: String,
    now: fn() -> i64,
    wake: Notify,
    label_configs: LabelConfigs,
    sightings: Cache<ProjectId, [u8; 32]>,
    webhook_log: WebhookLog,
    unsettled: settle::Unsettled,
    /// Answers of a project that teach nothing, by the label config's digest.
    unused: Cache<(ProjectId, String), Arc<unused::Counted>>,
    counting: Semaphore,
    /// Last warning about a project's unused answers.
    said_unused: Cache<ProjectId, Arc<str>>,
}

/// Services that training uses.
pub struct TrainingDependencies {
    pub storage: Storage,
    pub embedder: Embedder,
    pub models: Models,
    pub label_configs: LabelConfigs,
    pub label_studio: Client,
    pub pool: Pool,
    pub queue: Queue,
    pub trainer: Trainer,
}

impl Training {
    /// `owner` names this process in leases; `now` gives Unix microseconds.
    pub fn new(dependencies: TrainingDependencies, policy: Policy, owner: String, now: fn() -> i64) -> Self {
        let TrainingDependencies {
            storage,
            label_configs,
            embedder,
            models,
            label_studio,
            pool,
            queue,
            trainer,
        } = dependencies;
        let sightings = Cache::new(SIGHTINGS);
        let wake = Notify::new();
        Self(Arc::new(Inner {
            storage,
            embedder,
            models,
            label_studio,
            pool,
            queue,
            trainer,
            policy,
            owner,
            now,
            wake,
            label_configs,
            sightings,
            webhook_log: WebhookLog::default(),
            unsettled: settle::Unsettled::default(),
            unused: Cache::new(SIGHTINGS),
            counting: Semaphore::new(1),
            said_unused: Cache::new(SIGHTINGS),
        }))
    }

    /// Loop that runs due jobs.
    pub fn worker(&self) -> Worker {
        Worker(Arc::clone(&self.0))
    }

    /// Comparison with Label Studio's export.
    pub fn reconciler(&self) -> Reconciler {
        Reconciler(Arc::clone(&self.0))
    }

    /// Agreed labels, and answers that teach nothing.
    pub fn labels(&self) -> LabelReader {
        LabelReader(Arc::clone(&self.0))
    }

    /// Webhooks of a project since the start.
    pub fn webhooks(&self, project: ProjectId) -> Webhooks {
        self.0.webhook_log.of(project)
    }

    /// Returns the event that starts a training.
    pub fn trigger(&self) -> Trigger {
        self.0.policy.trigger
    }
}

impl Inner {
    fn training(self: &Arc<Self>) -> Training {
        Training(Arc::clone(self))
    }
}
