//! One path from an image's address to its embedding: fetch -> hash -> look up -> decode -> infer -> store.
//!
//! An image is embedded once, and so is each region of it. Memory holds the recent ones, the database all of them, keyed
//! by the content's hash, for a region with its place, and the backbone's fingerprint; the addresses seen in a project
//! point to content hashes, so that re-opening, retraining and ranking neither fetch nor run anything again.

mod image;
pub mod inference;
mod local;
mod regions;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use half::f16;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::domain::error_kind::ErrorKind;
use crate::domain::ids::{ContentHash, ProjectId, TaskId};
use crate::domain::region::Place;
use crate::media::{BasicCredentials, ImageProblem, Media, MediaError};
use crate::model::BackboneSpec;
use crate::storage::Storage;
use crate::turns::Asker;
use crate::vision::{Limits, VisionError};
use image::{Images, Key};
use inference::{Inference, InferenceError};
pub use local::{EmbeddedImage, LocalEmbedError, LocalEmbedder};
use regions::OfImage;

/// Images of one request on their way at once; downloads, decoding and inference have bounds of their own.
const CONCURRENT_IMAGES: usize = 64;

/// The same for images nobody waits for: few, so that a person's image stands behind these at most.
const QUIET_IMAGES: usize = 4;

/// Tasks that a log line names.
const LOGGED_TASKS: usize = 10;

/// One image, or a region of one, that somebody wants embedded.
#[derive(Clone, Debug)]
pub struct ImageRequest {
    pub project: ProjectId,
    pub task: TaskId,
    /// The address as the task's data holds it; regions of one image share it.
    pub source: Arc<str>,
    /// The region that is cut out; `None`: the whole image.
    pub place: Option<Place>,
    /// For images on http hosts that ask for a password; never sent to Label Studio.
    pub credentials: Option<BasicCredentials>,
}

/// An image's place in feature space, or that of a region of it.
#[derive(Debug)]
pub struct Embedded {
    /// Of the image's file, also of a region.
    pub hash: ContentHash,
    /// As long as the backbone's spec says.
    pub vector: Vec<f32>,
    /// `true` if only a part of the picture could be read. It is predicted as it is, and learnt only with a person's label.
    pub damaged: bool,
}

/// Reason why one image has no embedding.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error("image for task {task}: {source}")]
    Vision { task: TaskId, source: VisionError },
    #[error("image for task {task}: {source}")]
    Inference { task: TaskId, source: InferenceError },
    #[error("image for task {task}: nobody waited for it any more when its turn came")]
    Abandoned { task: TaskId },
    #[error("the server is shutting down")]
    ShuttingDown,
}

impl EmbedError {
    /// Returns the kind of the error, by what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Media(_) | Self::Vision { .. } => ErrorKind::Invalid,
            Self::Inference { source, .. } => source.kind(),
            Self::Abandoned { .. } | Self::ShuttingDown => ErrorKind::Unavailable,
        }
    }

    /// Time for which the image's host is left alone, where the image was not even asked for because of that.
    pub fn host_is_left_alone(&self) -> Option<Duration> {
        match self {
            Self::Media(MediaError::Image { problem: ImageProblem::SilentHost { seconds, .. }, .. }) => {
                Some(Duration::from_secs(*seconds))
            }
            _ => None,
        }
    }
}

/// Result of a batch: for each image its embedding or the reason why not, in order.
pub type Batch = Vec<Result<Arc<Embedded>, Arc<EmbedError>>>;

/// An embedding as the store gives it back, in half floats: the first embedding of an image must equal every later
/// one.
pub fn rounded_as_stored(vector: Vec<f32>) -> Vec<f32> {
    vector.into_iter().map(|value| f16::from_f32(value).to_f32()).collect()
}

/// Embeds images; clone it freely.
#[derive(Clone)]
pub struct Embedder {
    images: Arc<Images>,
    /// Counts the batches, which take turns.
    batches: Arc<AtomicU64>,
}

impl Embedder {
    /// `decoders` images are decoded at once; `now` gives Unix microseconds.
    pub fn new(
        storage: Storage,
        media: Media,
        inference: Inference,
        limits: Limits,
        decoders: usize,
        now: fn() -> i64,
    ) -> Self {
        let images = Arc::new(Images::new(storage, media, inference, limits, decoders, now));
        Self { images, batches: Arc::default() }
    }

    /// The backbone behind the embeddings.
    pub fn spec(&self) -> &BackboneSpec {
        self.images.inference.backbone().spec()
    }

    /// Images admitted and not yet done.
    pub fn in_flight(&self) -> usize {
        self.images.inference.in_flight()
    }

    /// Embeds a batch. What is known costs a look-up. Of the rest, what was begun is finished and kept even if the caller
    /// goes away meanwhile, so that its next request finds it done; what was not is left.
    ///
    /// # Errors
    /// [`InferenceError::Busy`] when too many images are in flight already. A failing image is an entry of the
    /// answer, not an error.
    pub async fn embed(&self, wanted: Vec<ImageRequest>) -> Result<Batch, InferenceError> {
        self.embed_concurrently(wanted, CONCURRENT_IMAGES, None).await
    }

