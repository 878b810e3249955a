//! Webhooks received since the start: the only way for a person to see that Label Studio's do arrive.

use std::sync::{Mutex, PoisonError};

use moka::sync::Cache;
use serde::Serialize;

use crate::domain::ids::ProjectId;

/// Projects whose webhooks are counted; a server has few, an attacker many.
const PROJECTS: u64 = 10_000;

/// Longest action kept, in characters: Label Studio's own have 20.
const MAX_ACTION_CHARS: usize = 40;

/// Webhooks of one project since the start of this process; repeated deliveries count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Webhooks {
    pub received: u64,
    /// Label Studio's name of the last one's event.
    pub last_action: Option<String>,
    /// Time of the last one, in Unix microseconds.
    pub last_at_us: Option<i64>,
}

pub(super) struct WebhookLog {
    projects: Cache<ProjectId, Webhooks>,
    /// Two webhooks of a project at once must count as two.
    writing: Mutex<()>,
}

impl Default for WebhookLog {
    fn default() -> Self {
        Self { projects: Cache::new(PROJECTS), writing: Mutex::new(()) }
    }
}

impl WebhookLog {
    pub(super) fn note(&self, project: ProjectId, action: &str, now: i64) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let received = self.of(project).received + 1;
        let last_action = Some(action.chars().take(MAX_ACTION_CHARS).collect());
        self.projects.insert(project, Webhooks { received, last_action, last_at_us: Some(now) });
    }

    pub(super) fn of(&self, project: ProjectId) -> Webhooks {
        self.projects.get(&project).unwrap_or_default()
    }
}
