//! Labels that are probably wrong, and whether labelling may stop.

use super::{Evaluation, largest};

/// Labels a class needs before its mean probability says anything.
const ENOUGH_LABELS: usize = 5;

/// A row whose label the model, which had not seen it, does not believe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suspect {
    pub row: usize,
    /// The label it has.
    pub given: usize,
    /// The label it probably should have.
    pub likely: usize,
    /// Probability of each of the two.
    pub p_given: f32,
    pub p_likely: f32,
}

/// Suspected label errors by confident learning (Northcutt, Jiang & Chuang 2021), the most suspicious first.
///
/// `probabilities` are out of fold, `n x classes`. Class j's threshold is the mean probability of j over rows labelled
/// j; a row is a suspect if another class reaches its threshold with the largest probability of those that do. Classes
/// of fewer than five labels accuse nobody and are not accused. Cost: `n x classes`.
pub fn suspects(probabilities: &[Vec<f32>], labels: &[usize], classes: usize) -> Vec<Suspect> {
    let mut sums = vec![(0.0_f32, 0_usize); classes];
    for (row, &label) in probabilities.iter().zip(labels) {
        sums[label].0 += row[label];
        sums[label].1 += 1;
    }
    let threshold = |class: usize| {
        let (sum, n) = sums[class];
        (n >= ENOUGH_LABELS).then(|| sum / n as f32)
    };
    let accuse = |(row, (p, &given)): (usize, (&Vec<f32>, &usize))| {
        threshold(given)?;
        let reached = (0..classes).filter(|class| threshold(*class).is_some_and(|least| p[*class] >= least));
        let likely = reached.max_by(|a, b| p[*a].total_cmp(&p[*b]))?;
        (likely != given).then(|| Suspect { row, given, likely, p_given: p[given], p_likely: p[likely] })
    };
    let mut found: Vec<Suspect> = probabilities.iter().zip(labels).enumerate().filter_map(accuse).collect();
    found.sort_by(|a, b| {
        (a.p_given - a.p_likely).total_cmp(&(b.p_given - b.p_likely)).then(a.row.cmp(&b.row))
    });
    found
}

/// Agreement of two models on the same images beyond chance (Cohen 1960): 1 where all decisions are the same.
pub fn kappa(a: &[Vec<f32>], b: &[Vec<f32>], classes: usize) -> f64 {
    let n = a.len().min(b.len());
    let (mut same, mut of_a, mut of_b) = (0, vec![0.0; classes], vec![0.0; classes]);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (largest(a), largest(b));
        same += usize::from(a == b);
        of_a[a] += 1.0;
        of_b[b] += 1.0;
    }
    let observed = same as f64 / n.max(1) as f64;
    let chance = of_a.iter().zip(&of_b).map(|(a, b)| a * b).sum::<f64>() / (n * n).max(1) as f64;
    if chance >= 1.0 { 1.0 } else { (observed - chance) / (1.0 - chance) }
}

/// Agreement from which predictions count as stable (Bloodgood & Vijay-Shanker 2009).
pub const STABLE_KAPPA: f64 = 0.99;

/// Gain of out-of-fold accuracy over two rounds below which more labels change little.
pub const SMALL_GAIN: f64 = 0.005;

/// Whether labelling may stop, with the figures behind it. Advice only.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct StopHint {
    pub may_stop: bool,
    /// Agreement of each of the last rounds with the one before, the newest first.
    pub kappas: Vec<f64>,
    /// Gain of out-of-fold accuracy over the last two rounds.
    pub gain: Option<f64>,
    /// In words.
    pub reason: String,
}

/// Rounds whose predictions must agree.
const STABLE_ROUNDS: usize = 3;

/// Looks at the rounds' evaluations and at how far successive rounds agree, both with the newest first.
pub fn stop_hint(evaluations: &[&Evaluation], kappas: Vec<f64>) -> StopHint {
    let gain = (evaluations.len() > 2).then(|| evaluations[0].accuracy - evaluations[2].accuracy);
    let stable = kappas.len() >= STABLE_ROUNDS
        && kappas.iter().take(STABLE_ROUNDS).all(|kappa| *kappa >= STABLE_KAPPA);
    let flat = gain.is_some_and(|gain| gain < SMALL_GAIN);
    let reason = match gain {
        _ if kappas.len() < STABLE_ROUNDS || gain.is_none() => {
            format!(
                "too early to say: {} of the {} rounds of labels it takes",
                kappas.len() + 1,
                STABLE_ROUNDS + 1
            )
        }
        Some(gain) if stable && flat => {
            format!(
                "predictions are stable and two more rounds gained {:.1} points: more labels change little",
                100.0 * gain
            )
        }
        Some(gain) if flat => {
            format!(
                "accuracy is flat ({:+.1} points over two rounds), but predictions still change",
                100.0 * gain
            )
        }
        Some(gain) => format!("accuracy still grows: {:+.1} points over two rounds", 100.0 * gain),
        None => String::new(),
    };
    StopHint { may_stop: stable && flat, kappas, gain, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(p: f32) -> Vec<f32> {
        vec![p, 1.0 - p]
    }

    #[test]
    fn a_row_the_others_contradict_is_accused_and_an_unsure_one_is_not() {
        let mut probabilities = vec![row(0.9); 6];
        probabilities.extend(vec![row(0.1); 6]);
        let mut labels = vec![0; 6];
        labels.extend([1; 6]);
        assert_eq!(suspects(&probabilities, &labels, 2), []);
        probabilities.extend([row(0.95), row(0.55)]);
        labels.extend([1, 1]);
        let found = suspects(&probabilities, &labels, 2);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].row, found[0].given, found[0].likely), (12, 1, 0));
    }

    #[test]
    fn classes_of_few_labels_accuse_nobody() {
        let probabilities = vec![row(0.9), row(0.95), row(0.1)];
        assert_eq!(suspects(&probabilities, &[0, 1, 1], 2), []);
    }

    #[test]
    fn kappa_is_one_for_the_same_decisions_and_zero_for_chance() {
        let a = [row(0.9), row(0.8), row(0.2), row(0.1)];
        let b = [row(0.6), row(0.7), row(0.4), row(0.3)];
        assert_eq!(kappa(&a, &b, 2), 1.0);
        let chance = [row(0.9), row(0.1), row(0.9), row(0.1)];
        assert!(kappa(&a, &chance, 2).abs() < 1e-9);
        assert_eq!(kappa(&a[..2], &b[..2], 2), 1.0, "all of one class");
    }

    #[test]
    fn stopping_is_advised_only_when_flat_and_stable() {
        let of = |right: usize| {
            let rows: Vec<Vec<f32>> = (0..1000).map(|i| row(if i < right { 0.9 } else { 0.1 })).collect();
            Evaluation::single(&rows, &vec![0; 1000], 2)
        };
        let (old, new) = (of(900), of(903));
        let hint = stop_hint(&[&new, &new, &old], vec![0.995, 1.0, 0.99]);
        assert!(hint.may_stop && hint.reason.contains("0.3 points"), "{hint:?}");
        assert!(!stop_hint(&[&new, &new, &old], vec![0.9, 1.0, 0.99]).may_stop);
        let growing = of(960);
        assert!(!stop_hint(&[&growing, &new, &old], vec![1.0, 1.0, 1.0]).may_stop);
        assert!(stop_hint(&[&new], vec![]).reason.contains("too early"));
    }
}
