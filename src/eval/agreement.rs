//! Cohen's kappa (1960): agreement of two models beyond chance.

use super::largest;

/// Agreement of two models on the same images beyond chance (Cohen 1960): 1 where all decisions are the same.
pub fn kappa(a: &[Vec<f32>], b: &[Vec<f32>], classes: usize) -> f64 {
    let n = a.len().min(b.len());
    let mut same = 0;
    let mut of_a = vec![0.0; classes];
    let mut of_b = vec![0.0; classes];
    for (a, b) in a.iter().zip(b) {
        let a = largest(a);
        let b = largest(b);
        same += usize::from(a == b);
        of_a[a] += 1.0;
        of_b[b] += 1.0;
    }
    let observed = same as f64 / n.max(1) as f64;
    let chance = of_a.iter().zip(&of_b).map(|(a, b)| a * b).sum::<f64>() / (n * n).max(1) as f64;
    if chance >= 1.0 { 1.0 } else { (observed - chance) / (1.0 - chance) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(p: f32) -> Vec<f32> {
        vec![p, 1.0 - p]
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
}
