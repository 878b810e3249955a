//! TCM (Doucet et al. 2024): TypiClust for the first two batches, then margin.

use super::Strategy;

/// Batches chosen by TypiClust.
const ROUNDS: usize = 2;

/// The strategy whose turn it is with so many labels and batches of `count`; TypiClust while there is no model.
pub(super) fn turn(has_model: bool, labelled: usize, count: usize) -> Strategy {
    if has_model && labelled >= count.saturating_mul(ROUNDS) { Strategy::Margin } else { Strategy::TypiClust }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn margin_follows_two_batches_as_soon_as_there_is_a_model() {
        assert_eq!(turn(true, 59, 30), Strategy::TypiClust);
        assert_eq!(turn(true, 60, 30), Strategy::Margin);
        assert_eq!(turn(false, 60, 30), Strategy::TypiClust);
        assert_eq!(turn(true, 60, usize::MAX), Strategy::TypiClust, "no number wraps around");
    }
}
