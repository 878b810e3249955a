//! Looks at images that are no task's: a backbone on every core, and a progress bar.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};

use crate::domain::ids::ContentHash;
use crate::inference::{Inference, Workers};
use crate::model::Backbone;
use crate::vision::{Input, Limits, prepare};

/// Images on their way at once beyond those that run: enough to keep the threads busy.
const AHEAD: usize = 4;

/// A backbone at work.
pub struct Eye {
    inference: Inference,
    workers: Workers,
    input: Input,
    limits: Limits,
    threads: usize,
}

/// What was seen in one image.
#[derive(Clone, Debug)]
pub struct Seen {
    pub hash: ContentHash,
    /// As long as the backbone's spec says.
    pub vector: Vec<f32>,
}

impl Eye {
    /// Starts a thread on each core.
    ///
    /// # Errors
    /// The operating system gives no more threads.
    pub fn open(backbone: Arc<dyn Backbone>, limits: Limits) -> anyhow::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let input = backbone.spec().input;
        let (inference, workers) = Inference::start(backbone, threads, usize::MAX)?;
        Ok(Self { inference, workers, input, limits, threads })
    }

    /// Images worth having on their way at once.
    pub fn abreast(&self) -> usize {
        self.threads + AHEAD
    }

    /// Embeds the bytes of an image file.
    ///
    /// # Errors
    /// They are no image this program reads, or too large a one.
    pub async fn look_at(&self, bytes: Bytes) -> anyhow::Result<Seen> {
        let (input, limits) = (self.input, self.limits);
        let prepared = tokio::task::spawn_blocking(move || {
            let pixels = prepare(&bytes, &input, &limits)?.pixels;
            anyhow::Ok((ContentHash::new(*blake3::hash(&bytes).as_bytes()), pixels))
        });
        let (hash, pixels) = prepared.await??;
        Ok(Seen { hash, vector: self.inference.embed(pixels).await? })
    }

    /// Embeds an image file.
    ///
    /// # Errors
    /// It can't be read, or as [`Eye::look_at`]; the message names it.
    pub async fn look_at_file(&self, path: &Path) -> anyhow::Result<Seen> {
        let named = || format!("image `{}`", path.display());
        let bytes = tokio::fs::read(path).await.with_context(named)?;
        self.look_at(bytes.into()).await.with_context(named)
    }

    /// Ends the threads.
    ///
    /// # Errors
    /// The wait was interrupted.
    pub async fn close(self) -> anyhow::Result<()> {
        let Self { inference, workers, .. } = self;
        drop(inference);
        Ok(tokio::task::spawn_blocking(move || workers.join()).await?)
    }
}

/// A progress bar on stderr, which shows only on a terminal.
///
/// # Errors
/// Never: the template is fixed.
pub fn progress(doing: &'static str, of: usize) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {eta}")?;
    Ok(ProgressBar::new(of as u64).with_style(style).with_message(doing))
}
