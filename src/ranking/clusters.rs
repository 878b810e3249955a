//! k-means: the clusters from which medoids and TypiClust take their images.

use super::points::{Targets, distances};
use crate::matrix::Matrix;
use crate::matrix::SplitMix64;
use crate::matrix::squared_distance;

/// Rows the centres are learnt from at most; all rows are assigned to them afterwards.
const MAX_ROWS: usize = 20_000;

/// Passes over those rows at most, and starts of which the best is kept.
const PASSES: usize = 20;
const STARTS: usize = 3;

/// Cluster of each row, and its squared distance to that cluster's centre.
pub(super) struct Clusters {
    pub count: usize,
    pub of: Vec<usize>,
    pub distances: Vec<f32>,
}

/// k-means (Lloyd 1982) from k-means++ starts (Arthur & Vassilvitskii 2007). A cluster may be empty where rows are
/// copies. Cost for n rows of d numbers: 60 min(n, 20,000) k d + n k d at most.
pub(super) fn k_means(points: &Matrix, k: usize, random: &mut SplitMix64) -> Clusters {
    let k = k.clamp(1, points.len().max(1));
    let some = points.select(&random.sample(points.len(), MAX_ROWS));
    let mut best: Option<(f64, Matrix)> = None;
    for _ in 0..STARTS {
        let (spread, centres) = lloyd(&some, start(&some, k, random));
        if best.as_ref().is_none_or(|(least, _)| spread < *least) {
            best = Some((spread, centres));
        }
    }
    let (of, distances) = match &best {
        Some((_, centres)) => assign(points, centres),
        None => (Vec::new(), Vec::new()),
    };
    Clusters { count: k, of, distances }
}

/// Rows drawn with a chance proportional to their squared distance to the nearest drawn before.
fn start(points: &Matrix, k: usize, random: &mut SplitMix64) -> Matrix {
    let mut rows = vec![random.below(points.len().max(1))];
    let mut nearest = vec![f32::INFINITY; points.len()];
    while rows.len() < k && !points.is_empty() {
        let last = points.row(rows[rows.len() - 1]);
        let mut total = 0.0_f64;
        for (row, nearest) in nearest.iter_mut().enumerate() {
            *nearest = nearest.min(squared_distance(points.row(row), last));
            total += f64::from(*nearest);
        }
        let mut left = random.unit() * total;
        let drawn = nearest.iter().position(|&distance| {
            left -= f64::from(distance);
            left < 0.0
        });
        rows.push(drawn.unwrap_or_else(|| random.below(points.len())));
    }
    rows.truncate(points.len());
    points.select(&rows)
}

/// Moves centres to the means of their rows until no row changes its cluster; the rows' summed squared distances, too.
fn lloyd(points: &Matrix, mut centres: Matrix) -> (f64, Matrix) {
    let dim = points.dim.max(1);
    let mut before = Vec::new();
    let mut spread = 0.0;
    for _ in 0..PASSES {
        let (of, distances) = assign(points, &centres);
        spread = distances.iter().copied().map(f64::from).sum();
        if of == before {
            break;
        }
        let mut sizes = vec![0.0_f32; centres.len()];
        let mut sums = vec![0.0_f32; centres.values.len()];
        for (row, &cluster) in of.iter().enumerate() {
            sizes[cluster] += 1.0;
            let sum = &mut sums[cluster * dim..(cluster + 1) * dim];
            sum.iter_mut().zip(points.row(row)).for_each(|(sum, value)| *sum += value);
        }
        let means = centres.values.chunks_exact_mut(dim).zip(sums.chunks_exact(dim)).zip(&sizes);
        for ((centre, sum), &size) in means.filter(|(_, size)| **size > 0.0) {
            centre.iter_mut().zip(sum).for_each(|(value, sum)| *value = sum / size);
        }
        before = of;
    }
    (spread, centres)
}

/// The nearest centre of each row, and its squared distance.
fn assign(points: &Matrix, centres: &Matrix) -> (Vec<usize>, Vec<f32>) {
    let mut of = vec![0; points.len()];
    let mut least = vec![0.0; points.len()];
    distances(points, &Targets::new(centres.clone()), |row, line| {
        for (cluster, &distance) in line.iter().enumerate() {
            if cluster == 0 || distance < least[row] {
                (of[row], least[row]) = (cluster, distance);
            }
        }
    });
    (of, least)
}
