//! Where a project stands, for those who look: the status routes and the dashboard.

use std::sync::Arc;

use super::{Training, Webhooks};
use crate::domain::label_config::{LabelConfig, LabelConfigError};
use crate::models::HeadStanding;
use crate::queue::PoolProgress;
use crate::storage::Project;

/// What serves a project, what is missing, and how far the background has come.
pub struct Standing {
    /// The label config, or why it can't be used; `None` while none was seen.
    pub config: Option<Result<Arc<LabelConfig>, LabelConfigError>>,
    /// The version that serves.
    pub version: String,
    pub heads: Vec<HeadStanding>,
    /// Why nothing is predicted or learnt.
    pub problem: Option<String>,
    pub pool: PoolProgress,
    /// Why the last attempt to write Label Studio's queue failed.
    pub queue_problem: Option<String>,
    pub webhooks: Webhooks,
}

impl Training {
    /// Where a project stands; `tasks` is how many it has. Everything comes from memory.
    pub fn standing(&self, row: &Project, tasks: i64) -> Standing {
        let inner = &self.0;
        let config = row.label_config.as_deref().map(|xml| self.label_config(xml));
        let (version, heads, problem) = match &config {
            Some(Ok(config)) => {
                let serving = inner.models.serving(row.id, config);
                (serving.version.clone(), serving.describe(config), None)
            }
            Some(Err(error)) => (inner.models.no_version(), Vec::new(), Some(error.to_string())),
            None => (inner.models.no_version(), Vec::new(), Some("no label config seen yet".to_owned())),
        };
        Standing {
            config,
            version,
            heads,
            problem: problem.or_else(|| row.problem.clone()),
            pool: inner.queue.progress_among(row.id, tasks),
            queue_problem: inner.queue.problem(row.id),
            webhooks: self.webhooks(row.id),
        }
    }
}
