//! The normal equations of ridge with an intercept, from sums that are taken apart and put together.

use faer::linalg::solvers::{Llt, Solve};
use faer::{Mat, Side};

use super::FitError;

/// Sums over rows `z`, `n x m`, whatever their targets.
#[derive(Clone)]
pub(super) struct Gram {
    n: f64,
    /// `m x m`: `zᵀ z`
    zz: Mat<f64>,
    z: Vec<f64>,
}

/// Sums over rows with targets `y`, `n x classes`.
pub(super) struct Products {
    /// `m x classes`: `zᵀ y`
    zy: Mat<f64>,
    y: Vec<f64>,
}

/// Rows with a ridge strength, ready to be solved for any targets.
pub(super) struct System<'a> {
    gram: &'a Gram,
    factor: Llt<f64>,
}

/// A linear map of rows to class scores.
pub(super) struct Map {
    /// `m x classes`
    pub coefficients: Mat<f64>,
    pub intercept: Vec<f64>,
}

impl Gram {
    pub(super) fn of(z: &Mat<f64>) -> Self {
        Self { n: z.nrows() as f64, zz: z.transpose() * z, z: column_sums(z) }
    }

    /// These rows and `times` those of `other`; -1 takes them away.
    pub(super) fn plus(&self, other: &Self, times: f64) -> Self {
        Self {
            n: self.n + times * other.n,
            zz: &self.zz + faer::Scale(times) * &other.zz,
            z: added(&self.z, &other.z, times),
        }
    }

    /// Number of rows to divide by. None is left where all labels are near-duplicates of each other: then nothing is known.
    fn count(&self) -> f64 {
        self.n.max(1.0)
    }
}

impl Products {
    pub(super) fn of(z: &Mat<f64>, y: &Mat<f64>) -> Self {
        Self { zy: z.transpose() * y, y: column_sums(y) }
    }

    /// As [`Gram::plus`].
    pub(super) fn plus(&self, other: &Self, times: f64) -> Self {
        Self { zy: &self.zy + faer::Scale(times) * &other.zy, y: added(&self.y, &other.y, times) }
    }
}

impl<'a> System<'a> {
    /// `strength` is added to the diagonal of the centred sums; the intercept is not shrunk.
    pub(super) fn new(gram: &'a Gram, strength: f64) -> Result<Self, FitError> {
        let m = gram.z.len();
        let n = gram.count();
        let z = &gram.z;
        let mut centred = Mat::from_fn(m, m, |i, j| gram.zz[(i, j)] - z[i] * z[j] / n);
        (0..m).for_each(|i| centred[(i, i)] += strength);
        let factor = centred.llt(Side::Lower).map_err(|_| FitError::Factorisation)?;
        Ok(Self { gram, factor })
    }

    pub(super) fn solve(&self, products: &Products) -> Map {
        let n = self.gram.count();
        let z = &self.gram.z;
        let m = z.len();
        let classes = products.y.len();
        let right = Mat::from_fn(m, classes, |i, c| products.zy[(i, c)] - z[i] * products.y[c] / n);
        let coefficients = self.factor.solve(&right);
        let reach = |c: usize| (0..m).map(|i| z[i] * coefficients[(i, c)]).sum::<f64>();
        let intercept = (0..classes).map(|c| (products.y[c] - reach(c)) / n).collect();
        Map { coefficients, intercept }
    }
}

impl Map {
    /// Scores of rows, `n x classes`.
    pub(super) fn scores(&self, z: &Mat<f64>) -> Mat<f64> {
        let mut scores = z * &self.coefficients;
        for (class, intercept) in self.intercept.iter().enumerate() {
            (0..scores.nrows()).for_each(|row| scores[(row, class)] += intercept);
        }
        scores
    }
}

fn column_sums(of: &Mat<f64>) -> Vec<f64> {
    (0..of.ncols()).map(|j| (0..of.nrows()).map(|i| of[(i, j)]).sum()).collect()
}

fn added(a: &[f64], b: &[f64], times: f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + times * b).collect()
}
