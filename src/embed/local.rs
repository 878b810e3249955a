//! Embedding without a database: images from files or bytes, on every core.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use tokio::task::JoinError;

use super::inference::{Inference, InferenceError, Workers};
use super::rounded_as_stored;
use crate::domain::ids::ContentHash;
use crate::model::Backbone;
use crate::vision::{Input, Limits, Prepared, VisionError, prepare};

/// Images on their way at once beyond those that run: enough to keep the threads busy.
const AHEAD: usize = 4;

/// Reason why an image has no embedding.
#[derive(Debug, thiserror::Error)]
pub enum LocalEmbedError {
    #[error(transparent)]
    Read(#[from] std::io::Error),
    #[error(transparent)]
    Vision(#[from] VisionError),
    #[error(transparent)]
    Inference(#[from] InferenceError),
    #[error("decoding was interrupted")]
    Interrupted(#[from] JoinError),
    #[error("image `{}`", path.display())]
    File { path: PathBuf, source: Box<Self> },
}

/// A backbone on threads of its own.
pub struct LocalEmbedder {
    inference: Inference,
    workers: Workers,
    input: Input,
    limits: Limits,
    threads: usize,
    /// Names of images of which only a part could be read.
    damaged: Mutex<Vec<String>>,
}

/// The embedding of one image.
#[derive(Clone, Debug)]
pub struct EmbeddedImage {
    pub hash: ContentHash,
    /// As long as the backbone's spec says, rounded as the store keeps it.
    pub vector: Vec<f32>,
    /// `true` if only a part of the picture could be read.
    pub damaged: bool,
}

impl LocalEmbedder {
    /// Starts a thread on each core.
    ///
    /// # Errors
    /// The operating system gives no more threads.
    pub fn open(backbone: Arc<dyn Backbone>, limits: Limits) -> std::io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let input = backbone.spec().input;
        let (inference, workers) = Inference::start(backbone, threads, usize::MAX)?;
        Ok(Self { inference, workers, input, limits, threads, damaged: Mutex::default() })
    }

    /// Embeds the bytes of the image of this name.
    ///
    /// # Errors
    /// They are no image this program reads, or too large a one.
    pub async fn embed(&self, name: &str, bytes: Bytes) -> Result<EmbeddedImage, LocalEmbedError> {
        let input = self.input;
        let limits = self.limits;
        let (hash, prepared) = tokio::task::spawn_blocking(move || {
            let prepared = prepare(&bytes, &input, &limits)?;
            Ok::<_, VisionError>((ContentHash::new(*blake3::hash(&bytes).as_bytes()), prepared))
        })
        .await??;
        let Prepared { pixels, damaged } = prepared;
        if damaged {
            self.damaged.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
        }
        let vector = rounded_as_stored(self.inference.embed(pixels).await?);
        Ok(EmbeddedImage { hash, vector, damaged })
    }

    /// Embeds an image file.
    ///
    /// # Errors
    /// [`LocalEmbedError::File`]: it can't be read, or as [`LocalEmbedder::embed`].
    pub async fn embed_file(&self, path: &Path) -> Result<EmbeddedImage, LocalEmbedError> {
        let embedded = async {
            let bytes = tokio::fs::read(path).await?;
            self.embed(&path.display().to_string(), bytes.into()).await
        };
        let named = |source| LocalEmbedError::File { path: path.to_owned(), source: Box::new(source) };
        embedded.await.map_err(named)
    }

    /// Runs `embed` on each of many images, as many at once as keep the threads busy; answers come in the images' order.
    pub fn embed_each<'a, Images, Embed, Answer>(
        &'a self,
        images: Images,
        embed: impl FnMut(Images::Item) -> Embed + 'a,
    ) -> impl Stream<Item = Answer> + 'a
    where
        Images: IntoIterator + 'a,
        Embed: Future<Output = Answer> + 'a,
    {
        stream::iter(images).map(embed).buffered(self.threads + AHEAD)
    }

    /// Ends the threads; returns the names of the images that are damaged, sorted.
    ///
    /// # Errors
    /// The wait was interrupted.
    pub async fn close(self) -> Result<Vec<String>, LocalEmbedError> {
        let Self { inference, workers, damaged, .. } = self;
        drop(inference);
        let mut damaged = damaged.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Threads end in any order.
        damaged.sort();
        tokio::task::spawn_blocking(move || workers.join()).await?;
        Ok(damaged)
    }
}
