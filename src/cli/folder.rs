//! A folder of images with their labels in a CSV file, and its embeddings.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use futures_util::stream::{self, StreamExt};

use super::eye::{Eye, Seen, progress};
use super::left_out::LeftOut;
use super::text;
use crate::domain::ids::ContentHash;
use crate::model::{Backbone, BackboneChoice, DeviceChoice, Features, load_backbone};
use crate::vision::Limits;

/// Largest file and picture read from a folder the user names: bytes, pixels.
pub const LIMITS: Limits = Limits { max_bytes: 200_000_000, max_pixels: 400_000_000 };

/// Column of the CSV file that says what a row is for, unless another is named.
pub const SPLIT: &str = "split";

/// `--backbone` of commands that look at a folder.
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
    /// Whether the image is there to learn from.
    pub fn is_train(&self) -> bool {
        matches!(self.split.as_str(), "" | "train")
    }
}

/// Whether a line may have no label: where any number of classes may apply that says that none does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels {
    Needed,
    MayBeEmpty,
}

/// The CSV file; classes are the labels in order of their names.
#[derive(Debug)]
pub struct LabelledRows {
    pub rows: Vec<LabelledImage>,
    pub classes: Vec<String>,
    /// Lines after the header, with those that were left out.
    pub lines: usize,
}

impl LabelledRows {
    /// Reads the CSV file: columns `filename`, `label`, and the one named `split` if there is one. Separators and encodings are
    /// told from the file.
    ///
    /// # Errors
    /// The file or a column is missing, a line can't be used, or there are fewer than two classes.
    pub fn read(path: &Path, split: &str) -> anyhow::Result<Self> {
        let mut left_out = LeftOut::nothing();
        let table = Self::open(path, split, Labels::Needed, &mut left_out)?;
        left_out.close(table.rows.len(), "rows")?;
        table.check_classes()?;
        Ok(table)
    }

    /// As [`LabelledRows::read`], but a line without an image or a label, or whose image stands there before, is left out.
    ///
    /// # Errors
    /// The file or a column is missing.
    pub fn open(path: &Path, split: &str, labels: Labels, left_out: &mut LeftOut) -> anyhow::Result<Self> {
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
        let (mut rows, mut lines) = (Vec::new(), 0);
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
                row if row.label.is_empty() && labels == Labels::Needed => {
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

    /// Whether there is something to tell apart.
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
    pub table: LabelledRows,
}

/// Embeddings and content hashes of rows, in their order.
pub type Embedded = (Features, Vec<ContentHash>);

impl LabelledFolder {
    /// Reads the CSV file as [`LabelledRows::read`] does.
    ///
    /// # Errors
    /// The file is not right, or an image in it is missing.
    pub fn read(images: &Path, labels: &Path, split: &str) -> anyhow::Result<Self> {
        let folder = Self::open(images, LabelledRows::read(labels, split)?);
        if let Some(row) = folder.table.rows.iter().find(|row| !images.join(&row.filename).is_file()) {
            bail!("image `{}` is in the labels but not in `{}`", row.filename, images.display());
        }
        Ok(folder)
    }

    /// The images that a table names.
    pub fn open(images: &Path, table: LabelledRows) -> Self {
        Self { images: images.to_owned(), table }
    }

    /// Embeddings and content hashes of all rows.
    ///
    /// # Errors
    /// An image can't be read or decoded; the message names it.
    pub async fn embed(&self, backbone: Arc<dyn Backbone>) -> anyhow::Result<Embedded> {
        let dim = backbone.spec().dim();
        let seen: anyhow::Result<Vec<Seen>> = self.look(backbone).await?.into_iter().collect();
        Ok(embedded(dim, seen?))
    }

    /// As [`LabelledFolder::embed`], but rows whose image can't be had are left out of the table.
    ///
    /// # Errors
    /// The threads that look at images can't be had.
    pub async fn embed_what_can_be(
        &mut self,
        backbone: Arc<dyn Backbone>,
        left_out: &mut LeftOut,
    ) -> anyhow::Result<Embedded> {
        let dim = backbone.spec().dim();
        let looked = self.look(backbone).await?;
        let rows = std::mem::take(&mut self.table.rows);
        let mut seen = Vec::with_capacity(rows.len());
        for (row, looked) in rows.into_iter().zip(looked) {
            if let Some(look) = left_out.take(looked) {
                self.table.rows.push(row);
                seen.push(look);
            }
        }
        self.table.name_classes();
        Ok(embedded(dim, seen))
    }

    /// Looks at every row's image, on every core, with a progress bar on a terminal.
    async fn look(&self, backbone: Arc<dyn Backbone>) -> anyhow::Result<Vec<anyhow::Result<Seen>>> {
        let eye = Eye::open(backbone, LIMITS)?;
        let bar = progress("embedding", self.table.rows.len())?;
        let looked = stream::iter(&self.table.rows)
            .map(|row| {
                let (path, eye, bar) = (self.images.join(&row.filename), &eye, &bar);
                async move {
                    let seen = eye.look_at_file(&path).await;
                    bar.inc(1);
                    seen
                }
            })
            .buffered(eye.abreast())
            .collect()
            .await;
        bar.finish_and_clear();
        eye.close().await?;
        Ok(looked)
    }
}

fn embedded(dim: usize, seen: Vec<Seen>) -> Embedded {
    let (hashes, vectors): (Vec<_>, Vec<_>) = seen.into_iter().map(|seen| (seen.hash, seen.vector)).unzip();
    (Features { dim, values: vectors.concat() }, hashes)
}
