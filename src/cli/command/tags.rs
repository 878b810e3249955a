//! `weathervane tags`.

use anyhow::bail;
use serde_json::json;

use crate::cli::args::{STORAGE, SettingsOf, services};
use crate::cli::output::format::{OutputFormat, print};
use crate::domain::tag::Tag;
use crate::storage::{Renamed, Storage, TagCount};

/// List, rename or remove the tags of chosen images
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane tags list
  weathervane tags rename next_15 \"second round\"
  weathervane tags remove coreset_30

A tag is the name of a selection: of `weathervane select --tag`, or of a part of the dashboard's map. It belongs to images,
in every project. They are read from the data directory (or DATABASE_URL) of the server, which may be running.")]
pub struct TagsCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// All tags, each with the number of its images
    #[command(after_help = "Example:\n  weathervane tags list --format json")]
    List(List),
    /// Give a tag another name, which no image bears yet
    #[command(after_help = "Example:\n  weathervane tags rename next_15 \"second round\"")]
    Rename(Rename),
    /// Take a tag from all its images: `select` may choose them again
    #[command(after_help = "Example:\n  weathervane tags remove coreset_30")]
    Remove(Remove),
}

#[derive(clap::Args)]
struct List {
    /// Output format
    #[arg(long, default_value = "table")]
    format: OutputFormat,

    #[command(flatten)]
    server: SettingsOf<STORAGE>,
}

#[derive(clap::Args)]
struct Rename {
    /// The tag
    tag: Tag,

    /// Its new name
    name: Tag,

    #[command(flatten)]
    server: SettingsOf<STORAGE>,
}

#[derive(clap::Args)]
struct Remove {
    /// The tag
    tag: Tag,

    #[command(flatten)]
    server: SettingsOf<STORAGE>,
}

impl TagsCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        let server = match &self.what {
            What::List(list) => &list.server,
            What::Rename(rename) => &rename.server,
            What::Remove(remove) => &remove.server,
        };
        let done = self.act(&services::open_storage(&server.settings).await?).await;
        print(&done?)
    }

    async fn act(&self, storage: &Storage) -> anyhow::Result<String> {
        match &self.what {
            What::List(list) => {
                let tags = storage.tags().await?;
                Ok(match list.format {
                    OutputFormat::Json => serde_json::to_string_pretty(&as_json(&tags))?,
                    OutputFormat::Table => as_table(&tags),
                })
            }
            What::Rename(Rename { tag, name, .. }) => {
                match storage.rename_tag(tag.as_str(), name.as_str()).await? {
                    Renamed::Images(images) => Ok(format!("{} now called `{name}`", are(images))),
                    Renamed::Unknown => unknown(tag, &storage.tags().await?),
                    Renamed::Taken => bail!("there is a tag `{name}` already; choose another name"),
                }
            }
            What::Remove(Remove { tag, .. }) => match storage.remove_tag(tag.as_str()).await? {
                0 => unknown(tag, &storage.tags().await?),
                images => Ok(format!("{} no longer tagged `{tag}`", are(images))),
            },
        }
    }
}

fn are(images: u64) -> String {
    if images == 1 { "1 image is".to_owned() } else { format!("{images} images are") }
}

fn unknown(tag: &Tag, tags: &[TagCount]) -> anyhow::Result<String> {
    let names: Vec<&str> = tags.iter().map(|known| known.tag.as_str()).collect();
    if names.is_empty() {
        bail!("there is no tag `{tag}`: no image bears one")
    }
    bail!("there is no tag `{tag}`; there are: {}", names.join(", "))
}

fn as_json(tags: &[TagCount]) -> serde_json::Value {
    tags.iter().map(|known| json!({"tag": known.tag, "images": known.images})).collect()
}

fn as_table(tags: &[TagCount]) -> String {
    let lines = tags.iter().map(|known| format!("\n{:>8}  {}", known.images, known.tag));
    format!("{:>8}  tag{}", "images", lines.collect::<String>())
}
