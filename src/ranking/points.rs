//! Distances between points.

use crate::matrix::Matrix;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// Products of each of `a`'s rows with each of `b`'s, row-major `rows(a) x rows(b)`, into `out`.
pub(super) fn products(a: &[f32], b: &[f32], dim: usize, out: &mut Vec<f32>) {
    let rows = a.len() / dim;
    let columns = b.len() / dim;
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
    pub points: Matrix,
    squares: Vec<f32>,
}

impl Targets {
    pub(super) fn new(points: Matrix) -> Self {
        let squares = (0..points.len()).map(|row| points.square(row)).collect();
        Self { points, squares }
    }
}

/// Calls `see(row, squared distances to all targets)` for each row of `points`; not at all without targets.
pub(super) fn distances(points: &Matrix, targets: &Targets, mut see: impl FnMut(usize, &[f32])) {
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
pub(super) fn nearest(points: &Matrix, others: &Matrix) -> Vec<f32> {
    let mut nearest = vec![4.0; points.len()];
    distances(points, &Targets::new(others.clone()), |row, line| {
        nearest[row] = line.iter().copied().fold(f32::INFINITY, f32::min);
    });
    nearest
}
