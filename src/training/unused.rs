//! Answers that teach nothing: counted by reason and logged, so that none is dropped in silence.

use std::sync::Arc;
use std::time::Instant;

use super::{LabelReader, TrainingError};
use crate::domain::annotation::UnusedAnswers;
use crate::domain::ids::ProjectId;
use crate::domain::label_config::LabelConfig;

/// Reasons a log line names.
const LOGGED: usize = 5;

/// Count of unused answers and its time.
pub(super) struct Counted {
    at: Instant,
    found: Arc<Vec<UnusedAnswers>>,
}

impl LabelReader {
    /// Counts a project's answers that teach nothing under a label config, by reason, the most frequent first; the count is at
    /// most five seconds old. Reads them all.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn unused_answers(
        &self,
        project: ProjectId,
        config: &Arc<LabelConfig>,
    ) -> Result<Arc<Vec<UnusedAnswers>>, TrainingError> {
        let key = (project, config.digest());
        if let Some(counted) =
            self.0.unused.get(&key).filter(|counted| counted.at.elapsed() < super::UNUSED_STALE)
        {
            return Ok(Arc::clone(&counted.found));
        }
        let annotations = self.0.storage.annotations(project).await?;
        let config = Arc::clone(config);
        let found =
            tokio::task::spawn_blocking(move || UnusedAnswers::among(annotations.iter(), &config)).await;
        let found = Arc::new(found.map_err(|_| TrainingError::Cancelled)?);
        self.0.unused.insert(key, Arc::new(Counted { at: Instant::now(), found: Arc::clone(&found) }));
        Ok(found)
    }

    /// The same as it was counted last, however long ago; a new count begins behind the answer where it is old.
    pub fn unused_answers_so_far(
        &self,
        project: ProjectId,
        config: &Arc<LabelConfig>,
    ) -> Option<Arc<Vec<UnusedAnswers>>> {
        let counted = self.0.unused.get(&(project, config.digest()));
        if counted.as_ref().is_none_or(|counted| counted.at.elapsed() >= super::UNUSED_STALE) {
            let labels = self.clone();
            let config = Arc::clone(config);
            tokio::spawn(async move {
                // One count at a time, so that many readers cost no more than one.
                let Ok(_turn) = labels.0.counting.try_acquire() else { return };
                if let Err(error) = labels.unused_answers(project, &config).await {
                    tracing::warn!(%project, %error, "answers that teach nothing not counted");
                }
            });
        }
        counted.map(|counted| Arc::clone(&counted.found))
    }

    /// Logs the answers that a training leaves out, once until they change.
    pub(super) fn say_unused(&self, project: ProjectId, found: &[UnusedAnswers]) {
        let said: Vec<String> = found.iter().take(LOGGED).map(|reason| reason.in_project(project)).collect();
        let said = said.join("; ");
        if said.is_empty() {
            self.0.said_unused.invalidate(&project);
        } else if self.0.said_unused.get(&project).as_deref() != Some(&*said) {
            let more = found.len().saturating_sub(LOGGED);
            tracing::warn!(%project, more_reasons = more, "{said}");
            self.0.said_unused.insert(project, said.into());
        }
    }
}
