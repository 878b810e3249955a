//! The pictures behind a project's tasks: where they are, and what they hold.

use std::collections::BTreeMap;

use super::fill::{PAGE, image_key};
use super::{Pool, PoolError};
use crate::domain::ids::{ContentHash, ProjectId, TaskId};
use crate::domain::task::Task;
use crate::storage::TaskRecord;

impl Pool {
    /// The content of each task's image, as far as it was read.
    ///
    /// # Errors
    /// The project is unknown or has nothing to classify, or the database does not answer.
    pub async fn contents(&self, project: ProjectId) -> Result<BTreeMap<TaskId, ContentHash>, PoolError> {
        let key = image_key(project, self.config(project).await?.as_ref())?;
        let mut contents = BTreeMap::new();
        let mut after = None;
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
    /// As [`Pool::contents`].
    pub async fn sources(
        &self,
        project: ProjectId,
        tasks: &[TaskId],
    ) -> Result<BTreeMap<TaskId, String>, PoolError> {
        let key = image_key(project, self.config(project).await?.as_ref())?;
        Ok(sources(self.0.storage.tasks(project, tasks).await?, &key).into_iter().collect())
    }
}

fn sources(tasks: Vec<TaskRecord>, key: &str) -> Vec<(TaskId, String)> {
    let tasks =
        tasks.into_iter().map(|task| Task { id: task.id, data: task.data, created_at: task.created_at });
    tasks.filter_map(|task| Some((task.id, task.image_source(key).ok()?.into_owned()))).collect()
}
