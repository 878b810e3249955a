//! Which label config a project ends with where changes cross each other.
//!
//! Label Studio's events may arrive in another order than what they tell of, and it stores a project whole (`Project.save`): a
//! label config that somebody saves while it changes the project for us is lost. So behind every event that tells another label
//! config Label Studio is asked for the one it has in the end. Nothing is written there: anybody may have sent the event.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
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

/// What the newest such event of each project told, and when, until it is compared: however many come, one task waits for each project.
#[derive(Default)]
pub(super) struct Unsettled(Mutex<HashMap<ProjectId, (String, Instant)>>);

impl Unsettled {
    /// Whether nobody waits for that project yet.
    fn add(&self, told: Told, now: Instant) -> bool {
        let mut unsettled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        unsettled.insert(told.project, (told.label_config, now)).is_none()
    }

    /// What is to be compared now and when it was told, or how long to wait.
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
    /// Looks behind the answer at what became of a label config.
    pub(super) fn settle(&self, told: Told) {
        let project = told.project;
        if !self.0.label_studio.is_configured() || !self.0.unsettled.add(told, Instant::now()) {
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
                let told = Told { project, label_config };
                if let Err(error) = training.take_settled(&told, at).await {
                    tracing::warn!(%project, %error, "label config not compared with Label Studio's");
                }
                return;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_waits_for_a_project_and_compares_what_came_last() {
        let (unsettled, start) = (Unsettled::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let [one, other] = [ProjectId(1), ProjectId(2)];
        let told = |project, text: &str| Told { project, label_config: text.to_owned() };
        assert!(unsettled.add(told(one, "first"), at(0)));
        assert!(!unsettled.add(told(one, "last"), at(2)), "somebody waits already");
        assert!(unsettled.add(told(other, "another"), at(2)));
        assert_eq!(unsettled.take_due(one, at(4)), Some(Err(Duration::from_secs(1))));
        assert_eq!(unsettled.take_due(one, at(5)), Some(Ok(("last".to_owned(), at(2)))));
        assert_eq!(unsettled.take_due(one, at(6)), None);
        assert!(unsettled.add(told(one, "later"), at(6)), "who waited is gone");
    }
}
