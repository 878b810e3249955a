//! `weathervane export`.

mod embeddings;
mod model;
mod predictions;

use crate::cli::dataset::BackboneName;

/// Write embeddings, models or predictions for other programs
#[derive(clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  weathervane export --images weather4 --labels weather4-split.csv --embeddings weather4.npy
  weathervane simulate --features weather4.npy --labels weather4-split.csv
  weathervane export model --project 1 --format onnx --out weather.onnx
  weathervane export predictions --project 1 --format label-studio --out tasks.json

The embeddings' file is a NumPy matrix of 32-bit floats, one row for each line of the CSV file, in its order: numpy.load
reads it. The widths of the columns' groups (depths of the network) are printed."
)]
pub struct ExportCommand {
    #[command(subcommand)]
    what: Option<What>,

    #[command(flatten)]
    embeddings: Option<embeddings::Embeddings>,

    // Beside the group, not in it: clap sees only a group's own arguments.
    #[command(flatten)]
    backbone: BackboneName,
}

#[derive(clap::Subcommand)]
enum What {
    /// Write a model as safetensors or ONNX, with a JSON card beside it
    Model(Box<model::ExportModel>),
    /// Write predictions of a project's tasks or of a folder: Label Studio's JSON, CSV or COCO-like JSON
    Predictions(Box<predictions::ExportPredictions>),
}

impl ExportCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        match (self.what, self.embeddings) {
            (Some(What::Model(command)), _) => command.run().await,
            (Some(What::Predictions(command)), _) => command.run().await,
            (None, Some(command)) => command.run(self.backbone).await,
            (None, None) => anyhow::bail!(
                "say what to write: --embeddings FILE.npy, or the command `model` or `predictions`; see `weathervane \
                 export --help`"
            ),
        }
    }
}
