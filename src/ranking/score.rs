//! Acquisition scores as Label Studio serves them: it takes the lowest first, and shows each as a certainty.

/// Certainties are distinguished in whole percents; within one the ranking decides, and with it diversity.
const LEVELS: f64 = 100.0;

/// 0.29 times a hundred is a little less than 29.
const ROUNDING: f64 = 1e-9;

/// From one place of the ranking to the next. A thousand stay below a tenth of a percent.
pub const STEP: f64 = 1e-6;

/// A score for each place of a ranking whose tasks have these certainties, 0 to 1: whole percents of certainty with the
/// place in the digits after, below 1.
///
/// Ascending scores are ascending certainties; those within one percent keep the ranking's order.
pub fn certainty_scores(certainties: &[f64]) -> Vec<f64> {
    let level = |certainty: f64| (certainty * LEVELS + ROUNDING).floor().clamp(0.0, LEVELS - 1.0) / LEVELS;
    let places = certainties.iter().enumerate();
    places.map(|(place, &certainty)| level(certainty) + (place + 1) as f64 * STEP).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_read_as_certainty_and_keep_the_order_within_a_percent() {
        let certainties = [0.419, 0.35, 0.411, 1.0, 0.0, 0.29];
        let scores = certainty_scores(&certainties);
        let told: Vec<String> = scores.iter().map(|score| format!("{score:.6}")).collect();
        assert_eq!(told, ["0.410001", "0.350002", "0.410003", "0.990004", "0.000005", "0.290006"]);
        let mut served: Vec<usize> = (0..certainties.len()).collect();
        served.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        assert_eq!(served, [4, 5, 1, 0, 2, 3]);
        assert!(scores.iter().zip(certainties).all(|(score, certainty)| (score - certainty).abs() < 0.011));
    }
}
