//! Rows in a basis of landmarks: the Nyström method.

use faer::{Mat, MatRef, Side};

use super::FitError;

/// Added to the landmarks' kernel, relative to its mean diagonal, where rows are copies of each other.
const JITTER: f64 = 1e-6;

/// A basis in which the linear kernel of rows is `z zᵀ` (Williams & Seeger 2001): exact for rows in the landmarks'
/// span, and the work on `n` rows is linear in `n`.
pub(super) struct Basis {
    /// `m x dim`
    landmarks: Mat<f32>,
    /// `m x m`, lower: the factor of the landmarks' kernel.
    factor: Mat<f64>,
}

impl Basis {
    /// `landmarks` is `m x dim`, scaled and weighed.
    pub(super) fn new(landmarks: Mat<f32>) -> Result<Self, FitError> {
        let m = landmarks.nrows();
        let kernel = &landmarks * landmarks.transpose();
        let mut kernel = Mat::from_fn(m, m, |i, j| f64::from(kernel[(i, j)]));
        let mean = (0..m).map(|i| kernel[(i, i)]).sum::<f64>() / m as f64;
        // Identical pictures only: then every row is at the origin and the kernel is zero.
        let jitter = JITTER * mean.max(f64::from(f32::EPSILON));
        (0..m).for_each(|i| kernel[(i, i)] += jitter);
        let factor = kernel.llt(Side::Lower).map_err(|_| FitError::Factorisation)?.L().to_owned();
        Ok(Self { landmarks, factor })
    }

    /// `rows`, `n x dim`, as `n x m`.
    pub(super) fn write(&self, rows: MatRef<'_, f32>) -> Mat<f64> {
        let kernel = &self.landmarks * rows.transpose();
        // z = K L⁻ᵀ, so zᵀ = L⁻¹ Kᵀ.
        let mut transposed = Mat::from_fn(kernel.nrows(), kernel.ncols(), |i, j| f64::from(kernel[(i, j)]));
        self.factor.solve_lower_triangular_in_place(transposed.as_mut());
        transposed.transpose().to_owned()
    }

    /// A map on the basis, `m x classes`, as a map on weighed features, `dim x classes`.
    pub(super) fn in_features(&self, coefficients: &Mat<f64>) -> Mat<f64> {
        let mut of_landmarks = coefficients.clone();
        // f = z w = K L⁻ᵀ w: the landmarks' dual coefficients are L⁻ᵀ w.
        self.factor.transpose().solve_upper_triangular_in_place(of_landmarks.as_mut());
        let transposed = self.landmarks.transpose();
        Mat::from_fn(transposed.nrows(), transposed.ncols(), |i, j| f64::from(transposed[(i, j)]))
            * of_landmarks
    }
}
