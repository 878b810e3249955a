//! One path from an image's address to its embedding: fetch -> hash -> look up -> decode -> infer -> store.
//!
//! An image is embedded once. Memory holds the recent ones, the database all of them, keyed by the content's
//! hash and the backbone's fingerprint; the addresses seen in a project point to content hashes, so that
//! re-opening, retraining and ranking neither fetch nor run anything again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use half::f16;
use moka::future::Cache;
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::domain::ids::{ContentHash, ProjectId, TaskId};
use crate::inference::{Inference, InferenceError};
use crate::labelstudio::{BasicCredentials, Media, MediaError};
use crate::model::BackboneSpec;
use crate::storage::{Storage, StorageError};
use crate::vision::{self, DECODED_BYTES_PER_PX, Described, Limits, VisionError};

/// Memory for recent embeddings, in bytes: about 5,000 of the default backbone's.
const CACHE_BYTES: u64 = 48 * 1024 * 1024;

/// An image that could not be had is not tried again for so long: a host that never answers must not cost an
/// annotator the image timeout on every click, and a repaired one should show soon.
const FAILURE_MEMORY: Duration = Duration::from_secs(20);

/// Failures remembered at once.
const FAILURES: u64 = 10_000;

/// Somebody waits for the prediction, nobody for its storing.
const STORE_PATIENCE: Duration = Duration::from_secs(3);

/// Memory for all pictures that are being decoded, in megabytes. One that would take more alone takes all of it.
const DECODE_MEMORY_MB: u32 = 512;

/// Images of one request on their way at once; downloads, decoding and inference have bounds of their own.
const CONCURRENT_IMAGES: usize = 64;

/// The same for images nobody waits for: few, so that a person's image stands behind these at most.
const QUIET_IMAGES: usize = 4;

/// One image somebody wants embedded.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub project: ProjectId,
    pub task: TaskId,
    /// The address as the task's data holds it.
    pub source: String,
    /// For images on http hosts that ask for a password; never sent to Label Studio.
    pub credentials: Option<BasicCredentials>,
}

/// An image's place in feature space.
#[derive(Debug)]
pub struct Embedded {
    pub hash: ContentHash,
    /// As long as the backbone's spec says.
    pub vector: Vec<f32>,
}

