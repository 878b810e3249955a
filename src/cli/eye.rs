//! Looks at images that are no task's: a backbone on every core, and a progress bar.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};

use crate::domain::ids::ContentHash;
use crate::inference::{Inference, Workers};
use crate::model::Backbone;
use crate::vision::{Input, Limits, Prepared, prepare};

/// Images on their way at once beyond those that run: enough to keep the threads busy.
const AHEAD: usize = 4;

/// Damaged images that are named; the rest is counted.
const NAMED: usize = 5;

/// A backbone at work.
pub struct Eye {
    inference: Inference,
    workers: Workers,
    input: Input,
    limits: Limits,
    threads: usize,
    /// Names of images of which only a part could be read.
    damaged: Mutex<Vec<String>>,
}

/// What was seen in one image.
#[derive(Clone, Debug)]
pub struct Seen {
    pub hash: ContentHash,
    /// As long as the backbone's spec says.
    pub vector: Vec<f32>,
    /// Whether only a part of the picture could be read.
    pub damaged: bool,
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
        Ok(Self { inference, workers, input, limits, threads, damaged: Mutex::default() })
    }

    /// Images worth having on their way at once.
    pub fn abreast(&self) -> usize {
        self.threads + AHEAD
    }

    /// Embeds the bytes of the image of this name.
    ///
    /// # Errors
    /// They are no image this program reads, or too large a one.
    pub async fn look_at(&self, name: &str, bytes: Bytes) -> anyhow::Result<Seen> {
        let (input, limits) = (self.input, self.limits);
        let prepared = tokio::task::spawn_blocking(move || {
            let prepared = prepare(&bytes, &input, &limits)?;
            anyhow::Ok((ContentHash::new(*blake3::hash(&bytes).as_bytes()), prepared))
        });
        let (hash, Prepared { pixels, damaged }) = prepared.await??;
        if damaged {
            self.damaged.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
        }
        Ok(Seen { hash, vector: self.inference.embed(pixels).await?, damaged })
    }

    /// Embeds an image file.
    ///
    /// # Errors
    /// It can't be read, or as [`Eye::look_at`]; the message names it.
    pub async fn look_at_file(&self, path: &Path) -> anyhow::Result<Seen> {
        let named = || format!("image `{}`", path.display());
        let bytes = tokio::fs::read(path).await.with_context(named)?;
        self.look_at(&path.display().to_string(), bytes.into()).await.with_context(named)
    }

    /// Ends the threads, and names on stderr the images that are damaged.
    ///
    /// # Errors
    /// The wait was interrupted.
    pub async fn close(self) -> anyhow::Result<()> {
        let Self { inference, workers, damaged, .. } = self;
        drop(inference);
        let mut damaged = damaged.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Threads end in any order.
        damaged.sort();
        if !damaged.is_empty() {
            eprintln!("{} damaged, taken as far as decoded:", damaged.len());
            damaged.iter().take(NAMED).for_each(|name| eprintln!("  {name}"));
            if damaged.len() > NAMED {
                eprintln!("  and {} more", damaged.len() - NAMED);
            }
        }
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
