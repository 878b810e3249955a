//! The trainer: one OS thread with a one-thread pool of its own, so that training never slows prediction down.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};
use tracing::Span;

use super::TrainingError;
use super::dataset::{Dataset, HeadData};
use crate::embed::inference::panic_text;
use crate::model::{FitError, FitOptions, Fitted, Group, Progress, fit};

/// Reply of the thread: the data it was lent, and each head's fit.
pub(super) type Fits = (Vec<HeadData>, Vec<Result<Fitted, FitError>>);

struct Command {
    dataset: Dataset,
    groups: Vec<Group>,
    options: FitOptions,
    progress: watch::Sender<Option<Progress>>,
    span: Span,
    reply: oneshot::Sender<Result<Fits, TrainingError>>,
}

/// Hands datasets to the thread; clone it freely.
#[derive(Clone)]
pub struct Trainer {
    commands: mpsc::Sender<Command>,
    cancelled: Arc<AtomicBool>,
}

/// The thread itself, to be joined once every [`Trainer`] is gone.
pub struct TrainerThread(JoinHandle<()>);

impl Trainer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system gives no more threads.
    pub fn start() -> std::io::Result<(Self, TrainerThread)> {
        let (commands, received) = mpsc::channel();
        let cancelled = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&cancelled);
        let thread =
            std::thread::Builder::new().name("trainer".to_owned()).spawn(move || work(&received, &flag))?;
        Ok((Self { commands, cancelled }, TrainerThread(thread)))
    }

    /// Ends the fit under way at its next epoch, and every later one at once.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
    }

    /// Fits every head of a dataset; `progress` follows the epochs.
    pub(super) async fn fit(
        &self,
        dataset: Dataset,
        groups: Vec<Group>,
        options: FitOptions,
        progress: watch::Sender<Option<Progress>>,
    ) -> Result<Fits, TrainingError> {
        let (reply, answer) = oneshot::channel();
        let command = Command { dataset, groups, options, progress, span: Span::current(), reply };
        self.commands.send(command).map_err(|_| TrainingError::Cancelled)?;
        answer.await.map_err(|_| TrainingError::Cancelled)?
    }
}

impl TrainerThread {
    /// Waits for the thread; it ends when the last [`Trainer`] is dropped.
    pub fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("the trainer thread ended by panic");
        }
    }
}

/// Niceness of the trainer among 0 to 19: whoever answers a person, here or in a Label Studio on the same machine, comes
/// first. At 10 it gets a tenth of a core that somebody else wants, and all of one that is idle.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

fn work(commands: &mpsc::Receiver<Command>, cancelled: &AtomicBool) {
    // Linux counts it by threads, other systems by processes, which must stay as they are.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the trainer keeps its priority");
    }
    let pool = match rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build() {
        Ok(pool) => pool,
        Err(error) => return tracing::error!(%error, "trainer thread could not start its pool"),
    };
    for command in commands {
        let Command { dataset, groups, options, progress, span, reply } = command;
        if reply.is_closed() {
            continue;
        }
        let _span = span.enter();
        let fitted = catch_unwind(AssertUnwindSafe(|| {
            pool.install(|| fit_heads(dataset, &groups, &options, &progress, cancelled))
        }));
        let answer = fitted.map_err(|panic| TrainingError::Panicked(panic_text(panic.as_ref())));
        // Nobody waits any more if the server shuts down.
        let _ = reply.send(answer);
    }
}

fn fit_heads(
    dataset: Dataset,
    groups: &[Group],
    options: &FitOptions,
    progress: &watch::Sender<Option<Progress>>,
    cancelled: &AtomicBool,
) -> Fits {
    let fits = dataset.heads.iter().map(|head| {
        let of_regions = !head.spec.is_of_image();
        // The pool holds whole images: their distribution is not that of regions.
        let pool = dataset.pool.as_ref().filter(|_| !of_regions);
        fit(&head.set, pool, groups, &FitOptions { of_regions, ..*options }, &mut |step| {
            progress.send_replace(Some(step));
            if cancelled.load(Ordering::Acquire) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    });
    let fits = fits.collect();
    (dataset.heads, fits)
}
