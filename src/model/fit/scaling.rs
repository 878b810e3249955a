//! Scaling embeddings by the pool, and weighing groups of columns.
//!
//! Columns are centred and each group is scaled as a whole: within a group the columns keep their spreads, so that
//! what varies little stays small. Giving every column the same spread cost three points of accuracy at 30 labels
//! (`benches/accuracy`, training images that were not drawn) and won nothing at 60.

use std::ops::Range;

use faer::Mat;

use super::FitError;
use crate::matrix::Matrix;
use crate::model::{Group, ModelError};

/// A column whose spread is below this share of its group's is taken as constant: scaling it up would only
/// amplify rounding.
const LEAST_SPREAD: f32 = 1e-3;

/// Affine map of columns: `(x - mean) * scale`.
pub(super) struct Scaling {
    mean: Vec<f32>,
    scale: Vec<f32>,
    /// Factor that brings each scaled column to the spread of its group's mean.
    standard: Vec<f32>,
    /// Columns of each weighed group; neighbouring blocks of a network share one.
    pub groups: Vec<(String, Range<usize>)>,
}

impl Scaling {
    /// Mean and spread of each column over a pool; afterwards the columns of each group together have unit mean
    /// square, so that no depth drowns the others.
    pub(super) fn of(pool: &Matrix, groups: &[Group]) -> Result<Self, FitError> {
        let groups = merge(groups);
        let (mean, spread) = moments(pool);
        if mean.iter().chain(&spread).any(|value| !value.is_finite()) {
            return Err(ModelError::NotFinite.into());
        }
        let mut scale = vec![0.0; mean.len()];
        let mut standard = vec![0.0; mean.len()];
        for (_, columns) in &groups {
            let of_group = &spread[columns.clone()];
            let typical = (of_group.iter().map(|s| s * s).sum::<f32>() / of_group.len() as f32).sqrt();
            for column in columns.clone().filter(|column| spread[*column] > LEAST_SPREAD * typical) {
                scale[column] = 1.0 / (typical * (columns.len() as f32).sqrt());
                standard[column] = typical / spread[column];
            }
        }
        Ok(Self { mean, scale, standard, groups })
    }

    /// Rows as the head sees them, row-major `n x dim`.
    pub(super) fn apply(&self, features: &Matrix) -> Vec<f32> {
        let mut values = features.values.clone();
        for row in values.chunks_exact_mut(features.dim) {
            for ((value, mean), scale) in row.iter_mut().zip(&self.mean).zip(&self.scale) {
                *value = (*value - mean) * scale;
            }
        }
        values
    }

    /// Scaled rows with all columns of a group at one spread: near-duplicates are found by them.
    pub(super) fn standardised(&self, rows: &[f32]) -> Vec<f32> {
        let factors = self.standard.iter().cycle();
        rows.iter().zip(factors).map(|(value, factor)| value * factor).collect()
    }

    /// Multiplies each group's columns by the root of its weight, in the map and in rows it was applied to.
    pub(super) fn weigh(&mut self, weights: &[f64], rows: &mut [f32]) {
        let dim = self.mean.len();
        let mut factors = vec![1.0_f32; dim];
        for ((_, columns), weight) in self.groups.iter().zip(weights) {
            factors[columns.clone()].fill(weight.sqrt() as f32);
        }
        for row in rows.chunks_exact_mut(dim) {
            row.iter_mut().zip(&factors).for_each(|(value, factor)| *value *= factor);
        }
        self.scale.iter_mut().zip(&factors).for_each(|(scale, factor)| *scale *= factor);
    }

    /// A linear map on scaled rows, `dim x classes` with its biases, as weights `[classes, dim]` and biases on raw
    /// embeddings.
    pub(super) fn unfold(&self, coefficients: &Mat<f64>, bias: &[f64]) -> (Vec<f32>, Vec<f32>) {
        let dim = self.mean.len();
        let classes = bias.len();
        let mut weight = Vec::with_capacity(classes * dim);
        let mut shifted = Vec::with_capacity(classes);
        for (class, &bias) in bias.iter().enumerate() {
            let mut shift = bias;
            for column in 0..dim {
                let raw = coefficients[(column, class)] * f64::from(self.scale[column]);
                shift -= raw * f64::from(self.mean[column]);
                weight.push(raw as f32);
            }
            shifted.push(shift as f32);
        }
        (weight, shifted)
    }

