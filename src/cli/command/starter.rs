//! `weathervane starter`.

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context;

use crate::cli::dataset::{LabelledFolder, SPLIT};
use crate::cli::output::format::print;
use crate::domain::ids::ProjectId;
use crate::domain::label_config::{ChoiceKind, Control, Scope};
use crate::eval::{accuracy, wilson};
use crate::matrix::Matrix;
use crate::model::{
    BackboneChoice, DeviceChoice, FitOptions, Fitted, Targets, TrainingSet, fit, load_backbone,
};
use crate::models::{Card, HeadCard, HeadSource, VersionFile};

/// Train the starter model from a labelled folder
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  weathervane starter --images weather4 --labels weather4-split.csv --out assets/starter-weather.safetensors

The CSV file has columns filename,label,split. Rows of split `train` are learnt; the others only measure the result.
The same images give the same file.")]
pub struct StarterCommand {
    /// Folder with the images
    #[arg(long, value_name = "DIR")]
    images: PathBuf,

    /// CSV file with columns filename,label and, if wanted, split
    #[arg(long, value_name = "FILE.csv")]
    labels: PathBuf,

    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl StarterCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        let folder = LabelledFolder::read(&self.images, &self.labels, SPLIT)?;
        let backbone =
            tokio::task::spawn_blocking(|| load_backbone(&BackboneChoice::Lite0, DeviceChoice::Flex))
                .await??;
        let spec = backbone.spec().clone();
        let (features, hashes) = folder.embed(backbone).await?;
        let labels = folder.table.labels();
        let (train, rest): (Vec<usize>, Vec<usize>) =
            (0..labels.len()).partition(|row| folder.table.rows[*row].is_train());
        let pick = |rows: &[usize]| Matrix {
            dim: features.dim,
            values: rows.iter().flat_map(|row| features.row(*row).iter().copied()).collect(),
        };
        let classes = folder.table.classes.len();
        let set = TrainingSet {
            features: pick(&train),
            targets: Targets::Single { classes, labels: train.iter().map(|row| labels[*row]).collect() },
            hashes: train.iter().map(|row| hashes[*row]).collect(),
        };
        let groups = spec.groups.clone();
        let learnt = set.hashes.clone();
        let fitted = tokio::task::spawn_blocking(move || {
            fit(&set, None, &groups, &FitOptions::default(), &mut |_| ControlFlow::Continue(()))
        })
        .await??;
        report(&fitted, &pick(&rest), &rest.iter().map(|row| labels[*row]).collect::<Vec<_>>())?;
        let head = HeadCard {
            from_name: "weather".to_owned(),
            to_name: "image".to_owned(),
            control: Control::Choices,
            scope: Scope::Image,
            kind: ChoiceKind::Single,
            classes: folder.table.classes,
            paths: Vec::new(),
            source: HeadSource::Starter,
            groups: fitted.group_weights,
            refined: fitted.refined,
            evaluation: Some(fitted.evaluation),
            starter_accuracy: None,
            suspects: Vec::new(),
            near_copies: Vec::new(),
            confusion: Vec::new(),
            calibration: Vec::new(),
            losses: Vec::new(),
        };
        let mut card =
            Card::new(ProjectId(0), &spec.fingerprint, &spec.name, String::new(), train.len() as i64);
        card.heads.push(head);
        card.set_learnt(&learnt);
        let bytes = VersionFile { card, heads: vec![fitted.head] }.to_bytes()?;
        std::fs::write(&self.out, &bytes)
            .with_context(|| format!("`{}` can't be written", self.out.display()))?;
        print(&format!("{}: {} bytes", self.out.display(), bytes.len()))?;
        Ok(())
    }
}

/// Prints what the head reaches on its own labels out of fold, and on the images it never saw.
fn report(fitted: &Fitted, rest: &Matrix, labels: &[usize]) -> anyhow::Result<()> {
    let told = &fitted.evaluation;
    print(&format!(
        "out of fold: {:.1} % of {} ({:.1} to {:.1}), log loss {:.3}, temperature {:.3}, weights {:?}, refined {}",
        100.0 * told.accuracy,
        told.n,
        100.0 * told.interval.0,
        100.0 * told.interval.1,
        told.log_loss,
        fitted.temperature,
        fitted.group_weights,
        fitted.refined
    ))?;
    if !labels.is_empty() {
        let rows = rest.rows().map(|row| fitted.head.probabilities(row)).collect::<Result<Vec<_>, _>>()?;
        let reached = accuracy(&rows, labels);
        let (low, high) = wilson(reached, labels.len());
        print(&format!(
            "unseen: {:.1} % of {} ({:.1} to {:.1})",
            100.0 * reached,
            labels.len(),
            100.0 * low,
            100.0 * high
        ))?;
    }
    Ok(())
}
