//! The space in which images are compared: fewer, comparable numbers than an embedding has.

use faer::linalg::matmul::matmul;
use faer::linalg::solvers::SelfAdjointEigen;
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use rayon::prelude::*;

use crate::matrix::Matrix;
use crate::matrix::SplitMix64;
use crate::matrix::dot;
use crate::model::Group;

/// Numbers a point has at most. On the weather photographs 32, 64 and 128 choose equally good labels, and 64 tells
/// near-duplicates from strangers best (docs/adr/0006-ranking.md).
pub const DIM: usize = 64;

/// Rows the space is learnt from at most, taken evenly from the sample: 64 axes are known well from 4,096.
const MAX_ROWS: usize = 4096;

/// A column whose spread is below this share of its group's is taken as constant, as in the training of heads.
const LEAST_SPREAD: f64 = 1e-3;

/// Axes with less than this share of the first axis' variance are rounding.
const LEAST_VARIANCE: f32 = 1e-6;

/// Axes sought beyond those kept, and passes over the rows (Halko, Martinsson & Tropp 2011, algorithm 4.4).
const EXTRA_AXES: usize = 16;
const PASSES: usize = 6;

/// Rows projected at once, 2 MB of 2,176 numbers each.
const BLOCK: usize = 256;

/// Columns standardised by a sample, all groups of equal weight, then the sample's [`DIM`] principal axes; points are
/// scaled to length one.
#[derive(Clone, Debug)]
pub struct Space {
    /// Of the embedding's columns.
    mean: Vec<f32>,
    /// `columns x dim`, row-major, each column's scale multiplied in.
    axes: Vec<f32>,
    dim: usize,
}

impl Space {
    /// Learns from a sample of embeddings without labels; rows that are not finite are passed over. Columns beyond the
    /// groups' widths count for nothing.
    ///
    /// Cost: 14 passes over at most 4,096 rows times 80 axes.
    pub fn fit(sample: &Matrix, groups: &[Group]) -> Self {
        let columns = sample.dim;
        let finite: Vec<&[f32]> =
            sample.rows().filter(|row| row.iter().all(|value| value.is_finite())).collect();
        let step = finite.len().div_ceil(MAX_ROWS).max(1);
        let rows: Vec<&[f32]> = finite.into_iter().step_by(step).collect();
        let (mean, scale) = standard(&rows, columns, groups);
        let mut scaled = Vec::with_capacity(rows.len() * columns);
        for row in &rows {
            scaled.extend(
                row.iter().zip(&mean).zip(&scale).map(|((value, mean), scale)| (value - mean) * scale),
            );
        }
        let principal = principal_axes(&scaled, columns);
        let dim = principal.ncols();
        let mut axes = Vec::with_capacity(columns * dim);
        for (column, scale) in scale.iter().enumerate() {
            axes.extend((0..dim).map(|axis| principal[(column, axis)] * scale));
        }
        Self { mean, axes, dim }
    }

    /// Numbers of a point, 1 to [`DIM`].
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Embeddings as points, one for each row and in their order. A row that is not finite, or has no share in any
    /// axis, becomes zero. Spread over the current rayon pool. Cost: rows x columns x dim.
    pub fn project(&self, features: &Matrix) -> Matrix {
        let columns = self.mean.len();
        let mut values = vec![0.0; features.len() * self.dim];
        if features.dim == columns && columns > 0 {
            values
                .par_chunks_mut(BLOCK * self.dim)
                .zip(features.values.par_chunks(BLOCK * columns))
                .for_each(|(points, rows)| {
                    let mut centred = rows.to_vec();
                    for row in centred.chunks_exact_mut(columns) {
                        row.iter_mut().zip(&self.mean).for_each(|(value, mean)| *value -= mean);
                    }
                    let count = centred.len() / columns;
                    let rows = MatRef::from_row_major_slice(&centred, count, columns);
                    let axes = MatRef::from_row_major_slice(&self.axes, columns, self.dim);
                    let out = MatMut::from_row_major_slice_mut(points, count, self.dim);
                    matmul(out, Accum::Replace, rows, axes, 1.0, Par::Seq);
                    points.chunks_exact_mut(self.dim).for_each(to_unit);
                });
        }
        Matrix { dim: self.dim, values }
    }
}

/// Scales to length one; what has no length, or none that is a number, becomes zero.
fn to_unit(row: &mut [f32]) {
    let length = dot(row, row).sqrt();
    if length.is_finite() && length > f32::EPSILON {
        row.iter_mut().for_each(|value| *value /= length);
    } else {
        row.fill(0.0);
    }
}

/// Mean of each column, and what brings its group to unit mean square with equal shares of its columns.
fn standard(rows: &[&[f32]], columns: usize, groups: &[Group]) -> (Vec<f32>, Vec<f32>) {
    let n = rows.len().max(1) as f64;
    let mut mean = vec![0.0_f64; columns];
    for row in rows {
        mean.iter_mut().zip(*row).for_each(|(sum, &value)| *sum += f64::from(value));
    }
    mean.iter_mut().for_each(|sum| *sum /= n);
    let mut variance = vec![0.0_f64; columns];
    for row in rows {
        for ((sum, &value), mean) in variance.iter_mut().zip(*row).zip(&mean) {
            *sum += (f64::from(value) - mean).powi(2);
        }
    }
    variance.iter_mut().for_each(|sum| *sum /= n);
    let mut scale = vec![0.0_f32; columns];
    let mut start = 0;
    for group in groups {
        let end = columns.min(start + group.width);
        let typical = variance[start..end].iter().sum::<f64>() / (end - start).max(1) as f64;
        for column in start..end {
            if variance[column] > LEAST_SPREAD.powi(2) * typical {
                scale[column] = (1.0 / (variance[column] * (end - start) as f64).sqrt()) as f32;
            }
        }
        start = end;
    }
    (mean.into_iter().map(|mean| mean as f32).collect(), scale)
}

