//! Review of a project: suspected label errors, near-duplicates, outliers, missing classes, and advice on stopping.

use std::sync::Arc;

use serde::Serialize;

use super::embeddings::PoolEmbeddings;
use super::fill::image_key;
use super::{Pool, PoolError};
use crate::domain::ids::{ProjectId, TaskId};
use crate::eval::Evaluation;
use crate::eval::agreement::kappa;
use crate::eval::stopping::{StoppingRule, stopping_rule};
use crate::matrix::dot;
use crate::models::{HeadCard, Published, SuspectCard};
use crate::storage::TaskState;

/// Labels between two versions that count as one round of labelling: a version comes with every submit.
const ROUND_LABELS: i64 = 5;

/// Number of rounds that are compared.
const ROUNDS: usize = 4;

/// Images on which the rounds' predictions are compared.
const FIXED_SET: usize = 500;

/// Tasks among which outliers are searched; the distances of each to each are measured.
const OUTLIER_TASKS: usize = 3_000;

/// Share of the tasks whose nearest neighbour may be as far as it is.
const USUAL: f64 = 0.99;

/// A class with fewer labels than this share of an equal share is called rare.
const RARE: f64 = 0.25;

/// Findings of a project that a person should check.
#[derive(Debug, Serialize)]
pub struct Review {
    pub version: Option<String>,
    pub heads: Vec<HeadReview>,
    /// Open tasks unlike all others, the farthest first.
    pub outliers: Vec<Outlier>,
    /// Tasks of whose image only a part could be read, by id. Nothing is learnt from them but with a person's label.
    pub damaged: Vec<TaskId>,
}

/// Findings of one head that a person should check.
#[derive(Debug, Serialize)]
pub struct HeadReview {
    pub from_name: String,
    /// Labels of each class.
    pub labels: Vec<(String, usize)>,
    /// Classes without a label.
    pub unseen_classes: Vec<String>,
    /// Classes with far fewer labels than the others.
    pub rare_classes: Vec<String>,
    /// Labels that are probably wrong, the most suspicious first.
    pub suspects: Vec<SuspectCard>,
    /// Labelled tasks with the same picture but for small changes.
    pub near_copies: Vec<Vec<TaskId>>,
    pub stop: StoppingRule,
}

/// A task unlike all others.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Outlier {
    pub task: TaskId,
    /// Cosine distance to the nearest other task, 0..2.
    pub distance: f32,
}

impl Review {
    /// Reviews a project as it is now. The suspects' probabilities are of models that had not seen the label.
    ///
    /// # Errors
    /// The project is unknown or has nothing to classify, or a store does not answer.
    pub async fn of(handle: &Pool, project: ProjectId) -> Result<Self, PoolError> {
        let config = handle.config(project).await?;
        let key = image_key(project, &config)?;
        let rounds = rounds(handle, project).await?;
        let states = handle.0.storage.task_states(project).await?;
        let open: Vec<TaskId> =
            states.iter().filter(|(_, state)| **state == TaskState::Open).map(|(task, _)| *task).collect();
        let mut pool = handle.embeddings(project, &key).await;
        let mut damaged = handle.damaged(project, usize::MAX);
        damaged.retain(|task| states.contains_key(task));
        tokio::task::spawn_blocking(move || {
            pool.place();
            let newest = rounds.first();
            let cards = newest.map(|newest| newest.file.card.heads.as_slice()).unwrap_or_default();
            Review {
                version: newest.map(|newest| newest.name.clone()),
                heads: cards.iter().map(|card| head_review(card, &rounds, &pool)).collect(),
                outliers: outliers(&pool, &open),
                damaged,
            }
        })
        .await
        .map_err(|_| PoolError::Interrupted)
    }
}

/// The version that serves and those of the rounds before it, the newest first.
async fn rounds(handle: &Pool, project: ProjectId) -> Result<Vec<Arc<Published>>, PoolError> {
    let Some(current) = handle.0.models.current(project) else { return Ok(Vec::new()) };
    let mut rounds = vec![Arc::clone(&current)];
    let mut labels = current.file.card.labels;
    for row in handle.0.storage.versions(project).await? {
        if rounds.len() == ROUNDS {
            break;
        }
        if row.number < current.number && row.labels <= labels - ROUND_LABELS {
            labels = row.labels;
            match handle.0.models.version(project, row.number).await {
                Ok(version) => rounds.push(version),
                Err(error) => tracing::debug!(%project, %error, "version left out of the review"),
            }
        }
    }
    Ok(rounds)
}

