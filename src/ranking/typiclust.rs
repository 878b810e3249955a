//! TypiClust (Hacohen, Dekel & Weinshall 2022): the most typical image of each cluster, uncovered clusters first.

use super::batch::QueryStrategy;
use super::clusters::{Clusters, k_means};
use super::points::{Targets, distances};
use crate::matrix::Matrix;
use crate::matrix::SplitMix64;

/// Clusters at most, members below which a cluster is passed over, and neighbours whose distance tells how typical a
/// row is (Hacohen 2022: `MAX_NUM_CLUSTERS`, `MIN_CLUSTER_SIZE`, `K_NN`).
const MAX_CLUSTERS: usize = 500;
const MIN_SIZE: usize = 5;
const NEIGHBOURS: usize = 20;

/// Members of a cluster among which the most typical one is sought at most.
const MAX_MEMBERS: usize = 2000;

/// Keeps copies' typicality finite; that of the authors' program.
const LEAST_DISTANCE: f32 = 1e-5;

/// TypiClust (Hacohen, Dekel & Weinshall 2022): all rows, labelled ones too, in `min(labelled + count, 500)` clusters;
/// again and again the cluster with the fewest labelled or chosen rows, the largest of those, gives its most typical
/// row, the one with the largest `1 / mean distance to its min(20, size / 2) nearest members`. Clusters of up to five
/// rows are passed over while others have rows.
///
/// Cost for n rows of d numbers: [`k_means`], and min(size, 2,000)² d for each cluster that is taken from.
pub(super) struct TypiClust {
    /// `unlabelled` first, then labelled rows.
    all: Matrix,
    clusters: Vec<Cluster>,
    of: Vec<usize>,
}

struct Cluster {
    size: usize,
    /// Labelled or chosen.
    covered: usize,
    members: Vec<usize>,
    /// Unlabelled members with how typical they are, the most typical last; `None` until the cluster is taken from.
    typical: Option<Vec<(usize, f32)>>,
}

impl TypiClust {
    pub(super) fn new(unlabelled: &Matrix, labelled: &Matrix, count: usize, seed: u64) -> Self {
        let n = unlabelled.len();
        let mut all = unlabelled.clone();
        all.values.extend(&labelled.values);
        let k = (labelled.len() + count).min(MAX_CLUSTERS);
        let Clusters { count, of, .. } = k_means(&all, k, &mut SplitMix64::new(!seed));
        let empty = || Cluster { size: 0, covered: 0, members: Vec::new(), typical: None };
        let mut clusters: Vec<Cluster> = (0..count).map(|_| empty()).collect();
        for (row, &cluster) in of.iter().enumerate() {
            let cluster = &mut clusters[cluster];
            cluster.size += 1;
            cluster.covered += usize::from(row >= n);
            cluster.members.push(row);
        }
        Self { all, clusters, of }
    }
}

impl QueryStrategy for TypiClust {
    fn next(&mut self, open: &[bool]) -> Option<(usize, f32)> {
        loop {
            let left = |cluster: &&mut Cluster| cluster.typical.as_ref().is_none_or(|rows| !rows.is_empty());
            let order = |c: &&mut Cluster| (c.size > MIN_SIZE, std::cmp::Reverse(c.covered), c.size);
            let cluster = self.clusters.iter_mut().filter(left).max_by_key(order)?;
            let rows =
                cluster.typical.get_or_insert_with(|| typical(&self.all, &cluster.members, open.len()));
            while let Some((row, score)) = rows.pop() {
                if open[row] {
                    return Some((row, score));
                }
            }
        }
    }

    fn selected(&mut self, row: usize) {
        self.clusters[self.of[row]].covered += 1;
    }
}

/// Typicality of each unlabelled member (Hacohen 2022), ascending; members beyond the 2,000 that are compared come first, with 0.
fn typical(all: &Matrix, members: &[usize], unlabelled: usize) -> Vec<(usize, f32)> {
    let step = members.len().div_ceil(MAX_MEMBERS).max(1);
    let compared: Vec<usize> = members.iter().copied().step_by(step).collect();
    let points = all.select(&compared);
    let neighbours = NEIGHBOURS.min(compared.len() / 2).max(1);
    let mut scores: Vec<(usize, f32)> = members.iter().map(|&row| (row, 0.0)).collect();
    distances(&points, &Targets::new(points.clone()), |index, line| {
        let mut line = line.to_vec();
        line.swap_remove(index);
        let count = neighbours.min(line.len());
        if count > 0 {
            line.select_nth_unstable_by(count - 1, f32::total_cmp);
        }
        let sum: f32 = line[..count].iter().map(|square| square.sqrt()).sum();
        scores[index * step].1 = 1.0 / (sum / count.max(1) as f32 + LEAST_DISTANCE);
    });
    scores.retain(|(row, _)| *row < unlabelled);
    scores.sort_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    scores
}