/// The axes of largest variance of centred rows, `columns x dim`, by subspace iteration; at least one axis, which is
/// zero where rows have no variance.
fn principal_axes(rows: &[f32], columns: usize) -> Mat<f32> {
    let count = rows.len().checked_div(columns).unwrap_or(0);
    let tried = (DIM + EXTRA_AXES).min(count).min(columns);
    if tried == 0 {
        return Mat::zeros(columns, 1);
    }
    let rows = MatRef::from_row_major_slice(rows, count, columns);
    let mut random = SplitMix64::new(0);
    let mut basis = Mat::from_fn(columns, tried, |_, _| (random.unit() - 0.5) as f32);
    for _ in 0..PASSES {
        basis = (rows.transpose() * (rows * &basis)).qr().compute_thin_Q();
    }
    let seen = rows * &basis;
    let Ok(eigen) = SelfAdjointEigen::new((seen.transpose() * &seen).as_ref(), Side::Lower) else {
        return Mat::zeros(columns, 1);
    };
    // Eigenvalues ascend; what matters is last.
    let variances = eigen.S().column_vector();
    let largest = variances[tried - 1];
    let kept =
        (0..tried).rev().take(DIM).take_while(|&axis| variances[axis] > LEAST_VARIANCE * largest).count();
    if kept == 0 {
        return Mat::zeros(columns, 1);
    }
    let vectors = eigen.U();
    let best = Mat::from_fn(tried, kept, |row, axis| vectors[(row, tried - 1 - axis)]);
    basis * best
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn group(width: usize) -> Group {
        Group { name: String::new(), width }
    }

    /// A row's columns with zero mean and unit spread over the sample, each divided by the root of its group's width.
    fn standardised(sample: &[Vec<f64>], widths: &[usize]) -> Vec<Vec<f64>> {
        let n = sample.len() as f64;
        let root_width: Vec<f64> =
            widths.iter().flat_map(|&width| vec![(width as f64).sqrt(); width]).collect();
        let column = |c: usize| sample.iter().map(move |row| row[c]);
        let mean: Vec<f64> = (0..root_width.len()).map(|c| column(c).sum::<f64>() / n).collect();
        let spread = |c: usize| (column(c).map(|x| (x - mean[c]).powi(2)).sum::<f64>() / n).sqrt();
        let spreads: Vec<f64> = (0..root_width.len()).map(spread).collect();
        let scaled = |row: &Vec<f64>| {
            (0..row.len()).map(|c| (row[c] - mean[c]) / spreads[c] / root_width[c]).collect()
        };
        sample.iter().map(scaled).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        /// With as many axes as rows can span, nothing is lost: cosines are those of the standardised rows.
        #[test]
        fn cosines_are_those_of_standardised_rows(sample in vec(vec(-1.0..1.0_f64, 20), 3..=12)) {
            let features = Matrix { dim: 20, values: sample.iter().flatten().map(|&x| x as f32).collect() };
            let space = Space::fit(&features, &[group(4), group(16)]);
            prop_assert!(space.dim() < sample.len());
            let points = space.project(&features);
            let rows = standardised(&sample, &[4, 16]);
            let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            for a in 0..rows.len() {
                for b in 0..rows.len() {
                    let x = &rows[a];
                    let y = &rows[b];
                    let cosine = product(x, y) / (product(x, x) * product(y, y)).sqrt();
                    prop_assert!((f64::from(dot(points.row(a), points.row(b))) - cosine).abs() < 1e-3);
                }
            }
        }
    }

    #[test]
    fn the_strongest_axes_are_kept() {
        // A hundred columns share three causes, under noise of a twentieth.
        let mut random = SplitMix64::new(5);
        let mut number = || random.unit() as f32 - 0.5;
        let causes: Vec<f32> = (0..300).map(|_| number()).collect();
        let values: Vec<f32> = (0..400)
            .flat_map(|_| {
                let part = [number(), number(), number()];
                let of =
                    |c: usize| part.iter().zip(&causes[c * 3..c * 3 + 3]).map(|(a, b)| a * b).sum::<f32>();
                (0..100).map(|c| of(c) + 0.02 * number()).collect::<Vec<_>>()
            })
            .collect();
        let features = Matrix { dim: 100, values };
        let whole = Space::fit(&features, &[group(100)]).project(&features);
        assert_eq!(whole.dim, DIM);
        let strongest = |row: usize| whole.row(row)[..3].iter().map(|value| value * value).sum::<f32>();
        let share = (0..features.len()).map(strongest).sum::<f32>() / features.len() as f32;
        assert!(share > 0.95, "three causes explain {share} of a row");
    }

    #[test]
    fn rows_that_say_nothing_are_zero() {
        let features =
            Matrix { dim: 2, values: vec![1.0, 7.0, 3.0, 7.0, 2.0, 7.0, f32::NAN, 7.0, f32::INFINITY, 0.0] };
        let points = Space::fit(&features, &[group(2)]).project(&features);
        assert_eq!(points.dim, 1);
        assert_eq!(points.values[0], -points.values[1]);
        assert_eq!(points.values[0].abs(), 1.0);
        assert_eq!(points.values[2..], [0.0; 3], "the mean, and what is not finite");
        for sample in [Matrix::default(), Matrix { dim: 2, values: vec![4.0; 6] }] {
            let space = Space::fit(&sample, &[group(2)]);
            assert_eq!(space.project(&sample).values, vec![0.0; sample.len()]);
            assert_eq!(space.project(&features).values.len(), features.len());
        }
    }
}
