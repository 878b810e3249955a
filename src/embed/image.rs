//! Embedding of one image, and the caches of earlier ones.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use moka::future::Cache;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::inference::Inference;
use super::{EmbedError, Embedded, ImageRequest, rounded_as_stored};
use crate::domain::ids::{ContentHash, ProjectId, TaskId};
use crate::domain::region::Place;
use crate::media::Media;
use crate::storage::{Embedding, NewEmbedding, Storage, StorageError};
use crate::turns::{Asker, Turns};
use crate::vision::{self, DECODED_BYTES_PER_PX, Described, Input, Limits, Prepared, VisionError};

/// Memory for recent embeddings, in bytes: about 5,000 of the default backbone's.
const CACHE_BYTES: u64 = 48 * 1024 * 1024;

/// An image that was unavailable is not tried again for so long: a host that never answers must not cost an
/// annotator the image timeout on every click, and a repaired one should show soon.
const FAILURE_MEMORY: Duration = Duration::from_secs(20);

/// Failures remembered at once.
const FAILURES: u64 = 10_000;

/// Somebody waits for the prediction, nobody for its storing.
const STORE_PATIENCE: Duration = Duration::from_secs(3);

/// Memory for all pictures that are being decoded, in megabytes. One that would take more alone takes all of it.
const DECODE_MEMORY_MB: u32 = 512;

/// Images that are decoded or run, for each thread: while one is run the next is decoded. All others wait for their turn.
const IMAGES_PER_THREAD: usize = 2;

/// Address of an image within a project, as a digest: data URIs are long. With the place of a region of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub project: ProjectId,
    pub source: [u8; 32],
    place: Option<[u8; 41]>,
}

impl Key {
    /// The keys of the requests, in their order.
    pub fn all(wanted: &[ImageRequest]) -> Vec<Self> {
        let mut keys: Vec<Self> = Vec::with_capacity(wanted.len());
        for (index, ImageRequest { project, source, place, .. }) in wanted.iter().enumerate() {
            // Regions of one image share its address.
            let before = index.checked_sub(1).map(|before| (&wanted[before].source, keys[before].source));
            let digest = match before.filter(|(same, _)| Arc::ptr_eq(same, source)) {
                Some((_, digest)) => digest,
                None => *blake3::hash(source.as_bytes()).as_bytes(),
            };
            keys.push(Self { project: *project, source: digest, place: place.map(|place| place.bytes()) });
        }
        keys
    }
}

/// Key of a stored embedding: the image's hash, for a region the digest of that and its place.
pub(super) fn kept_under(hash: ContentHash, place: Option<Place>) -> ContentHash {
    let digest =
        |place: Place| blake3::Hasher::new().update(hash.as_bytes()).update(&place.bytes()).finalize();
    place.map_or(hash, |place| ContentHash::new(*digest(place).as_bytes()))
}

pub(super) struct Images {
    pub storage: Storage,
    media: Media,
    pub inference: Inference,
    limits: Limits,
    /// Turns at being decoded and run.
    turns: Turns,
    decoders: Arc<Semaphore>,
    /// Megabytes that are free for decoding.
    decode_memory: Arc<Semaphore>,
    pub recent: Cache<Key, Arc<Embedded>>,
    pub failed: Cache<Key, Arc<EmbedError>>,
    /// `true` if the last write to the database failed.
    is_unstored: AtomicBool,
    now: fn() -> i64,
}

