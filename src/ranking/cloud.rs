//! Points with what distances between them need.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// Row-major matrix of points, `n x dim`, as [`super::Space::project`] makes them: rows of length one, so that half the
/// squared distance of two rows is one minus their cosine. A row that says nothing is zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Points {
    pub dim: usize,
    pub values: Vec<f32>,
}

impl Points {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.dim).unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Row `index`, `dim` long.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.values[index * self.dim..(index + 1) * self.dim]
    }

    /// The rows `indices`, in this order.
    pub fn select(&self, indices: &[usize]) -> Self {
        let values = indices.iter().flat_map(|&index| self.row(index)).copied().collect();
        Self { dim: self.dim, values }
    }

    pub(super) fn square(&self, index: usize) -> f32 {
        dot(self.row(index), self.row(index))
    }
}

pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    summed(a, b, |a, b| a * b)
}

/// Squared distance.
pub(super) fn distance(a: &[f32], b: &[f32]) -> f32 {
    summed(a, b, |a, b| (a - b) * (a - b))
}

/// Sixteen sums side by side: the compiler may not turn a single one into vector lanes.
fn summed(a: &[f32], b: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let (a_blocks, a_rest) = a.as_chunks::<16>();
    let (b_blocks, b_rest) = b.as_chunks::<16>();
    let mut sums = [0.0_f32; 16];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += term(*a, *b);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| term(*a, *b)).sum();
    sums.iter().sum::<f32>() + rest
}

/// Products of each of `a`'s rows with each of `b`'s, row-major `rows(a) x rows(b)`, into `out`.
pub(super) fn products(a: &[f32], b: &[f32], dim: usize, out: &mut Vec<f32>) {
    let (rows, columns) = (a.len() / dim, b.len() / dim);
    out.resize(rows * columns, 0.0);
    let a = MatRef::from_row_major_slice(a, rows, dim);
    let b = MatRef::from_row_major_slice(b, columns, dim);
    let out = MatMut::from_row_major_slice_mut(out, rows, columns);
    matmul(out, Accum::Replace, a, b.transpose(), 1.0, Par::Seq);
}

/// Rows compared at once: their products with 20,000 others, 5 MB, stay near the processor.
const BLOCK: usize = 64;

/// Points that others are compared with, with their squared lengths.
pub(super) struct Targets {
    pub points: Points,
    squares: Vec<f32>,
}

impl Targets {
    pub(super) fn new(points: Points) -> Self {
        let squares = (0..points.len()).map(|row| points.square(row)).collect();
        Self { points, squares }
    }
}

/// Calls `see(row, squared distances to all targets)` for each row of `points`; not at all without targets.
pub(super) fn distances(points: &Points, targets: &Targets, mut see: impl FnMut(usize, &[f32])) {
    if points.is_empty() || targets.points.is_empty() {
        return;
    }
    let mut block = Vec::new();
    let mut row = 0;
    for rows in points.values.chunks(BLOCK * points.dim) {
        products(rows, &targets.points.values, points.dim, &mut block);
        for line in block.chunks_exact_mut(targets.points.len()) {
            let square = points.square(row);
            for (value, target) in line.iter_mut().zip(&targets.squares) {
                *value = (square + target - 2.0 * *value).max(0.0);
            }
            see(row, line);
            row += 1;
        }
    }
}

/// For each row of `points` its squared distance to the nearest of `others`; 4, the farthest two rows of length one
/// can be, if there is none.
pub(super) fn nearest(points: &Points, others: &Points) -> Vec<f32> {
    let mut nearest = vec![4.0; points.len()];
    distances(points, &Targets::new(others.clone()), |row, line| {
        nearest[row] = line.iter().copied().fold(f32::INFINITY, f32::min);
    });
    nearest
}