fn head_review(card: &HeadCard, rounds: &[Arc<Published>], pool: &PoolEmbeddings) -> HeadReview {
    let support = card.evaluation.as_ref().map(|evaluation| evaluation.support.clone()).unwrap_or_default();
    let labels: Vec<(String, usize)> = card.classes.iter().cloned().zip(support).collect();
    let equal = labels.iter().map(|(_, n)| n).sum::<usize>() as f64 / labels.len().max(1) as f64;
    let classes = |wanted: &dyn Fn(usize) -> bool| {
        labels.iter().filter(|(_, n)| wanted(*n)).map(|(class, _)| class.clone()).collect()
    };
    HeadReview {
        from_name: card.from_name.clone(),
        unseen_classes: classes(&|n| n == 0),
        rare_classes: classes(&|n| n > 0 && (n as f64) < RARE * equal),
        suspects: card.suspects.clone(),
        near_copies: card.near_copies.clone(),
        stop: stop(card, rounds, pool),
        labels,
    }
}

/// Compares the rounds of one head, as far back as it had the same classes. Predictions of whole images by a head of regions
/// mean nothing: of it only the accuracies are compared.
fn stop(card: &HeadCard, rounds: &[Arc<Published>], pool: &PoolEmbeddings) -> StoppingRule {
    let same = |version: &Arc<Published>| {
        let cards = &version.file.card.heads;
        let index = cards.iter().position(|other| other.from_name == card.from_name)?;
        (cards[index].classes == card.classes).then(|| (Arc::clone(version), index))
    };
    let rounds: Vec<(Arc<Published>, usize)> = rounds.iter().map_while(same).collect();
    let step = pool.len().div_ceil(FIXED_SET).max(1);
    let places: Vec<usize> = (0..pool.len()).step_by(step).filter(|_| card.scope.is_image()).collect();
    let features = pool.features(&places);
    let predicted: Vec<Vec<Vec<f32>>> = rounds
        .iter()
        .map(|(version, index)| {
            features.rows().filter_map(|row| version.file.heads[*index].probabilities(row).ok()).collect()
        })
        .collect();
    let kappas = predicted.windows(2).map(|pair| kappa(&pair[0], &pair[1], card.classes.len())).collect();
    let evaluations: Vec<&Evaluation> = rounds
        .iter()
        .filter_map(|(version, index)| version.file.card.heads[*index].evaluation.as_ref())
        .collect();
    stopping_rule(&evaluations, kappas)
}

/// Open tasks whose nearest neighbour is farther than that of 99 % of the pool.
fn outliers(pool: &PoolEmbeddings, open: &[TaskId]) -> Vec<Outlier> {
    let step = pool.len().div_ceil(OUTLIER_TASKS).max(1);
    let places: Vec<usize> = (0..pool.len()).step_by(step).collect();
    let points = pool.points(&places);
    if places.len() < 3 || points.dim == 0 {
        return Vec::new();
    }
    let rows: Vec<&[f32]> = points.values.chunks_exact(points.dim).collect();
    let nearest = |place: usize| {
        let others = rows.iter().enumerate().filter(|(other, _)| *other != place);
        let cosine = others.map(|(_, other)| dot(rows[place], other)).fold(-1.0, f32::max);
        1.0 - cosine
    };
    let distances: Vec<f32> = (0..rows.len()).map(nearest).collect();
    let mut sorted = distances.clone();
    sorted.sort_by(f32::total_cmp);
    let limit = sorted[((sorted.len() - 1) as f64 * USUAL) as usize];
    let mut found: Vec<Outlier> = places
        .iter()
        .zip(distances)
        .filter(|(_, distance)| *distance > limit)
        .map(|(place, distance)| Outlier { task: pool.task(*place), distance })
        .filter(|outlier| open.binary_search(&outlier.task).is_ok())
        .collect();
    found.sort_by(|a, b| b.distance.total_cmp(&a.distance));
    found
}
