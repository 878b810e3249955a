//! Label Studio is the truth about annotations: compare with its export and repair.

use super::intake::read_annotated;
use super::{Training, TrainingError, Trigger};
use crate::domain::ids::ProjectId;
use crate::labelstudio::LabelStudioError;
use crate::storage::Reconciled;

impl Training {
    /// Takes over the project's annotations as Label Studio exports them. A project deleted there is marked, and
    /// its labels stay.
    ///
    /// # Errors
    /// No address or token is configured, Label Studio refuses, or the database does not answer.
    pub async fn pull_export(&self, project: ProjectId) -> Result<Reconciled, TrainingError> {
        let started = (self.0.now)();
        let exported = match self.0.label_studio.export(project).await {
            Err(LabelStudioError::NotFound { .. }) => {
                self.0.storage.mark_project_deleted(project, started).await?;
                return Err(TrainingError::NothingToLearn(format!(
                    "project {project} does not exist in Label Studio any more; its labels and versions are kept here"
                )));
            }
            exported => exported?,
        };
        let (tasks, annotations) = read_annotated(&exported)?;
        let now = (self.0.now)();
        Ok(self.0.storage.replace_from_export(project, &annotations, &tasks, started, now).await?)
    }

    /// Compares every project with Label Studio's export; where labels differ, a training is asked for.
    pub async fn reconcile_all(&self) {
        let projects = match self.0.storage.projects().await {
            Ok(projects) => projects,
            Err(error) => return tracing::warn!(%error, "projects can't be read, nothing compared"),
        };
        for project in projects.into_iter().filter(|project| !project.deleted) {
            match self.pull_export(project.id).await {
                Ok(found) if found.is_nothing() => {}
                Ok(found) => {
                    tracing::info!(project = %project.id, added = found.added, changed = found.changed,
                        removed = found.removed, "labels repaired from Label Studio's export");
                    if self.0.policy.trigger == Trigger::Submit
                        && let Err(error) = self.enqueue(project.id, "labels repaired", (self.0.now)()).await
                    {
                        tracing::warn!(project = %project.id, %error, "training not queued");
                    }
                }
                Err(error) => tracing::warn!(project = %project.id, %error, "labels not compared"),
            }
        }
    }
}
