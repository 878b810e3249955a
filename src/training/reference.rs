//! What labels chosen by chance would have taught: the line to hold a learning curve against.

use super::dataset::HeadData;
use super::{Training, TrainingError};
use crate::domain::ids::ProjectId;
use crate::domain::label_config::ChoiceKind;
use crate::model::{Features, FitOptions, Group, Targets};
use crate::ranking::Strategy;
use crate::replay::summary::Mean;
use crate::replay::{Collection, Plan, Replay, ReplayError, Schedule};

/// Labels that are replayed at most, spread evenly: more cost the square and move the line little.
const MAX_LABELS: usize = 400;

/// Labels below which a third of them judges nothing.
const MIN_LABELS: usize = 15;

/// One label of so many judges, the others are drawn from.
const JUDGE_EVERY: usize = 3;

/// Draws, and points of the line.
const SEEDS: usize = 5;
const POINTS: usize = 6;

/// The project's own labels, drawn by chance.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    pub points: Vec<ReferencePoint>,
    /// Labels that judged and were never drawn.
    pub judged_on: usize,
    pub draws: usize,
}

/// Accuracy with so many labels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReferencePoint {
    pub labels: usize,
    /// Over the draws, 0..1.
    pub accuracy: f64,
    /// Standard deviation over the draws.
    pub spread: f64,
}

impl Training {
    /// Replays a single-choice head's labelling with labels drawn by chance, on one core. `None` where there are too few
    /// labels, or for a head of multiple choice. The cost is bounded: at most 400 labels, 5 draws, 6 small fits each.
    ///
    /// # Errors
    /// The labels or their images can't be had, or a head can't be trained.
    pub async fn random_reference(
        &self,
        project: ProjectId,
        head: &str,
    ) -> Result<Option<Reference>, TrainingError> {
        let row = self.0.storage.project(project).await?;
        let xml = row.and_then(|row| row.label_config).ok_or(TrainingError::NoLabelConfig(project))?;
        let config = self.label_config(&xml)?;
        let dataset = self.dataset(project, &config).await?;
        let data = dataset.heads.into_iter().find(|data| data.spec.from_name == head);
        let groups = self.0.embedder.spec().groups.clone();
        let Some(collection) = data.and_then(|data| collection(data, groups)) else { return Ok(None) };
        let replayed = tokio::task::spawn_blocking(move || replay(collection)).await;
        let replayed = replayed.map_err(|_| TrainingError::Cancelled)?;
        replayed.map(Some).map_err(|error| TrainingError::Replay(Box::new(error)))
    }
}

fn collection(data: HeadData, groups: Vec<Group>) -> Option<Collection> {
    let HeadData { spec, set, .. } = data;
    let Targets::Single { classes, labels } = &set.targets else { return None };
    if spec.kind != ChoiceKind::Single || labels.len() < MIN_LABELS {
        return None;
    }
    // By content, which has nothing to do with what is to be seen: an even and repeatable sample.
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by_key(|row| set.hashes[*row]);
    order.truncate(MAX_LABELS);
    let values = order.iter().flat_map(|row| set.features.row(*row).iter().copied()).collect();
    let (validation, train): (Vec<usize>, Vec<usize>) =
        (0..order.len()).partition(|row| row % JUDGE_EVERY == 0);
    let collection = Collection {
        features: Features { dim: set.features.dim, values },
        groups,
        hashes: order.iter().map(|row| set.hashes[*row]).collect(),
        labels: order.iter().map(|row| labels[*row]).collect(),
        classes: *classes,
        train,
        validation,
    };
    let first = collection.train.first().map(|row| collection.labels[*row]);
    collection.train.iter().any(|row| Some(collection.labels[*row]) != first).then_some(collection)
}

fn replay(collection: Collection) -> Result<Reference, ReplayError> {
    let (there, judged_on) = (collection.train.len(), collection.validation.len());
    let batch = (there / POINTS).max(1);
    let schedule = Schedule {
        first: batch,
        batch,
        rounds: (POINTS - 1).min(there / batch - 1),
        seeds: SEEDS,
        // The ridge solution alone: the refinement changes single labels, and takes most of the time.
        fit: FitOptions { epochs: 0 },
        random_share: None,
    };
    let by_chance = Plan::Strategy { start: Strategy::Random, then: Strategy::Random };
    let runs = Replay::new(collection, schedule)?.run_on(1, &[by_chance], &|| {})?;
    let runs = runs.into_iter().next().unwrap_or_default();
    let rounds = runs.iter().map(|run| run.rounds.len()).min().unwrap_or(0);
    let points = (0..rounds).map(|round| {
        let accuracies: Vec<f64> = runs.iter().map(|run| run.rounds[round].accuracy).collect();
        let Mean { mean, sd } = Mean::of(&accuracies);
        ReferencePoint { labels: runs[0].rounds[round].labels, accuracy: mean, spread: sd }
    });
    Ok(Reference { points: points.collect(), judged_on, draws: SEEDS })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ContentHash;

    #[test]
    fn more_labels_drawn_by_chance_teach_more() {
        // Two clouds of points far apart, in one group of three columns.
        let n = 90;
        let rows = (0..n).flat_map(|row| {
            let side = if row % 2 == 0 { -1.0 } else { 1.0 };
            [side, (row as f32 * 0.7).sin() * 0.1, (row as f32 * 1.3).cos() * 0.1]
        });
        let collection = Collection {
            features: Features { dim: 3, values: rows.collect() },
            groups: vec![Group { name: "all".to_owned(), width: 3 }],
            hashes: (0..n).map(|row| ContentHash::new([row as u8; 32])).collect(),
            labels: (0..n).map(|row| row % 2).collect(),
            classes: 2,
            train: (0..n).filter(|row| row % 3 != 0).collect(),
            validation: (0..n).filter(|row| row % 3 == 0).collect(),
        };
        let reference = replay(collection).unwrap();
        assert_eq!((reference.points.len(), reference.judged_on, reference.draws), (6, 30, 5));
        assert_eq!(
            reference.points.iter().map(|point| point.labels).collect::<Vec<_>>(),
            [10, 20, 30, 40, 50, 60]
        );
        assert!(reference.points[5].accuracy > 0.99, "{reference:?}");
    }
}
