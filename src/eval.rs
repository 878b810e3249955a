//! Quality of a model: accuracy with its confidence interval, recall by class, log loss, Brier score.
//!
//! Pure: rows of probabilities and labels in, figures out. Which rows a model had not seen is the caller's business.

pub mod agreement;
pub mod calibration;
pub mod label_errors;
pub mod near_duplicates;
pub mod stopping;

use serde::{Deserialize, Serialize};

/// Two-sided 95 % quantile of the normal distribution.
const Z_95: f64 = 1.959_964;

/// Least probability that enters a logarithm, so that one certain mistake costs 16, not infinity.
const MIN_PROBABILITY: f64 = 1e-7;

/// Probability from which a class of a multiple-choice head applies.
const APPLIES: f32 = 0.5;

/// Figures over `n` images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Images.
    pub n: usize,
    /// Share of decisions that are right, 0..1: one decision an image (single choice), or one for each class of
    /// each image (multiple choice).
    pub accuracy: f64,
    /// Wilson interval of the accuracy over the `n` images, 95 %.
    pub interval: (f64, f64),
    /// Accuracy of always giving the most frequent answer.
    pub majority: f64,
    /// Share of each class's images that were found; `None` for a class without labels.
    pub recall: Vec<Option<f64>>,
    /// Labels of each class.
    pub support: Vec<usize>,
    /// Mean negative log probability of the right answer, nats; the sum over classes for multiple choice.
    pub log_loss: f64,
    /// Mean squared distance of probabilities to the answer, summed over classes (Brier 1950).
    pub brier: f64,
}

impl Evaluation {
    /// Figures of a single-choice head: a row of `classes` probabilities for each label.
    pub fn single(probabilities: &[Vec<f32>], labels: &[usize], classes: usize) -> Self {
        let n = labels.len();
        let mut found = vec![0; classes];
        let mut support = vec![0; classes];
        let mut brier = 0.0;
        for (row, &label) in probabilities.iter().zip(labels) {
            support[label] += 1;
            found[label] += usize::from(largest(row) == label);
            brier += squared_distance(row, |class| class == label);
        }
        let majority = support.iter().copied().max().unwrap_or(0);
        let accuracy = accuracy(probabilities, labels);
        Self {
            n,
            accuracy,
            interval: wilson(accuracy, n),
            majority: share(majority, n),
            recall: recalls(&found, &support),
            support,
            log_loss: log_loss(probabilities, labels),
            brier: brier / n.max(1) as f64,
        }
    }

    /// Figures of a multiple-choice head: for each image a row of probabilities and of flags.
    pub fn multiple(probabilities: &[Vec<f32>], labels: &[Vec<bool>], classes: usize) -> Self {
        let n = labels.len();
        let mut found = vec![0; classes];
        let mut support = vec![0; classes];
        let mut right = 0;
        let mut brier = 0.0;
        let mut loss = 0.0;
        for (row, flags) in probabilities.iter().zip(labels) {
            for (class, (&p, &applies)) in row.iter().zip(flags).enumerate() {
                let ticked = p >= APPLIES;
                right += usize::from(ticked == applies);
                support[class] += usize::from(applies);
                found[class] += usize::from(applies && ticked);
                loss -= f64::from(if applies { p } else { 1.0 - p }).max(MIN_PROBABILITY).ln();
            }
            brier += squared_distance(row, |class| flags[class]);
        }
        let majority = support.iter().map(|&with| with.max(n - with)).sum();
        let accuracy = share(right, n * classes);
        Self {
            n,
            accuracy,
            interval: wilson(accuracy, n),
            majority: share(majority, n * classes),
            recall: recalls(&found, &support),
            support,
            log_loss: loss / n.max(1) as f64,
            brier: brier / n.max(1) as f64,
        }
    }
}

/// Share of images whose every class is right, of a multiple-choice head; 0 without rows.
pub fn exact_match(probabilities: &[Vec<f32>], labels: &[Vec<bool>]) -> f64 {
    let is_right = |(row, flags): &(&Vec<f32>, &Vec<bool>)| {
        row.iter().zip(*flags).all(|(&p, &applies)| (p >= APPLIES) == applies)
    };
    share(probabilities.iter().zip(labels).filter(is_right).count(), labels.len())
}

/// Share of the answers with each class that are right, of a multiple-choice head; `None` for a class never answered.
pub fn precisions(probabilities: &[Vec<f32>], labels: &[Vec<bool>], classes: usize) -> Vec<Option<f64>> {
    let mut right = vec![0; classes];
    let mut said = vec![0; classes];
    for (row, flags) in probabilities.iter().zip(labels) {
        for class in (0..classes).filter(|class| row[*class] >= APPLIES) {
            said[class] += 1;
            right[class] += usize::from(flags[class]);
        }
    }
    recalls(&right, &said)
}