/// Why one image has no embedding.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    #[error(transparent)]
    Media(#[from] MediaError),
    #[error("image for task {task}: {source}")]
    Vision { task: TaskId, source: VisionError },
    #[error("image for task {task}: {source}")]
    Inference { task: TaskId, source: InferenceError },
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// What a batch gives: for each image its embedding or the reason why not, in order.
pub type Batch = Vec<Result<Arc<Embedded>, Arc<EmbedError>>>;

/// An embedding as the store gives it back, in half floats: the first look at an image must say what every later one
/// says.
pub fn as_stored(vector: Vec<f32>) -> Vec<f32> {
    vector.into_iter().map(|value| f16::from_f32(value).to_f32()).collect()
}

/// Address of an image within a project, as a digest: data URIs are long.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key(ProjectId, [u8; 32]);

impl Key {
    fn of(wanted: &Wanted) -> Self {
        Self(wanted.project, *blake3::hash(wanted.source.as_bytes()).as_bytes())
    }
}

/// Embeds images; clone it freely.
#[derive(Clone)]
pub struct Embedder(Arc<Inner>);

struct Inner {
    storage: Storage,
    media: Media,
    inference: Inference,
    limits: Limits,
    decoders: Semaphore,
    /// Megabytes that are free for decoding.
    decode_memory: Semaphore,
    recent: Cache<Key, Arc<Embedded>>,
    failed: Cache<Key, Arc<EmbedError>>,
    /// Whether the last thing that was to be stored was not.
    is_unstored: AtomicBool,
    now: fn() -> i64,
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
        let recent = Cache::builder()
            .max_capacity(CACHE_BYTES)
            .weigher(|_, embedded: &Arc<Embedded>| {
                u32::try_from(embedded.vector.len() * size_of::<f32>() + 128).unwrap_or(u32::MAX)
            })
            .build();
        let failed = Cache::builder().max_capacity(FAILURES).time_to_live(FAILURE_MEMORY).build();
        let decoders = Semaphore::new(decoders.max(1));
        let decode_memory = Semaphore::new(DECODE_MEMORY_MB as usize);
        let is_unstored = AtomicBool::new(false);
        Self(Arc::new(Inner {
            storage,
            media,
            inference,
            limits,
            decoders,
            recent,
            failed,
            is_unstored,
            decode_memory,
            now,
        }))
    }

    /// The backbone behind the embeddings.
    pub fn spec(&self) -> &BackboneSpec {
        self.0.inference.backbone().spec()
    }

    /// Images admitted and not yet done.
    pub fn in_flight(&self) -> usize {
        self.0.inference.in_flight()
    }

    /// Embeds a batch. What is known costs a look-up; the rest is fetched and run even if the caller goes away
    /// meanwhile, so that its next request finds it done.
    ///
    /// # Errors
    /// [`InferenceError::Busy`] when too many images are in flight already. A failing image is an entry of the
    /// answer, not an error.
    pub async fn embed(&self, wanted: Vec<Wanted>) -> Result<Batch, InferenceError> {
        self.embed_abreast(wanted, CONCURRENT_IMAGES).await
    }

    /// As [`Embedder::embed`], for images nobody waits for.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub async fn embed_quietly(&self, wanted: Vec<Wanted>) -> Result<Batch, InferenceError> {
        self.embed_abreast(wanted, QUIET_IMAGES).await
    }

    async fn embed_abreast(&self, wanted: Vec<Wanted>, abreast: usize) -> Result<Batch, InferenceError> {
        let mut batch = self.known(&wanted).await;
        let missing: Vec<(usize, Wanted)> =
            wanted.into_iter().enumerate().filter(|(index, _)| batch[*index].is_none()).collect();
        if !missing.is_empty() {
            let admission = self.0.inference.admit(missing.len())?;
            let inner = Arc::clone(&self.0);
            let work = async move {
                let _admission = admission;
                stream::iter(missing)
                    .map(|(index, wanted)| {
                        let inner = Arc::clone(&inner);
                        async move { (index, inner.embed_missing(wanted).await) }
                    })
                    .buffer_unordered(abreast)
                    .collect::<Vec<_>>()
                    .await
            };
            // Spawned, so that a caller who hangs up does not undo the work.
            let done = tokio::spawn(work.in_current_span()).await.unwrap_or_default();
            for (index, embedded) in done {
                batch[index] = Some(embedded);
            }
        }
        Ok(batch
            .into_iter()
            .map(|embedded| embedded.unwrap_or_else(|| Err(Arc::new(EmbedError::ShuttingDown))))
            .collect())
    }

    /// What memory and database know already; a database in trouble only means that images are looked at again.
    async fn known(&self, wanted: &[Wanted]) -> Vec<Option<Result<Arc<Embedded>, Arc<EmbedError>>>> {
        let inner = &self.0;
        let keys: Vec<Key> = wanted.iter().map(Key::of).collect();
        let mut batch = Vec::with_capacity(keys.len());
        for key in &keys {
            let found = match inner.recent.get(key).await {
                Some(embedded) => Some(Ok(embedded)),
                None => inner.failed.get(key).await.map(Err),
            };
            batch.push(found);
        }
        let mut missing: HashMap<ProjectId, Vec<usize>> = HashMap::new();
        for index in (0..keys.len()).filter(|index| batch[*index].is_none()) {
            missing.entry(keys[index].0).or_default().push(index);
        }
        for (project, indices) in missing {
            let sources: Vec<&str> = indices.iter().map(|index| wanted[*index].source.as_str()).collect();
            match inner.stored(project, &sources).await {
                Ok(found) => {
                    for (index, embedded) in indices.into_iter().zip(found) {
                        if let Some(embedded) = embedded {
                            inner.recent.insert(keys[index], Arc::clone(&embedded)).await;
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

impl Inner {
    /// Embeddings of the addresses the database knows, in order.
    async fn stored(
        &self,
        project: ProjectId,
        sources: &[&str],
    ) -> Result<Vec<Option<Arc<Embedded>>>, StorageError> {
        let images = self.storage.images(project, sources).await?;
        let hashes: Vec<ContentHash> = images.iter().flatten().map(|image| image.content_hash).collect();
        let mut vectors = self.storage.embeddings(&hashes, self.fingerprint()).await?.into_iter();
        let found = images.iter().map(|image| {
            let hash = image.as_ref()?.content_hash;
            let vector = vectors.next().flatten()?;
            Some(Arc::new(Embedded { hash, vector }))
        });
        Ok(found.collect())
    }

    /// Embeds one image; callers who want the same one meanwhile share the work.
    async fn embed_missing(&self, wanted: Wanted) -> Result<Arc<Embedded>, Arc<EmbedError>> {
        let key = Key::of(&wanted);
        let embedded = self.recent.try_get_with(key, self.compute(wanted)).await;
        match embedded {
            Ok(embedded) => Ok(embedded),
            Err(shared) => {
                let busy = matches!(&*shared, EmbedError::Inference { .. });
                if !busy {
                    self.failed.insert(key, Arc::clone(&shared)).await;
                }
                Err(shared)
            }
        }
    }

    async fn compute(&self, wanted: Wanted) -> Result<Arc<Embedded>, EmbedError> {
        let task = wanted.task;
        let bytes = self.media.fetch(Some(task), &wanted.source, wanted.credentials.as_ref()).await?;
        let hash = ContentHash::new(*blake3::hash(&bytes).as_bytes());
        let stored = self.storage.embeddings(&[hash], self.fingerprint()).await.unwrap_or_default();
        let vector = match stored.into_iter().next().flatten() {
            Some(vector) => vector,
            None => self.look_at(task, bytes, hash).await?,
        };
        let seen = [(wanted.source.as_str(), hash)];
        self.store(self.storage.put_images(wanted.project, &seen, (self.now)())).await;
        Ok(Arc::new(Embedded { hash, vector }))
    }

    /// What can't be stored is still predicted, and looked at again another time; that is said once until it works again.
    async fn store<T>(&self, storing: impl Future<Output = Result<T, StorageError>>) {
        let why = match tokio::time::timeout(STORE_PATIENCE, storing).await {
            Ok(Ok(_)) => return self.is_unstored.store(false, Ordering::Relaxed),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the database took more than {} s", STORE_PATIENCE.as_secs()),
        };
        if !self.is_unstored.swap(true, Ordering::Relaxed) {
            tracing::warn!(why, "what was seen of images can't be stored; they are predicted all the same");
        }
    }

    /// Decodes and runs one image, and stores its embedding.
    async fn look_at(&self, task: TaskId, bytes: Bytes, hash: ContentHash) -> Result<Vec<f32>, EmbedError> {
        let permit = self.decoders.acquire().await.map_err(|_| EmbedError::ShuttingDown)?;
        let header = bytes.clone();
        let described = blocking(task, move || vision::describe(&header)).await?;
        let memory = self.decode_memory.acquire_many(megabytes(&described, &self.limits)).await;
        let memory = memory.map_err(|_| EmbedError::ShuttingDown)?;
        let input = self.inference.backbone().spec().input;
        let limits = self.limits;
        let pixels = blocking(task, move || vision::prepare(&bytes, &input, &limits)).await?;
        drop((memory, permit));
        let vector =
            self.inference.embed(pixels).await.map_err(|source| EmbedError::Inference { task, source })?;
        let vector = as_stored(vector);
        self.store(self.storage.put_embeddings(self.fingerprint(), &[(hash, &vector)], (self.now)())).await;
        metrics::counter!("weathervane_images_embedded_total").increment(1);
        Ok(vector)
    }

    fn fingerprint(&self) -> &str {
        &self.inference.backbone().spec().fingerprint
    }
}

/// Looks at an image off the async threads.
async fn blocking<T: Send + 'static>(
    task: TaskId,
    look: impl FnOnce() -> Result<T, VisionError> + Send + 'static,
) -> Result<T, EmbedError> {
    let looked = tokio::task::spawn_blocking(look).await.map_err(|_| EmbedError::ShuttingDown)?;
    looked.map_err(|source| EmbedError::Vision { task, source })
}

/// What decoding will take of [`DECODE_MEMORY_MB`]; a picture beyond the limits is refused before it takes anything.
fn megabytes(described: &Described, limits: &Limits) -> u32 {
    let pixels = (u64::from(described.width) * u64::from(described.height)).min(limits.max_pixels);
    let megabytes = 1 + pixels.saturating_mul(DECODED_BYTES_PER_PX) / 1_000_000;
    u32::try_from(megabytes).unwrap_or(DECODE_MEMORY_MB).min(DECODE_MEMORY_MB)
}
