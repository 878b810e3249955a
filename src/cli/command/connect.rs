//! `weathervane connect`.

mod backend;
mod images;
mod project;

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use crate::app;
use crate::cli::args::address::{Address, AddressArgs};
use crate::cli::args::{ADDRESS, LABEL_STUDIO, PROJECTS, SettingsOf};
use crate::cli::connectivity;
use crate::cli::output::checklist::{Checklist, Step};
use crate::cli::output::format::OutputFormat;
use crate::domain::ids::ProjectId;
use crate::domain::label_config::{LabelConfig, of_classes, with_answers_required};
use crate::labelstudio::Client;

/// Set up a Label Studio project with this server as its ML backend, and see that webhooks arrive
#[derive(clap::Args)]
#[command(
    next_help_heading = "Project",
    after_help = "\
Examples:
  weathervane connect --label-studio http://127.0.0.1:8080 --token ... --create Weather \\
      --label-config label_config.xml --images /data/photos
  weathervane connect --create Birds --classes robin,wren,other --images photos --upload
  weathervane connect --project 3 --backend-url http://weathervane.internal:9090 \\
      --backend-from-here http://127.0.0.1:9090

Start the server (`weathervane serve`) before. Each line of stdout is a step: `ok` was right
already, `made` and `changed` say what was done, `skipped` could not be looked at, `problem` says
what to do. A second run changes nothing. It reads the settings of the server it connects:
BASIC_AUTH_USER, BASIC_AUTH_PASS, SECRET_PATH, PORT, KEEP_SAMPLING, LEAVE_PROJECTS_ALONE. `--help` lists all of them.

Exit codes: 0 connected, 1 there is a problem, 2 wrong usage."
)]
pub struct Connect {
    #[command(flatten)]
    target: Target,

    /// Label config of the project, XML; a new project without one and without images gets the weather example
    #[arg(long, value_name = "FILE.xml")]
    label_config: Option<PathBuf>,

    /// Classes of the project, such as robin,wren,other, in place of a label config
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',', conflicts_with = "label_config")]
    classes: Vec<String>,

    /// An image may have any number of the classes, not exactly one
    #[arg(long, requires = "classes")]
    multiple: bool,

    /// Add required="true" to the project's <Choices>, so that nothing is submitted without an answer
    #[arg(long)]
    require_answer: bool,

    /// Instructions that annotators read before they begin; by default two sentences, where the project has none
    #[arg(long, value_name = "FILE")]
    instructions: Option<PathBuf>,

    /// Make a task for each image file directly in this folder, which Label Studio's machine must see below its
    /// LOCAL_FILES_DOCUMENT_ROOT; images in a folder DIR/CLASS are labelled so, and a new project without a label config gets
    /// these folders as classes
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,

    /// Upload the images instead: those that are not uploaded yet
    #[arg(long, requires = "images")]
    upload: bool,

    /// Address that this server had before, as Label Studio knows it: its row gets the new one
    #[arg(long, value_name = "URL", hide_env_values = true)]
    moved_from: Option<String>,

    /// Output format
    #[arg(long, default_value = "table")]
    format: OutputFormat,

    #[command(flatten)]
    address: AddressArgs,

    #[command(flatten)]
    server: SettingsOf<{ ADDRESS | LABEL_STUDIO | PROJECTS }>,
}

/// Which project.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Target {
    /// Label Studio's id of the project
    #[arg(long, value_name = "ID")]
    project: Option<i64>,

    /// Title of the project: the one that has it, or a new one
    #[arg(long, value_name = "TITLE")]
    create: Option<String>,
}

/// A label config that this program can learn.
struct GivenConfig {
    xml: String,
    config: LabelConfig,
}

impl Connect {
    pub async fn run(self) -> anyhow::Result<()> {
        let settings = &self.server.settings;
        settings.validate()?;
        let client = app::client(settings)?;
        let address = self.address.address(&settings.server.address)?;
        let images =
            self.images.as_deref().map(|folder| images::Images::new(folder, self.upload)).transpose()?;
        let wanted = project::ProjectSpec {
            id: self.target.project.map(ProjectId),
            title: self.target.create.clone(),
            label_config: self.label_config()?,
            require_answer: self.require_answer,
            instructions: self.instructions.as_deref().map(read).transpose()?,
            images: images.as_ref().map(|images| (images.folder().to_owned(), images.class_names())),
            keep_sampling: settings.queue.projects.keep_sampling,
            leave_alone: settings.queue.projects.leave_projects_alone,
        };
        let mut checklist = Checklist::new(self.format, address.hidden());
        let former = self.moved_from.as_deref();
        let project = steps(&client, &address, former, &wanted, images.as_ref(), &mut checklist).await?;
        if checklist.problems() == 0 {
            match checklist.changed() {
                true => eprintln!("connected; annotate in Label Studio, and the server learns"),
                false => eprintln!("connected; nothing had to be changed"),
            }
        }
        let changed = checklist.changed();
        checklist.finish(json!({"project": project, "backend": address.shown(), "changed": changed}))
    }
}

impl Connect {
    fn label_config(&self) -> anyhow::Result<Option<GivenConfig>> {
        let (named, xml) = match (&self.label_config, self.classes.as_slice()) {
            (Some(path), _) => (format!("`{}`", path.display()), read(path)?),
            (None, []) => return Ok(None),
            (None, classes) => {
                ("--classes".to_owned(), of_classes(classes, self.multiple).context("--classes")?)
            }
        };
        let xml = match self.require_answer {
            true => with_answers_required(&xml).with_context(|| named.clone())?.0,
            false => xml,
        };
        let config = LabelConfig::parse(&xml).context(named)?;
        Ok(Some(GivenConfig { xml, config }))
    }
}

/// Takes the steps in their order; a later one that needs an earlier one is left out where that failed.
async fn steps(
    client: &Client,
    address: &Address,
    former: Option<&str>,
    wanted: &project::ProjectSpec,
    images: Option<&images::Images>,
    checklist: &mut Checklist,
) -> anyhow::Result<Option<ProjectId>> {
    let Some(account) = checklist.take("Label Studio", client.verify().await) else { return Ok(None) };
    checklist
        .add(Step::ok("Label Studio", format!("it accepts the {} of user {}", account.kind, account.id)));
    let probe = address.probe()?;
    // Whatever would keep the two apart is found before anything is changed.
    if connectivity::hook_url(address, checklist).is_none()
        || connectivity::server(&probe, address, checklist).await.is_none()
        || connectivity::guards(client, address, checklist).await.is_none()
    {
        return Ok(None);
    }
    let Some(details) = project::set_up(client, wanted, checklist).await else { return Ok(None) };
    if let Some(images) = images {
        images.bring(client, details.id, checklist).await;
    }
    if backend::connect(client, address, former, details.id, checklist).await.is_some() {
        connectivity::delivery(client, &probe, details.id, checklist).await;
    }
    Ok(Some(details.id))
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("`{}` can't be read as text", path.display()))
}
