//! `weathervane select`.

mod folder;
mod pictures;
mod push;
mod selection;
mod tags;
mod tasks;

use std::path::PathBuf;

use anyhow::bail;
use clap::ArgGroup;

use crate::cli::args::RankingSettings;
use crate::cli::args::strategy::strategies;
use crate::cli::output::format::OutputFormat;
use crate::domain::ids::ProjectId;
use crate::domain::tag::Tag;
use crate::ranking::Strategy;

/// Choose the images of a folder, or the tasks of a project, that are worth labelling first
#[derive(clap::Args)]
#[command(
    group = ArgGroup::new("source").args(["folder", "project"]).required(true),
    group = ArgGroup::new("name").args(["tag", "push"]).multiple(true),
    after_help = "\
Examples:
  weathervane select frames -n 30 --tag coreset_30 --copy-to to-label
  weathervane select frames -n 30 --tag coreset_30 --push 3
  weathervane select frames -n 15 --tag next_15 --strategy k-center
  weathervane select frames -n 15 --tag coreset_30 --extend --format json
  weathervane select --project 3 -n 15 --tag next_15 --strategy margin

Images that bear any tag are known: they are not chosen again, and what is chosen differs from them. Tags and embeddings
are kept in the data directory (or DATABASE_URL) by the images' content, so that a folder may move, an interrupted look
at it goes on, and a server that uses the same directory need not look at an image again.

With --project it chooses among the tasks that nobody has answered, of a project that the server of the data directory
knows; what is labelled is known as well, and a trained model may help to choose.

--push brings the chosen images of a folder into a project of Label Studio; without --tag their tag is project-ID. It can
be repeated at any time: the same command again pushes what is missing of its tag, and chooses nothing new, until all is
there. An image that is in the project already is not uploaded twice."
)]
pub struct Select {
    /// Folder with images; folders below it count too
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,

    /// Label Studio's id of a project whose unlabelled tasks are chosen from, in place of a folder
    #[arg(long, value_name = "ID")]
    project: Option<i64>,

    /// Number of images or tasks to choose
    #[arg(short = 'n', long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    number: u32,

    /// Query strategy; by default max-herding, and u-herding where a project has a model
    #[arg(long, value_name = "NAME", value_parser = strategies())]
    strategy: Option<Strategy>,

    /// Name of this selection
    #[arg(long, value_name = "TAG")]
    tag: Option<Tag>,

    /// Add to a selection of that name
    #[arg(long, requires = "name")]
    extend: bool,

    /// Choose as if no image bore a tag
    #[arg(long)]
    again: bool,

    /// Folder that gets copies of the chosen images
    #[arg(long, value_name = "DIR")]
    copy_to: Option<PathBuf>,

    /// Import the chosen images of a folder into this project of Label Studio
    #[arg(long, value_name = "PROJECT_ID")]
    push: Option<i64>,

    /// Push tasks that Label Studio serves from its local files, in place of uploads; the folder must lie below
    /// LOCAL_FILES_DOCUMENT_ROOT
    #[arg(long, requires = "push")]
    local_files: bool,

    /// Another number gives other choices by chance
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// Output format
    #[arg(long, default_value = "table")]
    format: OutputFormat,

    #[command(flatten)]
    server: RankingSettings,
}

impl Select {
    pub async fn run(self) -> anyhow::Result<()> {
        self.server.settings.validate()?;
        let selection = match (&self.folder, self.project, self.push) {
            (None, Some(project), Some(_)) => {
                bail!("the tasks of project {project} are in Label Studio already; --push takes a folder")
            }
            (None, Some(project), None) => self.among_tasks(ProjectId(project)).await?,
            (Some(folder), ..) => self.in_folder(folder).await?,
            (None, None, _) => bail!("choose from what? name a folder, or a --project"),
        };
        selection.print(self.format)
    }

    /// Name of the selection, if it is to be remembered.
    fn tag(&self) -> Option<String> {
        let named = self.tag.as_ref().map(ToString::to_string);
        named.or_else(|| Some(format!("project-{}", self.push?)))
    }
}
