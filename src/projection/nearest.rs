//! The nearest rows of each row, exactly: every pair is compared, block by block.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::matrix::Matrix;

/// Rows compared at once: their products with 20,000 others, 5 MB, stay near the processor.
const BLOCK: usize = 64;

/// A near row, and the squared distance to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Near {
    pub row: u32,
    pub square: f32,
}

/// For each of `rows` its `count` nearest of `among`, the nearest first; all where there are fewer. With `same` both are
/// the same rows, and none is its own neighbour. `None` if it was stopped. Cost: rows x among x dim.
pub(super) fn nearest(
    rows: Matrix<&[f32]>,
    among: Matrix<&[f32]>,
    count: usize,
    same: bool,
    go_on: &dyn Fn() -> bool,
) -> Option<Vec<Vec<Near>>> {
    let squares: Vec<f32> = among.rows().map(square).collect();
    let mut products = Vec::new();
    let mut found = Vec::with_capacity(rows.len());
    for block in rows.values.chunks(BLOCK * rows.dim.max(1)) {
        if !go_on() {
            return None;
        }
        multiply(Matrix { dim: rows.dim, values: block }, among, &mut products);
        for (row, line) in block.chunks_exact(rows.dim.max(1)).zip(products.chunks_exact(among.len().max(1)))
        {
            let own = if same { found.len() } else { usize::MAX };
            let here = square(row);
            let mut best = Best::new(count);
            for (index, (product, there)) in line.iter().zip(&squares).enumerate() {
                // Rounding must not make a distance negative.
                let square = (here + there - 2.0 * product).max(0.0);
                if square < best.limit && index != own {
                    best.take(Near { row: index as u32, square });
                }
            }
            found.push(best.into_sorted());
        }
    }
    Some(found)
}

fn square(row: &[f32]) -> f32 {
    row.iter().map(|value| value * value).sum()
}

/// Products of each of `a`'s rows with each of `b`'s, row-major.
fn multiply(a: Matrix<&[f32]>, b: Matrix<&[f32]>, out: &mut Vec<f32>) {
    out.resize(a.len() * b.len(), 0.0);
    let left = MatRef::from_row_major_slice(a.values, a.len(), a.dim);
    let right = MatRef::from_row_major_slice(b.values, b.len(), b.dim);
    let out = MatMut::from_row_major_slice_mut(out, a.len(), b.len());
    matmul(out, Accum::Replace, left, right.transpose(), 1.0, Par::Seq);
}

/// The nearest so far: as many again are let in before the farther half is thrown out.
struct Best {
    count: usize,
    kept: Vec<Near>,
    /// Squared distance from which a row is left out.
    limit: f32,
}

impl Best {
    fn new(count: usize) -> Self {
        let limit = if count == 0 { f32::NEG_INFINITY } else { f32::INFINITY };
        Self { count, kept: Vec::with_capacity(2 * count), limit }
    }

    fn take(&mut self, near: Near) {
        self.kept.push(near);
        if self.kept.len() == 2 * self.count {
            self.kept.select_nth_unstable_by(self.count - 1, order);
            self.kept.truncate(self.count);
            self.limit = self.kept[self.count - 1].square;
        }
    }

    fn into_sorted(mut self) -> Vec<Near> {
        self.kept.sort_unstable_by(order);
        self.kept.truncate(self.count);
        self.kept
    }
}

fn order(a: &Near, b: &Near) -> std::cmp::Ordering {
    a.square.total_cmp(&b.square).then(a.row.cmp(&b.row))
}
