//! Number of tasks of a project, cached for a moment: visitors and live pages ask often.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use crate::domain::ids::ProjectId;
use crate::storage::{Storage, StorageError, TaskCounts};

/// Figures shown are at most so old.
const STALE: Duration = Duration::from_secs(2);

/// Projects remembered.
const PROJECTS: u64 = 10_000;

pub(super) struct Counts {
    storage: Storage,
    recent: Cache<ProjectId, TaskCounts>,
}

impl Counts {
    pub fn new(storage: Storage) -> Self {
        Self { storage, recent: Cache::builder().max_capacity(PROJECTS).time_to_live(STALE).build() }
    }

    /// A project's tasks; many who ask at once share one look.
    pub async fn of(&self, project: ProjectId) -> Result<TaskCounts, Arc<StorageError>> {
        self.recent.try_get_with(project, self.storage.task_counts(project)).await
    }

    /// The next one who asks gets fresh figures.
    pub async fn forget(&self, project: ProjectId) {
        self.recent.invalidate(&project).await;
    }
}
