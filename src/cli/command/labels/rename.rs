//! `weathervane labels rename`.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::app;
use crate::cli::args::{LABEL_STUDIO, SettingsOf};
use crate::cli::output::format::{OutputFormat, print};
use crate::cli::output::progress::progress;
use crate::domain::annotation::Rename as Change;
use crate::domain::ids::{AnnotationId, ProjectId, TaskId};
use crate::domain::label_config::LabelConfig;
use crate::labelstudio::{Client, LabelStudioError};

/// Tasks that a message names.
const NAMED_TASKS: usize = 5;

/// Interval between two ticks of the spinner during a wait.
const TICK: Duration = Duration::from_millis(200);

/// Labels that a message names.
const NAMED_LABELS: usize = 10;

/// Give the labels of a class that was renamed their new name
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane labels rename --project 3 ten \"ten new\" --dry-run
  weathervane labels rename --project 3 ten \"ten new\"
  weathervane labels rename --project 3 --from-name weather \"dry / fog\" \"dry / haze\" --yes

Goes through the project's annotations in Label Studio and puts NEW in the place of the choice OLD, in skipped ones too. NEW
must be a class of the label config, OLD none any more. Everything else of an annotation stays: other answers and regions, who
gave it, how long it took, ground truth. Label Studio notes the token's account as who changed it last, and a connected server
learns it at once. Predictions and drafts are not changed.

An annotation that somebody has open changes of is left as it is and named: Label Studio would delete those changes.
Stopped under way, or where something failed, the same command does the rest.

Exit codes: 0 all done, 1 failed or something is left (the last line says what), 2 wrong usage.")]
pub struct RenameCommand {
    /// Label Studio's id of the project
    #[arg(long, value_name = "ID")]
    project: i64,

    /// Name of the question (`<Choices name=...>`), where several have the class NEW
    #[arg(long, value_name = "NAME")]
    from_name: Option<String>,

    /// The choice as the annotations have it, e.g. as `weathervane doctor` names it; of nested choices `parent / child`
    old: String,

    /// The class that takes its place
    new: String,

    /// Say what would be changed, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Don't ask
    #[arg(long, short, conflicts_with = "dry_run")]
    yes: bool,

    /// Also where OLD is still a class: all its labels become those of NEW
    #[arg(long)]
    merge: bool,

    /// Also where somebody has changes that are not submitted: Label Studio deletes these
    #[arg(long)]
    discard_drafts: bool,

    /// Output format
    #[arg(long, default_value = "table")]
    format: OutputFormat,

    #[command(flatten)]
    server: SettingsOf<LABEL_STUDIO>,
}

/// An annotation that has the choice.
#[derive(Clone, Copy)]
struct Found {
    task: TaskId,
    annotation: AnnotationId,
}

/// Outcome of the annotations so far.
#[derive(Default)]
struct Done {
    changed: usize,
    /// Deleted or answered otherwise meanwhile.
    gone: usize,
    /// Tasks of annotations with a draft.
    left: Vec<TaskId>,
}

impl RenameCommand {
    pub async fn run(self) -> anyhow::Result<()> {
        let settings = &self.server.settings;
        settings.validate()?;
        let client = app::client(settings)?;
        let project = ProjectId(self.project);
        let details = client.project_details(project).await?;
        let config =
            LabelConfig::parse(&details.label_config).with_context(|| format!("project {project}"))?;
        let change = Change::plan(&config, self.from_name.as_deref(), &self.old, &self.new, self.merge)?;
        let found = find_annotations(&client, project, &change).await?;
        if found.is_empty() {
            return Err(self.nothing(&client, project, &change).await?);
        }
        let plan = format!(
            "{} of `{}` in project {project}, `{}`: {}",
            labels(found.len()),
            change.old,
            change.from_name,
            tasks(&found.iter().map(|found| found.task).collect::<Vec<_>>())
        );
        if self.dry_run {
            return self.tell(
                &change,
                &found,
                &Done::default(),
                &format!("{plan}; they would become `{}`", change.new),
            );
        }
        eprintln!("{plan}");
        if !self.yes {
            let them = if found.len() == 1 { "it" } else { "them" };
            ask(&format!("Make {them} `{}`? [y/N] ", change.new)).await?;
        }
        let mut done = Done::default();
        let ended = self.change_all(&client, &change, &found, &mut done).await;
        let open = found.len() - done.changed - done.gone - done.left.len();
        let rest = || match done.changed {
            0 => "nothing was changed".to_owned(),
            changed => format!("{changed} of {} are changed, the same command does the rest", found.len()),
        };
        ended.with_context(rest)?;
        if open > 0 {
            bail!("stopped; {}", rest());
        }
        let gone = match done.gone {
            0 => String::new(),
            gone => format!("; {} no longer there", are(gone)),
        };
        let said = format!(
            "{} of `{}` {} now `{}`{gone}",
            labels(done.changed),
            change.old,
            be(done.changed),
            change.new
        );
        self.tell(&change, &found, &done, &said)?;
        if !done.left.is_empty() {
            bail!(
                "{} left as they are, for somebody has changes of them that are not submitted ({}): have these submitted or \
                 thrown away in Label Studio, then run the same command again, or add --discard-drafts",
                labels(done.left.len()),
                tasks(&done.left)
            );
        }
        Ok(())
    }

