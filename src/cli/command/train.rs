//! `weathervane train`.

mod offline;
mod pictures;

use std::path::PathBuf;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use serde_json::json;

use crate::app::Services;
use crate::cli::args::PredictionSettings;
use crate::cli::args::services;
use crate::cli::output::format::{OutputFormat, print};
use crate::cli::output::left_out::Strictness;
use crate::domain::ids::ProjectId;
use crate::models::HeadCard;
use crate::storage::{Job, JobState, Version};

/// Train once: a project as the server would, or a model file from a Label Studio export
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane train --project 1
  weathervane train --export export.json --images photos --out model.safetensors
  weathervane train --export export-min.json --label-config label_config.xml --images photos --out model.safetensors

With --project a version is made in the data directory (or DATABASE_URL) of the server and serves at once, unless the project
is pinned; a running server takes it over within seconds. With --export nothing but the files is touched: images are looked
for in --images by their names (`1a2b3c4d-name.jpg`, as Label Studio keeps uploads, is `name.jpg` too), else as local paths,
else fetched by the settings for Label Studio. Without --label-config the classes are those that somebody chose.")]
pub struct Train {
    /// Label Studio's id of a project in the server's data directory
    #[arg(long, value_name = "ID", required_unless_present = "export", conflicts_with = "export")]
    project: Option<i64>,

    /// A Label Studio export, JSON or JSON-MIN
    #[arg(long, value_name = "FILE.json", requires = "out")]
    export: Option<PathBuf>,

    /// The export's label config; JSON-MIN needs it
    #[arg(long, value_name = "FILE.xml", requires = "export")]
    label_config: Option<PathBuf>,

    /// Folder with the export's images
    #[arg(long, value_name = "DIR", requires = "export")]
    images: Option<PathBuf>,

    /// Model file to write; its card is written beside it as FILE.json
    #[arg(long, value_name = "FILE.safetensors", requires = "export")]
    out: Option<PathBuf>,

    #[command(flatten)]
    strictness: Strictness,

    /// Output format
    #[arg(long, default_value = "table")]
    format: OutputFormat,

    #[command(flatten)]
    server: PredictionSettings,
}

/// Result of a training.
struct Trained {
    version: String,
    labels: i64,
    heads: Vec<HeadCard>,
}

impl Train {
    pub async fn run(self) -> anyhow::Result<()> {
        self.server.settings.validate()?;
        let trained = match (self.project, &self.export, &self.out) {
            (Some(project), ..) => self.project(ProjectId(project)).await?,
            (None, Some(export), Some(out)) => {
                let wanted = offline::OfflineTraining {
                    export,
                    label_config: self.label_config.as_deref(),
                    images: self.images.as_deref(),
                    out,
                    strictness: self.strictness,
                };
                offline::train(&wanted, &self.server.settings).await?
            }
            _ => bail!("name what to train: --project ID, or --export FILE.json --out FILE.safetensors"),
        };
        match self.format {
            OutputFormat::Table => print(&trained.table()),
            OutputFormat::Json => {
                let Trained { version, labels, heads } = trained;
                let value = json!({"version": version, "labels": labels, "heads": heads});
                print(&serde_json::to_string_pretty(&value)?)
            }
        }
    }

    async fn project(&self, id: ProjectId) -> anyhow::Result<Trained> {
        let services = services::open(&self.server.settings).await?;
        let version = train_project(&services, id).await;
        services::close(services).await?;
        let version = version?;
        let heads = serde_json::from_value(version.metrics).context("the version's figures can't be read")?;
        Ok(Trained { version: version.name, labels: version.labels, heads })
    }
}

/// Trains a project and gives the version; Ctrl-C gives the job back to the queue.
async fn train_project(services: &Services, id: ProjectId) -> anyhow::Result<Version> {
    services::project(&services.storage, id).await?;
    let bar = ProgressBar::new_spinner().with_message("training");
    let mut watch = |job: &Job| match (job.epoch, job.epochs) {
        (Some(epoch), Some(epochs)) => bar.set_message(format!("training, epoch {epoch} of {epochs}")),
        _ => bar.tick(),
    };
    let worker = services.training.worker();
    let job = tokio::select! {
        job = worker.train_now(id, &mut watch) => job?,
        _ = tokio::signal::ctrl_c() => {
            worker.give_back().await;
            bail!("stopped; the training is queued and runs when a server starts");
        }
    };
    bar.finish_and_clear();
    if job.state != JobState::Done {
        bail!("project {id} was not trained: {}", job.error.unwrap_or_else(|| job.state.as_str().to_owned()));
    }
    let number = job.version.context("the training made no version")?;
    let version = services.storage.version(id, number).await?;
    let version = version.with_context(|| format!("version {number} of project {id} is gone"))?;
    let project = services::project(&services.storage, id).await?;
    if project.current_version != Some(number) {
        eprintln!(
            "the project is pinned: the version is kept aside; `weathervane versions activate {number}` lets it serve"
        );
    }
    Ok(version)
}

impl Trained {
    /// The version, and of each head its classes and how good it is.
    fn table(&self) -> String {
        let mut text = format!("version {}, {} labelled images\n", self.version, self.labels);
        for head in &self.heads {
            text += &format!("{} ({})", head.from_name, head.classes.join(", "));
            if let Some(told) = &head.evaluation {
                text += &format!(
                    ": {:.1} % of {} right out of fold (95 %: {:.1} to {:.1}), always the commonest {:.1} %",
                    100.0 * told.accuracy,
                    told.n,
                    100.0 * told.interval.0,
                    100.0 * told.interval.1,
                    100.0 * told.majority
                );
            }
            if head.source == crate::models::HeadSource::Starter {
                text += "; the starter model is still better and serves";
            }
            text.push('\n');
        }
        text
    }
}
