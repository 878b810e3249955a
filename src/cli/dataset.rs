//! A folder of images with their labels in a CSV file, and its embeddings.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use futures_util::stream::StreamExt;

use super::output::progress::{close_naming_damaged, progress};
use crate::cli::output::left_out::LeftOut;
use crate::cli::text;
use crate::domain::ids::ContentHash;
use crate::embed::{EmbeddedImage, LocalEmbedder};
use crate::matrix::Matrix;
use crate::model::{Backbone, BackboneChoice, DeviceChoice, load_backbone};
use crate::vision::Limits;

/// Largest file and picture read from a folder the user names: bytes, pixels.
pub const LIMITS: Limits = Limits { max_bytes: 200_000_000, max_pixels: 400_000_000 };

/// Column of the CSV file that says what a row is for, unless another is named.
pub const SPLIT: &str = "split";

/// The table of images.
pub const METADATA: &str = "metadata.csv";

/// The table of frames that gave none.
pub const SKIPPED: &str = "skipped.csv";

/// Returns `true` if a file is one of the tables.
pub fn is_table(path: &Path) -> bool {
    path.ends_with(METADATA) || path.ends_with(SKIPPED)
}

/// `--backbone` of commands that embed a folder.
#[derive(clap::Args, Clone)]
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
    /// Place of the line among those after the header, from 0
    pub line: usize,
    /// Below the images' folder
    pub filename: String,
    pub label: String,
    /// `train` or `val`; a missing column or an empty field counts as `train`
    pub split: String,
}

impl LabelledImage {
    /// Returns `true` if the row is of the training split.
    pub fn is_train(&self) -> bool {
        matches!(self.split.as_str(), "" | "train")
    }
}

/// Requirement of a label in each line: where any number of classes may apply, an empty label means that none does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelRequirement {
    Needed,
    MayBeEmpty,
}

/// The CSV file; classes are the labels in order of their names.
#[derive(Debug)]
pub struct LabelledDataset {
    pub rows: Vec<LabelledImage>,
    pub classes: Vec<String>,
    /// Lines after the header, with those that were left out.
    pub lines: usize,
}

impl LabelledDataset {
    /// Reads the CSV file: columns `filename`, `label`, and the one named `split` if there is one. Separators and encodings are
    /// told from the file.
    ///
    /// # Errors
    /// The file or a column is missing, a line can't be used, or there are fewer than two classes.
    pub fn read(path: &Path, split: &str) -> anyhow::Result<Self> {
        let mut left_out = LeftOut::nothing();
        let table = Self::open(path, split, LabelRequirement::Needed, &mut left_out)?;
        left_out.close(table.rows.len(), "rows")?;
        table.check_classes()?;
        Ok(table)
    }

    /// As [`LabelledDataset::read`], but a line without an image or a label, or whose image stands there before, is left out.
    ///
    /// # Errors
    /// The file or a column is missing.
    pub fn open(
        path: &Path,
        split: &str,
        labels: LabelRequirement,
        left_out: &mut LeftOut,
    ) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = text::read(path, "labels")?;
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .flexible(true)
            .delimiter(text::separator(&text, "filename"))
            .from_reader(text.as_bytes());
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
        let mut lines = 0;
        let mut seen = HashSet::new();
        for record in reader.records() {
            let record = record.with_context(|| format!("labels `{shown}`"))?;
            let field = |column: usize| record.get(column).unwrap_or_default().to_owned();
            let split = used.map(field).unwrap_or_default();
            let row = LabelledImage { line: lines, filename: field(filename), label: field(label), split };
            lines += 1;
            let fields = (record.len(), header.len());
            let place =
                || format!("line {} of labels `{shown}`", record.position().map_or(0, csv::Position::line));
            match row {
                // A separator within a name moves what follows it.
                _ if fields.0 > fields.1 => {
                    left_out.note(format!("{} has {} fields, the header {}", place(), fields.0, fields.1));
                }
                row if row.filename.is_empty() => left_out.note(format!("{} has no filename", place())),
                row if row.label.is_empty() && labels == LabelRequirement::Needed => {
                    left_out.note(format!("{} has no label: `{}`", place(), row.filename))
                }
                row if !seen.insert(row.filename.clone()) => {
                    left_out.note(format!("{} has image `{}` twice", place(), row.filename));
                }
                row => rows.push(row),
            }
        }
        let mut table = Self { rows, classes: Vec::new(), lines };
        table.name_classes();
        Ok(table)
    }

    /// Checks that there are classes to tell apart.
    ///
    /// # Errors
    /// There are fewer than two classes.
    pub fn check_classes(&self) -> anyhow::Result<()> {
        ensure!(
            self.classes.len() >= 2,
            "the labels name {} classes, at least 2 are needed",
            self.classes.len()
        );
        Ok(())
    }

    /// The classes are those of the rows that are there.
    fn name_classes(&mut self) {
        self.classes = self.rows.iter().map(|row| row.label.clone()).collect();
        self.classes.sort();
        self.classes.dedup();
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
    pub table: LabelledDataset,
}

