//! `weathervane predict`.

use std::io::Write;

use anyhow::bail;

use crate::cli::args::PredictionSettings;
use crate::cli::args::model::ModelArgs;
use crate::cli::images::{Predicted, list, predict_all};
use crate::cli::output::predictions::{Predictions, csv, table};
use crate::cli::output::progress::name_skipped;

/// Predict files, folders or addresses of images
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane predict photo.jpg
  weathervane predict photos --model model.safetensors --format csv > predictions.csv
  weathervane predict https://example.org/webcam/latest.jpg --project 1 --data-dir data
  weathervane predict photos --project 1 --format json | jq '.[] | {image, choices: .heads.weather.choices}'

Without --project and --model the built-in weather model answers: cloudy, rain, shine, sunrise. Of a folder everything
below it is predicted at; files that are no images are skipped and named. A host that you type may be a private one;
where it redirects to may not, unless --fetch-allow-cidr says so.
Exit code 1 only if nothing at all could be predicted.")]
pub struct Predict {
    /// Image files, folders, or http(s) addresses
    #[arg(required = true, value_name = "FILE|DIR|URL")]
    sources: Vec<String>,

    #[command(flatten)]
    model: ModelArgs,

    /// Output format
    #[arg(long, default_value = "table")]
    format: Format,

    #[command(flatten)]
    server: PredictionSettings,
}

#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// One line for each image
    Table,
    /// A list with an object for each image
    Json,
    /// One line for each image, with every class's probability
    Csv,
}

impl Predict {
    pub async fn run(self) -> anyhow::Result<()> {
        self.server.settings.validate()?;
        let images = list(&self.sources)?;
        let model = self.model.open(&self.server.settings).await?;
        if self.model.is_starter() {
            eprintln!("neither --project nor --model is given: the built-in weather model answers");
        }
        let Predicted { rows, skipped } = predict_all(&model, images, &self.server.settings).await?;
        name_skipped(&skipped);
        if rows.is_empty() {
            bail!("nothing could be predicted of {} files; see above for each", skipped.len());
        }
        let threshold = self.server.settings.model.model_score_threshold;
        let predictions = Predictions { model: &model, threshold, rows };
        let text = match self.format {
            Format::Table => table(&predictions),
            Format::Json => serde_json::to_string_pretty(&predictions.json())? + "\n",
            Format::Csv => csv(&predictions)?,
        };
        Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
    }
}
