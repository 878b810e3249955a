//! Calibration of probabilities: the certainty of decisions against the share of them that is right.

use serde::{Deserialize, Serialize};

use super::{APPLIES, largest};

/// Bins of equal width between 0 and 1.
const BINS: usize = 10;

/// Decisions of about the same certainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationBin {
    /// Decisions.
    pub n: usize,
    /// Their mean certainty, 0..1.
    pub certainty: f64,
    /// Share of them that is right, 0..1.
    pub right: f64,
}

/// Answers of a single-choice head by the probability of the answer; bins without any are left out.
pub fn single(probabilities: &[Vec<f32>], labels: &[usize]) -> Vec<CalibrationBin> {
    bins(probabilities.iter().zip(labels).filter_map(|(row, &label)| {
        let answer = largest(row);
        Some((*row.get(answer)?, answer == label))
    }))
}

/// Decisions of a multiple-choice head, one for each class of each image, by the probability of what was decided.
pub fn multiple(probabilities: &[Vec<f32>], labels: &[Vec<bool>]) -> Vec<CalibrationBin> {
    let pairs = probabilities.iter().zip(labels).flat_map(|(row, flags)| row.iter().zip(flags));
    bins(pairs.map(|(&p, &applies)| {
        let says = p >= APPLIES;
        (if says { p } else { 1.0 - p }, says == applies)
    }))
}

fn bins(decisions: impl Iterator<Item = (f32, bool)>) -> Vec<CalibrationBin> {
    let mut sums = [(0_usize, 0.0_f64, 0_usize); BINS];
    for (certainty, right) in decisions.filter(|(certainty, _)| certainty.is_finite()) {
        let bin = ((certainty * BINS as f32) as usize).min(BINS - 1);
        let (n, sum, hits) = &mut sums[bin];
        *n += 1;
        *sum += f64::from(certainty);
        *hits += usize::from(right);
    }
    let mean = |(n, sum, hits): (usize, f64, usize)| CalibrationBin {
        n,
        certainty: sum / n as f64,
        right: hits as f64 / n as f64,
    };
    sums.into_iter().filter(|(n, _, _)| *n > 0).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_binned_by_certainty() {
        let rows = [vec![0.95, 0.05], vec![0.97, 0.03], vec![0.45, 0.55], vec![f32::NAN, 0.1]];
        let told = single(&rows, &[0, 1, 1, 0]);
        assert_eq!(told.iter().map(|bin| (bin.n, bin.right)).collect::<Vec<_>>(), [(1, 1.0), (2, 0.5)]);
        assert!((told[1].certainty - 0.96).abs() < 1e-6);
        assert_eq!(single(&[vec![1.0, 0.0]], &[0])[0].certainty, 1.0);
        assert_eq!(single(&[], &[]), []);
    }

    #[test]
    fn each_class_of_a_multiple_choice_is_a_decision() {
        let told = multiple(&[vec![0.9, 0.1], vec![0.2, 0.8]], &[vec![true, false], vec![true, true]]);
        assert_eq!(told.iter().map(|bin| bin.n).sum::<usize>(), 4);
        assert_eq!(told.iter().map(|bin| (bin.right * bin.n as f64).round() as usize).sum::<usize>(), 3);
    }
}