impl Images {
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
        let decoders = decoders.max(1);
        Self {
            storage,
            media,
            inference,
            limits,
            turns: Turns::new(decoders * IMAGES_PER_THREAD),
            decoders: Arc::new(Semaphore::new(decoders)),
            decode_memory: Arc::new(Semaphore::new(DECODE_MEMORY_MB as usize)),
            recent,
            failed,
            is_unstored: AtomicBool::new(false),
            now,
        }
    }

    /// Embeddings of the addresses the database knows, of whole images or of regions of them, in order.
    pub async fn stored(
        &self,
        project: ProjectId,
        wanted: &[&ImageRequest],
    ) -> Result<Vec<Option<Arc<Embedded>>>, StorageError> {
        let mut sources: Vec<&Arc<str>> = wanted.iter().map(|wanted| &wanted.source).collect();
        sources.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let addresses: Vec<&str> = sources.iter().map(|source| source.as_ref()).collect();
        let images = self.storage.images(project, &addresses).await?;
        let mut at = 0;
        let images = wanted.iter().map(|wanted| {
            at += usize::from(!Arc::ptr_eq(sources[at], &wanted.source));
            images[at].as_ref().map(|image| image.content_hash)
        });
        let images: Vec<Option<ContentHash>> = images.collect();
        let known = images.iter().zip(wanted);
        let hashes: Vec<ContentHash> =
            known.filter_map(|(hash, wanted)| Some(kept_under((*hash)?, wanted.place))).collect();
        let mut vectors = self.storage.embeddings(&hashes, self.fingerprint()).await?.into_iter();
        let found = images.iter().map(|hash| {
            let hash = (*hash)?;
            let Embedding { vector, damaged } = vectors.next().flatten()?;
            Some(Arc::new(Embedded { hash, vector, damaged }))
        });
        Ok(found.collect())
    }

    /// Embeds one image, or regions of one, unless its caller hangs up before its download has begun.
    pub async fn embed_unless(
        &self,
        hung_up: &CancellationToken,
        asker: Asker,
        wanted: &[ImageRequest],
    ) -> Vec<Result<Arc<Embedded>, Arc<EmbedError>>> {
        let begun = AtomicBool::new(false);
        let mut embedding = pin!(async {
            match wanted {
                [whole] if whole.place.is_none() => vec![self.embed(asker, whole, &begun).await],
                regions => self.embed_regions(asker, regions, &begun).await,
            }
        });
        tokio::select! {
            biased;
            () = hung_up.cancelled() => {}
            embedded = &mut embedding => return embedded,
        }
        match begun.load(Ordering::Relaxed) {
            true => embedding.await,
            false => wanted
                .iter()
                .map(|wanted| Err(Arc::new(EmbedError::Abandoned { task: wanted.task })))
                .collect(),
        }
    }

    /// Callers who want the same image meanwhile share the work; where the one who does it hangs up, another takes it over.
    async fn embed(
        &self,
        asker: Asker,
        wanted: &ImageRequest,
        begun: &AtomicBool,
    ) -> Result<Arc<Embedded>, Arc<EmbedError>> {
        let key = Key::all(std::slice::from_ref(wanted))[0];
        let embedded = self.recent.try_get_with(key, self.compute(asker, wanted, begun)).await;
        match embedded {
            Ok(embedded) => Ok(embedded),
            Err(shared) => {
                self.note_failure(key, &shared).await;
                Err(shared)
            }
        }
    }

    /// Remembers that an image is unavailable, unless only the network was busy.
    pub(super) async fn note_failure(&self, key: Key, error: &Arc<EmbedError>) {
        if !matches!(&**error, EmbedError::Inference { .. }) {
            self.failed.insert(key, Arc::clone(error)).await;
        }
    }

    /// `begun` is set where the image's download begins.
    async fn compute(
        &self,
        asker: Asker,
        wanted: &ImageRequest,
        begun: &AtomicBool,
    ) -> Result<Arc<Embedded>, EmbedError> {
        let (bytes, hash) = self.fetch(asker, wanted, begun).await?;
        let stored = self.storage.embeddings(&[hash], self.fingerprint()).await.unwrap_or_default();
        let Embedding { vector, damaged } = match stored.into_iter().next().flatten() {
            Some(known) => known,
            None => self.embed_bytes(asker, wanted.task, bytes, hash).await?,
        };
        self.note_seen(wanted, hash).await;
        Ok(Arc::new(Embedded { hash, vector, damaged }))
    }

    /// Downloads an image.
    pub(super) async fn fetch(
        &self,
        asker: Asker,
        wanted: &ImageRequest,
        begun: &AtomicBool,
    ) -> Result<(Bytes, ContentHash), EmbedError> {
        let ImageRequest { task, source, credentials, .. } = wanted;
        let place = self.media.place(asker, Some(*task), source).await?;
        begun.store(true, Ordering::Relaxed);
        let bytes = self.media.fetch_at(place, Some(*task), source, credentials.as_ref()).await?;
        let hash = ContentHash::new(*blake3::hash(&bytes).as_bytes());
        Ok((bytes, hash))
    }

    /// Stores the content hash that was found at an address.
    pub(super) async fn note_seen(&self, wanted: &ImageRequest, hash: ContentHash) {
        let seen = [(wanted.source.as_ref(), hash)];
        self.store(self.storage.put_images(wanted.project, &seen, (self.now)())).await;
    }

    /// Writes to the database. An image whose write fails is still predicted, and embedded again another time; the failure
    /// is logged once until a write succeeds again.
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
    async fn embed_bytes(
        &self,
        asker: Asker,
        task: TaskId,
        bytes: Bytes,
        hash: ContentHash,
    ) -> Result<Embedding, EmbedError> {
        let _turn = self.turns.wait(asker).await;
        let prepared = self.decode(task, bytes, vision::prepare).await?;
        self.run(task, prepared, hash).await
    }

    /// Runs the prepared pixels of an image or a region, and stores the embedding under `hash`.
    pub(super) async fn run(
        &self,
        task: TaskId,
        prepared: Prepared,
        hash: ContentHash,
    ) -> Result<Embedding, EmbedError> {
        let Prepared { pixels, damaged } = prepared;
        let vector =
            self.inference.embed(pixels).await.map_err(|source| EmbedError::Inference { task, source })?;
        let vector = rounded_as_stored(vector);
        let new = [NewEmbedding { hash, vector: &vector, damaged }];
        self.store(self.storage.put_embeddings(self.fingerprint(), &new, (self.now)())).await;
        metrics::counter!("weathervane_images_embedded_total").increment(1);
        Ok(Embedding { vector, damaged })
    }

    /// Turns at being decoded and run.
    pub(super) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Decodes one image off the async threads, within the memory there is for all that are decoded; `prepare` does
    /// the decoding.
    pub(super) async fn decode<T: Send + 'static>(
        &self,
        task: TaskId,
        bytes: Bytes,
        prepare: impl FnOnce(&[u8], &Input, &Limits) -> Result<T, VisionError> + Send + 'static,
    ) -> Result<T, EmbedError> {
        let shutting_down = |_| EmbedError::ShuttingDown;
        let decoder = Arc::clone(&self.decoders).acquire_owned().await.map_err(shutting_down)?;
        let header = bytes.clone();
        let described = blocking(task, move || vision::describe(&header)).await?;
        let memory = Arc::clone(&self.decode_memory);
        let memory = memory.acquire_many_owned(megabytes(&described, &self.limits)).await;
        let memory = memory.map_err(shutting_down)?;
        let input = self.inference.backbone().spec().input;
        let limits = self.limits;
        let inference = self.inference.clone();
        let decode = move || {
            let started = Instant::now();
            let prepared = prepare(&bytes, &input, &limits);
            inference.note_decoding(started.elapsed());
            // What it holds is free when it ends, not when nobody waits for it any more.
            drop((memory, decoder));
            prepared
        };
        // Some decoders read the whole file first, and are given up rather than ended.
        let decoded = tokio::time::timeout(vision::MAX_TIME, blocking(task, decode)).await;
        decoded.unwrap_or(Err(EmbedError::Vision {
            task,
            source: VisionError::TooSlow { format: described.format, limit: vision::MAX_TIME },
        }))
    }

    pub(super) fn fingerprint(&self) -> &str {
        &self.inference.backbone().spec().fingerprint
    }
}

/// Reads an image off the async threads.
async fn blocking<T: Send + 'static>(
    task: TaskId,
    read: impl FnOnce() -> Result<T, VisionError> + Send + 'static,
) -> Result<T, EmbedError> {
    let read = tokio::task::spawn_blocking(read).await.map_err(|_| EmbedError::ShuttingDown)?;
    read.map_err(|source| EmbedError::Vision { task, source })
}

/// Memory of decoding in megabytes, at most [`DECODE_MEMORY_MB`]; a picture beyond the limits is refused before it takes any.
fn megabytes(described: &Described, limits: &Limits) -> u32 {
    let pixels = (u64::from(described.width) * u64::from(described.height)).min(limits.max_pixels);
    let megabytes = 1 + pixels.saturating_mul(DECODED_BYTES_PER_PX) / 1_000_000;
    u32::try_from(megabytes).unwrap_or(DECODE_MEMORY_MB).min(DECODE_MEMORY_MB)
}
