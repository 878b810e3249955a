//! The embeddings of a project's tasks in memory: what a ranking needs at hand.

use std::collections::HashMap;
use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::domain::ids::{ContentHash, TaskId};
use crate::matrix::Matrix;
use crate::model::{BackboneSpec, Group};
use crate::ranking::Space;

/// Rows the space of distances is fitted on at most; more change nothing.
const SPACE_SAMPLE: usize = 4_000;

/// The space is fitted again when the rows have grown by this factor since.
const SPACE_GROWTH: usize = 2;

/// Facts about a task's image beside its embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskImage {
    pub hash: ContentHash,
    /// Time at which it was taken, in Unix microseconds, where its task or name has it.
    pub taken_at: Option<i64>,
}

/// Half floats, `n x dim`, with the tasks they belong to, and the same rows in the space of distances.
pub(crate) struct PoolEmbeddings {
    groups: Vec<Group>,
    dim: usize,
    /// Most rows that may be held.
    capacity: usize,
    /// Name of the task variable that holds the image.
    image_key: String,
    tasks: Vec<TaskId>,
    images: Vec<TaskImage>,
    places: HashMap<TaskId, usize>,
    rows: Vec<f16>,
    space: Option<Arc<Space>>,
    /// Rows there were when the space was fitted.
    fitted_at: usize,
    points: Vec<f32>,
}

impl PoolEmbeddings {
    pub fn new(spec: &BackboneSpec, bytes: usize) -> Self {
        let dim = spec.dim();
        Self {
            groups: spec.groups.clone(),
            dim,
            capacity: bytes / (dim.max(1) * size_of::<f16>()),
            image_key: String::new(),
            tasks: Vec::new(),
            images: Vec::new(),
            places: HashMap::new(),
            rows: Vec::new(),
            space: None,
            fitted_at: 0,
            points: Vec::new(),
        }
    }

    /// Starts again and returns `true` if the label config now reads another variable of the tasks.
    pub fn select_image_key(&mut self, image_key: &str) -> bool {
        if self.image_key == image_key {
            return false;
        }
        image_key.clone_into(&mut self.image_key);
        self.tasks.clear();
        self.images.clear();
        self.places.clear();
        self.rows.clear();
        self.space = None;
        self.points.clear();
        true
    }

    pub fn image_key(&self) -> &str {
        &self.image_key
    }

    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Returns `true` if no further task is taken in.
    pub fn is_full(&self) -> bool {
        self.tasks.len() >= self.capacity
    }

    /// Takes a task's embedding in, in place of an older one; false if nothing is new.
    pub fn insert(&mut self, task: TaskId, image: TaskImage, vector: &[f32]) -> bool {
        if let Some(&place) = self.places.get(&task) {
            let known = std::mem::replace(&mut self.images[place], image);
            if known.hash == image.hash {
                return known != image;
            }
            self.rows[place * self.dim..(place + 1) * self.dim].convert_from_f32_slice(vector);
            // Its point is made again with those of new rows.
            self.points.truncate(place * self.space.as_ref().map_or(0, |space| space.dim()));
        } else if self.is_full() {
            return false;
        } else {
            self.places.insert(task, self.tasks.len());
            self.tasks.push(task);
            self.images.push(image);
            let start = self.rows.len();
            self.rows.resize(start + self.dim, f16::ZERO);
            self.rows[start..].convert_from_f32_slice(vector);
        }
        true
    }

    /// Drops tasks that are no more, where they are enough to be worth the copying; false if none is dropped.
    pub fn retain(&mut self, is_alive: impl Fn(TaskId) -> bool) -> bool {
        let gone = self.tasks.iter().filter(|task| !is_alive(**task)).count();
        if gone * 10 < self.tasks.len().max(10) {
            return false;
        }
        let tasks = std::mem::take(&mut self.tasks);
        let rows = std::mem::take(&mut self.rows);
        let images = std::mem::take(&mut self.images);
        let known = tasks.into_iter().zip(images).zip(rows.chunks_exact(self.dim));
        for ((task, image), row) in known.filter(|((task, _), _)| is_alive(*task)) {
            self.tasks.push(task);
            self.images.push(image);
            self.rows.extend_from_slice(row);
        }
        self.places = self.tasks.iter().enumerate().map(|(place, task)| (*task, place)).collect();
        self.points.clear();
        true
    }

    /// Brings the points up to date with the rows: afterwards [`PoolEmbeddings::points`] answers for every task.
    pub fn place(&mut self) {
        if self.space.is_none() || self.len() >= SPACE_GROWTH * self.fitted_at.max(1) {
            let step = self.len().div_ceil(SPACE_SAMPLE).max(1);
            let sample: Vec<usize> = (0..self.len()).step_by(step).collect();
            self.space = Some(Arc::new(Space::fit(&self.features(&sample), &self.groups)));
            self.fitted_at = self.len();
            self.points.clear();
        }
        let Some(space) = self.space.clone() else { return };
        let done = self.points.len() / space.dim().max(1);
        // In pieces, so that the single floats of a large pool never stand beside its half floats.
        for start in (done..self.len()).step_by(SPACE_SAMPLE) {
            let piece: Vec<usize> = (start..self.len().min(start + SPACE_SAMPLE)).collect();
            self.points.extend(space.project(&self.features(&piece)).values);
        }
    }

    /// Places of those of the tasks that have an embedding, in their order.
    pub fn places(&self, tasks: impl Iterator<Item = TaskId>) -> Vec<usize> {
        tasks.filter_map(|task| self.places.get(&task).copied()).collect()
    }

    pub fn task(&self, place: usize) -> TaskId {
        self.tasks[place]
    }

    pub fn image(&self, place: usize) -> TaskImage {
        self.images[place]
    }

    /// The points at some places.
    pub fn points(&self, places: &[usize]) -> Matrix {
        let dim = self.space.as_ref().map_or(0, |space| space.dim());
        let values =
            places.iter().flat_map(|place| &self.points[place * dim..(place + 1) * dim]).copied().collect();
        Matrix { dim, values }
    }

    /// The embeddings at some places, as single floats.
    pub fn features(&self, places: &[usize]) -> Matrix {
        let mut values = vec![0.0; places.len() * self.dim];
        for (row, place) in values.chunks_exact_mut(self.dim).zip(places) {
            self.row(*place, row);
        }
        Matrix { dim: self.dim, values }
    }

    /// The embedding at a place, written into `row`.
    pub fn row(&self, place: usize, row: &mut [f32]) {
        self.rows[place * self.dim..(place + 1) * self.dim].convert_to_f32_slice(row);
    }

    pub fn dim(&self) -> usize {
        self.dim
    }
}
