//! Medoids by k-means (Lloyd 1982), as Hacohen (2022) and others start: the image nearest each of the centres.

use super::batch::Ordered;
use super::clusters::k_means;
use crate::matrix::Matrix;
use crate::matrix::SplitMix64;

/// One image for each of `count` clusters, the nearest to the centre, from the largest cluster to the smallest; then
/// the second nearest of each, and so on. The score is the share of the pool the cluster holds.
///
/// Cost: [`k_means`] with k = `count`, and n log n.
pub(super) fn medoids(points: &Matrix, count: usize, seed: u64) -> Ordered {
    let clusters = k_means(points, count, &mut SplitMix64::new(!seed));
    let mut members = vec![Vec::new(); clusters.count];
    clusters.of.iter().enumerate().for_each(|(row, &cluster)| members[cluster].push(row));
    members.sort_by_key(|rows: &Vec<usize>| std::cmp::Reverse(rows.len()));
    let mut places = Vec::with_capacity(points.len());
    for (cluster, mut rows) in members.into_iter().enumerate() {
        let share = rows.len() as f32 / points.len() as f32;
        rows.sort_by(|a, b| clusters.distances[*a].total_cmp(&clusters.distances[*b]));
        places.extend(rows.into_iter().enumerate().map(|(round, row)| (round, cluster, row, share)));
    }
    places.sort_by_key(|&(round, cluster, ..)| (round, cluster));
    Ordered::new(places.into_iter().map(|(_, _, row, share)| (row, share)).collect())
}
