//! The temperature that turns ridge scores into logits.

use faer::Mat;

use super::*;
use crate::model::fit::temperature_scaling::probabilities;
use crate::model::fit::temperature_scaling::temperature;

/// Scores as ridge gives them: near one for a class that is right with probability `sure`, near zero for the others.
fn scores(n: usize, sure: f32, seed: u64) -> (Mat<f64>, Targets) {
    let mut random = Random::new(seed);
    let labels: Vec<usize> = (0..n).map(|row| row % 3).collect();
    let scored: Vec<usize> =
        labels.iter().map(|label| if random.uniform() < sure { *label } else { (label + 1) % 3 }).collect();
    let scores = Mat::from_fn(n, 3, |row, class| {
        f64::from(u8::from(scored[row] == class)) * 0.8 + f64::from(random.normal()) * 0.05
    });
    (scores, Targets::Single { classes: 3, labels })
}

fn loss(scores: &Mat<f64>, targets: &Targets, temperature: f64) -> f64 {
    targets.evaluate(&probabilities(scores, targets, temperature)).log_loss
}

#[test]
fn with_many_labels_no_other_temperature_is_better() {
    for sure in [0.6, 0.8, 0.95] {
        let (scores, targets) = scores(1_500, sure, 50);
        let found = temperature(&scores, &targets);
        let least = loss(&scores, &targets, found);
        for log_t in -40..=10 {
            let other = loss(&scores, &targets, (f64::from(log_t) / 10.0).exp());
            assert!(least <= other + 1e-3, "{sure}: {found} gives {least}, e^{log_t}/10 gives {other}");
        }
        assert!(least < loss(&scores, &targets, 1.0), "{sure}: {least}");
    }
}

#[test]
fn probabilities_of_many_labels_are_what_they_say() {
    let (scores, targets) = scores(3_000, 0.8, 51);
    let rows = probabilities(&scores, &targets, temperature(&scores, &targets));
    let mean = rows.iter().map(|row| f64::from(row[first(row)])).sum::<f64>() / rows.len() as f64;
    assert!((mean - 0.8).abs() < 0.03, "right in 80 % of the cases, and says {mean}");
}

#[test]
fn few_labels_draw_the_temperature_to_the_usual_one() {
    let usual = 0.15_f64;
    // Without a mistake the best temperature is one at which no loss is left.
    let at = |n: usize| temperature(&scores(n, 1.1, 52).0, &scores(n, 1.1, 52).1);
    let found = [1, 3, 9, 30, 100, 3_000].map(at);
    assert!(found.windows(2).all(|pair| pair[0] > pair[1]), "{found:?}");
    assert!(found[0] > 0.75 * usual, "{found:?}");
    // Three labels a class: the mean of both in the logarithm.
    assert!((found[2].ln() - (usual.ln() + found[5].ln()) / 2.0).abs() < 0.2, "{found:?}");
    assert!(found[5] < 0.05, "{found:?}");
}

#[test]
fn no_temperature_changes_which_class_is_first() {
    let (scores, targets) = scores(200, 0.7, 53);
    let orders = [0.02, 0.15, 1.0, 2.7].map(|temperature| {
        probabilities(&scores, &targets, temperature).iter().map(|row| first(row)).collect::<Vec<_>>()
    });
    assert!(orders.windows(2).all(|pair| pair[0] == pair[1]));
}
