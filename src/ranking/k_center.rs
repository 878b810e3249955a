//! k-center (Gonzalez 1985; Sener & Savarese 2018): the row farthest from everything labelled; coral: times its doubt.

use super::batch::QueryStrategy;
use super::points::nearest;
use crate::matrix::Matrix;
use crate::matrix::squared_distance;

/// Greedy choice of the row `u` with the largest `min_l |u - l|`, `l` being all labelled and chosen rows (Gonzalez
/// 1985; Sener & Savarese 2018), times the row's doubt if there are uncertainties: `coral`, the product of distance and
/// uncertainty. Without any label the first row is the most central one, or the most uncertain one.
///
/// Cost for n rows of d numbers and b picks: n d (labelled + b).
pub(super) struct Centers<'a> {
    points: &'a Matrix,
    uncertainties: Option<&'a [f32]>,
    /// Squared distance of each row to the nearest labelled or chosen one.
    nearest: Vec<f32>,
    /// The row to begin with, while there is none to be far from.
    first: Option<usize>,
}

impl<'a> Centers<'a> {
    pub(super) fn new(points: &'a Matrix, labelled: &Matrix, uncertainties: Option<&'a [f32]>) -> Self {
        let first = if labelled.is_empty() && uncertainties.is_none() { central(points) } else { None };
        Self { points, uncertainties, nearest: nearest(points, labelled), first }
    }

    fn score(&self, row: usize) -> f32 {
        self.nearest[row].sqrt() * self.uncertainties.map_or(1.0, |uncertainties| uncertainties[row])
    }
}

impl QueryStrategy for Centers<'_> {
    fn next(&mut self, open: &[bool]) -> Option<(usize, f32)> {
        if let Some(first) = self.first.take().filter(|&row| open[row]) {
            return Some((first, self.score(first)));
        }
        let mut best: Option<(usize, f32)> = None;
        for row in (0..open.len()).filter(|&row| open[row]) {
            let score = self.score(row);
            if best.is_none_or(|(_, most)| score > most) {
                best = Some((row, score));
            }
        }
        best
    }

    fn selected(&mut self, row: usize) {
        self.first = None;
        let this = self.points.row(row);
        for (other, nearest) in self.nearest.iter_mut().enumerate() {
            *nearest = nearest.min(squared_distance(self.points.row(other), this));
        }
    }
}

/// The row nearest to the mean of all.
fn central(points: &Matrix) -> Option<usize> {
    let mut mean = vec![0.0; points.dim];
    for row in 0..points.len() {
        mean.iter_mut().zip(points.row(row)).for_each(|(sum, value)| *sum += value / points.len() as f32);
    }
    let to_mean = |row: &usize| squared_distance(points.row(*row), &mean);
    (0..points.len()).min_by(|a, b| to_mean(a).total_cmp(&to_mean(b)))
}
