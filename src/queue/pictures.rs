//! The pictures behind a project's tasks: where they are, and what they hold.

use std::collections::BTreeMap;

use super::fill::{PAGE, image_key};
use super::{Queue, QueueError};
use crate::domain::ids::{ContentHash, ProjectId, TaskId};
use crate::domain::task::Task;
use crate::storage::TaskRecord;

impl Queue {
    /// The content of each task's image, as far as it was looked at.
    ///
    /// # Errors
    /// The project is unknown or has nothing to classify, or the database does not answer.
    pub async fn contents(&self, project: ProjectId) -> Result<BTreeMap<TaskId, ContentHash>, QueueError> {
        let key = image_key(project, &self.config(project).await?)?;
        let (mut contents, mut after) = (BTreeMap::new(), None);
        loop {
            let page = self.0.storage.tasks_page(project, after, PAGE).await?;
            let Some(last) = page.last().map(|task| task.id) else { return Ok(contents) };
            let sources = sources(page, &key);
            let addresses: Vec<&str> = sources.iter().map(|(_, source)| source.as_str()).collect();
            let images = self.0.storage.images(project, &addresses).await?;
            let seen = sources.iter().zip(images).filter_map(|((task, _), image)| Some((*task, image?)));
            contents.extend(seen.map(|(task, image)| (task, image.content_hash)));
            after = Some(last);
        }
    }

    /// The addresses of some tasks' images, as their data holds them.
    ///
    /// # Errors
    /// As [`Queue::contents`].
    pub async fn sources(
        &self,
        project: ProjectId,
        tasks: &[TaskId],
    ) -> Result<BTreeMap<TaskId, String>, QueueError> {
        let key = image_key(project, &self.config(project).await?)?;
        Ok(sources(self.0.storage.tasks(project, tasks).await?, &key).into_iter().collect())
    }
}

fn sources(tasks: Vec<TaskRecord>, key: &str) -> Vec<(TaskId, String)> {
    let tasks =
        tasks.into_iter().map(|task| Task { id: task.id, data: task.data, created_at: task.created_at });
    tasks.filter_map(|task| Some((task.id, task.image_source(key).ok()?.into_owned()))).collect()
}