    /// Changes one after the other until all are done or Ctrl-C.
    async fn change_all(
        &self,
        client: &Client,
        change: &Change,
        found: &[Found],
        done: &mut Done,
    ) -> anyhow::Result<()> {
        let bar = progress("renaming", found.len())?;
        let interrupted = tokio::signal::ctrl_c();
        tokio::pin!(interrupted);
        for found in found {
            tokio::select! {
                biased;
                _ = &mut interrupted => break,
                changed = self.change(client, change, *found, done) => changed?,
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Reads the annotation again: it may have been changed since the export.
    async fn change(
        &self,
        client: &Client,
        change: &Change,
        found: Found,
        done: &mut Done,
    ) -> Result<(), LabelStudioError> {
        let read = client.annotation(found.annotation).await;
        let result = match read {
            Ok(annotation) => change.changed(&annotation["result"]),
            Err(LabelStudioError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(result) = result else {
            done.gone += 1;
            return Ok(());
        };
        if !self.discard_drafts && client.has_draft(found.task, found.annotation).await? {
            done.left.push(found.task);
            return Ok(());
        }
        match client.change_answer(found.annotation, result).await {
            Ok(()) => done.changed += 1,
            Err(LabelStudioError::NotFound { .. }) => done.gone += 1,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reports that no annotation has the choice, and which labels there are.
    async fn nothing(
        &self,
        client: &Client,
        project: ProjectId,
        change: &Change,
    ) -> anyhow::Result<anyhow::Error> {
        let counts = client.label_counts(project).await?;
        let of = counts.get(&change.from_name);
        let mut known: Vec<(&String, i64)> = of
            .into_iter()
            .flatten()
            .filter(|(_, count)| **count > 0)
            .map(|(label, count)| (label, *count))
            .collect();
        known.sort_by_key(|(_, count)| -count);
        let more = if known.len() > NAMED_LABELS { ", ..." } else { "" };
        let known: Vec<String> =
            known.iter().take(NAMED_LABELS).map(|(label, count)| format!("`{label}` ({count})")).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Ok(anyhow::anyhow!(
            "no annotation of project {project} answers `{}` with `{}`; its labels are: {known}{more}",
            change.from_name,
            change.old
        ))
    }

    fn tell(&self, change: &Change, found: &[Found], done: &Done, said: &str) -> anyhow::Result<()> {
        match self.format {
            OutputFormat::Table => print(said),
            OutputFormat::Json => {
                let annotations: Vec<AnnotationId> = found.iter().map(|found| found.annotation).collect();
                let told = json!({
                    "project": self.project, "from_name": change.from_name, "old": change.old, "new": change.new,
                    "annotations": annotations, "changed": done.changed, "gone": done.gone, "left": done.left,
                });
                print(&format!("{told:#}"))
            }
        }
    }
}

/// The annotations that have the choice, in the order of the export.
async fn find_annotations(
    client: &Client,
    project: ProjectId,
    change: &Change,
) -> Result<Vec<Found>, LabelStudioError> {
    let bar = ProgressBar::new_spinner().with_message("reading the annotations");
    bar.enable_steady_tick(TICK);
    let exported = client.export(project).await?;
    bar.finish_and_clear();
    let id = |value: &Value| value["id"].as_i64();
    let mut found = Vec::new();
    for task in &exported {
        let annotations = task["annotations"].as_array().into_iter().flatten();
        let those = annotations.filter(|annotation| change.changed(&annotation["result"]).is_some());
        found.extend(those.filter_map(|annotation| {
            Some(Found { task: TaskId(id(task)?), annotation: AnnotationId(id(annotation)?) })
        }));
    }
    Ok(found)
}

/// Asks on the terminal.
///
/// # Errors
/// There is none, or the person does not say yes.
async fn ask(question: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("nothing was changed: there is no terminal to ask on; look with --dry-run, then say --yes");
    }
    eprint!("{question}");
    std::io::stderr().flush()?;
    let read = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    };
    let line = tokio::task::spawn_blocking(read).await?.context("the terminal can't be read")?;
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => bail!("nothing was changed"),
    }
}

fn labels(count: usize) -> String {
    if count == 1 { "1 label".to_owned() } else { format!("{count} labels") }
}

fn be(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn are(count: usize) -> String {
    format!("{count} {}", be(count))
}

/// The first tasks of some, each once.
fn tasks(of: &[TaskId]) -> String {
    let mut of = of.to_vec();
    of.dedup();
    let first: Vec<String> = of.iter().take(NAMED_TASKS).map(ToString::to_string).collect();
    let more = if of.len() > NAMED_TASKS { ", ..." } else { "" };
    format!("{} {}{more}", if of.len() == 1 { "task" } else { "tasks" }, first.join(", "))
}