/// Confusion matrix: counts, `[label][answer]`.
pub fn confusion(probabilities: &[Vec<f32>], labels: &[usize], classes: usize) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0; classes]; classes];
    for (row, &label) in probabilities.iter().zip(labels) {
        counts[label][largest(row)] += 1;
    }
    counts
}

/// Share of rows whose largest probability is the label's; 0 without rows.
pub fn accuracy(probabilities: &[Vec<f32>], labels: &[usize]) -> f64 {
    let right = probabilities.iter().zip(labels).filter(|(row, label)| largest(row) == **label).count();
    share(right, labels.len())
}

/// Mean negative log probability of the labels, in nats; 0 without rows.
pub fn log_loss(probabilities: &[Vec<f32>], labels: &[usize]) -> f64 {
    let sum: f64 = probabilities
        .iter()
        .zip(labels)
        .map(|(row, &label)| -f64::from(row.get(label).copied().unwrap_or(0.0)).max(MIN_PROBABILITY).ln())
        .sum();
    sum / labels.len().max(1) as f64
}

/// Wilson's interval (1927) of a share seen over `n` draws, 95 %.
pub fn wilson(share: f64, n: usize) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let n = n as f64;
    let z2 = Z_95 * Z_95;
    let centre = share + z2 / (2.0 * n);
    let spread = Z_95 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    (((centre - spread) / scale).max(0.0), ((centre + spread) / scale).min(1.0))
}

/// Index of the largest value; the first of equals.
fn largest(row: &[f32]) -> usize {
    let better = |best: usize, (index, value): (usize, &f32)| if *value > row[best] { index } else { best };
    row.iter().enumerate().fold(0, better)
}

fn squared_distance(row: &[f32], applies: impl Fn(usize) -> bool) -> f64 {
    let distance = |(class, &p): (usize, &f32)| (f64::from(p) - f64::from(u8::from(applies(class)))).powi(2);
    row.iter().enumerate().map(distance).sum()
}

fn recalls(found: &[usize], support: &[usize]) -> Vec<Option<f64>> {
    found.iter().zip(support).map(|(&found, &of)| (of > 0).then(|| share(found, of))).collect()
}

fn share(part: usize, of: usize) -> f64 {
    part as f64 / of.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_seven_right_of_thirty_is_74_to_97_percent() {
        let (low, high) = wilson(0.9, 30);
        assert!((low - 0.744).abs() < 1e-3 && (high - 0.965).abs() < 1e-3, "{low} {high}");
        assert_eq!(wilson(0.5, 0), (0.0, 1.0));
        assert_eq!(wilson(1.0, 5).1, 1.0);
    }

    #[test]
    fn a_single_choice_is_told_by_class() {
        let rows = [vec![0.8, 0.2, 0.0], vec![0.6, 0.4, 0.0], vec![0.1, 0.9, 0.0]];
        let told = Evaluation::single(&rows, &[0, 1, 1], 3);
        assert_eq!(confusion(&rows, &[0, 1, 1], 3), [[1, 0, 0], [1, 1, 0], [0, 0, 0]]);
        assert_eq!((told.n, &told.recall[..]), (3, &[Some(1.0), Some(0.5), None][..]));
        assert!((told.accuracy - 2.0 / 3.0).abs() < 1e-12 && (told.majority - 2.0 / 3.0).abs() < 1e-12);
        let loss = -(0.8_f64.ln() + 0.4_f64.ln() + 0.9_f64.ln()) / 3.0;
        assert!((told.log_loss - loss).abs() < 1e-6);
        assert!((told.brier - (0.08 + 0.72 + 0.02) / 3.0).abs() < 1e-6);
    }

    #[test]
    fn a_multiple_choice_is_told_by_class() {
        let told = Evaluation::multiple(
            &[vec![0.9, 0.1], vec![0.2, 0.2]],
            &[vec![true, false], vec![true, false]],
            2,
        );
        assert_eq!((told.accuracy, told.majority), (0.75, 1.0));
        assert_eq!(told.recall, [Some(0.5), None]);
        let rows = [vec![0.9, 0.6], vec![0.2, 0.2], vec![0.1, 0.9]];
        let labels = [vec![true, false], vec![false, false], vec![false, true]];
        assert_eq!(precisions(&rows, &labels, 2), [Some(1.0), Some(0.5)]);
        assert!((exact_match(&rows, &labels) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!((exact_match(&[], &[]), precisions(&[], &[], 1)), (0.0, vec![None]));
    }

    #[test]
    fn no_rows_and_certain_mistakes_give_numbers() {
        let none = Evaluation::single(&[], &[], 2);
        assert_eq!((none.n, none.accuracy, none.log_loss), (0, 0.0, 0.0));
        let wrong = Evaluation::single(&[vec![1.0, 0.0]], &[1], 2);
        assert!(wrong.log_loss.is_finite() && wrong.log_loss > 16.0);
    }
}
