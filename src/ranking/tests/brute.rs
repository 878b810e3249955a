//! Each strategy against the plainest way to compute the same, in double precision, on pools of up to twelve.

use crate::matrix::{Matrix, SplitMix64};
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Generator, Strategy, *};

/// Single precision against double, after a dozen sums over points that may coincide.
const CLOSE: f64 = 1e-4;

/// The same for squared distances of points of length one.
const CLOSE_SQUARES: f64 = 2e-6;

/// A pool in which nothing waits and nothing is left to chance.
struct Small {
    unlabelled: Matrix,
    labelled: Matrix,
    probabilities: Vec<f32>,
    count: usize,
}

const CLASSES: usize = 3;

fn small() -> impl Generator<Value = Small> {
    (fine(1..=12), fine(0..=4), vec(0.01..1.0_f32, 36), 1..=12_usize).prop_map(
        |(unlabelled, labelled, raw, count)| {
            let probabilities = shares(&raw, CLASSES, unlabelled.len());
            Small { unlabelled: unit(&unlabelled), labelled: unit(&labelled), probabilities, count }
        },
    )
}

impl std::fmt::Debug for Small {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} of {:?} beside {:?}, {:?}",
            self.count, self.unlabelled, self.labelled, self.probabilities
        )
    }
}

impl Small {
    fn n(&self) -> usize {
        self.unlabelled.len()
    }

    fn rank(&self, strategy: Strategy) -> Vec<(usize, f64)> {
        let heads = [HeadView { classes: CLASSES, multiple: false, probabilities: &self.probabilities }];
        let pool = Candidates { unlabelled: &self.unlabelled, labelled: &self.labelled, heads: &heads };
        let options = Options { random_share: 0.0, near_copy: 2.0, ..Options::new(self.count, 11) };
        rank(&pool, strategy, &options).into_iter().map(|pick| (pick.row, f64::from(pick.score))).collect()
    }

    /// Probabilities of a row, the largest first.
    fn sorted(&self, row: usize) -> Vec<f64> {
        let mut p: Vec<f64> = self.p(row).iter().map(|p| f64::from(*p)).collect();
        p.sort_by(|a, b| b.total_cmp(a));
        p
    }

    fn p(&self, row: usize) -> &[f32] {
        &self.probabilities[row * CLASSES..(row + 1) * CLASSES]
    }

    fn doubt(&self, row: usize) -> f64 {
        let p = self.sorted(row);
        1.0 - p[0] + p[1]
    }

    /// Labelled rows and the unlabelled ones of `chosen`.
    fn known<'a>(&'a self, chosen: &'a [usize]) -> impl Iterator<Item = &'a [f32]> {
        let labelled = (0..self.labelled.len()).map(|row| self.labelled.row(row));
        labelled.chain(chosen.iter().map(|&row| self.unlabelled.row(row)))
    }

    /// Checks that every pick has the largest value of those left, `value(row, chosen before)`, and that this is its score.
    fn greedy(
        &self,
        strategy: Strategy,
        value: impl Fn(usize, &[usize]) -> f64,
    ) -> Result<(), TestCaseError> {
        let mut chosen = Vec::new();
        for (row, score) in self.rank(strategy) {
            let left = (0..self.n()).filter(|other| !chosen.contains(other));
            let best = left.map(|other| value(other, &chosen)).fold(f64::NEG_INFINITY, f64::max);
            let this = value(row, &chosen);
            prop_assert!(
                this >= best - CLOSE,
                "{strategy} took {row} ({this}) after {chosen:?}; best {best}"
            );
            prop_assert!((score - this).abs() < CLOSE, "{strategy} scores {row} {score}, it is {this}");
            chosen.push(row);
        }
        Ok(())
    }
}

fn apart(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>().sqrt()
}

/// `sigma²`, all rows compared with all.
fn squared_width(points: &Matrix) -> f64 {
    let n = points.len();
    if n < 2 {
        return 1.0;
    }
    let reach = |row: usize| {
        let others = (0..n).filter(|&other| other != row);
        let mut squares: Vec<f64> =
            others.map(|other| apart(points.row(row), points.row(other)).powi(2)).collect();
        squares.sort_by(f64::total_cmp);
        squares[squares.len().min(20) - 1]
    };
    let mut reaches: Vec<f64> = (0..n).map(reach).collect();
    reaches.sort_by(f64::total_cmp);
    reaches[n / 2].max(1e-6)
}

