//! Threads that turn pixels into embeddings: one image each, each in its own one-thread pool.
//!
//! Batching does not lower the cost of an image on a CPU, so parallelism is one image per thread. Each thread
//! installs a rayon pool of its own: on a shared pool prediction and training slow each other down threefold.

mod admission;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tracing::Span;

use crate::domain::error_kind::ErrorKind;
use crate::model::{Backbone, ModelError};
use crate::turns::Asker;
pub use admission::Admission;
use admission::{InFlight, Pace};

/// Images that wait for a thread; more callers wait at the door of the queue.
const QUEUE_IMAGES: usize = 64;

/// Reason why an image got no embedding.
#[derive(Debug, thiserror::Error)]
pub enum InferenceError {
    #[error("{waiting} images are waiting already, limit is {limit}; try again in a moment")]
    Busy { waiting: usize, limit: usize },
    #[error(
        "{waiting} images of others take turns with these and take about {} s, limit is {} s; try again in {} s",
        wait.as_secs(), limit.as_secs(), wait.saturating_sub(*limit).as_secs() + 1
    )]
    Overloaded { waiting: usize, wait: Duration, limit: Duration },
    #[error("the server is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error("the backbone panicked: {0}")]
    Panicked(String),
}

impl InferenceError {
    /// Returns the kind of the error, by what the caller can do.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Busy { .. } | Self::Overloaded { .. } => ErrorKind::Busy,
            Self::ShuttingDown => ErrorKind::Unavailable,
            Self::Model(_) | Self::Panicked(_) => ErrorKind::Internal,
        }
    }
}

struct Command {
    asked: Instant,
    pixels: Vec<f32>,
    span: Span,
    reply: oneshot::Sender<Result<Vec<f32>, InferenceError>>,
}

/// Hands images to the threads; clone it freely. When the last handle is dropped the threads end.
#[derive(Clone)]
pub struct Inference {
    queue: mpsc::Sender<Command>,
    backbone: Arc<dyn Backbone>,
    in_flight: InFlight,
    paces: Arc<Paces>,
    threads: usize,
    limit: usize,
}

