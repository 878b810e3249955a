//! A folder of images with their labels in a CSV file, and its embeddings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;

use crate::domain::ids::ContentHash;
use crate::inference::Inference;
use crate::model::{Backbone, Features};
use crate::vision::{Limits, prepare};

/// Largest file and picture read from a folder the user names: bytes, pixels.
const LIMITS: Limits = Limits { max_bytes: 200_000_000, max_pixels: 400_000_000 };

/// Images on their way at once beyond those that run: enough to keep the threads busy.
const AHEAD: usize = 4;

/// One line of the CSV file.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct LabelledImage {
    /// Below the images' folder
    pub filename: String,
    pub label: String,
    /// `train` or `val`; a missing column or an empty field counts as `train`
    #[serde(default)]
    pub split: String,
}

impl LabelledImage {
    /// Whether the image is there to learn from.
    pub fn is_train(&self) -> bool {
        matches!(self.split.as_str(), "" | "train")
    }
}

/// A labelled folder; classes are the labels in order of their names.
#[derive(Debug)]
pub struct LabelledFolder {
    images: PathBuf,
    pub rows: Vec<LabelledImage>,
    pub classes: Vec<String>,
}

impl LabelledFolder {
    /// Reads the CSV file: columns `filename`, `label`, and `split` if there is one.
    ///
    /// # Errors
    /// The file or an image is missing, a column is missing, or there are fewer than two classes.
    pub fn read(images: &Path, labels: &Path) -> anyhow::Result<Self> {
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(labels)
            .with_context(|| format!("labels `{}` can't be read", labels.display()))?;
        let rows: Vec<LabelledImage> = reader.deserialize().collect::<Result<_, _>>().with_context(|| {
            format!("labels `{}`: expected columns filename,label[,split]", labels.display())
        })?;
        let mut classes: Vec<String> = rows.iter().map(|row| row.label.clone()).collect();
        classes.sort();
        classes.dedup();
        if classes.len() < 2 {
            bail!("labels `{}` name {} classes, at least 2 are needed", labels.display(), classes.len());
        }
        if let Some(row) = rows.iter().find(|row| !images.join(&row.filename).is_file()) {
            bail!("image `{}` is in the labels but not in `{}`", row.filename, images.display());
        }
        Ok(Self { images: images.to_owned(), rows, classes })
    }

    /// Class of each row.
    pub fn labels(&self) -> Vec<usize> {
        let class = |row: &LabelledImage| self.classes.binary_search(&row.label).unwrap_or_default();
        self.rows.iter().map(class).collect()
    }

    /// Embeddings and content hashes of all rows, in order, on every core, with a progress bar on a terminal.
    ///
    /// # Errors
    /// An image can't be read or decoded; the message names it.
    pub async fn embed(&self, backbone: Arc<dyn Backbone>) -> anyhow::Result<(Features, Vec<ContentHash>)> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (dim, input) = (backbone.spec().dim(), backbone.spec().input);
        let (inference, workers) = Inference::start(backbone, threads, usize::MAX)?;
        let bar = ProgressBar::new(self.rows.len() as u64)
            .with_style(ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {eta}")?)
            .with_message("embedding");
        let embedded = stream::iter(&self.rows).map(|row| {
            let (path, inference, bar) = (self.images.join(&row.filename), inference.clone(), bar.clone());
            async move {
                let shown = path.display().to_string();
                let prepared = tokio::task::spawn_blocking(move || {
                    let bytes = std::fs::read(&path)?;
                    let pixels = prepare(&bytes, &input, &LIMITS)?;
                    anyhow::Ok((ContentHash::new(*blake3::hash(&bytes).as_bytes()), pixels))
                });
                let (hash, pixels) = prepared.await?.with_context(|| format!("image `{shown}`"))?;
                let vector = inference.embed(pixels).await.with_context(|| format!("image `{shown}`"))?;
                bar.inc(1);
                anyhow::Ok((hash, vector))
            }
        });
        let embedded: Vec<_> = embedded.buffered(threads + AHEAD).try_collect().await?;
        bar.finish_and_clear();
        drop(inference);
        tokio::task::spawn_blocking(move || workers.join()).await?;
        let (hashes, vectors): (Vec<_>, Vec<_>) = embedded.into_iter().unzip();
        Ok((Features { dim, values: vectors.concat() }, hashes))
    }
}
