//! `weathervane evaluate`.

mod report;

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};

use crate::cli::args::PredictionSettings;
use crate::cli::args::model::{Model, ModelArgs};
use crate::cli::dataset::{self, LabelledDataset, LabelledFolder, LabelledImage, SPLIT};
use crate::cli::output::format::{OutputFormat, print};
use crate::cli::output::left_out::{LeftOut, Strictness};
use crate::domain::ids::ContentHash;
use crate::domain::label_config::{ChoiceKind, HeadSpec};
use crate::embed::rounded_as_stored;
use crate::matrix::Matrix;
use report::EvaluationReport;

/// Measure a model on a labelled folder
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane evaluate --images photos --labels labels.csv --model model.safetensors
  weathervane evaluate --images photos --labels labels.csv --only val --project 1 --format json

The CSV file has columns filename,label and, if wanted, split. Images that the model has learnt flatter it: keep some
for this, and name them with --only. Where several classes may apply to an image (multiple choice) the label names all of
them with semicolons between (rain;cloudy), or none; told are then the images of which every class is right, the share of
single decisions that are right (one minus the Hamming loss), and recall and precision of each class.")]
pub struct Evaluate {
    /// Folder with the images
    #[arg(long, value_name = "DIR")]
    images: PathBuf,

    /// CSV file with columns filename,label
    #[arg(long, value_name = "FILE.csv")]
    labels: PathBuf,

    /// Only rows with this word in column `split`
    #[arg(long, value_name = "WORD")]
    only: Option<String>,

    /// Which `<Choices>` the labels are of, where the model has several
    #[arg(long, value_name = "NAME")]
    head: Option<String>,

    #[command(flatten)]
    strictness: Strictness,

    #[command(flatten)]
    model: ModelArgs,

    /// Output format
    #[arg(long, default_value = "table")]
    format: OutputFormat,

    #[command(flatten)]
    server: PredictionSettings,
}

impl Evaluate {
    pub async fn run(self) -> anyhow::Result<()> {
        ensure!(!self.model.is_starter(), "name the model to measure with --project ID or --model FILE");
        let mut left_out = LeftOut::new(self.strictness);
        let mut table =
            LabelledDataset::open(&self.labels, SPLIT, dataset::LabelRequirement::MayBeEmpty, &mut left_out)?;
        if let Some(word) = &self.only {
            keep_only(&mut table, word)?;
        }
        let model = self.model.open(&self.server.settings).await?;
        let head = self.head(&model)?;
        let spec = &model.config.heads[head];
        table.rows.retain(|row| left_out.take(Labels::read([row], spec)).is_some());
        let mut folder = LabelledFolder::open(&self.images, table);
        let (features, hashes) = folder.embed_what_can_be(model.backbone.clone(), &mut left_out).await?;
        left_out.close(folder.table.rows.len(), "rows")?;
        let labels = Labels::read(&folder.table.rows, spec)?;
        warn_of_learnt(&model, &hashes);
        let rows = probabilities(&model, head, &features)?;
        let version = &model.serving.version;
        let report = match &labels {
            Labels::Single(labels) => EvaluationReport::single(version, spec, &rows, labels),
            Labels::Multiple(labels) => EvaluationReport::multiple(version, spec, &rows, labels),
        };
        match self.format {
            OutputFormat::Table => print(&report.table()),
            OutputFormat::Json => print(&serde_json::to_string_pretty(&report)?),
        }
    }

    /// Index of the head the labels are of.
    fn head(&self, model: &Model) -> anyhow::Result<usize> {
        let heads = &model.config.heads;
        let names: Vec<&str> = heads.iter().map(|head| head.from_name.as_str()).collect();
        let index = match &self.head {
            Some(name) => heads.iter().position(|head| head.from_name == *name),
            None if heads.len() == 1 => Some(0),
            None => {
                bail!("the model has {} heads; choose one with --head: {}", heads.len(), names.join(", "))
            }
        };
        index.with_context(|| format!("the model has no such head; it has {}", names.join(", ")))
    }
}

fn keep_only(table: &mut LabelledDataset, word: &str) -> anyhow::Result<()> {
    let mut found: Vec<String> = table.rows.iter().map(|row| row.split.clone()).collect();
    table.rows.retain(|row| row.split == word);
    if table.rows.is_empty() {
        found.sort();
        found.dedup();
        bail!("no row of the labels has `{word}` in column `{SPLIT}`; found `{}`", found.join("`, `"));
    }
    Ok(())
}

/// Labels of the rows, in the order of the model's classes.
enum Labels {
    /// The class of each row.
    Single(Vec<usize>),
    /// Of each row whether each class applies.
    Multiple(Vec<Vec<bool>>),
}

impl Labels {
    fn read<'a>(rows: impl IntoIterator<Item = &'a LabelledImage>, head: &HeadSpec) -> anyhow::Result<Self> {
        let class = |label: &str| {
            head.class_index(label).with_context(|| {
                let classes: Vec<&str> = head.classes.iter().map(|class| class.name.as_str()).collect();
                format!(
                    "label `{label}` is not a class of `{}`; it has {}",
                    head.from_name,
                    classes.join(", ")
                )
            })
        };
        let labels = rows.into_iter().map(|row| row.label.as_str());
        Ok(match head.kind {
            ChoiceKind::Single => Self::Single(labels.map(class).collect::<anyhow::Result<_>>()?),
            ChoiceKind::Multiple => {
                let flags = |label: &str| {
                    let mut flags = vec![false; head.classes.len()];
                    // A class whose name holds a semicolon may stand alone.
                    let names: Vec<&str> = match head.class_index(label) {
                        Some(_) => vec![label],
                        None => label.split(';').map(str::trim).filter(|name| !name.is_empty()).collect(),
                    };
                    for name in names {
                        flags[class(name)?] = true;
                    }
                    anyhow::Ok(flags)
                };
                Self::Multiple(labels.map(flags).collect::<anyhow::Result<_>>()?)
            }
        })
    }
}

fn probabilities(model: &Model, head: usize, features: &Matrix) -> anyhow::Result<Vec<Vec<f32>>> {
    let Some(serving) = &model.serving.heads[head] else {
        bail!(
            "`{}` has no model yet: label images of at least two classes",
            model.config.heads[head].from_name
        );
    };
    features.rows().map(|row| Ok(serving.probabilities(&rounded_as_stored(row.to_vec()))?)).collect()
}

/// Warns if the model was trained on some of the images, as far as its file tells.
fn warn_of_learnt(model: &Model, hashes: &[ContentHash]) {
    let Some(published) = &model.published else { return };
    let learnt = hashes.iter().filter(|hash| published.file.card.has_learnt(**hash)).count();
    if learnt > 0 {
        eprintln!("{learnt} of {} images were learnt by this model: the figures flatter it", hashes.len());
    }
}
