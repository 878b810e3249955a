//! Self-training: what the head guesses of unlabelled images teaches it too.
//!
//! A few labels show where classes are, and the pool shows where images are (Scudder 1965; pseudo-labels: Lee 2013).

use crate::matrix::Matrix;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use faer::Mat;

use super::Targets;
use super::temperature_scaling::probabilities;

/// Weight of an unlabelled row, one label's being 1. From 0.03 to 0.3 all are as good on the weather photographs.
pub(super) const WEIGHT: f64 = 0.2;

/// Rounds of guessing and fitting; guesses hardly change after the second.
pub(super) const ROUNDS: usize = 3;

/// Unlabelled rows that take part; more cost time and change little.
const MAX_ROWS: usize = 1_000;

/// Divisor of ridge scores where the pool is guessed: sharper than calibrated, softer than the first class alone.
const TEMPERATURE: f64 = 0.1;

/// At most [`MAX_ROWS`] rows of the pool, evenly, without those of labelled images.
pub(super) fn unlabelled(pool: &Matrix, labelled: &Matrix) -> Matrix {
    let known: HashSet<u64> = labelled.rows().map(bits).collect();
    let open: Vec<&[f32]> = pool.rows().filter(|row| !known.contains(&bits(row))).collect();
    let count = open.len().min(MAX_ROWS);
    let values = (0..count).flat_map(|i| open[i * open.len() / count].iter().copied()).collect();
    Matrix { dim: pool.dim, values }
}

fn bits(row: &[f32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    row.iter().for_each(|value| value.to_bits().hash(&mut hasher));
    hasher.finish()
}

/// Guesses for rows with these ridge scores, as targets.
pub(super) fn pseudo_labels(scores: &Mat<f64>, targets: &Targets) -> Mat<f64> {
    if let Targets::Ordered { .. } = targets {
        return Mat::from_fn(scores.nrows(), 1, |row, _| scores[(row, 0)].clamp(0.0, 1.0));
    }
    let guesses = probabilities(scores, targets, TEMPERATURE);
    Mat::from_fn(scores.nrows(), scores.ncols(), |row, class| f64::from(guesses[row][class]))
}
