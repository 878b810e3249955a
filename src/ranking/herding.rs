//! Herding: images that stand for as many others as possible, each weighed by how little is known of it.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::f32::consts::{LN_2, LOG2_E};

use rayon::prelude::*;

use super::batch::Chooser;
use super::cloud::{Points, Targets, distances, nearest};
use super::random::Random;

/// Rows whose coverage is counted at most: a gain is a mean over them.
const COVERED: usize = 10_000;

/// Rows that compete at most at a time: half the most uncertain, half by chance. When all are taken, others follow.
const CANDIDATES: usize = 4096;

/// Rows the width of the kernel is measured on at most.
const WIDTH_ROWS: usize = 1000;

/// Neighbour whose median distance is the kernel's width.
const NEIGHBOUR: usize = 20;

/// Least squared width, for pools of copies.
const LEAST_WIDTH: f32 = 1e-6;

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
    points: &'a Points,
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
    /// Without `doubts` every row counts the same (MaxHerding, Bae 2024), else by its doubt (Bae 2025).
    pub(super) fn new(points: &'a Points, labelled: &Points, doubts: Option<&[f32]>, seed: u64) -> Self {
        let n = points.len();
        // A second stream beside that of the batch's share of chance.
        let mut random = Random::new(!seed);
        let order = random.sample(n, n);
        let squared_width = squared_width(&points.select(&order[..n.min(WIDTH_ROWS)]));
        let (counted, weights) = covered(&order, doubts);
        let sample = points.select(&counted);
        let cover = match labelled.is_empty() {
            true => vec![0.0; counted.len()],
            false => nearest(&sample, labelled).into_iter().map(|d| kernel(d, squared_width)).collect(),
        };
        let later = competitors(order, doubts);
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

impl Chooser for Herding<'_> {
    fn best(&mut self, open: &[bool]) -> Option<(usize, f32)> {
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

    fn joined(&mut self, row: usize) {
        let squared_width = self.squared_width;
        distances(&self.points.select(&[row]), &self.sample, |_, line| {
            for (cover, &distance) in self.cover.iter_mut().zip(line) {
                *cover = cover.max(kernel(distance, squared_width));
            }
        });
        self.changes += 1;
    }
}

/// How much a row at these distances adds to the cover, 0 to 1.
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

fn kernel(squared_distance: f32, squared_width: f32) -> f32 {
    exp(squared_distance * (-1.0 / squared_width))
}

/// `e^x` for `x <= 0`, within 1e-6 of itself, in operations that run in vector lanes (the standard library's is a
/// call): `2^y` with the whole part of `y` as exponent and the series of `2^r`, |r| <= 1/2, to the sixth power.
fn exp(x: f32) -> f32 {
    /// 1.5 x 2^23: a number added to it is rounded to a whole one, which stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// Powers of ln 2 divided by factorials, from the sixth down to the zeroth.
    const SERIES: [f32; 7] =
        [1.540_353e-4, 1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 2.402_265e-1, LN_2, 1.0];
    let y = (x * LOG2_E).max(-126.0);
    let rounded = y + ROUND;
    let rest = y - (rounded - ROUND);
    let power = SERIES.iter().fold(0.0, |sum, factor| sum * rest + factor);
    power * f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
}

/// Rows whose coverage counts, and their weights, which sum to one: all rows, or a sample of about [`COVERED`] in which
/// a row's chance is its doubt's share and its weight makes up for it (systematic sampling; Horvitz & Thompson 1952).
/// Where nothing is doubted all rows are alike.
fn covered(order: &[usize], doubts: Option<&[f32]>) -> (Vec<usize>, Vec<f32>) {
    let sum: f64 = doubts.map_or(0.0, |doubts| doubts.iter().copied().map(f64::from).sum());
    let doubts = doubts.filter(|_| sum > 0.0);
    let share = |row: usize| doubts.map_or(1.0 / order.len() as f64, |doubts| f64::from(doubts[row]) / sum);
    let (mut rows, mut weights, mut passed) = (Vec::new(), Vec::new(), 0.5);
    for &row in order {
        let chance = if order.len() <= COVERED { 1.0 } else { (share(row) * COVERED as f64).min(1.0) };
        let before = f64::floor(passed);
        passed += chance;
        if passed.floor() > before {
            rows.push(row);
            weights.push((share(row) / chance) as f32);
        }
    }
    (rows, weights)
}

/// All rows, those that compete first last: the most uncertain, then the others by chance.
fn competitors(mut order: Vec<usize>, doubts: Option<&[f32]>) -> Vec<usize> {
    const HALF: usize = CANDIDATES / 2;
    if let Some(doubts) = doubts
        && order.len() > CANDIDATES
    {
        let mut most = order.clone();
        most.select_nth_unstable_by(HALF, |a, b| doubts[*b].total_cmp(&doubts[*a]));
        most.truncate(HALF);
        let mut first = vec![false; order.len()];
        most.iter().for_each(|&row| first[row] = true);
        order.retain(|row| !first[*row]);
        order.splice(0..0, most);
    }
    order.reverse();
    order
}

/// `sigma²`: the median, over at most 1,000 rows of the pool, of the squared distance to the 20th neighbour among them;
/// so the kernel reaches the nearest two percent of a pool however large it is, as batches don't grow with it.
pub(super) fn squared_width(some: &Points) -> f32 {
    let neighbour = NEIGHBOUR.min(some.len().saturating_sub(1));
    if neighbour == 0 {
        return 1.0;
    }
    let mut reaches = Vec::with_capacity(some.len());
    distances(some, &Targets::new(some.clone()), |row, line| {
        let mut line = line.to_vec();
        line.swap_remove(row);
        reaches.push(*line.select_nth_unstable_by(neighbour - 1, f32::total_cmp).1);
    });
    let middle = reaches.len() / 2;
    reaches.select_nth_unstable_by(middle, f32::total_cmp).1.max(LEAST_WIDTH)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_exact_to_six_digits() {
        for step in 0..8700 {
            let x = -0.01 * step as f32;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 1e-5 && (exact < 1e-6 || error < 2e-6), "e^{x} is wrong by {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e9) < 2e-38, "no number wraps around");
    }

    #[test]
    fn a_sample_weighs_as_much_as_the_pool() {
        let order = Random::new(1).sample(50_000, 50_000);
        // Every hundredth row is doubted fifty times as much as the others.
        let doubts: Vec<f32> = (0..50_000).map(|row| if row % 100 == 0 { 1.0 } else { 0.02 }).collect();
        let (rows, weights) = covered(&order, Some(&doubts));
        assert!(
            (rows.len() as f64 - COVERED as f64).abs() < 5500.0 && rows.len() <= COVERED + 1,
            "{}",
            rows.len()
        );
        assert!((weights.iter().sum::<f32>() - 1.0).abs() < 0.02);
        let share: f32 =
            rows.iter().zip(&weights).filter(|(row, _)| *row % 100 == 0).map(|(_, weight)| weight).sum();
        let exact = 500.0 / (500.0 + 49_500.0 * 0.02);
        assert!((share - exact).abs() < 0.01, "{share}, in the pool {exact}");
        assert_eq!(rows.iter().filter(|row| *row % 100 == 0).count(), 500, "every doubted row is in it");
        let competing = competitors(order, Some(&doubts));
        assert!(competing[49_500..].iter().all(|row| row % 100 == 0), "the most uncertain compete first");
    }
}
