//! What two versions say of the same tasks.

use std::sync::Arc;

use super::embedded::Embeddings;
use super::fill::image_key;
use super::{Queue, QueueError};
use crate::domain::ids::{ProjectId, TaskId};
use crate::domain::label_config::{ChoiceKind, HeadSpec, LabelConfig};
use crate::models::{Published, Serving, ServingHead};

/// Tasks that are looked at, spread evenly over the pool.
pub const COMPARED_TASKS: usize = 5_000;

/// Probability from which a class of a multiple-choice head is ticked.
const APPLIES: f32 = 0.5;

/// Two versions on the same tasks.
#[derive(Debug)]
pub struct Comparison {
    /// Tasks of the pool, and how many of them were looked at.
    pub pool: usize,
    pub compared: usize,
    /// Answers that differ, those the second version is surest of first.
    pub changes: Vec<Change>,
}

/// A task on which two versions differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub task: TaskId,
    pub head: String,
    /// The answer of each, and its probability.
    pub before: (String, f32),
    pub after: (String, f32),
}

impl Queue {
    /// Compares two versions on what is embedded of a project's tasks, open ones and labelled ones; at most
    /// 5,000 of them, evenly spread.
    ///
    /// # Errors
    /// The project has nothing to classify, or the database does not answer.
    pub async fn compare(
        &self,
        project: ProjectId,
        before: Arc<Published>,
        after: Arc<Published>,
    ) -> Result<Comparison, QueueError> {
        let config = self.config(project).await?;
        let key = image_key(project, &config)?;
        let pool = self.pool(project).embeddings(&key).await;
        tokio::task::spawn_blocking(move || {
            let (before, after) = (Serving::of(before, &config), Serving::of(after, &config));
            compare(&pool, &config, &before, &after)
        })
        .await
        .map_err(|_| QueueError::Interrupted)
    }
}

fn compare(pool: &Embeddings, config: &LabelConfig, before: &Serving, after: &Serving) -> Comparison {
    let step = pool.len().div_ceil(COMPARED_TASKS).max(1);
    let places: Vec<usize> = (0..pool.len()).step_by(step).collect();
    let mut row = vec![0.0; pool.dim()];
    let mut changes = Vec::new();
    for place in &places {
        pool.row(*place, &mut row);
        let heads = config.heads.iter().zip(before.heads.iter().zip(&after.heads));
        let heads = heads.filter(|(spec, _)| spec.is_of_image() && spec.image_key == pool.image_key());
        for (spec, pair) in heads {
            let (Some(before), Some(after)) = pair else { continue };
            let (Some(before), Some(after)) = (answer(before, spec, &row), answer(after, spec, &row)) else {
                continue;
            };
            if before.0 != after.0 {
                changes.push(Change { task: pool.task(*place), head: spec.from_name.clone(), before, after });
            }
        }
    }
    changes.sort_by(|a, b| b.after.1.total_cmp(&a.after.1).then(a.task.cmp(&b.task)));
    Comparison { pool: pool.len(), compared: places.len(), changes }
}

/// What a head answers, and how sure it is; for multiple choice all classes it ticks, as sure as the least sure of its
/// decisions.
pub(super) fn answer(head: &ServingHead, spec: &HeadSpec, row: &[f32]) -> Option<(String, f32)> {
    let probabilities = head.probabilities(row).ok()?;
    let named = spec.classes.iter().zip(&probabilities);
    if spec.kind == ChoiceKind::Multiple {
        let ticked: Vec<&str> =
            named.filter(|(_, p)| **p >= APPLIES).map(|(class, _)| class.name.as_str()).collect();
        let surest = probabilities.iter().map(|p| p.max(1.0 - p)).fold(1.0, f32::min);
        let words = if ticked.is_empty() { "nothing".to_owned() } else { ticked.join(", ") };
        return Some((words, surest));
    }
    let best = named.max_by(|a, b| a.1.total_cmp(b.1))?;
    Some((best.0.name.clone(), *best.1))
}
