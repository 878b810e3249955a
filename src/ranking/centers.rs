//! k-center: the row farthest from everything labelled.

use super::batch::Chooser;
use super::cloud::{Points, distance, nearest};

/// Greedy choice of the row `u` with the largest `min_l |u - l|`, `l` being all labelled and chosen rows (Gonzalez
/// 1985; Sener & Savarese 2018), times the row's doubt if there are doubts: `coral`, the product of distance and
/// uncertainty. Without any label the first row is the most central one, or the most uncertain one.
///
/// Cost for n rows of d numbers and b picks: n d (labelled + b).
pub(super) struct Centers<'a> {
    points: &'a Points,
    doubts: Option<&'a [f32]>,
    /// Squared distance of each row to the nearest labelled or chosen one.
    nearest: Vec<f32>,
    /// The row to begin with, while there is none to be far from.
    first: Option<usize>,
}

impl<'a> Centers<'a> {
    pub(super) fn new(points: &'a Points, labelled: &Points, doubts: Option<&'a [f32]>) -> Self {
        let first = if labelled.is_empty() && doubts.is_none() { central(points) } else { None };
        Self { points, doubts, nearest: nearest(points, labelled), first }
    }

    fn score(&self, row: usize) -> f32 {
        self.nearest[row].sqrt() * self.doubts.map_or(1.0, |doubts| doubts[row])
    }
}

impl Chooser for Centers<'_> {
    fn best(&mut self, open: &[bool]) -> Option<(usize, f32)> {
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

    fn joined(&mut self, row: usize) {
        self.first = None;
        let this = self.points.row(row);
        for (other, nearest) in self.nearest.iter_mut().enumerate() {
            *nearest = nearest.min(distance(self.points.row(other), this));
        }
    }
}

/// The row nearest to the mean of all.
fn central(points: &Points) -> Option<usize> {
    let mut mean = vec![0.0; points.dim];
    for row in 0..points.len() {
        mean.iter_mut().zip(points.row(row)).for_each(|(sum, value)| *sum += value / points.len() as f32);
    }
    let to_mean = |row: &usize| distance(points.row(*row), &mean);
    (0..points.len()).min_by(|a, b| to_mean(a).total_cmp(&to_mean(b)))
}
