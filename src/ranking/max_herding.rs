//! MaxHerding (Bae 2024): images that stand for as many others as possible; UHerding (Bae 2025): each weighed by its doubt.

mod sample;

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::batch::QueryStrategy;
use super::kernel::{WIDTH_ROWS, kernel, squared_width};
use super::points::{Targets, distances, nearest};
use crate::matrix::Matrix;
use crate::matrix::SplitMix64;
use sample::{CANDIDATES, competitors, covered};

/// Candidates whose first gains one task computes, and outdated gains that are renewed at once: comparing several rows
/// with the sample costs little more than comparing one.
const BLOCK: usize = 64;
const AGAIN: usize = 8;

/// Greedy choice of rows `l` that makes `E_x u(x) max_l k(x, l)` largest over the unlabelled rows `x`, `l` being all
/// labelled and chosen ones, with `k(x, l) = exp(-|x - l|² / sigma²)` and `sigma²` from [`squared_width`].
///
/// Gains only shrink while the batch grows (the objective is submodular), so that a heap of outdated gains suffices
/// (Minoux 1978). Cost for n rows of d numbers, m = 4,096, r = 10,000, b picks: (m + labelled + some b) r d + n.
pub(super) struct Herding<'a> {
    points: &'a Matrix,
    /// The rows whose coverage counts, their weights (sum one), and how well each is covered so far, 0 to 1.
    sample: Targets,
    weights: Vec<f32>,
    cover: Vec<f32>,
    squared_width: f32,
    /// Rows that have not competed yet, the next ones last.
    later: Vec<usize>,
    heap: BinaryHeap<Candidate>,
    /// Changes of the cover; a gain with an older count is an upper bound only.
    changes: usize,
}

impl<'a> Herding<'a> {
    /// Without `uncertainties` every row counts the same (MaxHerding, Bae 2024), else by its doubt (Bae 2025).
    pub(super) fn new(
        points: &'a Matrix,
        labelled: &Matrix,
        uncertainties: Option<&[f32]>,
        seed: u64,
    ) -> Self {
        let n = points.len();
        // A second stream beside that of the batch's share of chance.
        let mut random = SplitMix64::new(!seed);
        let order = random.sample(n, n);
        let squared_width = squared_width(&points.select(&order[..n.min(WIDTH_ROWS)]));
        let (counted, weights) = covered(&order, uncertainties);
        let sample = points.select(&counted);
        let cover = match labelled.is_empty() {
            true => vec![0.0; counted.len()],
            false => nearest(&sample, labelled).into_iter().map(|d| kernel(d, squared_width)).collect(),
        };
        let later = competitors(order, uncertainties);
        let sample = Targets::new(sample);
        Self { points, sample, weights, cover, squared_width, later, heap: BinaryHeap::new(), changes: 0 }
    }

    /// Lets the next rows compete.
    fn refill(&mut self) {
        let next = self.later.split_off(self.later.len().saturating_sub(CANDIDATES));
        let gains: Vec<Candidate> = next.par_chunks(BLOCK).flat_map_iter(|rows| self.gains(rows)).collect();
        self.heap.extend(gains);
    }

    fn gains(&self, rows: &[usize]) -> Vec<Candidate> {
        let these = self.points.select(rows);
        let mut candidates = Vec::with_capacity(rows.len());
        distances(&these, &self.sample, |index, line| {
            let gain = gain(line, &self.cover, &self.weights, self.squared_width);
            candidates.push(Candidate { gain, row: rows[index], changes: self.changes });
        });
        candidates
    }
}

impl QueryStrategy for Herding<'_> {
    fn next(&mut self, open: &[bool]) -> Option<(usize, f32)> {
        loop {
            let mut outdated = Vec::new();
            while outdated.len() < AGAIN
                && let Some(first) = self.heap.pop()
            {
                if first.changes < self.changes {
                    // A row that is no longer open needs no new gain.
                    outdated.extend(open[first.row].then_some(first.row));
                } else if outdated.is_empty() && open[first.row] {
                    return Some((first.row, first.gain));
                } else {
                    self.heap.extend(open[first.row].then_some(first));
                    break;
                }
            }
            let again = self.gains(&outdated);
            self.heap.extend(again);
            if self.heap.is_empty() {
                if self.later.is_empty() {
                    return None;
                }
                self.refill();
            }
        }
    }

    fn selected(&mut self, row: usize) {
        let squared_width = self.squared_width;
        distances(&self.points.select(&[row]), &self.sample, |_, line| {
            for (cover, &distance) in self.cover.iter_mut().zip(line) {
                *cover = cover.max(kernel(distance, squared_width));
            }
        });
        self.changes += 1;
    }
}

/// Gain of cover by a row at these distances, 0 to 1.
fn gain(distances: &[f32], cover: &[f32], weights: &[f32], squared_width: f32) -> f32 {
    // Sixteen sums side by side, as vector lanes want them.
    let mut sums = [0.0_f32; 16];
    for ((distances, cover), weights) in distances.chunks(16).zip(cover.chunks(16)).zip(weights.chunks(16)) {
        for (sum, ((distance, cover), weight)) in
            sums.iter_mut().zip(distances.iter().zip(cover).zip(weights))
        {
            *sum += weight * (kernel(*distance, squared_width) - cover).max(0.0);
        }
    }
    sums.iter().sum()
}

/// A row and what it would add to the cover.
struct Candidate {
    gain: f32,
    row: usize,
    changes: usize,
}

impl Ord for Candidate {
    /// The largest gain first, then the lowest row.
    fn cmp(&self, other: &Self) -> Ordering {
        self.gain.total_cmp(&other.gain).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Candidate {}
