//! Status of a project, for the status routes and the dashboard.

use std::sync::Arc;

use super::{Training, Webhooks};
use crate::domain::label_config::{LabelConfig, LabelConfigError};
use crate::models::HeadStatus;
use crate::pool::PoolProgress;
use crate::storage::Project;

/// Status of a project: the version that serves, its problems, and the progress of background work.
pub struct ProjectStatus {
    /// The label config, or why it can't be used; `None` while none was seen.
    pub config: Option<Result<Arc<LabelConfig>, LabelConfigError>>,
    /// The version that serves.
    pub version: String,
    pub heads: Vec<HeadStatus>,
    /// Reason for which nothing is predicted or learnt.
    pub problem: Option<String>,
    pub pool: PoolProgress,
    /// Error of the last attempt to write Label Studio's queue, if it failed.
    pub queue_problem: Option<String>,
    pub webhooks: Webhooks,
}

impl Training {
    /// Returns the status of a project of `tasks` tasks. Everything comes from memory.
    pub fn status(&self, row: &Project, tasks: i64) -> ProjectStatus {
        let inner = &self.0;
        let config = row.label_config.as_deref().map(|xml| self.0.label_configs.parse(xml));
        let (version, heads, problem) = match &config {
            Some(Ok(config)) => {
                let serving = inner.models.serving(row.id, config);
                (serving.version.clone(), serving.describe(config), None)
            }
            Some(Err(error)) => (inner.models.no_version(), Vec::new(), Some(error.to_string())),
            None => (inner.models.no_version(), Vec::new(), Some("no label config seen yet".to_owned())),
        };
        ProjectStatus {
            config,
            version,
            heads,
            problem: problem.or_else(|| row.problem.clone()),
            pool: inner.pool.progress_among(row.id, tasks),
            queue_problem: inner.queue.problem(row.id),
            webhooks: self.webhooks(row.id),
        }
    }
}
