//! `weathervane versions`.

use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Value, json};

use crate::app::Services;
use crate::cli::args::services;
use crate::cli::args::{MODEL, STORAGE, SettingsOf};
use crate::cli::output::format::{OutputFormat, print};
use crate::cli::output::model_file;
use crate::domain::ids::ProjectId;
use crate::model::BackboneChoice;
use crate::storage::{Project, Version};

/// List, show, activate, hold on to or write out the versions of a project's model
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane versions list --project 1
  weathervane versions show 3 --project 1
  weathervane versions activate 2 --project 1
  weathervane versions pin --project 1
  weathervane versions export 3 --project 1 --format onnx --out weather.onnx

A version is named by its number (3), or by its name as Label Studio shows it (v3-0123456789ab). They are read from the
data directory (or DATABASE_URL) of the server, which may be running: it takes an activated version over within seconds.")]
pub struct Versions {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// All versions, the newest first; `*` marks the one that serves
    #[command(after_help = "Example:\n  weathervane versions list --project 1 --format json")]
    List(List),
    /// Details of one version, as JSON
    #[command(after_help = "Example:\n  weathervane versions show 3 --project 1")]
    Show(One),
    /// Let a version serve until the next training
    #[command(after_help = "Example:\n  weathervane versions activate 2 --project 1")]
    Activate(One),
    /// Let the version that serves go on serving, whatever is trained
    #[command(
        after_help = "Examples:\n  weathervane versions pin --project 1\n  weathervane versions activate 2 --project 1\n\n\
            Trainings go on making versions meanwhile; `activate` switches by hand, `unpin` lets the next training serve."
    )]
    Pin(Of),
    /// Let the next training's version serve again
    #[command(after_help = "Example:\n  weathervane versions unpin --project 1")]
    Unpin(Of),
    /// Write a version as a file, with a JSON card beside it
    #[command(
        after_help = "Example:\n  weathervane versions export 3 --project 1 --format onnx --out weather.onnx"
    )]
    Export(Export),
}

#[derive(clap::Args)]
struct Of {
    /// Label Studio's id of the project
    #[arg(long, value_name = "ID")]
    project: i64,

    #[command(flatten)]
    server: SettingsOf<{ STORAGE | MODEL }>,
}

#[derive(clap::Args)]
struct List {
    /// Output format
    #[arg(long, default_value = "table")]
    format: OutputFormat,

    #[command(flatten)]
    of: Of,
}

#[derive(clap::Args)]
struct One {
    /// Number or name
    version: String,

    #[command(flatten)]
    of: Of,
}

#[derive(clap::Args)]
struct Export {
    /// File to write; its card is written beside it as FILE.json
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Format of the file
    #[arg(long, default_value = "safetensors")]
    format: model_file::ModelFormat,

    #[command(flatten)]
    one: One,
}

impl Versions {
    pub async fn run(self) -> anyhow::Result<()> {
        let of = match &self.what {
            What::List(list) => &list.of,
            What::Show(one) | What::Activate(one) => &one.of,
            What::Pin(of) | What::Unpin(of) => of,
            What::Export(export) => &export.one.of,
        };
        let id = ProjectId(of.project);
        let services = services::open(&of.server.settings).await?;
        let done = self.what.run(&services, id).await;
        services::close(services).await?;
        print(&done?)
    }
}

impl What {
    /// Does it and gives what is to be printed.
    async fn run(&self, services: &Services, id: ProjectId) -> anyhow::Result<String> {
        let project = services::project(&services.storage, id).await?;
        match self {
            Self::List(list) => {
                let versions = services.storage.versions(id).await?;
                Ok(match list.format {
                    OutputFormat::Table => table(&versions, &project),
                    OutputFormat::Json => {
                        let rows: Value =
                            versions.iter().map(|version| describe(version, &project)).collect();
                        serde_json::to_string_pretty(&rows)?
                    }
                })
            }
            Self::Show(one) => Ok(serde_json::to_string_pretty(&describe(
                &find(services, id, &one.version).await?,
                &project,
            ))?),
            Self::Activate(one) => {
                let version = find(services, id, &one.version).await?;
                let published = services.models.activate(id, version.number).await?;
                Ok(format!("project {id}: version {} serves", published.name))
            }
            Self::Pin(_) => {
                services.storage.set_pinned(id, true).await?;
                let serving = match project.current_version {
                    Some(number) => services.storage.version(id, number).await?,
                    None => None,
                };
                Ok(match serving {
                    Some(version) => format!("project {id}: pinned to version {}", version.name),
                    None => format!("project {id}: pinned, and no version serves; `activate` one"),
                })
            }
            Self::Unpin(_) => {
                services.storage.set_pinned(id, false).await?;
                Ok(format!("project {id}: unpinned; the next training's version serves"))
            }
            Self::Export(export) => {
                let version = find(services, id, &export.one.version).await?;
                let published = services.models.version(id, version.number).await?;
                let choice = BackboneChoice::from(export.one.of.server.settings.model.backbone.as_str());
                let bytes = services.models.file(id, version.number).await?;
                let spec = services.backbone.spec();
                model_file::write(&export.out, export.format, &published, &bytes, spec, &choice)?;
                Ok(format!("{}: version {}", export.out.display(), published.name))
            }
        }
    }
}

/// A version by number, `v` and number, or name.
async fn find(services: &Services, id: ProjectId, word: &str) -> anyhow::Result<Version> {
    let found = match word.strip_prefix('v').unwrap_or(word).parse() {
        Ok(number) => services.storage.version(id, number).await?,
        Err(_) => services.storage.version_named(id, word).await?,
    };
    found.with_context(|| format!("project {id} has no version `{word}`; see `weathervane versions list`"))
}

fn describe(version: &Version, project: &Project) -> Value {
    json!({
        "number": version.number,
        "name": version.name,
        "serves": project.current_version == Some(version.number),
        "labels": version.labels,
        "created_at": time(version.created_at),
        "fingerprint": version.fingerprint,
        "fits_label_config": project.config_digest.as_ref() == Some(&version.config_digest),
        "heads": version.metrics,
        "file": version.blob_key,
    })
}

/// UTC, to the second.
fn time(micros: i64) -> String {
    jiff::Timestamp::from_microsecond(micros)
        .map_or_else(|_| micros.to_string(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn table(versions: &[Version], project: &Project) -> String {
    let mut text = format!("  {:>6}  {:<24}  {:>6}  {:<20}  accuracy", "number", "name", "labels", "made at");
    for version in versions {
        let mark = if project.current_version == Some(version.number) { '*' } else { ' ' };
        let accuracies = version.metrics.as_array().into_iter().flatten().map(accuracy);
        text += &format!(
            "\n{mark} {:>6}  {:<24}  {:>6}  {:<20}  {}",
            version.number,
            version.name,
            version.labels,
            time(version.created_at),
            accuracies.collect::<Vec<_>>().join(", ")
        );
    }
    if project.pinned {
        text += "\npinned: trainings make versions, none of them serves";
    }
    text
}

/// `weather 93.3 % (78.7 to 98.2)`, of a head's card as it is stored.
fn accuracy(head: &Value) -> String {
    let name = head["from_name"].as_str().unwrap_or("?");
    let told = &head["evaluation"];
    let percent = |value: &Value| value.as_f64().map(|share| format!("{:.1}", 100.0 * share));
    match (percent(&told["accuracy"]), percent(&told["interval"][0]), percent(&told["interval"][1])) {
        (Some(share), Some(low), Some(high)) => format!("{name} {share} % ({low} to {high})"),
        _ => name.to_owned(),
    }
}
