//! From annotation events to a new version: debounce, coalesce, lease, train, publish.
//!
//! An event and its training job are committed together before the webhook is acknowledged; one loop claims due
//! jobs, gathers labels and cached embeddings, has them fitted on a thread of its own and publishes. Label
//! Studio is the truth about annotations: its export repairs what webhooks lost.

mod dataset;
mod heard;
mod intake;
mod labels;
mod reconcile;
mod run;
mod settle;
mod standing;
mod trainer;
mod unused;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{Notify, Semaphore};

use crate::domain::ids::ProjectId;
use crate::domain::label_config::{LabelConfig, LabelConfigError};
use crate::embed::{EmbedError, Embedder};
use crate::inference::InferenceError;
use crate::labelstudio::{Client, LabelStudioError};
use crate::model::FitError;
use crate::models::{Models, ModelsError};
use crate::queue::Queue;
use crate::storage::{Storage, StorageError};
pub use dataset::{assemble, waiting_for};
use heard::Heard;
pub use heard::Webhooks;
pub use intake::Sighting;
pub use standing::Standing;
pub use trainer::{Trainer, TrainerThread};

/// Memory for label configs that are kept parsed, bytes; a server has few of some kilobytes, an attacker many.
const PARSED_CONFIGS_BYTES: u64 = 32 << 20;

/// Label configs above this size are parsed off the async threads: a megabyte takes some milliseconds.
const PARSE_INLINE_BYTES: usize = 32 * 1024;

/// Projects whose last sighting is remembered, so that a repeated one costs no write.
const SIGHTINGS: u64 = 10_000;

/// The count of unused answers reads them all: whoever looks sees one that is so old at most.
const UNUSED_STALE: Duration = Duration::from_secs(5);

/// What starts a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Every change of an annotation
    Submit,
    /// Changes in projects whose own toggle is on, from its minimum of annotations on
    Toggle,
    /// Only a person
    Manual,
}

/// When to train; times in microseconds.
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

/// Why something around training failed.
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
    #[error("head `{head}`: {left_out} of {labels} labelled images can't be had, the first: {first}")]
    ImagesMissing { head: String, left_out: usize, labels: usize, first: String },
    #[error(
        "project {0} does not exist in Label Studio any more; its labels and versions are kept here, connect it \
         again or check LABEL_STUDIO_URL"
    )]
    ProjectGone(ProjectId),
    #[error("no project is known yet: connect one in Label Studio (Settings > Model)")]
    NoProject,
    #[error("annotation {index} of the request: {problem}")]
    Annotation { index: usize, problem: String },
    #[error("another process took over the job")]
    LeaseLost,
    #[error("cancelled by shutdown")]
    Cancelled,
    #[error("training panicked: {0}")]
    Panicked(String),
}

/// The room's handle; clone it freely.
#[derive(Clone)]
pub struct Training(Arc<Inner>);

struct Inner {
    storage: Storage,
    embedder: Embedder,
    models: Models,
    label_studio: Client,
    queue: Queue,
    trainer: Trainer,
    policy: Policy,
    /// Names this process in leases.
    owner: String,
    now: fn() -> i64,
    wake: Notify,
    configs: Cache<[u8; 32], Arc<LabelConfig>>,
    sightings: Cache<ProjectId, [u8; 32]>,
    heard: Heard,
    unsettled: settle::Unsettled,
    /// What of a project's answers teaches nothing, by the label config's digest.
    unused: Cache<(ProjectId, String), Arc<unused::Counted>>,
    counting: Semaphore,
    /// What was said of it.
    said_unused: Cache<ProjectId, Arc<str>>,
}

/// What training needs from other rooms.
pub struct Rooms {
    pub storage: Storage,
    pub embedder: Embedder,
    pub models: Models,
    pub label_studio: Client,
    pub queue: Queue,
    pub trainer: Trainer,
}

impl Training {
    /// `owner` names this process in leases; `now` gives Unix microseconds.
    pub fn new(rooms: Rooms, policy: Policy, owner: String, now: fn() -> i64) -> Self {
        let Rooms { storage, embedder, models, label_studio, queue, trainer } = rooms;
        let weigh =
            |_: &[u8; 32], config: &Arc<LabelConfig>| u32::try_from(config.bytes()).unwrap_or(u32::MAX);
        let configs = Cache::builder().max_capacity(PARSED_CONFIGS_BYTES).weigher(weigh).build();
        let sightings = Cache::new(SIGHTINGS);
        let wake = Notify::new();
        Self(Arc::new(Inner {
            storage,
            embedder,
            models,
            label_studio,
            queue,
            trainer,
            policy,
            owner,
            now,
            wake,
            configs,
            sightings,
            heard: Heard::default(),
            unsettled: settle::Unsettled::default(),
            unused: Cache::new(SIGHTINGS),
            counting: Semaphore::new(1),
            said_unused: Cache::new(SIGHTINGS),
        }))
    }

    /// What starts a training.
    pub fn trigger(&self) -> Trigger {
        self.0.policy.trigger
    }

    /// As [`Training::label_config`], for requests: a large text that is not known yet is parsed off the async threads.
    ///
    /// # Errors
    /// As [`Training::label_config`].
    pub async fn label_config_of_request(&self, xml: &str) -> Result<Arc<LabelConfig>, LabelConfigError> {
        if xml.len() <= PARSE_INLINE_BYTES {
            return self.label_config(xml);
        }
        let (training, xml) = (self.clone(), xml.to_owned());
        let parsed = tokio::task::spawn_blocking(move || training.label_config(&xml)).await;
        parsed.unwrap_or_else(|_| Err(LabelConfigError::Xml("reading it was interrupted".to_owned())))
    }

    /// Parses a label config, or remembers having done so.
    ///
    /// # Errors
    /// The config holds nothing this program classifies; the text says why.
    pub fn label_config(&self, xml: &str) -> Result<Arc<LabelConfig>, LabelConfigError> {
        let key = *blake3::hash(xml.as_bytes()).as_bytes();
        if let Some(config) = self.0.configs.get(&key) {
            return Ok(config);
        }
        let config = Arc::new(LabelConfig::parse(xml)?);
        self.0.configs.insert(key, Arc::clone(&config));
        Ok(config)
    }
}