    /// Group names with their weights.
    pub(super) fn named(&self, weights: &[f64]) -> Vec<(String, f32)> {
        self.groups.iter().zip(weights).map(|((name, _), weight)| (name.clone(), *weight as f32)).collect()
    }
}

/// Pairs of neighbouring blocks share a weight: more weights than a few labels can tell apart would overfit.
fn merge(groups: &[Group]) -> Vec<(String, Range<usize>)> {
    let mut merged: Vec<(String, Range<usize>, bool)> = Vec::new();
    let mut start = 0;
    for group in groups {
        let columns = start..start + group.width;
        start = columns.end;
        let block = group.name.starts_with("block");
        match merged.last_mut() {
            Some((name, range, open)) if *open && block => {
                *name = format!("{name}+{}", group.name.trim_start_matches("block"));
                range.end = columns.end;
                *open = false;
            }
            _ => merged.push((group.name.clone(), columns, block)),
        }
    }
    merged.into_iter().map(|(name, columns, _)| (name, columns)).collect()
}

/// Mean and population standard deviation of each column.
fn moments(pool: &Matrix) -> (Vec<f32>, Vec<f32>) {
    let mut sum = vec![0.0_f64; pool.dim];
    let mut squares = vec![0.0_f64; pool.dim];
    for row in pool.rows() {
        for (index, &value) in row.iter().enumerate() {
            sum[index] += f64::from(value);
            squares[index] += f64::from(value) * f64::from(value);
        }
    }
    let n = pool.len().max(1) as f64;
    let mean: Vec<f32> = sum.iter().map(|sum| (sum / n) as f32).collect();
    let spread = sum.iter().zip(&squares).map(|(sum, squares)| {
        let mean = sum / n;
        (squares / n - mean * mean).max(0.0).sqrt() as f32
    });
    (mean, spread.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_blocks_share_a_weight() {
        let group = |name: &str, width| Group { name: name.to_owned(), width };
        let groups = [group("last", 4), group("block2", 2), group("block4", 3), group("block7", 1)];
        let names: Vec<_> = merge(&groups).into_iter().map(|(name, columns)| (name, columns.len())).collect();
        assert_eq!(names, [("last".to_owned(), 4), ("block2+4".to_owned(), 5), ("block7".to_owned(), 1)]);
    }

    #[test]
    fn scaled_rows_and_unfolded_weights_agree() {
        let features = Matrix { dim: 3, values: vec![1.0, 5.0, 7.0, 3.0, 5.0, -1.0, 2.0, 5.0, 4.0] };
        let groups = [Group { name: "a".to_owned(), width: 2 }, Group { name: "b".to_owned(), width: 1 }];
        let mut scaling = Scaling::of(&features, &groups).unwrap_or_else(|error| panic!("{error}"));
        let mut rows = scaling.apply(&features);
        assert!(rows.chunks(3).all(|row| row[1] == 0.0), "a constant column says nothing: {rows:?}");
        scaling.weigh(&[0.25, 0.75], &mut rows);
        let coefficients = Mat::from_fn(3, 2, |row, class| (row + 2 * class) as f64 - 1.5);
        let (weight, bias) = scaling.unfold(&coefficients, &[0.5, -0.5]);
        for (raw, scaled) in features.rows().zip(rows.chunks(3)) {
            for class in 0..2 {
                let direct: f64 = (0..3).map(|c| f64::from(scaled[c]) * coefficients[(c, class)]).sum();
                let folded: f32 = (0..3).map(|c| raw[c] * weight[class * 3 + c]).sum::<f32>() + bias[class];
                assert!((direct + [0.5, -0.5][class] - f64::from(folded)).abs() < 1e-5);
            }
        }
    }
}