/// Mean over the pool, weighed, of the kernel to the nearest of the known rows.
fn cover(small: &Small, weights: &[f64], squared_width: f64, chosen: &[usize]) -> f64 {
    let covered = |row: usize| {
        let to = |other: &[f32]| (-apart(small.unlabelled.row(row), other).powi(2) / squared_width).exp();
        small.known(chosen).map(to).fold(0.0, f64::max)
    };
    (0..small.n()).map(|row| weights[row] * covered(row)).sum::<f64>() / weights.iter().sum::<f64>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn scores_fall_and_are_those_of_the_formulas(small in small()) {
        small.greedy(Strategy::LeastConfidence, |row, _| 1.0 - small.sorted(row)[0])?;
        small.greedy(Strategy::Margin, |row, _| small.doubt(row))?;
        small.greedy(Strategy::Entropy, |row, _| {
            small.sorted(row).iter().map(|p| -p * p.ln()).sum::<f64>() / (CLASSES as f64).ln()
        })?;
    }

    #[test]
    fn centers_are_farthest_from_what_is_known(small in small()) {
        let nearest = |row: usize, chosen: &[usize]| {
            small.known(chosen).map(|other| apart(small.unlabelled.row(row), other)).fold(2.0, f64::min)
        };
        small.greedy(Strategy::KCenter, nearest)?;
        small.greedy(Strategy::Coral, |row, chosen| small.doubt(row) * nearest(row, chosen))?;
        if small.labelled.is_empty() {
            let mean: Vec<f32> = (0..3)
                .map(|column| (0..small.n()).map(|row| small.unlabelled.row(row)[column]).sum::<f32>() / small.n() as f32)
                .collect();
            let to_mean = |row: usize| apart(small.unlabelled.row(row), &mean);
            let least = (0..small.n()).map(to_mean).fold(f64::INFINITY, f64::min);
            prop_assert!(to_mean(small.rank(Strategy::KCenter)[0].0) < least + CLOSE);
        }
    }

    #[test]
    fn herding_gains_most_cover(small in small()) {
        let width = squared_width(&small.unlabelled);
        let alike = vec![1.0; small.n()];
        let uncertainties: Vec<f64> = (0..small.n()).map(|row| small.doubt(row)).collect();
        for (strategy, weights) in [(Strategy::MaxHerding, &alike), (Strategy::UHerding, &uncertainties)] {
            small.greedy(strategy, |row, chosen| {
                let with = [chosen, &[row]].concat();
                cover(&small, weights, width, &with) - cover(&small, weights, width, chosen)
            })?;
        }
    }

    #[test]
    fn badge_draws_by_distance_of_gradients(small in small()) {
        let gradient = |row: usize| -> Vec<f64> {
            let mut q: Vec<f64> = small.p(row).iter().map(|p| f64::from(*p)).collect();
            let answer = (0..CLASSES).max_by(|&a, &b| q[a].total_cmp(&q[b])).unwrap();
            q[answer] -= 1.0;
            q.iter().flat_map(|q| small.unlabelled.row(row).iter().map(move |x| q * f64::from(*x))).collect()
        };
        let square = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        let gradients: Vec<Vec<f64>> = (0..small.n()).map(gradient).collect();
        let length = |row: usize| square(&gradients[row], &[0.0; 9]);
        let mut random = SplitMix64::new(!11);
        let mut chosen: Vec<usize> = Vec::new();
        for (row, score) in small.rank(Strategy::Badge) {
            let nearest = |row: usize| {
                chosen.iter().map(|&other| square(&gradients[row], &gradients[other])).fold(f64::INFINITY, f64::min)
            };
            let left: Vec<usize> = (0..small.n()).filter(|row| !chosen.contains(row)).collect();
            if chosen.is_empty() {
                let longest = left.iter().map(|&row| length(row)).fold(0.0, f64::max);
                prop_assert!(length(row) > longest - CLOSE);
            } else {
                prop_assert!((score - nearest(row)).abs() < CLOSE);
                let mut mark = random.unit() * left.iter().map(|&row| nearest(row)).sum::<f64>();
                // The row at the mark, or one that rounding may reach.
                let near = left.iter().any(|&other| {
                    let before = mark;
                    mark -= nearest(other);
                    other == row && before > -CLOSE && mark < CLOSE
                });
                prop_assert!(near, "{row} after {chosen:?}");
            }
            chosen.push(row);
        }
    }

    #[test]
    fn cluster_margin_takes_the_least_certain_of_each_cluster_in_turn(small in small()) {
        // The 10 count least certain rows take part.
        let mut order: Vec<usize> = (0..small.n()).collect();
        order.sort_by(|&a, &b| small.doubt(b).total_cmp(&small.doubt(a)));
        let count = small.count.min(small.n());
        let rest = order.split_off(order.len().min(10 * count));
        let mut clusters: Vec<Vec<usize>> = order.iter().map(|&row| vec![row]).collect();
        while clusters.len() > count {
            let mean = |a: &[usize], b: &[usize]| {
                let pairs = a.iter().flat_map(|&a| b.iter().map(move |&b| (a, b)));
                pairs.map(|(a, b)| apart(small.unlabelled.row(a), small.unlabelled.row(b))).sum::<f64>()
                    / (a.len() * b.len()) as f64
            };
            let pairs = (0..clusters.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
            let by_mean = |&(a, b): &(usize, usize), &(c, d): &(usize, usize)| {
                mean(&clusters[a], &clusters[b]).total_cmp(&mean(&clusters[c], &clusters[d]))
            };
            let (a, b) = pairs.min_by(by_mean).unwrap();
            let gone = clusters.remove(b);
            clusters[a].extend(gone);
        }
        for rows in &mut clusters {
            rows.sort_by(|&a, &b| small.doubt(b).total_cmp(&small.doubt(a)));
        }
        // Of equally large clusters the one with the least certain row comes first.
        clusters.sort_by(|a, b| a.len().cmp(&b.len()).then(small.doubt(b[0]).total_cmp(&small.doubt(a[0]))));
        let mut expected: Vec<usize> = Vec::new();
        for round in 0..small.n() {
            expected.extend(clusters.iter().filter_map(|rows| rows.get(round)));
        }
        expected.extend(&rest);
        expected.truncate(count);
        let found: Vec<usize> = small.rank(Strategy::ClusterMargin).into_iter().map(|(row, _)| row).collect();
        prop_assert_eq!(found, expected);
    }

    /// Two far blobs are the only good two clusters, so what is taken from them is known without k-means.
    #[test]
    fn medoids_and_typical_rows_of_two_far_blobs(
        (large, little) in (fine(7), fine(6)), (seed, labelled) in (any::<u64>(), any::<bool>()),
    ) {
        let near = |centre: [f32; 3], row: &[f32; 3]| [0, 1, 2].map(|i| centre[i] + 0.05 * row[i]);
        let large: Vec<[f32; 3]> = large.iter().map(|row| near([1.0, 0.0, 0.0], row)).collect();
        let little: Vec<[f32; 3]> = little.iter().map(|row| near([0.0, -1.0, 0.0], row)).collect();
        // The labelled row, if any, lies in the large blob.
        let (known, large) = large.split_at(usize::from(labelled));
        let unlabelled = unit(&[large, &little].concat());
        let blob = |row: usize| row < large.len();
        let all = unit(&[large, &little, known].concat());
        let members = |first: bool, of: &Matrix| -> Vec<usize> {
            (0..of.len()).filter(|&row| blob(row) == first || (row >= unlabelled.len() && first)).collect()
        };
        let labelled = unit(known);
        let pool = Candidates { unlabelled: &unlabelled, labelled: &labelled, heads: &[] };
        let options = |count| Options { random_share: 0.0, near_copy: 2.0, ..Options::new(count, seed) };

        let medoids = rank(&pool, Strategy::Medoids, &options(2));
        prop_assert_ne!(blob(medoids[0].row), blob(medoids[1].row));
        for pick in medoids {
            let rows: Vec<usize> = (0..unlabelled.len()).filter(|&row| blob(row) == blob(pick.row)).collect();
            let mean: Vec<f32> = (0..3)
                .map(|column| rows.iter().map(|&row| unlabelled.row(row)[column]).sum::<f32>() / rows.len() as f32)
                .collect();
            let to_mean = |row: usize| apart(unlabelled.row(row), &mean);
            let least = rows.iter().map(|&row| to_mean(row)).fold(f64::INFINITY, f64::min);
            prop_assert!(to_mean(pick.row).powi(2) < least.powi(2) + CLOSE_SQUARES);
        }

        // One pick beside a labelled row makes two clusters as well.
        let picks = rank(&pool, Strategy::TypiClust, &options(2 - labelled.len()));
        prop_assert_eq!(blob(picks[0].row), known.is_empty(), "the blob without a label, else the larger one");
        for pick in picks {
            let rows = members(blob(pick.row), &all);
            let typical = |row: usize| {
                let others = rows.iter().filter(|&&other| other != row);
                let mut distances: Vec<f64> = others.map(|&other| apart(all.row(row), all.row(other))).collect();
                distances.sort_by(f64::total_cmp);
                let nearest = &distances[..rows.len() / 2];
                1.0 / (nearest.iter().sum::<f64>() / nearest.len() as f64 + 1e-5)
            };
            let open = rows.iter().filter(|&&row| row < unlabelled.len());
            let most = open.map(|&row| typical(row)).fold(0.0, f64::max);
            // Distances of 0.05 lose three digits to the squares they come from.
            prop_assert!(typical(pick.row) > most * 0.995, "{} of {most}", typical(pick.row));
        }
    }

    #[test]
    fn tcm_is_typiclust_for_two_batches_and_margin_afterwards(small in small()) {
        let few = small.labelled.len() < 2 * small.count;
        let same = small.rank(if few { Strategy::TypiClust } else { Strategy::Margin });
        prop_assert_eq!(small.rank(Strategy::Tcm), same);
    }
}
