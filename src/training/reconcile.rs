//! Label Studio is the truth about annotations: compare with its export and repair.

use super::events::{read_annotated, task_record};
use super::{Reconciler, TrainingError};
use crate::domain::ids::ProjectId;
use crate::labelstudio::LabelStudioError;
use crate::storage::{Export, Reconciled};

impl Reconciler {
    /// Takes over the project's annotations as Label Studio exports them. The labels of a
    /// project deleted there stay.
    ///
    /// # Errors
    /// No address or token is configured, Label Studio refuses, or the database does not answer.
    pub async fn pull_export(&self, project: ProjectId) -> Result<Reconciled, TrainingError> {
        self.pull_export_since(project, (self.0.now)()).await
    }

    /// The same; what was received at `started` (Unix microseconds) or later is newer than the export.
    async fn pull_export_since(&self, project: ProjectId, started: i64) -> Result<Reconciled, TrainingError> {
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
            self.reconcile(project.id, (self.0.now)()).await;
        }
    }

    /// Does the same for one project, behind the answer to a request that was received at `now`: what it brought stays,
    /// even if Label Studio, which is still busy with it, does not export it yet.
    pub(super) fn take_over(&self, project: ProjectId, now: i64) {
        if self.0.label_studio.is_configured() {
            let reconciler = self.clone();
            tokio::spawn(async move { reconciler.reconcile(project, now).await });
        }
    }

    async fn reconcile(&self, project: ProjectId, started: i64) {
        match self.pull_export_since(project, started).await {
            Ok(found) => {
                if found.label_changes > 0 {
                    tracing::info!(%project, added = found.added, changed = found.changed, removed = found.removed,
                        "labels taken over from Label Studio's export");
                }
                self.0.training().learn_pending(project, "labels taken over").await;
            }
            Err(error @ TrainingError::ProjectGone(_)) => {
                tracing::warn!(%project, %error, "labels not compared");
                if let Err(error) =
                    self.0.storage.set_project_problem(project, Some(&error.to_string())).await
                {
                    tracing::warn!(%project, %error, "problem not written down");
                }
            }
            Err(error) => tracing::warn!(%project, %error, "labels not compared"),
        }
    }
}
