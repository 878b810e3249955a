//! The pool as points in the plane, and what is known of each.

use std::collections::HashSet;

use tokio_util::sync::CancellationToken;

use super::compare::answer;
use super::{Pool, PoolError};
use crate::domain::ids::{ContentHash, ProjectId, TaskId};
use crate::domain::label_config::HeadSpec;
use crate::projection::Projection;

/// Images on a map at most; of more every second, third and so on. Their points take 26 MB while a map is made.
pub const MAPPED: usize = 100_000;

/// A project's images in the plane.
#[derive(Debug)]
pub struct Map {
    /// By id.
    pub tasks: Vec<TaskId>,
    /// Hashes of their images, in the order of the tasks.
    pub images: Vec<ContentHash>,
    /// x and y, 0 to [`crate::projection::SIDE`], in the order of the tasks.
    pub places: Vec<[f32; 2]>,
    /// Images the map was made from; the others were placed among them.
    pub settled: usize,
    /// Images there are.
    pub pool: usize,
}

impl Map {
    /// The part of the map that shows some images.
    pub fn of_images(&self, images: &HashSet<ContentHash>) -> Self {
        let shown: Vec<usize> =
            (0..self.tasks.len()).filter(|index| images.contains(&self.images[*index])).collect();
        // As dense as the whole.
        let thinned = self.pool.div_ceil(self.tasks.len().max(1)).max(1);
        Self {
            tasks: shown.iter().map(|index| self.tasks[*index]).collect(),
            images: shown.iter().map(|index| self.images[*index]).collect(),
            places: shown.iter().map(|index| self.places[*index]).collect(),
            settled: self.settled.min(shown.len()),
            pool: shown.len() * thinned,
        }
    }
}

/// A task's image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolImage {
    pub task: TaskId,
    pub hash: ContentHash,
    /// Time at which it was taken, in Unix microseconds, where its task or name has it.
    pub taken_at: Option<i64>,
}

/// Prediction of the serving head for a task.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub task: TaskId,
    /// The class; of multiple choice all that are ticked.
    pub words: String,
    /// Probability of the answer.
    pub certainty: f32,
}

impl Map {
    /// Draws what is embedded of a project's tasks, on one thread, until `stop`. Rankings wait only while the points are
    /// copied.
    ///
    /// # Errors
    /// The project is unknown or has nothing to classify, the database does not answer, or it was stopped.
    pub async fn draw(
        pool: &Pool,
        project: ProjectId,
        projection: Projection,
        stop: CancellationToken,
    ) -> Result<Self, PoolError> {
        let (_, states, mut embeddings) = pool.snapshot(project).await?;
        tokio::task::spawn_blocking(move || {
            embeddings.place();
            let places = embeddings.places(states.into_keys());
            let pool = places.len();
            let places: Vec<usize> = places.into_iter().step_by(pool.div_ceil(MAPPED).max(1)).collect();
            let tasks = places.iter().map(|place| embeddings.task(*place)).collect();
            let images = places.iter().map(|place| embeddings.image(*place).hash).collect();
            let points = embeddings.points(&places);
            drop(embeddings);
            let plane = projection.draw(points.view(), &|| !stop.is_cancelled())?;
            Ok(Map { tasks, images, places: plane.places, settled: plane.settled, pool })
        })
        .await
        .map_err(|_| PoolError::Interrupted)?
    }
}

impl PoolImage {
    /// The images that are embedded of a project's tasks, by task.
    ///
    /// # Errors
    /// As [`Map::draw`].
    pub async fn all(pool: &Pool, project: ProjectId) -> Result<Vec<Self>, PoolError> {
        let (_, states, embeddings) = pool.snapshot(project).await?;
        let places = embeddings.places(states.into_keys()).into_iter();
        let picture = |place| {
            let image = embeddings.image(place);
            PoolImage { task: embeddings.task(place), hash: image.hash, taken_at: image.taken_at }
        };
        Ok(places.map(picture).collect())
    }
}

impl Answer {
    /// Predictions of the head of this name for every image, by task; none while it has no model.
    ///
    /// # Errors
    /// As [`Map::draw`].
    pub async fn all(pool: &Pool, project: ProjectId, head: &str) -> Result<Vec<Self>, PoolError> {
        let (config, states, embeddings) = pool.snapshot(project).await?;
        let serving = pool.0.models.serving(project, &config);
        let head = head.to_owned();
        let answers = move || {
            let mut heads = config.heads.iter().zip(&serving.heads);
            let is_it = |spec: &HeadSpec| spec.from_name == head && spec.is_of_image();
            let Some((spec, Some(head))) = heads.find(|(spec, _)| is_it(spec)) else {
                return Vec::new();
            };
            let mut row = vec![0.0; embeddings.dim()];
            let places = embeddings.places(states.into_keys()).into_iter();
            let answer = |place| {
                embeddings.row(place, &mut row);
                let (words, certainty) = answer(head, spec, &row)?;
                Some(Answer { task: embeddings.task(place), words, certainty })
            };
            places.filter_map(answer).collect()
        };
        tokio::task::spawn_blocking(answers).await.map_err(|_| PoolError::Interrupted)
    }
}
