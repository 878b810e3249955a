//! Stopping rule by stable predictions (Bloodgood & Vijay-Shanker 2009) and flat accuracy: advice on ending the labelling.

use super::Evaluation;

/// Agreement from which predictions count as stable (Bloodgood & Vijay-Shanker 2009).
pub const STABLE_KAPPA: f64 = 0.99;

/// Gain of out-of-fold accuracy over two rounds below which more labels change little.
pub const SMALL_GAIN: f64 = 0.005;

/// Stopping rule: advice on ending the labelling, with the figures behind it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct StoppingRule {
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
pub fn stopping_rule(evaluations: &[&Evaluation], kappas: Vec<f64>) -> StoppingRule {
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
    StoppingRule { may_stop: stable && flat, kappas, gain, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(p: f32) -> Vec<f32> {
        vec![p, 1.0 - p]
    }

    #[test]
    fn stopping_is_advised_only_when_flat_and_stable() {
        let of = |right: usize| {
            let rows: Vec<Vec<f32>> = (0..1000).map(|i| row(if i < right { 0.9 } else { 0.1 })).collect();
            Evaluation::single(&rows, &vec![0; 1000], 2)
        };
        let old = of(900);
        let new = of(903);
        let hint = stopping_rule(&[&new, &new, &old], vec![0.995, 1.0, 0.99]);
        assert!(hint.may_stop && hint.reason.contains("0.3 points"), "{hint:?}");
        assert!(!stopping_rule(&[&new, &new, &old], vec![0.9, 1.0, 0.99]).may_stop);
        let growing = of(960);
        assert!(!stopping_rule(&[&growing, &new, &old], vec![1.0, 1.0, 1.0]).may_stop);
        assert!(stopping_rule(&[&new], vec![]).reason.contains("too early"));
    }
}
