//! Nearest labelled neighbours of a task.

use super::embeddings::PoolEmbeddings;
use super::fill::image_key;
use super::{Pool, PoolError};
use crate::domain::ids::{ProjectId, TaskId};
use crate::matrix::dot;
use crate::storage::TaskState;

/// A labelled task near another one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    pub task: TaskId,
    /// Cosine distance, 0..2.
    pub distance: f32,
}

impl Neighbour {
    /// For each of `tasks` its `count` nearest labelled tasks, itself left out, the nearest first. Empty for a task
    /// without an embedding. Cost: tasks x labelled x dimension.
    ///
    /// # Errors
    /// The project is unknown or has nothing to classify, or the database does not answer.
    pub async fn labelled(
        handle: &Pool,
        project: ProjectId,
        tasks: Vec<TaskId>,
        count: usize,
    ) -> Result<Vec<(TaskId, Vec<Self>)>, PoolError> {
        let config = handle.config(project).await?;
        let key = image_key(project, &config)?;
        let states = handle.0.storage.task_states(project).await?;
        let labelled = states.into_iter().filter(|(_, state)| *state == TaskState::Labelled);
        let labelled: Vec<TaskId> = labelled.map(|(task, _)| task).collect();
        let mut pool = handle.embeddings(project, &key).await;
        tokio::task::spawn_blocking(move || {
            pool.place();
            let places = pool.places(labelled.into_iter());
            tasks.into_iter().map(|task| (task, nearest(&pool, task, &places, count))).collect()
        })
        .await
        .map_err(|_| PoolError::Interrupted)
    }
}

fn nearest(pool: &PoolEmbeddings, task: TaskId, places: &[usize], count: usize) -> Vec<Neighbour> {
    let Some(&own) = pool.places(std::iter::once(task)).first() else { return Vec::new() };
    let here = pool.points(&[own]);
    let others: Vec<usize> = places.iter().copied().filter(|place| *place != own).collect();
    let there = pool.points(&others);
    let cosine = |row: &[f32]| dot(row, &here.values);
    let rows = there.values.chunks_exact(there.dim.max(1));
    let mut near: Vec<Neighbour> = others
        .iter()
        .zip(rows)
        .map(|(place, row)| Neighbour { task: pool.task(*place), distance: 1.0 - cosine(row) })
        .collect();
    near.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.task.cmp(&b.task)));
    near.truncate(count);
    near
}
