//! `weathervane export model`.

use std::path::PathBuf;

use anyhow::Context;

use crate::cli::args::model::{ModelArgs, backbone_of};
use crate::cli::args::{MODEL, STORAGE, SettingsOf};
use crate::cli::files::check_place;
use crate::cli::output::format::print;
use crate::cli::output::model_file::{self, ModelFormat};

/// Write a model as safetensors or ONNX, with a JSON card beside it
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane export model --project 1 --format onnx --out weather.onnx
  weathervane export model --model model.safetensors --format onnx --out model.onnx
  weathervane export model --format onnx --out starter.onnx

Beside FILE stands FILE.json: classes, input size, normalisation and resize rule, version, figures, licence. The ONNX file
holds the whole network; its input `pixels` is [N, 3, px, px], normalised as the card says, and each head is an output of
calibrated probabilities. Without --project and --model the built-in weather model is written.")]
pub struct ExportModel {
    #[command(flatten)]
    model: ModelArgs,

    /// Format of the file
    #[arg(long, default_value = "safetensors")]
    format: ModelFormat,

    /// File to write; it appears once it is complete
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    server: SettingsOf<{ STORAGE | MODEL }>,
}

impl ExportModel {
    pub async fn run(self) -> anyhow::Result<()> {
        check_place(&self.out)?;
        let model = self.model.open(&self.server.settings).await?;
        let published = model.published.as_deref().context(
            "the project has no model of its own yet, the starter serves it; label more, or leave --project out to \
             write the starter",
        )?;
        let choice = backbone_of(&published.file.card, &self.server.settings);
        model_file::write(&self.out, self.format, published, &model.bytes, model.backbone.spec(), &choice)?;
        print(&format!("{}: version {}", self.out.display(), published.name))?;
        Ok(())
    }
}
