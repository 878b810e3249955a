//! Principal component analysis: the two axes of largest variance.

use faer::linalg::solvers::SelfAdjointEigen;
use faer::{Mat, Side};

use crate::matrix::Matrix;

/// Each row's place along the two axes of largest variance, the larger first, about their mean; 0 along an axis there is
/// not. An axis points to where its largest share is positive, so that the same rows give the same signs.
///
/// Cost: n x dim x dim.
pub fn principal(rows: Matrix<&[f32]>) -> Vec<[f32; 2]> {
    let dim = rows.dim;
    let count = rows.len().max(1) as f64;
    let mut mean = vec![0.0_f64; dim];
    for row in rows.rows() {
        mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value) / count);
    }
    let axes = axes(rows, &mean);
    let along = |row: &[f32], axis: &[f64]| {
        let shares = row.iter().zip(&mean).zip(axis);
        shares.map(|((value, mean), share)| (f64::from(*value) - mean) * share).sum::<f64>() as f32
    };
    rows.rows().map(|row| [along(row, &axes[0]), along(row, &axes[1])]).collect()
}

/// Unit vectors; zero where there is no such axis.
fn axes(rows: Matrix<&[f32]>, mean: &[f64]) -> [Vec<f64>; 2] {
    let dim = mean.len();
    let none = || vec![0.0; dim];
    if dim == 0 {
        // faer counts below zero there.
        return [none(), none()];
    }
    // The lower triangle, row-major.
    let mut sums = vec![0.0_f64; dim * dim];
    let mut centred = vec![0.0; dim];
    for row in rows.rows() {
        centred.iter_mut().zip(row).zip(mean).for_each(|((to, value), mean)| *to = f64::from(*value) - mean);
        for (line, value) in centred.iter().enumerate() {
            let sums = sums[line * dim..].iter_mut().take(line + 1);
            sums.zip(&centred).for_each(|(sum, other)| *sum += value * other);
        }
    }
    let covariance = Mat::from_fn(dim, dim, |line, column| sums[line.max(column) * dim + line.min(column)]);
    let Ok(eigen) = SelfAdjointEigen::new(covariance.as_ref(), Side::Lower) else { return [none(), none()] };
    let vectors = eigen.U();
    // Eigenvalues ascend: the axes that matter are last.
    [1, 2].map(|place| {
        let Some(column) = dim.checked_sub(place) else { return none() };
        let axis: Vec<f64> = (0..dim).map(|line| vectors[(line, column)]).collect();
        let largest = axis
            .iter()
            .copied()
            .fold(0.0, |most: f64, share| if share.abs() > most.abs() { share } else { most });
        if largest < 0.0 { axis.iter().map(|share| -share).collect() } else { axis }
    })
}
