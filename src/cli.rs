//! The command line: arguments, printing and progress; the work is done by the rooms that the server uses.

mod args;
mod classes;
mod command;
mod connectivity;
pub mod dataset;
mod files;
mod images;
mod npy;
mod output;
mod text;
mod uploads;

use clap::{Parser, Subcommand};

use crate::config::LogFormat;
use crate::telemetry;

/// Label Studio ML backend in one binary: pre-annotates images, learns from every submit
#[derive(Parser)]
#[command(name = "weathervane", version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Level of the log on stderr: error, warn, info, debug, trace, or a filter such as `weathervane=debug,info`
    #[arg(long, env = "LOG_LEVEL", default_value = "info", global = true)]
    log_level: String,

    /// Shape of the log lines
    #[arg(long, env = "LOG_FORMAT", default_value = "text", global = true)]
    log_format: LogFormat,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  weathervane demo
  weathervane serve --label-studio-url http://127.0.0.1:8080
  LABEL_STUDIO_API_KEY=... weathervane serve --host 0.0.0.0 --data-dir /var/lib/weathervane
  weathervane connect --create Weather --label-config label_config.xml --images photos --upload
  weathervane doctor --project 1
  weathervane rank --project 1
  weathervane train --export export.json --images photos --out model.safetensors
  weathervane predict photo.jpg --model model.safetensors
  weathervane healthcheck

Exit codes: 0 done, 1 failed (the last line says why), 2 wrong usage.";

#[derive(Subcommand)]
enum Command {
    /// Serve Label Studio as its ML backend
    Serve(Box<command::serve::Serve>),
    /// Try the whole workflow with a Label Studio of its own, on a simulated webcam or your images
    Demo(command::demo::Demo),
    /// Collect images from a webcam's archive, a list of addresses, or a folder
    Collect(Box<command::collect::Collect>),
    /// Choose the images of a folder, or the tasks of a project, that are worth labelling first
    Select(Box<command::select::Select>),
    /// List, rename or remove the tags of chosen images
    Tags(Box<command::tags::TagsCommand>),
    /// Set up a Label Studio project with this server as its ML backend, and see that webhooks arrive
    Connect(Box<command::connect::Connect>),
    /// Look for what keeps Label Studio and this server from working together, and say what to do
    Doctor(Box<command::doctor::Doctor>),
    /// Say which tasks to label next, and why
    Rank(Box<command::rank::RankCommand>),
    /// Change the labels that people gave, in Label Studio
    Labels(command::labels::LabelsCommand),
    /// Train once: a project as the server would, or a model file from a Label Studio export
    Train(Box<command::train::Train>),
    /// Predict files, folders or addresses of images
    Predict(Box<command::predict::Predict>),
    /// List, show, activate, hold on to or write out the versions of a project's model
    Versions(Box<command::versions::Versions>),
    /// Measure a model on a labelled folder
    Evaluate(Box<command::evaluate::Evaluate>),
    /// Ask a running server for its health; for container health checks
    Healthcheck(command::healthcheck::Healthcheck),
    /// Replay labelling rounds without a person, to see which strategy needs the fewest labels
    Simulate(Box<command::simulate::Simulate>),
    /// Write embeddings as a NumPy matrix, a model as safetensors or ONNX, or predictions
    Export(Box<command::export::ExportCommand>),
    /// Train a starter model from a labelled folder (makes assets/starter-weather.safetensors)
    Starter(Box<command::starter::StarterCommand>),
    /// Print the completion script of a shell
    Completions(command::completions::Completions),
    /// Print the manual page, or write one for each command
    Man(command::man::Man),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever made the command fail, in words for the person at the terminal.
    pub fn run(self) -> anyhow::Result<()> {
        if !matches!(self.command, Command::Serve(_)) {
            // `weathervane rank | head` ends quietly, as other programs do; a server outlives whoever reads its log.
            sigpipe::reset();
        }
        telemetry::init_logs(&self.log_level, self.log_format == LogFormat::Json);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        match self.command {
            Command::Serve(command) => runtime.block_on(command.run()),
            Command::Demo(command) => runtime.block_on(command.run()),
            Command::Collect(command) => runtime.block_on(command.run()),
            Command::Select(command) => runtime.block_on(command.run()),
            Command::Tags(command) => runtime.block_on(command.run()),
            Command::Connect(command) => runtime.block_on(command.run()),
            Command::Doctor(command) => runtime.block_on(command.run()),
            Command::Rank(command) => runtime.block_on(command.run()),
            Command::Labels(command) => runtime.block_on(command.run()),
            Command::Train(command) => runtime.block_on(command.run()),
            Command::Predict(command) => runtime.block_on(command.run()),
            Command::Versions(command) => runtime.block_on(command.run()),
            Command::Evaluate(command) => runtime.block_on(command.run()),
            Command::Healthcheck(command) => runtime.block_on(command.run()),
            Command::Simulate(command) => runtime.block_on(command.run()),
            Command::Export(command) => runtime.block_on(command.run()),
            Command::Starter(command) => runtime.block_on(command.run()),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
        }
    }
}
