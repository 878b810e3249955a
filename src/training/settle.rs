//! Final label config of a project after changes that cross each other.
//!
//! Label Studio's events may arrive in another order than the changes they report, and it stores a project whole (`Project.save`): a
//! label config that somebody saves while it changes the project for us is lost. So behind every event that reports another label
//! config Label Studio is asked for the one it has in the end. Nothing is written there: anybody may have sent the event.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Training, TrainingError};
use crate::domain::ids::ProjectId;
use crate::domain::project::ProjectSeen;

/// Changes that cross each other are over by then: Label Studio gives a webhook up after a second.
const SETTLED_AFTER: Duration = Duration::from_secs(3);

/// Label config that an event reported.
pub(super) struct Told {
    pub project: ProjectId,
    pub label_config: String,
}

/// Label config of the newest such event of each project, and its time, until it is compared: however many come, one task waits
/// for each project.
#[derive(Default)]
pub(super) struct Unsettled(Mutex<HashMap<ProjectId, (String, Instant)>>);

impl Unsettled {
    /// Adds a label config; returns `true` if nobody waits for its project yet.
    fn add(&self, received: Told, now: Instant) -> bool {
        let mut unsettled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unsettled.insert(received.project, (received.label_config, now)).is_none()
    }

    /// Takes the label config that is to be compared now, with its time, or returns the time to wait; `None` if there is none.
    fn take_due(&self, project: ProjectId, now: Instant) -> Option<Result<(String, Instant), Duration>> {
        let mut unsettled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = unsettled.get(&project)?.1 + SETTLED_AFTER;
        if due > now {
            return Some(Err(due - now));
        }
        unsettled.remove(&project).map(Ok)
    }
}

impl Training {
    /// Compares a label config, after the answer, with the one that Label Studio has in the end.
    pub(super) fn settle(&self, received: Told) {
        let project = received.project;
        if !self.0.label_studio.is_configured() || !self.0.unsettled.add(received, Instant::now()) {
            return;
        }
        let training = self.clone();
        tokio::spawn(async move {
            while let Some(next) = training.0.unsettled.take_due(project, Instant::now()) {
                let (label_config, at) = match next {
                    Ok(due) => due,
                    Err(wait) => {
                        tokio::time::sleep(wait).await;
                        continue;
                    }
                };
                let received = Told { project, label_config };
                if let Err(error) = training.take_settled(&received, at).await {
                    tracing::warn!(%project, %error, "label config not compared with Label Studio's");
                }
                return;
            }
        });
    }

    /// Takes over the label config that Label Studio has, if it differs from the one received at `at`.
    async fn take_settled(&self, received: &Told, at: Instant) -> Result<(), TrainingError> {
        let project = received.project;
        let Some(kept) = self.0.label_studio.label_config(project).await? else { return Ok(()) };
        if kept == received.label_config {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_waits_for_a_project_and_compares_what_came_last() {
        let unsettled = Unsettled::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let one = ProjectId(1);
        let other = ProjectId(2);
        let received = |project, text: &str| Told { project, label_config: text.to_owned() };
        assert!(unsettled.add(received(one, "first"), at(0)));
        assert!(!unsettled.add(received(one, "last"), at(2)), "somebody waits already");
        assert!(unsettled.add(received(other, "another"), at(2)));
        assert_eq!(unsettled.take_due(one, at(4)), Some(Err(Duration::from_secs(1))));
        assert_eq!(unsettled.take_due(one, at(5)), Some(Ok(("last".to_owned(), at(2)))));
        assert_eq!(unsettled.take_due(one, at(6)), None);
        assert!(unsettled.add(received(one, "later"), at(6)), "who waited is gone");
    }
}
