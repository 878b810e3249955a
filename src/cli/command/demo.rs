//! `weathervane demo`.

mod annotator;
mod child;
mod commands;
mod label_studio;
mod sorted;
mod workspace;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::signal::unix::{SignalKind, signal};
use url::Url;

use crate::cli::dataset::is_table;
use crate::cli::dataset::{LabelledDataset, SPLIT};
use crate::cli::files::{below, write_whole};
use crate::cli::output::format::{OutputFormat, print};
use crate::domain::ids::ProjectId;
use crate::labelstudio::{Client, ClientConfig, Probe};
use crate::storage::{FILE_NAME, Storage};
use annotator::Annotator;
use child::Companion;
use commands::Commands;
use workspace::{Source, Workspace};

/// Name and size of the first selection.
const TAG: &str = "coreset_30";
const FIRST: &str = "30";

/// A first start of Label Studio migrates its database, which takes a minute or two.
const LABEL_STUDIO_PATIENCE: Duration = Duration::from_secs(300);

/// For programs that start at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// Interval between two checks of the running programs.
const GLANCE: Duration = Duration::from_secs(1);

/// Path of the simulated webcam's archive; the pattern is that of a real one.
const ARCHIVE: &str = "/jungfraujoch/pano/%Y/%m%d/Jungfraujoch_m%Y%m%d%H%M.jpg";
const NEWEST: &str = "/jungfraujoch/pano/Jungfraujoch_pano.jpg";

/// Try the whole workflow with a Label Studio of its own, on a simulated webcam or your images
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  make demo                                     (in a checkout: installs and builds what it needs)
  weathervane demo
  weathervane demo --images photos --classes robin,wren,other
  weathervane demo --headless
  weathervane demo --headless --images photos --truth labels.csv

Starts Label Studio, this server and a simulated mountain webcam on free ports of 127.0.0.1, collects a year of frames,
chooses 30, connects everything, and prints where to click. Every command it runs is shown. Ctrl-C stops all; the same
command finds everything again. To forget it all, delete DIR.

With --headless a scripted annotator takes what Label Studio shows next, 30 images and then 15 more, and gives the true
answers; stdout gets the accuracy after each round. Label Studio is `.venv/bin/label-studio` or the one on PATH.

Exit codes: 0 done or stopped, 1 failed (the last line says why), 2 wrong usage.")]
pub struct Demo {
    /// Folder for everything the demo keeps [default: demo, or demo-NAME with --images NAME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,

    /// Take the images of this folder instead of the simulated webcam's
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,

    /// Classes of these images, such as robin,wren,other; by default the folders DIR/CLASS they lie in, which are first labels
    /// too, else it asks
    #[arg(
        long,
        value_name = "NAME,NAME",
        value_delimiter = ',',
        requires = "images",
        conflicts_with = "label_config"
    )]
    classes: Vec<String>,

    /// Label config of the project, XML; by default the one that fits the simulated webcam
    #[arg(long, value_name = "FILE.xml")]
    label_config: Option<PathBuf>,

    /// Let a scripted annotator label, print the accuracy after each round, and stop
    #[arg(long)]
    headless: bool,

    /// True answers for the scripted annotator, CSV with the columns filename,label; the webcam knows its own
    #[arg(long, value_name = "FILE.csv", requires = "headless", requires = "images")]
    truth: Option<PathBuf>,

    /// Label Studio's program
    #[arg(long, value_name = "FILE")]
    label_studio_program: Option<PathBuf>,

    /// A migrated database without a user to begin with: Label Studio takes half a minute to make its own
    #[arg(long, value_name = "FILE.sqlite3")]
    label_studio_database: Option<PathBuf>,

    /// The simulated webcam's program; by default `webcam` beside this one
    #[arg(long, value_name = "FILE")]
    webcam_program: Option<PathBuf>,

    /// Output format of the scripted annotator
    #[arg(long, default_value = "table")]
    format: OutputFormat,
}

/// Programs that run beside the demo.
#[derive(Default)]
struct Stage(Vec<Companion>);