/// Embeddings and content hashes of rows, in their order.
pub type EmbeddedRows = (Matrix, Vec<ContentHash>);

impl LabelledFolder {
    /// Reads the CSV file as [`LabelledDataset::read`] does.
    ///
    /// # Errors
    /// The file is not right, or an image in it is missing.
    pub fn read(images: &Path, labels: &Path, split: &str) -> anyhow::Result<Self> {
        let folder = Self::open(images, LabelledDataset::read(labels, split)?);
        if let Some(row) = folder.table.rows.iter().find(|row| !images.join(&row.filename).is_file()) {
            bail!("image `{}` is in the labels but not in `{}`", row.filename, images.display());
        }
        Ok(folder)
    }

    /// The images that a table names.
    pub fn open(images: &Path, table: LabelledDataset) -> Self {
        Self { images: images.to_owned(), table }
    }

    /// Embeddings and content hashes of all rows.
    ///
    /// # Errors
    /// An image can't be read or decoded; the message names it.
    pub async fn embed(&self, backbone: Arc<dyn Backbone>) -> anyhow::Result<EmbeddedRows> {
        let dim = backbone.spec().dim();
        let seen: anyhow::Result<Vec<EmbeddedImage>> = self.embed_rows(backbone).await?.into_iter().collect();
        Ok(embedded(dim, seen?))
    }

    /// As [`LabelledFolder::embed`], but rows whose image is unavailable are left out of the table.
    ///
    /// # Errors
    /// The threads that embed images are unavailable.
    pub async fn embed_what_can_be(
        &mut self,
        backbone: Arc<dyn Backbone>,
        left_out: &mut LeftOut,
    ) -> anyhow::Result<EmbeddedRows> {
        let dim = backbone.spec().dim();
        let images = self.embed_rows(backbone).await?;
        let rows = std::mem::take(&mut self.table.rows);
        let mut seen = Vec::with_capacity(rows.len());
        for (row, image) in rows.into_iter().zip(images) {
            if let Some(image) = left_out.take(image) {
                self.table.rows.push(row);
                seen.push(image);
            }
        }
        self.table.name_classes();
        Ok(embedded(dim, seen))
    }

    /// Embeds every row's image, on every core, with a progress bar on a terminal.
    async fn embed_rows(
        &self,
        backbone: Arc<dyn Backbone>,
    ) -> anyhow::Result<Vec<anyhow::Result<EmbeddedImage>>> {
        let embedder = LocalEmbedder::open(backbone, LIMITS)?;
        let bar = progress("embedding", self.table.rows.len())?;
        let embedded = embedder
            .embed_each(&self.table.rows, async |row: &LabelledImage| {
                let embedded = embedder.embed_file(&self.images.join(&row.filename)).await;
                bar.inc(1);
                Ok(embedded?)
            })
            .collect()
            .await;
        bar.finish_and_clear();
        close_naming_damaged(embedder).await?;
        Ok(embedded)
    }
}

fn embedded(dim: usize, seen: Vec<EmbeddedImage>) -> EmbeddedRows {
    let (hashes, vectors): (Vec<_>, Vec<_>) = seen.into_iter().map(|seen| (seen.hash, seen.vector)).unzip();
    (Matrix { dim, values: vectors.concat() }, hashes)
}
