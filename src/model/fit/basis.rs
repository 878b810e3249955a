//! Rows in a basis of landmarks: the Nyström method.

use faer::{Mat, MatRef, Side};

use super::FitError;

/// Added to the landmarks' kernel, relative to its mean diagonal, where rows are copies of each other: the first with
/// which it can be factorised. Rounding of the kernel's f32 takes some 1e-6; the weakest ridge is 0.1.
const JITTERS: [f64; 4] = [1e-6, 1e-5, 1e-4, 1e-3];

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
        let diagonal = (0..m).map(|i| f64::from(kernel[(i, i)])).sum::<f64>();
        // Identical images only: then every row is at the origin and the kernel is zero.
        let mean = (diagonal / m as f64).max(f64::from(f32::EPSILON));
        let factor = JITTERS.iter().find_map(|jitter| {
            let jittered = |i, j| f64::from(kernel[(i, j)]) + if i == j { jitter * mean } else { 0.0 };
            Mat::from_fn(m, m, jittered).llt(Side::Lower).ok()
        });
        let factor = factor.ok_or(FitError::Factorisation)?.L().to_owned();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_copies_among_landmarks_are_no_obstacle() {
        const DIM: usize = 2_000;
        // Twelve images, each fifteen times with f16's rounding.
        let number = |i: usize, j: usize| (i * 7_919 + j * 104_729) as f32 % 997.0 / 997.0 - 0.5;
        let rows = Mat::from_fn(180, DIM, |i, j| number(i % 12, j) + 1e-4 * number(i + 31, j + 17));
        let basis = Basis::new(rows.clone()).unwrap_or_else(|error| panic!("{error}"));
        let z = basis.write(rows.as_ref());
        for (i, j) in [(0, 0), (0, 12), (3, 40), (100, 179)] {
            let kernel: f32 = (0..DIM).map(|k| rows[(i, k)] * rows[(j, k)]).sum();
            let found: f64 = (0..z.ncols()).map(|k| z[(i, k)] * z[(j, k)]).sum();
            assert!((f64::from(kernel) - found).abs() < 0.01 * 170.0, "{kernel} {found}");
        }
    }
}
