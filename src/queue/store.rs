//! Predictions on their way into Label Studio: new rows many in a request, others changed in place.

use std::time::Instant;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::pace::CHANGES_AT_ONCE;
use super::rows::Rows;
use super::writer::Writer;
use super::{Publisher, QueueError};
use crate::domain::ids::{ProjectId, TaskId};
use crate::labelstudio::{LabelStudioError, PredictionRow};
use crate::models::published_name;
use crate::storage::Project;

impl Publisher {
    /// Stores predictions: new rows many in a request, and those of tasks that have theirs one by one.
    pub(super) async fn store(
        &self,
        project: &Project,
        writer: &mut Writer,
        predictions: &[(TaskId, Value)],
        name: &str,
    ) -> Result<(), QueueError> {
        let requests = writer.rows.requests(predictions.iter().map(|(task, _)| *task));
        let turn = writer.pace.turn(requests);
        let is_changed = |(task, _): &&(TaskId, Value)| writer.rows.has_enough(*task, turn);
        let (changed, mut new): (Vec<_>, Vec<_>) = predictions.iter().partition(is_changed);
        // Only these: with many rows a task, few are changed.
        let requests = writer.rows.requests(changed.iter().map(|(task, _)| *task));
        let started = Instant::now();
        self.list_rows(project.id, &mut writer.rows, changed.iter().map(|(task, _)| *task)).await?;
        let mut changes = Vec::new();
        for prediction in changed {
            match writer.rows.spare(prediction.0, project.queue_version.as_deref()) {
                Some(row) => changes.push((prediction.0, row, &prediction.1)),
                None => new.push(prediction),
            }
        }
        if !changes.is_empty() {
            self.change_rows(&mut writer.rows, changes, name).await?;
            writer.pace.note_requests(requests as f64 / CHANGES_AT_ONCE as f64, started.elapsed());
        }
        for part in new.chunks(writer.pace.part()) {
            let started = Instant::now();
            part.iter().for_each(|(task, _)| writer.rows.made(*task));
            self.import(project.id, part.iter().map(|prediction| (*prediction).clone()).collect()).await?;
            writer.pace.note_rows(part.len(), started.elapsed());
        }
        Ok(())
    }

    /// Asks for the rows of those tasks whose rows are not known.
    async fn list_rows(
        &self,
        project: ProjectId,
        rows: &mut Rows,
        tasks: impl Iterator<Item = TaskId>,
    ) -> Result<(), QueueError> {
        let unknown: Vec<TaskId> = tasks.filter(|task| !rows.are_listed(*task)).collect();
        let list = |task| async move { self.rows_of(project, task).await.map(|rows| (task, rows)) };
        let mut listed = stream::iter(unknown.into_iter().map(list)).buffer_unordered(CHANGES_AT_ONCE);
        while let Some((task, theirs)) = listed.try_next().await? {
            rows.list(task, theirs);
        }
        Ok(())
    }

    /// Brings rows up to date in place.
    async fn change_rows(
        &self,
        rows: &mut Rows,
        changes: Vec<(TaskId, i64, &Value)>,
        name: &str,
    ) -> Result<(), QueueError> {
        let label_studio = &self.0.label_studio;
        let change = |(task, row, prediction): (TaskId, i64, &Value)| {
            let fields =
                json!({"result": prediction["result"], "score": prediction["score"], "model_version": name});
            async move { label_studio.change_prediction(row, fields).await.map(|()| (task, row)) }
        };
        let mut changed = stream::iter(changes.into_iter().map(change)).buffer_unordered(CHANGES_AT_ONCE);
        loop {
            match changed.try_next().await {
                Ok(Some((task, row))) => rows.changed(task, row, name),
                Ok(None) => return Ok(()),
                // Its task was deleted meanwhile.
                Err(LabelStudioError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The rows of a task that are ours.
    async fn rows_of(&self, project: ProjectId, task: TaskId) -> Result<Vec<PredictionRow>, QueueError> {
        let mut ours = Vec::new();
        for row in self.0.label_studio.predictions_of(task).await? {
            let Some(name) = row.model_version.as_deref() else { continue };
            let known = self.0.storage.version_named(project, published_name(name)).await?.is_some();
            if known || self.0.models.is_builtin(name) {
                ours.push(row);
            }
        }
        Ok(ours)
    }

    /// Stores new rows. A task deleted meanwhile makes Label Studio refuse all: then the list of tasks is asked for again,
    /// and those that are left are stored.
    async fn import(&self, project: ProjectId, predictions: Vec<(TaskId, Value)>) -> Result<(), QueueError> {
        let rows = predictions.iter().map(|(_, prediction)| prediction.clone()).collect();
        match self.0.label_studio.import_predictions(project, rows).await {
            Err(LabelStudioError::Status { status: 400, answer, .. }) => {
                tracing::warn!(%project, answer, "predictions refused, looking for deleted tasks");
                self.0.pool.list_project(project).await?;
                let states = self.0.storage.task_states(project).await?;
                let left = predictions.into_iter().filter(|(task, _)| states.contains_key(task));
                let left = left.map(|(_, prediction)| prediction).collect();
                self.0.label_studio.import_predictions(project, left).await?;
                Ok(())
            }
            stored => stored.map(|_| ()).map_err(QueueError::from),
        }
    }
}
