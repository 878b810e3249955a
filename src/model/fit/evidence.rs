//! Group weights by the marginal likelihood of the labels.
//!
//! Kernel ridge is the mean of a Gaussian process, so its hyperparameters have a likelihood that needs no held-out
//! labels (Rasmussen & Williams 2006, eq. 5.8): with `K = Σ w_g K_g`, `C` classes and the noise variance profiled
//! out, the labels' energy is `C/2 (ln |K + λI| + n ln σ²)` with `σ² = Σ_c y_cᵀ (K + λI)⁻¹ y_c / (n C)`. Least wins.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

use super::scaling::Scaling;
use super::{FitError, Targets};

/// Relative weights tried for each group; combinations that differ by a factor are one. A finer grid won nothing.
const WEIGHTS: [f64; 3] = [0.0, 1.0, 3.0];

/// Ridge strengths tried, relative to a kernel whose mean diagonal is about one.
const STRENGTHS: [f64; 6] = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0];

/// Labels that take part: more cost the cube and change the choice little.
const MAX_LABELS: usize = 128;

/// The weight of each group, summing to one: the best of every combination of weights and ridge strengths on at most
/// [`MAX_LABELS`] rows. The strength is not kept: out-of-fold errors choose a better one.
///
/// `rows` is `n x dim`, scaled, without group weights.
pub(super) fn weights(rows: &[f32], scaling: &Scaling, targets: &Targets) -> Result<Vec<f64>, FitError> {
    let chosen = super::cross_validation::spread_over_classes(targets, MAX_LABELS);
    let y = centred_targets(targets, &chosen);
    let dim = rows.len() / targets.len().max(1);
    let kernels: Vec<Mat<f64>> = scaling
        .groups
        .iter()
        .map(|(_, columns)| {
            let part =
                Mat::from_fn(chosen.len(), columns.len(), |i, j| rows[chosen[i] * dim + columns.start + j]);
            centred(&(&part * part.transpose()))
        })
        .collect();
    let mut best: Option<(f64, Vec<f64>)> = None;
    for weights in combinations(kernels.len()) {
        for strength in STRENGTHS {
            let energy = energy(&kernels, &weights, strength, &y)?;
            if best.as_ref().is_none_or(|(least, _)| energy < *least) {
                best = Some((energy, weights.clone()));
            }
        }
    }
    best.map(|(_, weights)| weights).ok_or(FitError::Empty)
}

/// Every distinct direction of weights, each summing to one.
fn combinations(groups: usize) -> Vec<Vec<f64>> {
    let mut distinct: Vec<Vec<f64>> = Vec::new();
    for number in 1..WEIGHTS.len().pow(groups as u32) {
        let digit = |group: usize| WEIGHTS[number / WEIGHTS.len().pow(group as u32) % WEIGHTS.len()];
        let raw: Vec<f64> = (0..groups).map(digit).collect();
        let sum: f64 = raw.iter().sum();
        let weights: Vec<f64> = raw.iter().map(|weight| weight / sum).collect();
        let same = |other: &Vec<f64>| other.iter().zip(&weights).all(|(a, b)| (a - b).abs() < 1e-9);
        if !distinct.iter().any(same) {
            distinct.push(weights);
        }
    }
    distinct
}

/// Targets less their means; those that are the same for all rows tell nothing and are left out.
fn centred_targets(targets: &Targets, rows: &[usize]) -> Mat<f64> {
    let n = rows.len();
    let y = targets.matrix();
    let mean = |column: usize| rows.iter().map(|row| y[(*row, column)]).sum::<f64>() / n as f64;
    let telling: Vec<(usize, f64)> = (0..y.ncols())
        .filter(|column| rows.iter().any(|row| y[(*row, *column)] != y[(rows[0], *column)]))
        .map(|column| (column, mean(column)))
        .collect();
    Mat::from_fn(n, telling.len(), |row, column| {
        let (column, mean) = telling[column];
        y[(rows[row], column)] - mean
    })
}

/// `H K H` with `H = I - 11ᵀ/n`.
fn centred(kernel: &Mat<f32>) -> Mat<f64> {
    let n = kernel.nrows();
    let means: Vec<f64> =
        (0..n).map(|i| (0..n).map(|j| f64::from(kernel[(i, j)])).sum::<f64>() / n as f64).collect();
    let all = means.iter().sum::<f64>() / n as f64;
    Mat::from_fn(n, n, |i, j| f64::from(kernel[(i, j)]) - means[i] - means[j] + all)
}

fn energy(kernels: &[Mat<f64>], weights: &[f64], strength: f64, y: &Mat<f64>) -> Result<f64, FitError> {
    let n = y.nrows();
    let classes = y.ncols();
    if classes == 0 {
        return Ok(0.0);
    }
    let mut kernel = Mat::<f64>::zeros(n, n);
    for (part, weight) in kernels.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
        faer::zip!(&mut kernel, part).for_each(|faer::unzip!(sum, part)| *sum += weight * part);
    }
    (0..n).for_each(|i| kernel[(i, i)] += strength);
    let factor = kernel.llt(Side::Lower).map_err(|_| FitError::Factorisation)?;
    let lower = factor.L();
    let log_determinant: f64 = (0..n).map(|i| 2.0 * lower[(i, i)].ln()).sum();
    let solved = factor.solve(y);
    let quadratic: f64 = (0..classes).map(|c| (0..n).map(|i| y[(i, c)] * solved[(i, c)]).sum::<f64>()).sum();
    let variance = (quadratic / (n * classes) as f64).max(f64::MIN_POSITIVE);
    Ok(classes as f64 / 2.0 * (log_determinant + n as f64 * variance.ln()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_groups_have_sixty_five_directions() {
        let all = combinations(4);
        assert_eq!(all.len(), 65);
        assert!(all.iter().all(|weights| (weights.iter().sum::<f64>() - 1.0).abs() < 1e-12));
    }
}