impl Demo {
    pub async fn run(self) -> anyhow::Result<()> {
        let source = self.images.as_deref().map_or(Ok(Source::Webcam), folder)?;
        let program = label_studio::find(self.label_studio_program.as_deref())?;
        let mut place = Workspace::open(&self.dir(&source), source)?;
        // Before anything starts, since it may ask.
        let is_said = !self.classes.is_empty() || self.label_config.is_some();
        let config = match place.label_config().exists() && !is_said {
            true => None,
            false => Some(sorted::label_config(&self, &place).await?),
        };
        ensure!(
            !self.headless || place.state.source == Source::Webcam || self.truth.is_some(),
            "the scripted annotator needs the true answers of these images: name them with --truth FILE.csv"
        );
        // Signals are handled from here on, before anything starts.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut stage = Stage::default();
        let ended = tokio::select! {
            ended = self.play(&program, config, &mut place, &mut stage) => ended,
            _ = interrupt.recv() => {
                eprintln!("\nstopping; the same command finds everything again");
                Ok(())
            }
            _ = terminate.recv() => Ok(()),
        };
        stage.clear().await;
        ended
    }

    fn dir(&self, source: &Source) -> PathBuf {
        let own = || match source {
            Source::Webcam => PathBuf::from("demo"),
            Source::Folder(folder) => {
                PathBuf::from(format!("demo-{}", folder.file_name().unwrap_or_default().to_string_lossy()))
            }
        };
        self.dir.clone().unwrap_or_else(own)
    }

