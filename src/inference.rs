//! Threads that turn pixels into embeddings: one image each, each in its own one-thread pool.
//!
//! Batching does not lower the cost of an image on a CPU, so parallelism is one image per thread. Each thread
//! installs a rayon pool of its own: on a shared pool prediction and training slow each other down threefold.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use crate::model::{Backbone, ModelError};

/// Images that wait for a thread; more callers wait at the door of the queue.
const QUEUE_IMAGES: usize = 64;

/// Why an image got no embedding.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    #[error("{waiting} images are waiting already, limit is {limit}; try again in a moment")]
    Busy { waiting: usize, limit: usize },
    #[error("the server is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("the backbone panicked: {0}")]
    Panicked(String),
}

struct Command {
    pixels: Vec<f32>,
    span: Span,
    reply: oneshot::Sender<Result<Vec<f32>, InferenceError>>,
}

/// Hands images to the threads; clone it freely. When the last handle is dropped the threads end.
#[derive(Clone)]
pub struct Inference {
    queue: mpsc::Sender<Command>,
    backbone: Arc<dyn Backbone>,
    waiting: Arc<AtomicUsize>,
    limit: usize,
}

/// The threads themselves, to be joined once every [`Inference`] is gone.
pub struct Workers(Vec<JoinHandle<()>>);

impl Inference {
    /// Starts `threads` threads (at least one) around one shared backbone; at most `limit` images may be in
    /// flight, whoever asked for them.
    ///
    /// # Errors
    /// The operating system gives no more threads.
    pub fn start(
        backbone: Arc<dyn Backbone>,
        threads: usize,
        limit: usize,
    ) -> std::io::Result<(Self, Workers)> {
        let (queue, commands) = mpsc::channel(QUEUE_IMAGES);
        let commands = Arc::new(Mutex::new(commands));
        let workers = (0..threads.max(1))
            .map(|index| {
                let (backbone, commands) = (Arc::clone(&backbone), Arc::clone(&commands));
                std::thread::Builder::new()
                    .name(format!("inference-{index}"))
                    .spawn(move || work(backbone.as_ref(), &commands))
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        let inference = Self { queue, backbone, waiting: Arc::new(AtomicUsize::new(0)), limit };
        Ok((inference, Workers(workers)))
    }

    /// The backbone the threads run.
    pub fn backbone(&self) -> &dyn Backbone {
        self.backbone.as_ref()
    }

    /// Reserves room for `images` images, so that a request is refused before any of its work is done.
    ///
    /// # Errors
    /// [`InferenceError::Busy`] when that many more would pass the limit.
    pub fn admit(&self, images: usize) -> Result<Admission, InferenceError> {
        let before = self.waiting.fetch_add(images, Ordering::AcqRel);
        let admission = Admission { waiting: Arc::clone(&self.waiting), images };
        // One request alone is always admitted, however large: its size has a limit of its own.
        if before > 0 && before + images > self.limit {
            return Err(InferenceError::Busy { waiting: before, limit: self.limit });
        }
        metrics::gauge!("weathervane_images_in_flight").set((before + images) as f64);
        Ok(admission)
    }

    /// Images admitted and not yet done.
    pub fn in_flight(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }

    /// Embeds one image: `pixels` is `[3, px, px]`, normalised as the backbone's spec says. Waits while the
    /// queue is full.
    ///
    /// # Errors
    /// The backbone refuses the image, or the server shuts down.
    pub async fn embed(&self, pixels: Vec<f32>) -> Result<Vec<f32>, InferenceError> {
        let (reply, answer) = oneshot::channel();
        let command = Command { pixels, span: Span::current(), reply };
        self.queue.send(command).await.map_err(|_| InferenceError::ShuttingDown)?;
        answer.await.map_err(|_| InferenceError::ShuttingDown)?
    }
}

/// Room reserved for images in flight; given back on drop.
pub struct Admission {
    waiting: Arc<AtomicUsize>,
    images: usize,
}

impl Drop for Admission {
    fn drop(&mut self) {
        let before = self.waiting.fetch_sub(self.images, Ordering::AcqRel);
        metrics::gauge!("weathervane_images_in_flight").set(before.saturating_sub(self.images) as f64);
    }
}

impl Workers {
    /// Waits for the threads; they end when the last handle is dropped and the queue is empty.
    pub fn join(self) {
        for worker in self.0 {
            if worker.join().is_err() {
                tracing::error!("an inference thread ended by panic");
            }
        }
    }
}

fn work(backbone: &dyn Backbone, commands: &Mutex<mpsc::Receiver<Command>>) {
    let pool = match rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build() {
        Ok(pool) => pool,
        Err(error) => return tracing::error!(%error, "inference thread could not start its pool"),
    };
    while let Some(command) = next(commands) {
        if command.reply.is_closed() {
            continue;
        }
        let _span = command.span.enter();
        let started = Instant::now();
        let embedded = catch_unwind(AssertUnwindSafe(|| pool.install(|| backbone.embed(&command.pixels))))
            .map_err(|panic| InferenceError::Panicked(panic_text(panic.as_ref())))
            .and_then(|embedded| Ok(embedded?));
        metrics::histogram!("weathervane_embed_seconds").record(started.elapsed().as_secs_f64());
        // The caller may have gone meanwhile: then nobody needs the answer.
        let _ = command.reply.send(embedded);
    }
}

/// The next command; threads take turns at the receiver, the idle ones wait for the lock.
fn next(commands: &Mutex<mpsc::Receiver<Command>>) -> Option<Command> {
    // A poisoned lock means that a neighbour panicked between commands; the receiver itself is sound.
    commands.lock().unwrap_or_else(std::sync::PoisonError::into_inner).blocking_recv()
}

/// The text a panic carried.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
