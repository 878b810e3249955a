//! A folder of images with their labels in a CSV file, and its embeddings.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::eye::{Eye, progress};
use crate::domain::ids::ContentHash;
use crate::model::{Backbone, BackboneChoice, DeviceChoice, Features, load_backbone};
use crate::vision::Limits;

/// Largest file and picture read from a folder the user names: bytes, pixels.
pub const LIMITS: Limits = Limits { max_bytes: 200_000_000, max_pixels: 400_000_000 };

/// Column of the CSV file that says what a row is for, unless another is named.
pub const SPLIT: &str = "split";

/// `--backbone` of commands that look at a folder.
#[derive(clap::Args)]
pub struct BackboneName {
    /// `lite0` (160 px, all depths), `lite0-fast` (128 px, faster and a little less exact), or a backbone file
    #[arg(long, default_value = "lite0", value_name = "NAME|FILE")]
    backbone: String,
}

impl BackboneName {
    /// Loads it.
    ///
    /// # Errors
    /// The file can't be used.
    pub async fn load(self) -> anyhow::Result<Arc<dyn Backbone>> {
        let choice = BackboneChoice::from(self.backbone.as_str());
        Ok(tokio::task::spawn_blocking(move || load_backbone(&choice, DeviceChoice::Flex)).await??)
    }
}

/// One line of the CSV file.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledImage {
    /// Below the images' folder
    pub filename: String,
    pub label: String,
    /// `train` or `val`; a missing column or an empty field counts as `train`
    pub split: String,
}

impl LabelledImage {
    /// Whether the image is there to learn from.
    pub fn is_train(&self) -> bool {
        matches!(self.split.as_str(), "" | "train")
    }
}

/// The CSV file; classes are the labels in order of their names.
#[derive(Debug)]
pub struct LabelledRows {
    pub rows: Vec<LabelledImage>,
    pub classes: Vec<String>,
}

impl LabelledRows {
    /// Reads the CSV file: columns `filename`, `label`, and the one named `split` if there is one.
    ///
    /// # Errors
    /// The file or a column is missing, an image stands twice, or there are fewer than two classes.
    pub fn read(path: &Path, split: &str) -> anyhow::Result<Self> {
        let shown = path.display();
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(path)
            .with_context(|| format!("labels `{shown}` can't be read"))?;
        let header = reader.headers().with_context(|| format!("labels `{shown}`"))?.clone();
        let column = |name: &str| header.iter().position(|found| found == name);
        let missing = |name: &str| {
            let found: Vec<&str> = header.iter().collect();
            format!("labels `{shown}` have no column `{name}`: found {}", found.join(","))
        };
        let filename = column("filename").with_context(|| missing("filename"))?;
        let label = column("label").with_context(|| missing("label"))?;
        let used = column(split);
        if used.is_none() && split != SPLIT {
            bail!(missing(split));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.with_context(|| format!("labels `{shown}`"))?;
            let field = |column: usize| record.get(column).unwrap_or_default().to_owned();
            let split = used.map(field).unwrap_or_default();
            rows.push(LabelledImage { filename: field(filename), label: field(label), split });
        }
        let mut classes: Vec<String> = rows.iter().map(|row| row.label.clone()).collect();
        classes.sort();
        classes.dedup();
        if classes.len() < 2 {
            bail!("labels `{shown}` name {} classes, at least 2 are needed", classes.len());
        }
        let mut seen = HashSet::new();
        if let Some(row) = rows.iter().find(|row| !seen.insert(row.filename.as_str())) {
            bail!("labels `{shown}` have image `{}` twice", row.filename);
        }
        Ok(Self { rows, classes })
    }

    /// Class of each row.
    pub fn labels(&self) -> Vec<usize> {
        let class = |row: &LabelledImage| self.classes.binary_search(&row.label).unwrap_or_default();
        self.rows.iter().map(class).collect()
    }
}

/// A labelled folder.
#[derive(Debug)]
pub struct LabelledFolder {
    images: PathBuf,
    pub table: LabelledRows,
}

impl LabelledFolder {
    /// Reads the CSV file as [`LabelledRows::read`] does.
    ///
    /// # Errors
    /// The file is not right, or an image in it is missing.
    pub fn read(images: &Path, labels: &Path, split: &str) -> anyhow::Result<Self> {
        let table = LabelledRows::read(labels, split)?;
        if let Some(row) = table.rows.iter().find(|row| !images.join(&row.filename).is_file()) {
            bail!("image `{}` is in the labels but not in `{}`", row.filename, images.display());
        }
        Ok(Self { images: images.to_owned(), table })
    }

    /// Embeddings and content hashes of all rows, in order, on every core, with a progress bar on a terminal.
    ///
    /// # Errors
    /// An image can't be read or decoded; the message names it.
    pub async fn embed(&self, backbone: Arc<dyn Backbone>) -> anyhow::Result<(Features, Vec<ContentHash>)> {
        let dim = backbone.spec().dim();
        let eye = Eye::open(backbone, LIMITS)?;
        let bar = progress("embedding", self.table.rows.len())?;
        let seen: anyhow::Result<Vec<_>> = stream::iter(&self.table.rows)
            .map(|row| {
                let (path, eye, bar) = (self.images.join(&row.filename), &eye, &bar);
                async move {
                    let seen = eye.look_at_file(&path).await?;
                    bar.inc(1);
                    anyhow::Ok(seen)
                }
            })
            .buffered(eye.abreast())
            .try_collect()
            .await;
        bar.finish_and_clear();
        eye.close().await?;
        let (hashes, vectors): (Vec<_>, Vec<_>) =
            seen?.into_iter().map(|seen| (seen.hash, seen.vector)).unzip();
        Ok((Features { dim, values: vectors.concat() }, hashes))
    }
}
