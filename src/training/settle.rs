//! Which label config a project ends with where changes cross each other.
//!
//! Label Studio's events may arrive in another order than what they tell of, and it stores a project whole (`Project.save`): a
//! label config that somebody saves while it changes the project for us is lost. So behind every event that tells another label
//! config Label Studio is asked for the one it has in the end. Nothing is written there: anybody may have sent the event.

use std::time::{Duration, Instant};

use super::{Training, TrainingError};
use crate::domain::ids::ProjectId;
use crate::domain::project::ProjectSeen;

/// Changes that cross each other are over by then: Label Studio gives a webhook up after a second.
const SETTLED_AFTER: Duration = Duration::from_secs(3);

/// A label config that an event told.
pub(super) struct Told {
    pub project: ProjectId,
    pub label_config: String,
}

impl Training {
    /// Looks behind the answer at what became of a label config.
    pub(super) fn settle(&self, told: Told) {
        if !self.0.label_studio.is_configured() {
            return;
        }
        let (training, at) = (self.clone(), Instant::now());
        tokio::spawn(async move {
            tokio::time::sleep(SETTLED_AFTER).await;
            if let Err(error) = training.take_settled(&told, at).await {
                tracing::warn!(project = %told.project, %error, "label config not compared with Label Studio's");
            }
        });
    }

    /// Takes over the label config that Label Studio has, whatever was told `at`.
    async fn take_settled(&self, told: &Told, at: Instant) -> Result<(), TrainingError> {
        let project = told.project;
        let Some(kept) = self.0.label_studio.label_config(project).await? else { return Ok(()) };
        if kept == told.label_config {
            return Ok(());
        }
        if self.0.queue.stored_again(project, at).as_ref() == Some(&kept) {
            tracing::warn!(%project, "a label config was saved in the moment in which Label Studio moved the project to another \
                version, and lost by that: look at it there, and save it again");
        }
        let seen = ProjectSeen { label_config: Some(kept), ..ProjectSeen::only(project) };
        self.note_project(&seen).await
    }
}
