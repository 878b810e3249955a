//! Predictions as a person or another program reads them.

mod coco;
mod text;

use serde_json::{Map, Value, json};

use crate::cli::args::model::Model;
use crate::domain::ids::TaskId;
use crate::domain::label_config::HeadSpec;
use crate::domain::prediction::{Decision, Prediction};
use crate::domain::task::Task;

pub use coco::coco;
pub use text::{csv, table};

/// Predictions of one model.
pub struct Predictions<'a> {
    pub model: &'a Model,
    /// For heads whose label config has no threshold.
    pub threshold: Option<f32>,
    pub rows: Vec<Row>,
}

/// Prediction for one image.
pub struct Row {
    /// Its address, as it was given or as the task holds it.
    pub image: String,
    pub task: Option<TaskId>,
    /// The task's data; of a file, its address under the label config's key.
    pub data: Map<String, Value>,
    /// Probabilities of each of the model's heads, `None` of one without a prediction.
    pub heads: Vec<Option<Vec<f32>>>,
}

impl Row {
    /// Every head's answer to an embedding.
    ///
    /// # Errors
    /// The embedding is of another backbone, or not finite.
    pub fn new(model: &Model, image: String, vector: Vec<f32>) -> anyhow::Result<Self> {
        let mut heads = Vec::with_capacity(model.config.heads.len());
        for (spec, head) in model.config.heads.iter().zip(&model.serving.heads) {
            let head = head.as_ref().filter(|_| !spec.skip);
            heads.push(head.map(|head| head.probabilities(&vector)).transpose()?);
        }
        let keys = model.config.heads.iter().map(|spec| spec.image_key.clone());
        let data = keys.map(|key| (key, Value::from(image.as_str()))).collect();
        Ok(Self { image, task: None, data, heads })
    }

    /// A task with the probabilities of heads, by index.
    pub fn of_task(model: &Model, task: Task, image: String, probabilities: Vec<(usize, Vec<f32>)>) -> Self {
        let mut heads = vec![None; model.config.heads.len()];
        for (head, row) in probabilities {
            heads[head] = Some(row);
        }
        Self { image, task: Some(task.id), data: task.data, heads }
    }
}

/// A head's answer: its decision and the probabilities behind it.
struct Answer<'a> {
    head: &'a HeadSpec,
    decision: Decision,
    probabilities: &'a [f32],
}

impl Answer<'_> {
    /// Names of the chosen classes.
    fn choices(&self) -> Vec<&str> {
        self.decision.chosen.iter().map(|&class| self.head.classes[class].name.as_str()).collect()
    }
}

impl Predictions<'_> {
    /// Version of the model.
    pub fn version(&self) -> &str {
        &self.model.serving.version
    }

    /// Prediction of each head for a row, in the label config's order; heads without one are left out.
    fn answers<'b>(&'b self, row: &'b Row) -> impl Iterator<Item = Answer<'b>> {
        self.model.config.heads.iter().zip(&row.heads).filter_map(|(head, probabilities)| {
            let probabilities = probabilities.as_deref()?;
            let decision = Decision::new(head, probabilities, self.threshold).ok()?;
            Some(Answer { head, decision, probabilities })
        })
    }

    /// A list with an object for each image.
    pub fn json(&self) -> Value {
        let row = |row: &Row| {
            let heads: Map<String, Value> = self
                .answers(row)
                .map(|answer| {
                    let classes = answer.head.classes.iter().zip(answer.probabilities);
                    let probabilities: Map<String, Value> =
                        classes.map(|(class, p)| (class.name.clone(), json!(rounded(*p)))).collect();
                    let value = json!({
                        "choices": answer.choices(),
                        "certainty": rounded(answer.decision.certainty),
                        "probabilities": probabilities,
                    });
                    (answer.head.from_name.clone(), value)
                })
                .collect();
            json!({"image": row.image, "task": row.task, "version": self.version(), "heads": heads})
        };
        self.rows.iter().map(row).collect()
    }

    /// Tasks with their predictions, as Label Studio imports them.
    pub fn label_studio(&self) -> Value {
        let task = |row: &Row| {
            let heads: Vec<(&HeadSpec, &[f32])> = self
                .model
                .config
                .heads
                .iter()
                .zip(&row.heads)
                .filter_map(|(head, probabilities)| Some((head, probabilities.as_deref()?)))
                .collect();
            let prediction = Prediction::new(&heads, self.version(), self.threshold);
            let predictions: Vec<Prediction> = prediction.into_iter().collect();
            let mut task = json!({"data": row.data, "predictions": predictions});
            if let Some(id) = row.task {
                task["id"] = json!(id);
            }
            task
        };
        self.rows.iter().map(task).collect()
    }
}

/// Six decimals, about what an f32 holds.
fn rounded(probability: f32) -> f64 {
    (f64::from(probability) * 1e6).round() / 1e6
}
