//! k-means, and the strategies that take one image after the other from its clusters: medoids and TypiClust.

use super::batch::{Chooser, Ordered};
use super::cloud::{Points, Targets, distance, distances};
use super::random::Random;

/// Rows the centres are learnt from at most; all rows are assigned to them afterwards.
const MAX_ROWS: usize = 20_000;

/// Passes over those rows at most, and starts of which the best is kept.
const PASSES: usize = 20;
const STARTS: usize = 3;

/// Which of the clusters each row belongs to, and its squared distance to that cluster's centre.
pub(super) struct Clusters {
    pub count: usize,
    pub of: Vec<usize>,
    pub distances: Vec<f32>,
}

/// k-means (Lloyd 1982) from k-means++ starts (Arthur & Vassilvitskii 2007). A cluster may be empty where rows are
/// copies. Cost for n rows of d numbers: 60 min(n, 20,000) k d + n k d at most.
pub(super) fn k_means(points: &Points, k: usize, random: &mut Random) -> Clusters {
    let k = k.clamp(1, points.len().max(1));
    let some = points.select(&random.sample(points.len(), MAX_ROWS));
    let mut best: Option<(f64, Points)> = None;
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
fn start(points: &Points, k: usize, random: &mut Random) -> Points {
    let mut rows = vec![random.below(points.len().max(1))];
    let mut nearest = vec![f32::INFINITY; points.len()];
    while rows.len() < k && !points.is_empty() {
        let last = points.row(rows[rows.len() - 1]);
        let mut total = 0.0_f64;
        for (row, nearest) in nearest.iter_mut().enumerate() {
            *nearest = nearest.min(distance(points.row(row), last));
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
fn lloyd(points: &Points, mut centres: Points) -> (f64, Points) {
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
fn assign(points: &Points, centres: &Points) -> (Vec<usize>, Vec<f32>) {
    let (mut of, mut least) = (vec![0; points.len()], vec![0.0; points.len()]);
    distances(points, &Targets::new(centres.clone()), |row, line| {
        for (cluster, &distance) in line.iter().enumerate() {
            if cluster == 0 || distance < least[row] {
                (of[row], least[row]) = (cluster, distance);
            }
        }
    });
    (of, least)
}

/// One image for each of `count` clusters, the nearest to the centre, from the largest cluster to the smallest; then
/// the second nearest of each, and so on. The score is the share of the pool the cluster holds.
///
/// k-medoids by k-means, as Hacohen (2022) and others start. Cost: [`k_means`] with k = `count`, and n log n.
pub(super) fn medoids(points: &Points, count: usize, seed: u64) -> Ordered {
    let clusters = k_means(points, count, &mut Random::new(!seed));
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

/// Clusters at most, members below which a cluster is passed over, and neighbours whose distance tells how typical a
/// row is (Hacohen 2022: `MAX_NUM_CLUSTERS`, `MIN_CLUSTER_SIZE`, `K_NN`).
const MAX_CLUSTERS: usize = 500;
const MIN_SIZE: usize = 5;
const NEIGHBOURS: usize = 20;

/// Members of a cluster among which the most typical one is sought at most.
const MAX_MEMBERS: usize = 2000;

/// TypiClust (Hacohen, Dekel & Weinshall 2022): all rows, labelled ones too, in `min(labelled + count, 500)` clusters;
/// again and again the cluster with the fewest labelled or chosen rows, the largest of those, gives its most typical
/// row, the one with the largest `1 / mean distance to its min(20, size / 2) nearest members`. Clusters of up to five
/// rows are passed over while others have rows.
///
/// Cost for n rows of d numbers: [`k_means`], and min(size, 2,000)² d for each cluster that is taken from.
pub(super) struct TypiClust {
    /// `unlabelled` first, then labelled rows.
    all: Points,
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
    pub(super) fn new(unlabelled: &Points, labelled: &Points, count: usize, seed: u64) -> Self {
        let n = unlabelled.len();
        let mut all = unlabelled.clone();
        all.values.extend(&labelled.values);
        let k = (labelled.len() + count).min(MAX_CLUSTERS);
        let Clusters { count, of, .. } = k_means(&all, k, &mut Random::new(!seed));
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

impl Chooser for TypiClust {
    fn best(&mut self, open: &[bool]) -> Option<(usize, f32)> {
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

    fn joined(&mut self, row: usize) {
        self.clusters[self.of[row]].covered += 1;
    }
}

/// How typical each unlabelled member is, ascending; members beyond the 2,000 that are compared come first, with 0.
fn typical(all: &Points, members: &[usize], unlabelled: usize) -> Vec<(usize, f32)> {
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

/// Keeps copies' typicality finite; that of the authors' program.
const LEAST_DISTANCE: f32 = 1e-5;
