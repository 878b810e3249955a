//! Temperature scaling of ridge scores to logits (Guo et al. 2017).

use faer::Mat;

use super::{Activation, Targets};

/// Temperature of ridge scores where the labels tell little: one-hot targets lie one apart, and a certain head's
/// logits about six. Median of the temperatures of trainings with 60 labels and more on the weather photographs.
const USUAL: f64 = 0.15;

/// Labels per class at which the usual temperature and the measured one count the same.
const LABELS_PER_CLASS: f64 = 3.0;

/// Natural logarithm of the least and the largest temperature tried.
const RANGE: (f64, f64) = (-4.0, 1.0);

/// Width of the last bracket around `ln T`.
const PRECISION: f64 = 0.01;

/// The temperature with the least log loss of out-of-fold scores, `n x classes` (Guo et al. 2017), drawn towards the
/// usual one while labels are few. It never changes which class is first.
pub(super) fn temperature(scores: &Mat<f64>, targets: &Targets) -> f64 {
    let loss = |log_t: f64| targets.evaluate(&probabilities(scores, targets, log_t.exp())).log_loss;
    let best = golden_section(loss, RANGE);
    let n = targets.len() as f64;
    let few = LABELS_PER_CLASS * targets.classes() as f64;
    ((n * best + few * USUAL.ln()) / (n + few)).exp()
}

/// Minimum of a function with one valley (Kiefer 1953).
fn golden_section(f: impl Fn(f64) -> f64, (mut low, mut high): (f64, f64)) -> f64 {
    const RATIO: f64 = 0.618_033_988_749_895;
    while high - low > PRECISION {
        let a = high - RATIO * (high - low);
        let b = low + RATIO * (high - low);
        if f(a) < f(b) {
            high = b;
        } else {
            low = a;
        }
    }
    (low + high) / 2.0
}

/// Ridge score at which a class is as likely as not: one-hot targets are 0 and 1; a softmax needs no centre.
pub(super) fn centre(activation: Activation) -> f64 {
    match activation {
        Activation::Softmax => 0.0,
        Activation::Sigmoid => 0.5,
    }
}

/// Ridge scores, `n x classes`, as probabilities.
pub(super) fn probabilities(scores: &Mat<f64>, targets: &Targets, temperature: f64) -> Vec<Vec<f32>> {
    let shift = centre(targets.activation());
    let rows = (0..scores.nrows()).map(|row| {
        let logits = (0..scores.ncols()).map(|class| ((scores[(row, class)] - shift) / temperature) as f32);
        let mut row: Vec<f32> = logits.collect();
        targets.activation().apply(&mut row);
        row
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_valley_is_found() {
        assert!((golden_section(|x| (x - 0.3).powi(2), (-3.0, 3.0)) - 0.3).abs() < PRECISION);
    }
}
