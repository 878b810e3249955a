//! A scripted annotator: takes what Label Studio shows next and gives the true answer.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use indicatif::ProgressBar;
use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Value, json};

use super::commands::Commands;
use crate::cli::dataset::LabelledDataset;
use crate::cli::output::format::{OutputFormat, print};
use crate::cli::output::progress::progress;
use crate::domain::ids::ProjectId;
use crate::domain::label_config::{HeadSpec, LabelConfig};
use crate::domain::task::Task;
use crate::labelstudio::{Client, Probe, ServerStatus};

/// Labels in all after each round, as in the tutorial: 30, then 15 more.
const ROUNDS: [usize; 2] = [30, 45];

/// Time for a training and its write-back; both take about a second.
const PATIENCE: Duration = Duration::from_secs(120);

/// Interval between two requests for the server's progress.
const GLANCE: Duration = Duration::from_millis(200);

pub struct Annotator<'a> {
    commands: &'a Commands,
    client: &'a Client,
    probe: &'a Probe,
    project: ProjectId,
    head: HeadSpec,
    /// Class of each image, by the name of its file without extension
    truth: HashMap<String, String>,
    /// Images that have an answer
    labelled: HashSet<String>,
}

/// Result of a round.
#[derive(Serialize)]
struct Round {
    labels: usize,
    version: String,
    /// As the server measures it on the labels alone.
    accuracy_out_of_fold: Option<f64>,
    /// Images without a label, and the number of them that are predicted correctly.
    unlabelled: usize,
    right: usize,
}

impl<'a> Annotator<'a> {
    /// # Errors
    /// The project has no head, the answers are not among its classes, or Label Studio fails.
    pub async fn new(
        commands: &'a Commands,
        client: &'a Client,
        probe: &'a Probe,
        project: ProjectId,
        truth: LabelledDataset,
    ) -> anyhow::Result<Self> {
        let config = LabelConfig::parse(&client.project_details(project).await?.label_config)?;
        let head = config.image_head().context("the label config asks nothing about whole images")?.clone();
        for class in &truth.classes {
            ensure!(
                head.class_index(class).is_some(),
                "the true answer `{class}` is not a class of `{}`; name a --label-config that has it",
                head.from_name
            );
        }
        let truth = truth.rows.into_iter().map(|row| (stem(&row.filename), row.label)).collect();
        let mut annotator = Self { commands, client, probe, project, head, truth, labelled: HashSet::new() };
        for task in client.export(project).await? {
            let image = annotator.image(&Task::from_json(&task)?)?;
            annotator.labelled.insert(image);
        }
        Ok(annotator)
    }

    /// Labels, waits, measures; a round whose labels are there already is only measured.
    ///
    /// # Errors
    /// Anything fails, or an image has no true answer.
    pub async fn run(mut self, frames: &str, newest: &str, format: OutputFormat) -> anyhow::Result<()> {
        let mut rounds = Vec::new();
        if format == OutputFormat::Table {
            print(&format!("labels  {:<22}  out of fold  images without a label", "version"))?;
        }
        for labels in ROUNDS {
            self.label(labels).await?;
            let standing = self.learnt().await?;
            let round = self.measure(standing, frames).await?;
            if format == OutputFormat::Table {
                print(&round.line())?;
            }
            rounds.push(round);
        }
        let predicted =
            self.commands.ask(&["predict", newest, "--project", &self.project.to_string()]).await?;
        match format {
            OutputFormat::Table => print(&format!("\nnewest frame: {}", self.says(&predicted[0])))?,
            OutputFormat::Json => print(&format!("{:#}", json!({"rounds": rounds, "newest": predicted[0]})))?,
        }
        Ok(())
    }