    async fn play(
        &self,
        program: &Path,
        config: Option<String>,
        place: &mut Workspace,
        stage: &mut Stage,
    ) -> anyhow::Result<()> {
        let commands = Commands::new(place.environment())?;
        // It takes longest, so it starts first.
        let label_studio =
            stage.add(label_studio::start(program, self.label_studio_database.as_deref(), place)?);
        let webcam = self.webcam(place, stage).await?;
        let frames = place.frames().display().to_string();
        collect(&commands, place, &frames).await?;
        select(&commands, place, &frames).await?;

        let serving = vec!["serve".to_owned()];
        let server =
            Companion::start("server", commands.program(), &serving, &place.environment(), &place.logs())?;
        let server = stage.add(server);
        let probe = Probe::new(Url::parse(&place.server_url())?, None)?;
        let ready = async || probe.health().await.is_ok();
        stage.0[server].until_ready(PATIENCE, "the server starts", ready).await?;
        let client = client(place)?;
        let ready = async || client.greet().await.is_ok();
        let doing = "Label Studio starts; the first time takes a minute or two";
        stage.0[label_studio].until_ready(LABEL_STUDIO_PATIENCE, doing, ready).await?;

        let project = self.connect(&commands, &client, config, place, &frames).await?;
        if self.headless {
            let truth = self.truth(place, webcam.as_deref()).await?;
            let annotator = Annotator::new(&commands, &client, &probe, project, truth).await?;
            let newest = newest(place)?;
            return annotator.run(&frames, &newest, self.format).await;
        }
        welcome(place, project)?;
        loop {
            stage.0.iter_mut().try_for_each(Companion::check)?;
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Starts the simulated webcam where it is wanted, and gives its program.
    async fn webcam(&self, place: &Workspace, stage: &mut Stage) -> anyhow::Result<Option<PathBuf>> {
        if place.state.source != Source::Webcam {
            return Ok(None);
        }
        let program = match &self.webcam_program {
            Some(program) => program.clone(),
            None => std::env::current_exe()?.parent().unwrap_or(Path::new(".")).join("webcam"),
        };
        ensure!(
            program.is_file(),
            "the simulated webcam `{}` is not built: cargo build --release -p webcam; or name a folder with --images",
            program.display()
        );
        let program = program.canonicalize()?;
        let port_file = place.logs().join("webcam.port");
        let _ = std::fs::remove_file(&port_file);
        let arguments =
            ["--port", &place.state.webcam_port.to_string(), "--port-file", &port_file.display().to_string()];
        let arguments = arguments.map(str::to_owned);
        let mut webcam = Companion::start("webcam", &program, &arguments, &[], &place.logs())?;
        webcam.until_ready(PATIENCE, "the simulated webcam starts", async || port_file.exists()).await?;
        stage.add(webcam);
        Ok(Some(program))
    }

    async fn connect(
        &self,
        commands: &Commands,
        client: &Client,
        own: Option<String>,
        place: &mut Workspace,
        frames: &str,
    ) -> anyhow::Result<ProjectId> {
        let config = place.label_config().display().to_string();
        let former = place.state.connected_port.map(|port| format!("http://127.0.0.1:{port}"));
        let title = place.state.source.title();
        let mut line = vec!["connect", "--create", &title, "--images", frames];
        // Later the label config is the person's to change.
        let is_new = client.projects_titled(&title).await?.is_empty();
        if is_new {
            if let Some(xml) = own {
                write_whole(&place.label_config(), xml.as_bytes())?;
            }
            line.extend(["--label-config", &config]);
        }
        if let Some(former) = former.as_deref().filter(|former| *former != place.server_url()) {
            line.extend(["--moved-from", former]);
        }
        commands.show(&line).await?;
        place.state.connected_port = Some(place.state.server_port);
        place.save()?;
        let project = match client.projects_titled(&title).await?.as_slice() {
            [project, ..] => *project,
            [] => bail!("somebody deleted project `{title}` meanwhile; start again"),
        };
        if is_new && let Source::Folder(folder) = &place.state.source {
            sorted::label(client, project, folder, &place.frames()).await?;
        }
        Ok(project)
    }

    async fn truth(&self, place: &Workspace, webcam: Option<&Path>) -> anyhow::Result<LabelledDataset> {
        let path = match (&self.truth, webcam) {
            (Some(path), _) => path.clone(),
            (None, Some(webcam)) => {
                let path = place.logs().join("truth.csv");
                let status = tokio::process::Command::new(webcam).arg("--truth").arg(&path).status().await?;
                ensure!(status.success(), "the simulated webcam does not say what its frames show");
                path
            }
            (None, None) => bail!("the scripted annotator needs --truth"),
        };
        LabelledDataset::read(&path, SPLIT)
    }
}

impl Stage {
    /// Its place on the stage.
    fn add(&mut self, companion: Companion) -> usize {
        self.0.push(companion);
        self.0.len() - 1
    }

    /// Ends them all at once.
    async fn clear(self) {
        futures_util::future::join_all(self.0.into_iter().map(Companion::stop)).await;
    }
}

fn folder(path: &Path) -> anyhow::Result<Source> {
    ensure!(path.is_dir(), "--images: there is no folder `{}`", path.display());
    Ok(Source::Folder(path.canonicalize()?))
}

/// The newest frame: the webcam's, or the last file by name.
fn newest(place: &Workspace) -> anyhow::Result<String> {
    if place.state.source == Source::Webcam {
        return Ok(format!("{}{NEWEST}", place.webcam_url()));
    }
    let last =
        below(&place.frames())?.into_iter().rfind(|file| !is_table(file)).context("there are no images")?;
    Ok(last.display().to_string())
}

fn client(place: &Workspace) -> anyhow::Result<Client> {
    Ok(Client::new(ClientConfig {
        base_url: Some(Url::parse(&place.label_studio_url())?),
        token: Some(place.state.token.clone().into()),
        verify_tls: true,
        connect_timeout: PATIENCE,
        timeout: PATIENCE,
        proxy: None,
    })?)
}

async fn collect(commands: &Commands, place: &Workspace, frames: &str) -> anyhow::Result<()> {
    match &place.state.source {
        Source::Webcam => {
            let template = format!("{}{ARCHIVE}", place.webcam_url());
            let days = ["--from", "2020-01-01", "--to", "2020-12-31", "--out", frames];
            commands.show(&[&["collect", template.as_str()], &days[..]].concat()).await
        }
        Source::Folder(folder) => {
            commands.show(&["collect", &folder.to_string_lossy(), "--out", frames]).await
        }
    }
}

/// Chooses the first images, once.
async fn select(commands: &Commands, place: &Workspace, frames: &str) -> anyhow::Result<()> {
    if place.data().join(FILE_NAME).exists() {
        let storage = Storage::open_dir(&place.data()).await?;
        if storage.tagged_images().await?.iter().any(|image| image.tag == TAG) {
            return Ok(());
        }
    }
    commands.show(&["select", frames, "-n", FIRST, "--tag", TAG]).await
}

fn welcome(place: &Workspace, project: ProjectId) -> anyhow::Result<()> {
    let label_studio = place.label_studio_url();
    let server = place.server_url();
    let webcam = match place.state.source {
        Source::Webcam => {
            format!("webcam         {} (simulated: nothing on it is real)\n", place.webcam_url())
        }
        Source::Folder(_) => String::new(),
    };
    print(&format!(
        "Label Studio   {label_studio}/user/login/?next=/projects/{project}/data
  user         {user}
  password     {password}
dashboard      {server}/ui/projects/{project}
{webcam}
Log in, press `Label All Tasks`, choose what the picture shows, press `Submit`. The first pictures are as different from
each other as can be; once two classes are labelled, the answer is ticked before you look, and what comes next is what
teaches most.

Commands for another shell:  . {environment}
                             weathervane rank --project {project}
Ctrl-C stops everything; the same command finds it again.",
        user = place.state.email,
        password = place.state.password,
        environment = place.environment_file().display()
    ))
}