/// Time that an image takes lately, for decoding and for running. Both happen side by side.
#[derive(Default)]
struct Paces {
    decoding: Pace,
    running: Pace,
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
        let threads = threads.max(1);
        let paces = Arc::new(Paces::default());
        let workers = (0..threads)
            .map(|index| {
                let backbone = Arc::clone(&backbone);
                let commands = Arc::clone(&commands);
                let paces = Arc::clone(&paces);
                std::thread::Builder::new()
                    .name(format!("inference-{index}"))
                    .spawn(move || work(backbone.as_ref(), &commands, &paces.running))
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        let inference = Self { queue, backbone, in_flight: InFlight::default(), paces, threads, limit };
        Ok((inference, Workers(workers)))
    }

    /// The backbone the threads run.
    pub fn backbone(&self) -> &dyn Backbone {
        self.backbone.as_ref()
    }

    /// Reserves room for `images` images of a request, so that it is refused before any of its work is done. With
    /// `patience` it is refused too where what others asked for before would take longer; the time of downloads is not
    /// known and does not count.
    ///
    /// # Errors
    /// [`InferenceError::Busy`] when that many more would pass the limit, [`InferenceError::Overloaded`] when the wait
    /// would be too long.
    pub fn admit(
        &self,
        asker: Asker,
        images: usize,
        patience: Option<Duration>,
    ) -> Result<Admission, InferenceError> {
        // Reserved first: of two that come at the same moment one sees the other.
        let admission = self.in_flight.admit(asker, images);
        let waiting = self.in_flight.total().saturating_sub(images);
        // One request alone is always admitted, however large: its size has a limit of its own.
        if waiting > 0 && waiting + images > self.limit {
            return Err(InferenceError::Busy { waiting, limit: self.limit });
        }
        if let Some(limit) = patience {
            let waiting = self.in_flight.before(asker, images);
            let wait = self.time(waiting);
            if wait > limit {
                return Err(InferenceError::Overloaded { waiting, wait, limit });
            }
        }
        Ok(admission)
    }

    /// Time that so many images take, as the last ones did: the slower of decoding and running, shared among the threads.
    fn time(&self, images: usize) -> Duration {
        let an_image = self.paces.decoding.an_image().max(self.paces.running.an_image());
        let images = u32::try_from(images).unwrap_or(u32::MAX);
        an_image.saturating_mul(images) / u32::try_from(self.threads).unwrap_or(u32::MAX)
    }

    /// Notes the time that decoding an image took.
    pub fn note_decoding(&self, took: Duration) {
        self.paces.decoding.note(took);
    }

    /// Images admitted and not yet done.
    pub fn in_flight(&self) -> usize {
        self.in_flight.total()
    }

    /// Embeds one image: `pixels` is `[3, px, px]`, normalised as the backbone's spec says. Waits while the
    /// queue is full.
    ///
    /// # Errors
    /// The backbone refuses the image, or the server shuts down.
    pub async fn embed(&self, pixels: Vec<f32>) -> Result<Vec<f32>, InferenceError> {
        let (reply, answer) = oneshot::channel();
        let command = Command { asked: Instant::now(), pixels, span: Span::current(), reply };
        self.queue.send(command).await.map_err(|_| InferenceError::ShuttingDown)?;
        answer.await.map_err(|_| InferenceError::ShuttingDown)?
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

fn work(backbone: &dyn Backbone, commands: &Mutex<mpsc::Receiver<Command>>, pace: &Pace) {
    let pool = match rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build() {
        Ok(pool) => pool,
        Err(error) => return tracing::error!(%error, "inference thread could not start its pool"),
    };
    while let Some(command) = next(commands) {
        if command.reply.is_closed() {
            continue;
        }
        let _span = command.span.enter();
        metrics::histogram!("weathervane_embed_wait_seconds").record(command.asked.elapsed().as_secs_f64());
        let started = Instant::now();
        let embedded = catch_unwind(AssertUnwindSafe(|| pool.install(|| backbone.embed(&command.pixels))))
            .map_err(|panic| InferenceError::Panicked(panic_text(panic.as_ref())))
            .and_then(|embedded| Ok(embedded?));
        pace.note(started.elapsed());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ProjectId;
    use crate::model::{BackboneChoice, DeviceChoice, load_backbone};

    #[test]
    fn a_request_is_refused_where_others_take_too_long_and_none_for_its_own_size() {
        let backbone = load_backbone(&BackboneChoice::Tiny, DeviceChoice::Flex).unwrap();
        let (inference, workers) = Inference::start(backbone, 2, 20_000).unwrap();
        let asker = |project, request| Asker { project: ProjectId(project), request };
        let limit = Duration::from_secs(60);
        let first = inference.admit(asker(1, 1), 900, Some(limit)).unwrap();
        let unknown = inference.admit(asker(2, 2), 500, Some(limit));
        assert!(unknown.is_ok(), "nothing is known of the time yet");
        drop(unknown);
        inference.note_decoding(Duration::from_millis(400));
        let refused = inference.admit(asker(2, 2), 500, Some(limit)).err().unwrap();
        assert_eq!(
            refused.to_string(),
            "500 images of others take turns with these and take about 100 s, limit is 60 s; try again in 41 s"
        );
        assert!(inference.admit(asker(2, 2), 300, Some(limit)).is_ok(), "as many of the others take 60 s");
        assert!(inference.admit(asker(2, 2), 500, None).is_ok(), "nobody waits for these");
        drop(first);
        assert!(inference.admit(asker(2, 2), 20_001, Some(limit)).is_ok(), "alone");
        assert_eq!(inference.in_flight(), 0);
        drop(inference);
        workers.join();
    }
}
