//! `weathervane export predictions`.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

use crate::app::House;
use crate::cli::eye::progress;
use crate::cli::files::{check_place, write_whole};
use crate::cli::format::print;
use crate::cli::models::{Model, ModelArgs};
use crate::cli::predict::{Looked, list, look_at_all, name_skipped};
use crate::cli::predictions::{Predictions, Row, coco, csv};
use crate::cli::{HouseArgs, house};
use crate::domain::ids::ProjectId;
use crate::domain::task::Task;
use crate::embed::Wanted;

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

    /// What goes before each file's path below --images
    #[arg(long, value_name = "TEXT", default_value = "", requires = "images", hide_default_value = true)]
    image_prefix: String,

    /// How to write them
    #[arg(long, default_value = "label-studio")]
    format: Format,

    /// File to write; it appears once it is complete
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    house: HouseArgs,
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
        self.house.settings.validate()?;
        check_place(&self.out)?;
        let (model, looked) = match (&self.images, self.model.project) {
            (Some(images), _) => {
                let model = self.model.open(&self.house).await?;
                let looked = self.folder(&model, images).await?;
                (model, looked)
            }
            (None, Some(project)) => {
                let model = self.model.open(&self.house).await?;
                let house = self.house.open().await?;
                let looked = tasks(&house, &model, ProjectId(project)).await;
                house::close(house).await?;
                (model, looked?)
            }
            (None, None) => bail!("name what to predict: --images DIR, or --project ID for its tasks"),
        };
        let Looked { rows, skipped } = looked;
        name_skipped(&skipped);
        if rows.is_empty() {
            bail!("nothing could be predicted, {} skipped", skipped.len());
        }
        let threshold = self.house.settings.model.model_score_threshold;
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

    async fn folder(&self, model: &Model, images: &Path) -> anyhow::Result<Looked> {
        let listed = list(&[images.display().to_string()])?;
        let mut looked = look_at_all(model, listed, &self.house.settings).await?;
        for row in &mut looked.rows {
            let below = Path::new(&row.image).strip_prefix(images).unwrap_or(Path::new(&row.image));
            row.image = format!("{}{}", self.image_prefix, below.display());
            row.data.values_mut().for_each(|value| *value = Value::from(row.image.as_str()));
        }
        Ok(looked)
    }
}

/// Predicts every task of a project; images are embedded once, as the server does. Heads on another image than the
/// first head's say nothing.
async fn tasks(house: &House, model: &Model, id: ProjectId) -> anyhow::Result<Looked> {
    let key = &model.config.heads.first().context("the label config has no head")?.image_key;
    let total = house.storage.task_counts(id).await?.total;
    let bar = progress("predicting", usize::try_from(total).unwrap_or(0))?;
    let mut looked = Looked { rows: Vec::new(), skipped: Vec::new() };
    let mut after = None;
    loop {
        let page = house.storage.tasks_page(id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let (mut wanted, mut asked) = (Vec::new(), Vec::new());
        for record in page {
            let task = Task::from(record);
            match task.image_source(key) {
                Ok(source) => {
                    let source = source.into();
                    wanted.push(Wanted {
                        project: id,
                        task: task.id,
                        source,
                        place: None,
                        credentials: None,
                    });
                    asked.push(task);
                }
                Err(error) => looked.skipped.push(error.to_string()),
            }
        }
        let sources: Vec<String> = wanted.iter().map(|wanted: &Wanted| wanted.source.to_string()).collect();
        for ((embedded, task), source) in
            house.embedder.embed(wanted).await?.into_iter().zip(asked).zip(sources)
        {
            bar.inc(1);
            match embedded {
                Ok(embedded) => {
                    let mut row = Row::new(model, source, embedded.vector.clone())?;
                    let other_image = model.config.heads.iter().map(|head| head.image_key != *key);
                    row.heads
                        .iter_mut()
                        .zip(other_image)
                        .filter(|(_, other)| *other)
                        .for_each(|(head, _)| *head = None);
                    looked.rows.push(Row { task: Some(task.id), data: task.data, ..row });
                }
                Err(error) => looked.skipped.push(error.to_string()),
            }
        }
    }
    bar.finish_and_clear();
    Ok(looked)
}