    /// As [`Embedder::embed`], for somebody who does not wait longer than `patience` for what others asked for before.
    ///
    /// # Errors
    /// As [`Embedder::embed`], and [`InferenceError::Overloaded`] when the others' images take longer.
    pub async fn embed_within(
        &self,
        patience: Duration,
        wanted: Vec<ImageRequest>,
    ) -> Result<Batch, InferenceError> {
        self.embed_concurrently(wanted, CONCURRENT_IMAGES, Some(patience)).await
    }

    /// As [`Embedder::embed`], for images nobody waits for.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub async fn embed_quietly(&self, wanted: Vec<ImageRequest>) -> Result<Batch, InferenceError> {
        self.embed_concurrently(wanted, QUIET_IMAGES, None).await
    }

    async fn embed_concurrently(
        &self,
        wanted: Vec<ImageRequest>,
        concurrency: usize,
        patience: Option<Duration>,
    ) -> Result<Batch, InferenceError> {
        let keys = Key::all(&wanted);
        let mut batch = self.known(&wanted, &keys).await;
        let missing: Vec<(usize, Key, ImageRequest)> = wanted
            .into_iter()
            .zip(keys)
            .enumerate()
            .filter(|(index, _)| batch[*index].is_none())
            .map(|(index, (wanted, key))| (index, key, wanted))
            .collect();
        if let Some((.., first)) = missing.first() {
            // The images of a batch are of one project.
            let project = first.project;
            let asker = Asker { project, request: 1 + self.batches.fetch_add(1, Ordering::Relaxed) };
            let admission = self.images.inference.admit(asker, missing.len(), patience)?;
            let missing = regions::by_image(missing);
            let images = Arc::clone(&self.images);
            let hung_up = CancellationToken::new();
            let _waits = hung_up.clone().drop_guard();
            let work = async move {
                let images = &images;
                let hung_up = &hung_up;
                let admission = &admission;
                let embed = |group: OfImage| async move {
                    let embedded = images.embed_unless(hung_up, asker, &group.wanted).await;
                    let done: Vec<_> = group.answers(&embedded).collect();
                    done.iter().for_each(|_| admission.one_done());
                    done
                };
                let done = stream::iter(missing).map(embed).buffer_unordered(concurrency);
                let done: Vec<_> = done.flat_map(stream::iter).collect().await;
                let is_damaged =
                    |embedded: &Result<Arc<Embedded>, _>| embedded.as_ref().is_ok_and(|seen| seen.damaged);
                let damaged = done.iter().filter(|(.., embedded)| is_damaged(embedded));
                say_damaged(project, damaged.map(|(_, task, _)| *task).collect());
                done
            };
            // Spawned, so that a caller who hangs up does not undo what was begun.
            let done = tokio::spawn(work.in_current_span()).await.unwrap_or_default();
            for (index, _, embedded) in done {
                batch[index] = Some(embedded);
            }
        }
        Ok(batch
            .into_iter()
            .map(|embedded| embedded.unwrap_or_else(|| Err(Arc::new(EmbedError::ShuttingDown))))
            .collect())
    }

    /// Embeddings and failures that memory and database hold already; a database in trouble only means that images are
    /// embedded again.
    async fn known(
        &self,
        wanted: &[ImageRequest],
        keys: &[Key],
    ) -> Vec<Option<Result<Arc<Embedded>, Arc<EmbedError>>>> {
        let images = &self.images;
        let mut batch = Vec::with_capacity(keys.len());
        for key in keys {
            let found = match images.recent.get(key).await {
                Some(embedded) => Some(Ok(embedded)),
                None => images.failed.get(key).await.map(Err),
            };
            batch.push(found);
        }
        let mut missing: HashMap<ProjectId, Vec<usize>> = HashMap::new();
        for index in (0..keys.len()).filter(|index| batch[*index].is_none()) {
            missing.entry(keys[index].project).or_default().push(index);
        }
        for (project, indices) in missing {
            let missing: Vec<&ImageRequest> = indices.iter().map(|index| &wanted[*index]).collect();
            match images.stored(project, &missing).await {
                Ok(found) => {
                    for (index, embedded) in indices.into_iter().zip(found) {
                        if let Some(embedded) = embedded {
                            images.recent.insert(keys[index], Arc::clone(&embedded)).await;
                            batch[index] = Some(Ok(embedded));
                        }
                    }
                }
                Err(error) => tracing::warn!(%project, %error, "could not look up stored embeddings"),
            }
        }
        batch
    }
}

/// Logs in one line which newly embedded images of a batch are damaged.
fn say_damaged(project: ProjectId, tasks: BTreeSet<TaskId>) {
    if tasks.is_empty() {
        return;
    }
    let named: Vec<String> = tasks.iter().take(LOGGED_TASKS).map(TaskId::to_string).collect();
    tracing::warn!(
        %project, tasks = named.join(", "), more_tasks = tasks.len() - named.len(),
        "damaged: only a part of the image decodes; it is predicted, and learnt only where a person labels it"
    );
}
