//! Label Studio is the truth about annotations: compare with its export and repair.

use super::intake::{read_annotated, task_record};
use super::{Training, TrainingError};
use crate::domain::ids::ProjectId;
use crate::labelstudio::LabelStudioError;
use crate::storage::{Export, Reconciled};

impl Training {
    /// Takes over the project's annotations as Label Studio exports them. The labels of a
    /// project deleted there stay.
    ///
    /// # Errors
    /// No address or token is configured, Label Studio refuses, or the database does not answer.
    pub async fn pull_export(&self, project: ProjectId) -> Result<Reconciled, TrainingError> {
        let started = (self.0.now)();
        let exported = match self.0.label_studio.export(project).await {
            Err(LabelStudioError::NotFound { .. }) => return Err(TrainingError::ProjectGone(project)),
            exported => exported?,
        };
        let (tasks, annotations) = read_annotated(&exported)?;
        let now = (self.0.now)();
        let tasks: Vec<_> = tasks.iter().map(task_record).collect();
        let export =
            Export { annotations: &annotations, tasks: &tasks, all_tasks: false, started_at: started };
        Ok(self.0.storage.replace_from_export(project, &export, now).await?)
    }

    /// Compares every project with Label Studio's export; where labels differ, or an earlier training failed, one is
    /// asked for.
    pub async fn reconcile_all(&self) {
        let projects = match self.0.storage.projects().await {
            Ok(projects) => projects,
            Err(error) => return tracing::warn!(%error, "projects can't be read, nothing compared"),
        };
        for project in projects {
            match self.pull_export(project.id).await {
                Ok(found) => {
                    if found.label_changes > 0 {
                        tracing::info!(project = %project.id, added = found.added, changed = found.changed,
                            removed = found.removed, "labels repaired from Label Studio's export");
                    }
                    self.learn_pending(project.id, "labels repaired").await;
                }
                Err(TrainingError::ProjectGone(project)) => {
                    let error = TrainingError::ProjectGone(project).to_string();
                    tracing::warn!(%project, error, "labels not compared");
                    if let Err(error) = self.0.storage.set_project_problem(project, Some(&error)).await {
                        tracing::warn!(%project, %error, "problem not written down");
                    }
                }
                Err(error) => tracing::warn!(project = %project.id, %error, "labels not compared"),
            }
        }
    }
}
