//! `weathervane export predictions`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::app::Services;
use crate::cli::args::PredictionSettings;
use crate::cli::args::model::{Model, ModelArgs};
use crate::cli::args::services;
use crate::cli::files::{check_place, write_whole};
use crate::cli::images::{Predicted, list, predict_all};
use crate::cli::output::format::print;
use crate::cli::output::predictions::{Predictions, Row, coco, csv};
use crate::cli::output::progress::name_skipped;
use crate::cli::output::progress::progress;
use crate::domain::ids::ProjectId;
use crate::domain::task::Task;
use crate::predict::{TaskBatch, predict};

/// Tasks asked from the database and embedded at once.
const PAGE: i64 = 200;

/// Write predictions of a project's tasks or of a folder: Label Studio's JSON, CSV or COCO-like JSON
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane export predictions --project 1 --format label-studio --out tasks.json
  weathervane export predictions --images photos --model model.safetensors --format csv --out predictions.csv
  weathervane export predictions --images photos --image-prefix '/data/local-files/?d=photos/' --out tasks.json

Of a project without --images, its tasks are predicted. Label Studio imports the JSON as tasks with predictions; --image-prefix
goes before each file's path below --images, so that it finds them.")]
pub struct ExportPredictions {
    #[command(flatten)]
    model: ModelArgs,

    /// Folder with images, instead of the project's tasks
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,

    /// Prefix of each file's path below --images
    #[arg(long, value_name = "TEXT", default_value = "", requires = "images", hide_default_value = true)]
    image_prefix: String,

    /// Format of the file
    #[arg(long, default_value = "label-studio")]
    format: Format,

    /// File to write; it appears once it is complete
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    server: PredictionSettings,
}

#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Tasks with predictions, ready to be imported
    LabelStudio,
    /// One line for each image, with every class's probability
    Csv,
    /// Images, categories and annotations without boxes
    Coco,
}

impl ExportPredictions {
    pub async fn run(self) -> anyhow::Result<()> {
        self.server.settings.validate()?;
        check_place(&self.out)?;
        let (model, predicted) = match (&self.images, self.model.project) {
            (Some(images), _) => {
                let model = self.model.open(&self.server.settings).await?;
                let predicted = self.folder(&model, images).await?;
                (model, predicted)
            }
            (None, Some(project)) => {
                let model = self.model.open(&self.server.settings).await?;
                let services = services::open(&self.server.settings).await?;
                let predicted = tasks(&services, &model, ProjectId(project)).await;
                services::close(services).await?;
                (model, predicted?)
            }
            (None, None) => bail!("name what to predict: --images DIR, or --project ID for its tasks"),
        };
        let Predicted { rows, skipped } = predicted;
        name_skipped(&skipped);
        if rows.is_empty() {
            bail!("nothing could be predicted, {} skipped", skipped.len());
        }
        let threshold = self.server.settings.model.model_score_threshold;
        let predictions = Predictions { model: &model, threshold, rows };
        let text = match self.format {
            Format::LabelStudio => serde_json::to_string_pretty(&predictions.label_studio())? + "\n",
            Format::Coco => serde_json::to_string_pretty(&coco(&predictions))? + "\n",
            Format::Csv => csv(&predictions)?,
        };
        write_whole(&self.out, text.as_bytes())?;
        print(&format!(
            "{}: {} predictions of {}",
            self.out.display(),
            predictions.rows.len(),
            predictions.version()
        ))?;
        Ok(())
    }

    async fn folder(&self, model: &Model, images: &Path) -> anyhow::Result<Predicted> {
        let listed = list(&[images.display().to_string()])?;
        let mut predicted = predict_all(model, listed, &self.server.settings).await?;
        for row in &mut predicted.rows {
            let below = Path::new(&row.image).strip_prefix(images).unwrap_or(Path::new(&row.image));
            row.image = format!("{}{}", self.image_prefix, below.display());
            row.data.values_mut().for_each(|value| *value = Value::from(row.image.as_str()));
        }
        Ok(predicted)
    }
}

/// Predicts every task of a project, as the server does; images are embedded once.
async fn tasks(services: &Services, model: &Model, project: ProjectId) -> anyhow::Result<Predicted> {
    let key = &model.config.image_head().context("the label config has no head")?.image_key;
    let total = services.storage.task_counts(project).await?.total;
    let bar = progress("predicting", usize::try_from(total).unwrap_or(0))?;
    let mut predicted = Predicted { rows: Vec::new(), skipped: Vec::new() };
    let mut after = None;
    loop {
        let page = services.storage.tasks_page(project, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let tasks: Vec<Option<Task>> = page.into_iter().map(Task::from).map(Some).collect();
        let batch = TaskBatch {
            project,
            config: &model.config,
            serving: &model.serving,
            tasks: &tasks,
            regions: &vec![Vec::new(); tasks.len()],
            credentials: None,
            patience: None,
        };
        let of_tasks = predict(&services.embedder, &batch).await?;
        bar.inc(tasks.len() as u64);
        for (task, probabilities) in tasks.into_iter().flatten().zip(of_tasks) {
            let mut problems = probabilities.problems.into_iter().map(|problem| problem.error);
            if probabilities.images.is_empty() {
                predicted.skipped.extend(problems.next());
                continue;
            }
            let image = task.image_source(key).map(String::from).unwrap_or_default();
            predicted.rows.push(Row::of_task(model, task, image, probabilities.images));
        }
    }
    bar.finish_and_clear();
    Ok(predicted)
}
