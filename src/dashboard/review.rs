//! Review of a project (suspected label errors, near-duplicates, outliers), kept ready by the background.

use std::collections::HashMap;
use std::sync::Arc;

use super::Inner;
use super::background_cache::Seen;
use super::thresholds::doubted;
use crate::domain::ids::TaskId;
use crate::models::Published;
use crate::pool::{HeadReview, Neighbour, Review};
use crate::storage::Project;

/// Suspects of a head that are shown, with their neighbours.
pub(super) const SUSPECTS: usize = 24;

/// Labelled neighbours of a suspect.
const NEIGHBOURS: usize = 3;

/// A review, and what stands around the suspects.
pub(super) struct Findings {
    pub review: Review,
    /// For each suspect its nearest labelled tasks.
    pub near: HashMap<TaskId, Vec<Neighbour>>,
    /// Labels of those neighbours, by head.
    pub labels: HashMap<String, HashMap<TaskId, String>>,
}

impl Inner {
    /// The findings of a project under the version that serves.
    pub async fn findings(&self, project: &Project, published: &Arc<Published>) -> Seen<Findings> {
        let embedded = self.pool.progress_among(project.id, 0).embedded;
        let stamp = format!("{}/{embedded}", published.name);
        let id = project.id;
        let xml = project.label_config.clone().unwrap_or_default();
        let pool = self.pool.clone();
        let training = self.training.clone();
        let label_configs = self.label_configs.clone();
        let version = Arc::clone(published);
        let make = || async move {
            let review = Review::of(&pool, id).await.map_err(|error| error.to_string())?;
            let shown = |head: &HeadReview| {
                let card = version.file.card.heads.iter().find(|card| card.from_name == head.from_name);
                let doubted = card.map(|card| doubted(card, &head.suspects)).unwrap_or_default();
                doubted.into_iter().take(SUSPECTS).map(|suspect| suspect.task).collect::<Vec<TaskId>>()
            };
            let mut tasks: Vec<TaskId> = review.heads.iter().flat_map(shown).collect();
            tasks.sort_unstable();
            tasks.dedup();
            let near =
                Neighbour::labelled(&pool, id, tasks, NEIGHBOURS).await.map_err(|error| error.to_string())?;
            let mut around: Vec<TaskId> =
                near.iter().flat_map(|(_, near)| near.iter().map(|neighbour| neighbour.task)).collect();
            around.sort_unstable();
            around.dedup();
            let config = label_configs.parse(&xml).map_err(|error| error.to_string())?;
            let mut labels = HashMap::new();
            for head in &config.heads {
                let of_head = training
                    .labels()
                    .labels_of(id, head, &around)
                    .await
                    .map_err(|error| error.to_string())?;
                labels.insert(head.from_name.clone(), of_head);
            }
            Ok(Findings { review, near: near.into_iter().collect(), labels })
        };
        self.findings.get(id, id, stamp, make).await
    }
}
