//! From one number to logits of classes in an order.
//!
//! Of a row with score `s` the class at `u`, 0 for the first and 1 for the last, has the logit `(a s + b) u - c u² / 2`: how
//! much likelier a class is than the one before it rises with the score alike for all (adjacent categories, Goodman
//! 1979). With `a = c = 1 / v` and `b = 0` that is a bell of variance `v` around the score.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

use super::FitError;

/// Variance of the bell where the labels tell little, in squares of the whole order: a sixth of it to either side.
const USUAL: f64 = 0.03;

/// Labels that the usual bell counts as, spread over the classes.
const LABELS: f64 = 5.0;

/// Steps of Newton's method at most; it takes some six.
const MOST_STEPS: usize = 50;

/// Halvings of a step that does not lower the loss.
const MOST_HALVINGS: i32 = 20;

/// Fall of the loss, nats, below which it is at its least.
const PRECISION: f64 = 1e-9;

/// Added to the curvature: two classes leave it without a slope in one direction.
const JITTER: f64 = 1e-9;

/// `a`, `b` and `c`.
type Bell = [f64; 3];

/// Statistics of a row: its score, its weight, and the means of `u` and `u²`.
struct Row {
    score: f64,
    weight: f64,
    means: [f64; 2],
}

/// Map of one score to the logits of classes in an order.
pub(super) struct Steps {
    /// Of each class the factor of the score.
    pub rises: Vec<f64>,
    /// Of each class its addend.
    pub offsets: Vec<f64>,
    /// Of the bell, in squares of the whole order.
    pub variance: f64,
}

/// The map with the least log loss of out-of-fold scores, `n x 1`, drawn towards the usual bell while labels are few.
pub(super) fn learn(scores: &Mat<f64>, labels: &[usize], classes: usize) -> Result<Steps, FitError> {
    let places: Vec<f64> =
        (0..classes).map(|class| class as f64 / classes.saturating_sub(1).max(1) as f64).collect();
    let usual = [1.0 / USUAL, 0.0, 1.0 / USUAL];
    let mut rows: Vec<Row> = Vec::with_capacity(labels.len() + classes);
    rows.extend(labels.iter().enumerate().map(|(row, &class)| {
        let u = places[class];
        Row { score: scores[(row, 0)], weight: 1.0, means: [u, u * u] }
    }));
    rows.extend(places.iter().map(|&score| {
        let (_, [u, u2, ..]) = moments(&usual, score, &places);
        Row { score, weight: LABELS / classes as f64, means: [u, u2] }
    }));
    let [a, b, c] = least_loss(&rows, usual, &places)?;
    // The middle of the order is the origin: smaller weights lose less where they are rounded.
    let rises = places.iter().map(|u| a * (u - 0.5)).collect();
    let offsets = places.iter().map(|u| b * u - c * u * u / 2.0).collect();
    Ok(Steps { rises, offsets, variance: 1.0 / c })
}

/// Newton's method, each step half as far until the loss falls: it has one valley.
fn least_loss(rows: &[Row], start: Bell, places: &[f64]) -> Result<Bell, FitError> {
    let mut bell = start;
    let mut least = loss(rows, &start, places);
    for _ in 0..MOST_STEPS {
        let step = newton(rows, &bell, places)?;
        let tried = (0..MOST_HALVINGS).map(|halvings| {
            let next: Bell = std::array::from_fn(|k| bell[k] - step[k] * 0.5_f64.powi(halvings));
            (next, loss(rows, &next, places))
        });
        let Some((next, lower)) = tried.into_iter().find(|(_, loss)| *loss < least) else { break };
        let fall = least - lower;
        (bell, least) = (next, lower);
        if fall < PRECISION {
            break;
        }
    }
    Ok(bell)
}

/// The logarithm of the sum of all classes' exponentials, and the means of the first four powers of `u`.
fn moments([a, b, c]: &Bell, score: f64, places: &[f64]) -> (f64, [f64; 4]) {
    let logit = |u: f64| (a * score + b) * u - c * u * u / 2.0;
    let largest = places.iter().map(|u| logit(*u)).fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    let mut means = [0.0; 4];
    for &u in places {
        let p = (logit(u) - largest).exp();
        sum += p;
        let mut power = p;
        for mean in &mut means {
            power *= u;
            *mean += power;
        }
    }
    (largest + sum.ln(), means.map(|mean| mean / sum))
}

/// Sum of negative log probabilities, less what does not change with the bell.
fn loss(rows: &[Row], bell: &Bell, places: &[f64]) -> f64 {
    let [a, b, c] = bell;
    let of = |row: &Row| {
        let [u, u2] = row.means;
        row.weight * (moments(bell, row.score, places).0 - (a * row.score + b) * u + c * u2 / 2.0)
    };
    rows.iter().map(of).sum()
}

/// Slope of the loss over its curvature.
fn newton(rows: &[Row], bell: &Bell, places: &[f64]) -> Result<Bell, FitError> {
    let mut slope = Mat::<f64>::zeros(3, 1);
    let mut curvature = Mat::<f64>::zeros(3, 3);
    for Row { score, weight, means } in rows {
        let (_, [u, u2, u3, u4]) = moments(bell, *score, places);
        // The loss is linear in `score u`, `u` and `-u² / 2`: these are their means and covariances.
        let apart = [score * (u - means[0]), u - means[0], (means[1] - u2) / 2.0];
        let spread = u2 - u * u;
        let across = (u * u2 - u3) / 2.0;
        let of_square = (u4 - u2 * u2) / 4.0;
        let covariance = [
            [score * score * spread, score * spread, score * across],
            [score * spread, spread, across],
            [score * across, across, of_square],
        ];
        for i in 0..3 {
            slope[(i, 0)] += weight * apart[i];
            (0..3).for_each(|j| curvature[(i, j)] += weight * covariance[i][j]);
        }
    }
    (0..3).for_each(|i| curvature[(i, i)] += JITTER);
    let step = curvature.llt(Side::Lower).map_err(|_| FitError::Factorisation)?.solve(&slope);
    Ok(std::array::from_fn(|k| step[(k, 0)]))
}