    /// Answers what Label Studio shows next until so many images are labelled.
    async fn label(&mut self, labels: usize) -> anyhow::Result<()> {
        let bar = progress("labelling", labels)?;
        while self.labelled.len() < labels {
            bar.set_position(self.labelled.len() as u64);
            let Some(task) = self.client.next_task(self.project).await? else {
                bail!("Label Studio has only {} images to label, {labels} are needed", self.labelled.len());
            };
            let task = Task::from_json(&task)?;
            let image = self.image(&task)?;
            let class =
                self.truth.get(&image).with_context(|| format!("no true answer for image `{image}`"))?;
            let result = json!([{
                "from_name": self.head.from_name,
                "to_name": self.head.to_name,
                "type": "choices",
                "value": {"choices": [class]},
            }]);
            self.client.annotate(task.id, result).await?;
            self.labelled.insert(image);
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Waits until a version has learnt every label and Label Studio's queue follows it.
    async fn learnt(&self) -> anyhow::Result<ServerStatus> {
        let started = Instant::now();
        let spinner = ProgressBar::new_spinner().with_message("learning");
        loop {
            let standing = self.probe.status(self.project).await?;
            let newest = standing.versions.first();
            if newest.is_some_and(|version| version.labels == self.labelled.len())
                && standing.queue.version.as_ref() == Some(&standing.version)
                && !standing.is_working()
            {
                spinner.finish_and_clear();
                return Ok(standing);
            }
            if started.elapsed() > PATIENCE {
                let labels = newest.map_or(0, |version| version.labels);
                let problem = standing.problem().unwrap_or_else(|| "see logs/server.log".to_owned());
                bail!(
                    "{} labels given, {labels} learnt after {} s: {problem}",
                    self.labelled.len(),
                    PATIENCE.as_secs()
                );
            }
            spinner.tick();
            tokio::time::sleep(GLANCE).await;
        }
    }

    async fn measure(&self, standing: ServerStatus, frames: &str) -> anyhow::Result<Round> {
        let predicted =
            self.commands.ask(&["predict", frames, "--project", &self.project.to_string()]).await?;
        let mut unlabelled = 0;
        let mut right = 0;
        for row in predicted.as_array().into_iter().flatten() {
            let image = stem(row["image"].as_str().unwrap_or_default());
            let Some(class) = self.truth.get(&image).filter(|_| !self.labelled.contains(&image)) else {
                continue;
            };
            unlabelled += 1;
            right += usize::from(row["heads"][&self.head.from_name]["choices"] == json!([class]));
        }
        Ok(Round {
            labels: self.labelled.len(),
            accuracy_out_of_fold: standing.accuracy(&self.head.from_name),
            version: standing.version,
            unlabelled,
            right,
        })
    }

    /// The name of a task's image.
    fn image(&self, task: &Task) -> anyhow::Result<String> {
        Ok(stem(&task.image_source(&self.head.image_key)?))
    }

    /// Prediction for an image, in words.
    fn says(&self, row: &Value) -> String {
        let answer = &row["heads"][&self.head.from_name];
        let choices = answer["choices"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let certainty = answer["certainty"].as_f64().unwrap_or_default() * 100.0;
        format!("{} ({certainty:.0} %)", choices.collect::<Vec<_>>().join(", "))
    }
}

impl Round {
    fn line(&self) -> String {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let out_of_fold = self.accuracy_out_of_fold.map_or("-".to_owned(), percent);
        let right = match self.unlabelled {
            0 => "-".to_owned(),
            of => format!("{} of {of} right", percent(self.right as f64 / of as f64)),
        };
        format!("{:>6}  {:<22}  {out_of_fold:>11}  {right}", self.labels, self.version)
    }
}

/// The name of the file at an address, without its extension. Label Studio writes the address of a local file as
/// `/data/local-files/?d=folder/name.jpg`, with the slashes escaped or not.
fn stem(address: &str) -> String {
    let path = address.rsplit_once("?d=").map_or(address, |(_, path)| path);
    let path = percent_decode_str(path).decode_utf8_lossy();
    Path::new(path.as_ref()).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_its_name_wherever_it_stands() {
        for address in
            ["/data/local-files/?d=frames%2Fa%20b.jpg", "/data/local-files/?d=frames/a b.jpg", "/x/a b.png"]
        {
            assert_eq!(stem(address), "a b");
        }
        assert_eq!(stem("2020-01-01T13-00-00.jpg"), "2020-01-01T13-00-00");
        assert_eq!(stem("1+1.jpg"), "1+1");
    }

    #[test]
    fn a_round_is_one_line() {
        let round = Round {
            labels: 30,
            version: "v7-0123456789ab".to_owned(),
            accuracy_out_of_fold: Some(0.9),
            unlabelled: 327,
            right: 300,
        };
        assert_eq!(round.line(), "    30  v7-0123456789ab              90.0 %  91.7 % of 327 right");
    }
}
