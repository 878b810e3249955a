//! Kernel ridge on the targets, for all labels and for every fold, taught by the unlabelled pool too.

use faer::{Mat, MatRef};

use super::basis::Basis;
use super::cross_validation::{Folds, spread_over_classes};
use super::normal_equations::{Gram, Products, System};
use super::self_training::{ROUNDS, WEIGHT, pseudo_labels};
use super::{FitError, Targets};

/// Landmarks at most, of the labelled rows and of the pool: the basis of a training.
const MAX_LANDMARKS: usize = 512;

/// Landmarks at most that are of the pool; twice as many taught nothing more.
const MAX_OF_POOL: usize = 128;

/// Ridge strengths tried, relative to a kernel whose mean diagonal is about one. Weaker ones won now and then out of
/// fold, where labels are few, and never on images that were not drawn.
const STRENGTHS: [f64; 3] = [1.0, 0.3, 0.1];

/// Labelled and unlabelled rows in the landmarks' basis.
pub(super) struct Ridge<'a> {
    /// `n x m`, the labelled rows; `z zᵀ` is the kernel.
    pub z: Mat<f64>,
    /// `p x m`, the pool's; none switches self-training off.
    pool: Mat<f64>,
    pub basis: Basis,
    targets: &'a Targets,
}

/// A linear map from the basis to scores, one for each target.
pub(super) struct Fit {
    /// `m x targets`
    pub coefficients: Mat<f64>,
    pub intercept: Vec<f64>,
    /// `n x targets`: scores of all labelled rows, also of those it was not fitted on.
    pub scores: Mat<f64>,
}

/// One fit without each fold, then one on all labels.
pub(super) struct Fits(pub Vec<Fit>);

/// Sums of the labelled rows, of each fold's and of the pool's: what fits of every strength are made of.
pub(super) struct FoldSums {
    all: (Gram, Products),
    folds: Vec<(Gram, Products)>,
    pool: Gram,
}

impl<'a> Ridge<'a> {
    /// `rows`, `n x dim`, are labelled by `targets` and `pool`, `p x dim`, by nobody; both scaled and weighed.
    pub(super) fn new(
        rows: &[f32],
        pool: &[f32],
        dim: usize,
        targets: &'a Targets,
    ) -> Result<Self, FitError> {
        let rows = MatRef::from_row_major_slice(rows, targets.len(), dim);
        let pool = MatRef::from_row_major_slice(pool, pool.len() / dim, dim);
        let of_pool = pool.nrows().min(MAX_OF_POOL);
        let labelled = spread_over_classes(targets, MAX_LANDMARKS - of_pool);
        let landmarks = Mat::from_fn(labelled.len() + of_pool, dim, |i, j| match labelled.get(i) {
            Some(&row) => rows[(row, j)],
            None => pool[((i - labelled.len()) * pool.nrows() / of_pool, j)],
        });
        let basis = Basis::new(landmarks)?;
        Ok(Self { z: basis.write(rows), pool: basis.write(pool), basis, targets })
    }

    /// Sums over all rows and over each fold.
    pub(super) fn sums(&self, folds: &Folds) -> FoldSums {
        let y = self.targets.matrix();
        let of = |rows: &[usize]| {
            let z = Mat::from_fn(rows.len(), self.z.ncols(), |i, j| self.z[(rows[i], j)]);
            let y = Mat::from_fn(rows.len(), y.ncols(), |i, j| y[(rows[i], j)]);
            (Gram::of(&z), Products::of(&z, &y))
        };
        let rows = |fold: usize| -> Vec<usize> {
            (0..self.z.nrows()).filter(|row| folds.of_row[*row] == fold).collect()
        };
        FoldSums {
            all: (Gram::of(&self.z), Products::of(&self.z, &y)),
            folds: (0..folds.count).map(|fold| of(&rows(fold))).collect(),
            pool: Gram::of(&self.pool),
        }
    }

    /// Fits without each fold and on all rows, of the strength with the least squared error out of fold. The error
    /// has one valley: the search goes down from the largest until it grows.
    ///
    /// Evidence is no guide here: it knows neither near-duplicates nor landmarks, and always chose the least strength.
    pub(super) fn fit_folds(&self, sums: &FoldSums, folds: &Folds) -> Result<Fits, FitError> {
        let targets = self.targets.matrix();
        let mut best: Option<(f64, Fits)> = None;
        for strength in STRENGTHS {
            let fits = self.fit_all(sums, strength)?;
            let error = (fits.out_of_fold(folds) - &targets).squared_norm_l2();
            if best.as_ref().is_some_and(|(least, _)| error >= *least) {
                break;
            }
            best = Some((error, fits));
        }
        best.map(|(_, fits)| fits).ok_or(FitError::Factorisation)
    }

    /// Fits of one strength without each fold and on all rows.
    pub(super) fn fit_all(&self, sums: &FoldSums, strength: f64) -> Result<Fits, FitError> {
        let (gram, products) = &sums.all;
        let without = sums.folds.iter().map(|(of_fold, held_out)| {
            self.fit(&gram.plus(of_fold, -1.0), &products.plus(held_out, -1.0), &sums.pool, strength)
        });
        let mut fits = without.collect::<Result<Vec<_>, _>>()?;
        fits.push(self.fit(gram, products, &sums.pool, strength)?);
        Ok(Fits(fits))
    }

    /// Ridge on labelled rows, then on their targets and on what it guesses of the pool. The pool's weight is the
    /// same for every row, so that one factorisation serves all rounds.
    fn fit(&self, gram: &Gram, labelled: &Products, pool: &Gram, strength: f64) -> Result<Fit, FitError> {
        let mut map = System::new(gram, strength)?.solve(labelled);
        if self.pool.nrows() > 0 {
            let both = gram.plus(pool, WEIGHT);
            let system = System::new(&both, strength)?;
            for _ in 0..ROUNDS {
                let guesses = pseudo_labels(&map.scores(&self.pool), self.targets);
                map = system.solve(&labelled.plus(&Products::of(&self.pool, &guesses), WEIGHT));
            }
        }
        let scores = map.scores(&self.z);
        Ok(Fit { coefficients: map.coefficients, intercept: map.intercept, scores })
    }
}

impl Fits {
    /// Each row's scores by the fit that did not see its fold, `n x targets`.
    pub(super) fn out_of_fold(&self, folds: &Folds) -> Mat<f64> {
        let n = folds.of_row.len();
        let targets = self.0[0].intercept.len();
        Mat::from_fn(n, targets, |row, target| self.0[folds.of_row[row]].scores[(row, target)])
    }
}
