//! Cluster-Margin (Citovsky et al. 2021): the least certain images, spread over clusters.

use super::batch::Ordered;
use super::points::{Targets, distances};
use crate::matrix::Matrix;

/// Uncertain rows taken into the clustering, a multiple of the batch (Citovsky 2021, section 5: 10), and at most: their
/// distances are kept as a matrix.
const CANDIDATES: usize = 10;
const MAX_CANDIDATES: usize = 2000;

/// Cluster-Margin (Citovsky et al. 2021): the `10 count` rows with the least margin fall into `count` clusters by
/// average linkage; the clusters, smallest first, give their least certain row in turn. The paper clusters the whole
/// pool once; clustering the candidates alone keeps the cost at (10 count)² d, 2,000² d at most.
///
/// After the candidates follow the other rows by their doubt.
pub(super) fn cluster_margin(points: &Matrix, uncertainties: &[f32], count: usize) -> Ordered {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|a, b| uncertainties[*b].total_cmp(&uncertainties[*a]));
    let candidates = (CANDIDATES * count).min(MAX_CANDIDATES).min(order.len());
    let rest = order.split_off(candidates);
    let of = average_linkage(&points.select(&order), count);
    let mut clusters = vec![Vec::new(); candidates];
    order.iter().zip(&of).for_each(|(&row, &cluster)| clusters[cluster].push(row));
    clusters.sort_by_key(Vec::len);
    let longest = clusters.last().map_or(0, Vec::len);
    let in_turn = (0..longest).flat_map(|round| clusters.iter().filter_map(move |rows| rows.get(round)));
    Ordered::new(in_turn.chain(&rest).map(|&row| (row, uncertainties[row])).collect())
}

/// Cluster of each point when `count` are left: the two clusters with the least mean distance between their points are
/// merged, again and again. By chains of nearest neighbours (Murtagh 1983), n² in time and memory.
pub(super) fn average_linkage(points: &Matrix, count: usize) -> Vec<usize> {
    let n = points.len();
    let mut between = vec![0.0_f32; n * n];
    distances(points, &Targets::new(points.clone()), |row, line| {
        for (column, square) in line.iter().enumerate() {
            between[row * n + column] = square.sqrt();
        }
    });
    let mut sizes = vec![1.0_f32; n];
    let mut merges: Vec<(f32, usize, usize)> = Vec::with_capacity(n);
    let mut chain: Vec<usize> = Vec::new();
    while merges.len() + 1 < n {
        let Some(&last) = chain.last() else {
            chain.extend(sizes.iter().position(|&size| size > 0.0));
            continue;
        };
        let previous = chain.len().checked_sub(2).map(|place| chain[place]);
        let Some(next) = nearest_cluster(&between[last * n..(last + 1) * n], &sizes, last, previous) else {
            break;
        };
        if Some(next) != previous {
            chain.push(next);
            continue;
        }
        chain.truncate(chain.len() - 2);
        let kept = last.min(next);
        let gone = last.max(next);
        merges.push((between[kept * n + gone], kept, gone));
        let a = sizes[kept];
        let b = sizes[gone];
        for other in 0..n {
            let mean = (a * between[kept * n + other] + b * between[gone * n + other]) / (a + b);
            between[kept * n + other] = mean;
            between[other * n + kept] = mean;
        }
        sizes[kept] = a + b;
        sizes[gone] = 0.0;
    }
    // A chain finds merges out of order; sorted they are those of the plain method. A merge names its clusters by
    // their lowest rows.
    merges.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut of: Vec<usize> = (0..n).collect();
    for &(_, kept, gone) in merges.iter().take(n.saturating_sub(count.max(1))) {
        let kept = root(&of, kept);
        let gone = root(&of, gone);
        of[kept.max(gone)] = kept.min(gone);
    }
    (0..n).map(|row| root(&of, row)).collect()
}

fn root(of: &[usize], mut row: usize) -> usize {
    while of[row] != row {
        row = of[row];
    }
    row
}

/// The nearest cluster to `this`; `preferred` where several are as near, so that a chain ends.
fn nearest_cluster(line: &[f32], sizes: &[f32], this: usize, preferred: Option<usize>) -> Option<usize> {
    let mut best = preferred;
    for other in (0..line.len()).filter(|&other| other != this && sizes[other] > 0.0) {
        if best.is_none_or(|best| line[other] < line[best]) {
            best = Some(other);
        }
    }
    best
}
