//! Comparison of two versions' predictions of the same tasks.

use std::sync::Arc;

use super::embeddings::PoolEmbeddings;
use super::fill::image_key;
use super::{Pool, PoolError};
use crate::domain::ids::{ProjectId, TaskId};
use crate::domain::label_config::{ChoiceKind, HeadSpec, LabelConfig};
use crate::models::{Published, Serving, ServingHead};

/// Maximum number of tasks that are compared, spread evenly over the pool.
pub const COMPARED_TASKS: usize = 5_000;

/// Probability from which a class of a multiple-choice head is ticked.
const APPLIES: f32 = 0.5;

/// Two versions on the same tasks.
#[derive(Debug)]
pub struct Comparison {
    /// Number of tasks in the pool, and of those that were compared.
    pub pool: usize,
    pub compared: usize,
    /// Answers that differ, those the second version is surest of first.
    pub changes: Vec<AnswerChange>,
}

/// A task on which two versions differ.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerChange {
    pub task: TaskId,
    pub head: String,
    /// The answer of each, and its probability.
    pub before: (String, f32),
    pub after: (String, f32),
}

impl Comparison {
    /// Compares two versions on what is embedded of a project's tasks, open ones and labelled ones; at most
    /// 5,000 of them, evenly spread.
    ///
    /// # Errors
    /// The project has nothing to classify, or the database does not answer.
    pub async fn of(
        pool: &Pool,
        project: ProjectId,
        before: Arc<Published>,
        after: Arc<Published>,
    ) -> Result<Self, PoolError> {
        let config = pool.config(project).await?;
        let key = image_key(project, &config)?;
        let pool = pool.embeddings(project, &key).await;
        tokio::task::spawn_blocking(move || {
            let before = Serving::of(before, &config);
            let after = Serving::of(after, &config);
            compare(&pool, &config, &before, &after)
        })
        .await
        .map_err(|_| PoolError::Interrupted)
    }
}

fn compare(pool: &PoolEmbeddings, config: &LabelConfig, before: &Serving, after: &Serving) -> Comparison {
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
                changes.push(AnswerChange {
                    task: pool.task(*place),
                    head: spec.from_name.clone(),
                    before,
                    after,
                });
            }
        }
    }
    changes.sort_by(|a, b| b.after.1.total_cmp(&a.after.1).then(a.task.cmp(&b.task)));
    Comparison { pool: pool.len(), compared: places.len(), changes }
}

/// Answer of a head and its probability; for multiple choice all classes it ticks, with the probability of the least sure
/// decision.
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
