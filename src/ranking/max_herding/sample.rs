//! Rows of a large pool that herding looks at: those whose coverage counts, and those that compete for the batch.

/// Rows whose coverage is counted at most: a gain is a mean over them.
const COVERED: usize = 10_000;

/// Rows that compete at most at a time: half the most uncertain, half by chance. When all are taken, others follow.
pub(super) const CANDIDATES: usize = 4096;

/// Rows whose coverage counts, and their weights, which sum to one: all rows, or a sample of about [`COVERED`] in which
/// a row's chance is its doubt's share and its weight makes up for it (systematic sampling; Horvitz & Thompson 1952).
/// Where nothing is doubted all rows are alike.
pub(super) fn covered(order: &[usize], uncertainties: Option<&[f32]>) -> (Vec<usize>, Vec<f32>) {
    let sum: f64 =
        uncertainties.map_or(0.0, |uncertainties| uncertainties.iter().copied().map(f64::from).sum());
    let uncertainties = uncertainties.filter(|_| sum > 0.0);
    let share = |row: usize| {
        uncertainties.map_or(1.0 / order.len() as f64, |uncertainties| f64::from(uncertainties[row]) / sum)
    };
    let mut rows = Vec::new();
    let mut weights = Vec::new();
    let mut passed = 0.5;
    for &row in order {
        let chance = if order.len() <= COVERED { 1.0 } else { (share(row) * COVERED as f64).min(1.0) };
        let before = f64::floor(passed);
        passed += chance;
        if passed.floor() > before {
            rows.push(row);
            weights.push((share(row) / chance) as f32);
        }
    }
    (rows, weights)
}

/// All rows, those that compete first last: the most uncertain, then the others by chance.
pub(super) fn competitors(mut order: Vec<usize>, uncertainties: Option<&[f32]>) -> Vec<usize> {
    const HALF: usize = CANDIDATES / 2;
    if let Some(uncertainties) = uncertainties
        && order.len() > CANDIDATES
    {
        let mut most = order.clone();
        most.select_nth_unstable_by(HALF, |a, b| uncertainties[*b].total_cmp(&uncertainties[*a]));
        most.truncate(HALF);
        let mut first = vec![false; order.len()];
        most.iter().for_each(|&row| first[row] = true);
        order.retain(|row| !first[*row]);
        order.splice(0..0, most);
    }
    order.reverse();
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::SplitMix64;

    #[test]
    fn a_sample_weighs_as_much_as_the_pool() {
        let order = SplitMix64::new(1).sample(50_000, 50_000);
        // Every hundredth row is doubted fifty times as much as the others.
        let uncertainties: Vec<f32> =
            (0..50_000).map(|row| if row % 100 == 0 { 1.0 } else { 0.02 }).collect();
        let (rows, weights) = covered(&order, Some(&uncertainties));
        assert!(
            (rows.len() as f64 - COVERED as f64).abs() < 5500.0 && rows.len() <= COVERED + 1,
            "{}",
            rows.len()
        );
        assert!((weights.iter().sum::<f32>() - 1.0).abs() < 0.02);
        let share: f32 =
            rows.iter().zip(&weights).filter(|(row, _)| *row % 100 == 0).map(|(_, weight)| weight).sum();
        let exact = 500.0 / (500.0 + 49_500.0 * 0.02);
        assert!((share - exact).abs() < 0.01, "{share}, in the pool {exact}");
        assert_eq!(rows.iter().filter(|row| *row % 100 == 0).count(), 500, "every doubted row is in it");
        let competing = competitors(order, Some(&uncertainties));
        assert!(competing[49_500..].iter().all(|row| row % 100 == 0), "the most uncertain compete first");
    }
}
