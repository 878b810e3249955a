//! A project's versions with what was measured of them. A version never changes, so each is read once.

use std::collections::HashMap;
use std::sync::Arc;

use moka::sync::Cache;

use super::error::PageError;
use crate::domain::ids::ProjectId;
use crate::models::HeadCard;
use crate::storage::{Storage, VersionOutline};

/// Versions kept in memory, each some kilobytes; a learning curve takes at most [`POINTS`].
const KEPT: u64 = 1_000;

/// Points of a learning curve.
const POINTS: usize = 60;

/// A version and its measures.
pub(super) struct Measured {
    pub number: i64,
    pub name: String,
    pub labels: i64,
    /// Unix microseconds.
    pub created_at: i64,
    /// Empty where they can't be read: a newer program may have written them.
    pub heads: Vec<HeadCard>,
}

pub(super) struct History {
    storage: Storage,
    kept: Cache<(ProjectId, i64), Arc<Measured>>,
}

impl History {
    pub fn new(storage: Storage) -> Self {
        Self { storage, kept: Cache::new(KEPT) }
    }

    /// All versions in outline, newest first.
    pub async fn outlines(&self, project: ProjectId) -> Result<Vec<VersionOutline>, PageError> {
        Ok(self.storage.version_outlines(project).await?)
    }

    /// Those versions that there are of `numbers`, in their order.
    pub async fn measured(
        &self,
        project: ProjectId,
        numbers: &[i64],
    ) -> Result<Vec<Arc<Measured>>, PageError> {
        let mut found: HashMap<i64, Arc<Measured>> = HashMap::new();
        found
            .extend(numbers.iter().filter_map(|number| Some((*number, self.kept.get(&(project, *number))?))));
        let missing: Vec<i64> =
            numbers.iter().copied().filter(|number| !found.contains_key(number)).collect();
        for version in self.storage.versions_among(project, &missing).await? {
            let measured = Arc::new(Measured {
                number: version.number,
                name: version.name,
                labels: version.labels,
                created_at: version.created_at,
                heads: serde_json::from_value(version.metrics).unwrap_or_default(),
            });
            self.kept.insert((project, measured.number), Arc::clone(&measured));
            found.insert(measured.number, measured);
        }
        Ok(numbers.iter().filter_map(|number| found.get(number).cloned()).collect())
    }

    /// The versions a learning curve goes through, by labels: the newest of each number of labels, evenly thinned out.
    pub async fn curve(
        &self,
        project: ProjectId,
        outlines: &[VersionOutline],
    ) -> Result<Vec<Arc<Measured>>, PageError> {
        self.measured(project, &curve_numbers(outlines)).await
    }
}

fn curve_numbers(newest_first: &[VersionOutline]) -> Vec<i64> {
    let mut by_labels: Vec<(i64, i64)> =
        newest_first.iter().map(|version| (version.labels, -version.number)).collect();
    by_labels.sort_unstable();
    by_labels.dedup_by_key(|(labels, _)| *labels);
    let last = by_labels.len().saturating_sub(1);
    let points = by_labels.len().min(POINTS);
    let at = |point: usize| by_labels[point * last / (points - 1).max(1)];
    (0..points).map(|point| -at(point).1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(number: i64, labels: i64) -> VersionOutline {
        VersionOutline { number, name: String::new(), labels, created_at: 0 }
    }

    #[test]
    fn a_curve_takes_the_newest_of_each_number_of_labels_and_not_too_many() {
        assert_eq!(curve_numbers(&[]), Vec::<i64>::new());
        assert_eq!(curve_numbers(&[outline(7, 10)]), [7]);
        assert_eq!(curve_numbers(&[outline(3, 20), outline(2, 10), outline(1, 10)]), [2, 3]);
        let many: Vec<VersionOutline> = (1..=1_000).rev().map(|number| outline(number, number)).collect();
        let numbers = curve_numbers(&many);
        assert_eq!((numbers.len(), numbers[0], numbers[POINTS - 1]), (POINTS, 1, 1_000));
    }
}
