//! Predictions of tasks: the class probabilities of each head for each task's image and regions, by one path for the server and for
//! commands.

pub mod regions;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::ids::{ProjectId, TaskId};
use crate::domain::label_config::{LabelConfig, Scope};
use crate::domain::region::Region;
use crate::domain::task::Task;
use crate::embed::inference::InferenceError;
use crate::embed::{Embedder, ImageRequest};
use crate::media::BasicCredentials;
use crate::models::Serving;

/// Tasks to predict, and with what.
pub struct TaskBatch<'a> {
    pub project: ProjectId,
    pub config: &'a LabelConfig,
    /// One snapshot for all of them: a retrain meanwhile never mixes two versions in one answer.
    pub serving: &'a Serving,
    /// `None`: one that can't be read; it gets no probabilities.
    pub tasks: &'a [Option<Task>],
    /// Of each task the regions that may be asked about.
    pub regions: &'a [Vec<Region>],
    pub credentials: Option<&'a BasicCredentials>,
    /// Longest time the caller waits for the requests of others before it; `None`: as long as it takes.
    pub patience: Option<Duration>,
}

/// Class probabilities of one task.
#[derive(Debug, Default)]
pub struct TaskProbabilities {
    /// Index of the head, and its probabilities of the image's classes.
    pub images: Vec<(usize, Vec<f32>)>,
    /// Indices of the region and of the head, and its probabilities.
    pub regions: Vec<(usize, usize, Vec<f32>)>,
    pub problems: Vec<Unpredicted>,
}

/// Reason for which a head predicts nothing for a task.
#[derive(Debug)]
pub struct Unpredicted {
    pub task: TaskId,
    /// `task`, `image` or `model`: what can't be used.
    pub cause: &'static str,
    pub error: String,
}

/// One image, or a region of one, for one head.
struct Slot {
    task: usize,
    head: usize,
    /// Index of the region among those of the task.
    region: Option<usize>,
    request: ImageRequest,
}

/// Embeds the images of a batch and applies each head that has a model; gives an entry for each task, in their order. Heads on other
/// `<Image>` tags get their own images; hidden questions are left to who writes the answer.
///
/// # Errors
/// As [`Embedder::embed_within`]; an image that can't be used is a problem of its task.
pub async fn predict(
    embedder: &Embedder,
    batch: &TaskBatch<'_>,
) -> Result<Vec<TaskProbabilities>, InferenceError> {
    let mut predicted: Vec<TaskProbabilities> =
        batch.tasks.iter().map(|_| TaskProbabilities::default()).collect();
    let slots = slots(batch, &mut predicted);
    let requests = slots.iter().map(|slot| slot.request.clone()).collect();
    let embedded = match batch.patience {
        Some(patience) => embedder.embed_within(patience, requests).await?,
        None => embedder.embed(requests).await?,
    };
    for (slot, embedded) in slots.iter().zip(embedded) {
        let Some(head) = &batch.serving.heads[slot.head] else { continue };
        let of_task = &mut predicted[slot.task];
        match embedded.map(|embedded| head.probabilities(&embedded.vector)) {
            Ok(Ok(row)) => of_task.note(slot, row),
            Ok(Err(error)) => of_task.note_problem(slot, "model", error.to_string()),
            Err(error) => of_task.note_problem(slot, "image", error.to_string()),
        }
    }
    Ok(predicted)
}

impl TaskProbabilities {
    fn note(&mut self, slot: &Slot, row: Vec<f32>) {
        match slot.region {
            None => self.images.push((slot.head, row)),
            Some(region) => self.regions.push((region, slot.head, row)),
        }
    }

    fn note_problem(&mut self, slot: &Slot, cause: &'static str, error: String) {
        self.problems.push(Unpredicted { task: slot.request.task, cause, error });
    }
}

/// A slot for each task, or region of it that is asked about, and head that has a model.
fn slots(batch: &TaskBatch<'_>, predicted: &mut [TaskProbabilities]) -> Vec<Slot> {
    let mut slots = Vec::with_capacity(batch.tasks.len());
    for (index, (task, regions)) in batch.tasks.iter().zip(batch.regions).enumerate() {
        let Some(task) = task else { continue };
        for (head, spec) in batch.config.heads.iter().enumerate() {
            if spec.skip || batch.serving.heads[head].is_none() {
                continue;
            }
            let source: Arc<str> = match task.image_source(&spec.image_key) {
                Ok(source) => source.into(),
                Err(error) => {
                    let error = error.to_string();
                    predicted[index].problems.push(Unpredicted { task: task.id, cause: "task", error });
                    continue;
                }
            };
            let places = match spec.scope {
                Scope::Image => vec![(None, None)],
                Scope::Region => regions::asked_by(spec, regions),
            };
            slots.extend(places.into_iter().map(|(region, place)| {
                let request = ImageRequest {
                    project: batch.project,
                    task: task.id,
                    source: Arc::clone(&source),
                    place,
                    credentials: batch.credentials.cloned(),
                };
                Slot { task: index, head, region, request }
            }));
        }
    }
    slots
}
