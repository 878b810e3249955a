//! The parts against what they stand for, solved directly.

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

use super::*;

/// Kernel ridge with an intercept that is not shrunk, solved on `fitted` rows and asked for all: class means and
/// `K (H K H + λI)⁻¹ H Y` about the fitted rows' centre.
fn closed_form(rows: &[f32], dim: usize, y: &Mat<f64>, fitted: &[usize], strength: f64) -> Mat<f64> {
    let n = rows.len() / dim;
    let m = fitted.len();
    let x = Mat::from_fn(n, dim, |i, j| f64::from(rows[i * dim + j]));
    let means = |of: &Mat<f64>| -> Vec<f64> {
        (0..of.ncols()).map(|j| fitted.iter().map(|i| of[(*i, j)]).sum::<f64>() / m as f64).collect()
    };
    let x_mean = means(&x);
    let y_mean = means(y);
    let centred = Mat::from_fn(n, dim, |i, j| x[(i, j)] - x_mean[j]);
    let seen = Mat::from_fn(m, dim, |i, j| centred[(fitted[i], j)]);
    let targets = Mat::from_fn(m, y.ncols(), |i, c| y[(fitted[i], c)] - y_mean[c]);
    let mut kernel = &seen * seen.transpose();
    (0..m).for_each(|i| kernel[(i, i)] += strength);
    let scores = &centred * (seen.transpose() * kernel.llt(Side::Lower).unwrap().solve(&targets));
    Mat::from_fn(n, y.ncols(), |i, c| scores[(i, c)] + y_mean[c])
}

/// The same with a weight for each row, fitted on all, in the columns' space.
fn weighted_closed_form(x: &Mat<f64>, y: &Mat<f64>, weights: &[f64], strength: f64) -> Mat<f64> {
    let n = x.nrows();
    let dim = x.ncols();
    let total = weights.iter().sum::<f64>();
    let means = |of: &Mat<f64>| -> Vec<f64> {
        (0..of.ncols()).map(|j| (0..n).map(|i| weights[i] * of[(i, j)]).sum::<f64>() / total).collect()
    };
    let x_mean = means(x);
    let y_mean = means(y);
    let centred = Mat::from_fn(n, dim, |i, j| x[(i, j)] - x_mean[j]);
    let seen = Mat::from_fn(n, dim, |i, j| weights[i] * centred[(i, j)]);
    let targets = Mat::from_fn(n, y.ncols(), |i, c| y[(i, c)] - y_mean[c]);
    let mut system = seen.transpose() * &centred;
    (0..dim).for_each(|i| system[(i, i)] += strength);
    let scores = &centred * system.llt(Side::Lower).unwrap().solve(&(seen.transpose() * targets));
    Mat::from_fn(n, y.ncols(), |i, c| scores[(i, c)] + y_mean[c])
}

fn largest_difference(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    assert_eq!((a.nrows(), a.ncols()), (b.nrows(), b.ncols()));
    (0..a.nrows())
        .flat_map(|i| (0..a.ncols()).map(move |c| (a[(i, c)] - b[(i, c)]).abs()))
        .fold(0.0, f64::max)
}

fn scaled(set: &TrainingSet) -> Vec<f32> {
    Scaling::of(&set.features, &groups()).unwrap().apply(&set.features)
}

/// The basis adds a millionth to the landmarks' kernel, and kernels are f32: scores lie in 0..1.
const EXACT: f64 = 1e-4;

#[test]
fn ridge_and_every_fold_are_the_closed_form() {
    for (n, strength) in [(12, 1.0), (38, 0.03), (90, 0.003)] {
        let set = World::new(3, [0.4; 5], 40).single(n);
        let rows = scaled(&set);
        let y = set.targets.matrix();
        let folds = Folds::new(&set.targets, &(0..n).collect::<Vec<_>>());
        assert_eq!(folds.count, if n <= 40 { n } else { 10 });
        let ridge = Ridge::new(&rows, &[], DIM, &set.targets).unwrap();
        let fits = ridge.fit_all(&ridge.sums(&folds), strength).unwrap();
        for fold in 0..folds.count {
            let others: Vec<usize> = (0..n).filter(|row| folds.of_row[*row] != fold).collect();
            let apart =
                largest_difference(&fits.0[fold].scores, &closed_form(&rows, DIM, &y, &others, strength));
            assert!(apart < EXACT, "{n} rows, fold {fold}: {apart:.1e}");
        }
        let all: Vec<usize> = (0..n).collect();
        let apart =
            largest_difference(&fits.0[folds.count].scores, &closed_form(&rows, DIM, &y, &all, strength));
        assert!(apart < EXACT, "{n} rows: {apart:.1e}");
    }
}

#[test]
fn the_strength_has_the_least_error_out_of_fold() {
    let set = World::new(3, [0.9; 5], 45).single(60);
    let rows = scaled(&set);
    let y = set.targets.matrix();
    let folds = Folds::new(&set.targets, &(0..60).collect::<Vec<_>>());
    let ridge = Ridge::new(&rows, &[], DIM, &set.targets).unwrap();
    let sums = ridge.sums(&folds);
    let error = |fits: &ridge::Fits| (fits.out_of_fold(&folds) - &y).squared_norm_l2();
    let chosen = error(&ridge.fit_folds(&sums, &folds).unwrap());
    for strength in [1.0, 0.3, 0.1] {
        let other = error(&ridge.fit_all(&sums, strength).unwrap());
        assert!(chosen <= other, "{chosen} is more than {other} with {strength}");
    }
}

#[test]
fn each_row_is_scored_by_the_fit_that_left_it_out() {
    let set = World::new(3, [0.4; 5], 41).single(24);
    let rows = scaled(&set);
    let y = set.targets.matrix();
    let folds = Folds::new(&set.targets, &(0..24).collect::<Vec<_>>());
    let ridge = Ridge::new(&rows, &[], DIM, &set.targets).unwrap();
    let fits = ridge.fit_all(&ridge.sums(&folds), 0.1).unwrap();
    let found = fits.out_of_fold(&folds);
    for row in 0..24 {
        let others: Vec<usize> = (0..24).filter(|other| *other != row).collect();
        let expected = closed_form(&rows, DIM, &y, &others, 0.1);
        assert!((0..3).all(|c| (found[(row, c)] - expected[(row, c)]).abs() < EXACT), "row {row}");
    }
}

#[test]
fn a_map_of_the_basis_is_the_same_map_of_the_features() {
    let set = World::new(3, [0.4; 5], 42).single(30);
    let rows = scaled(&set);
    let folds = Folds::new(&set.targets, &(0..30).collect::<Vec<_>>());
    let ridge = Ridge::new(&rows, &[], DIM, &set.targets).unwrap();
    let fits = ridge.fit_all(&ridge.sums(&folds), 0.1).unwrap();
    let fit = &fits.0[folds.count];
    let x = Mat::from_fn(30, DIM, |i, j| f64::from(rows[i * DIM + j]));
    let mapped = &x * ridge.basis.in_features(&fit.coefficients);
    let found = Mat::from_fn(30, 3, |i, c| mapped[(i, c)] + fit.intercept[c]);
    assert!(largest_difference(&found, &fit.scores) < EXACT);
}

#[test]
fn the_pool_is_fitted_with_its_guesses_as_labels_of_little_weight() {
    let mut world = World::new(3, [0.5; 5], 46);
    let set = world.single(18);
    let pool = world.rows(&[0, 1, 2].repeat(10));
    let scaling = Scaling::of(&set.features, &groups()).unwrap();
    let rows = scaling.apply(&set.features);
    let others = scaling.apply(&pool);
    let folds = Folds::new(&set.targets, &(0..18).collect::<Vec<_>>());
    let ridge = Ridge::new(&rows, &others, DIM, &set.targets).unwrap();
    let found = ridge.fit_all(&ridge.sums(&folds), 0.1).unwrap();

    // Each round: a weight is the root of it on a row that is centred by weighted means.
    let x = Mat::from_fn(48, DIM, |i, j| {
        f64::from(if i < 18 { rows[i * DIM + j] } else { others[(i - 18) * DIM + j] })
    });
    let weights: Vec<f64> = (0..48).map(|i| if i < 18 { 1.0 } else { self_training::WEIGHT }).collect();
    let y = set.targets.matrix();
    let all: Vec<f32> = rows.iter().chain(&others).copied().collect();
    let mut scores = closed_form(
        &all,
        DIM,
        &Mat::from_fn(48, 3, |i, c| if i < 18 { y[(i, c)] } else { 0.0 }),
        &(0..18).collect::<Vec<_>>(),
        0.1,
    );
    for _ in 0..self_training::ROUNDS {
        let of_pool = Mat::from_fn(30, 3, |i, c| scores[(18 + i, c)]);
        let guesses = self_training::pseudo_labels(&of_pool, &set.targets);
        let targets = Mat::from_fn(48, 3, |i, c| if i < 18 { y[(i, c)] } else { guesses[(i - 18, c)] });
        scores = weighted_closed_form(&x, &targets, &weights, 0.1);
    }
    let labelled = Mat::from_fn(18, 3, |i, c| scores[(i, c)]);
    let apart = largest_difference(&found.0[folds.count].scores, &labelled);
    assert!(apart < EXACT, "{apart:.1e}");
}

#[test]
fn more_labels_than_landmarks_come_close_to_the_closed_form() {
    // A spectrum that falls as embeddings' does, over more columns than there are landmarks.
    const WIDE: usize = 640;
    let mut random = Random::new(43);
    let n = 700;
    let labels: Vec<usize> = (0..n).map(|row| row % 3).collect();
    let rows: Vec<f32> = (0..n * WIDE)
        .map(|at| {
            let row = at / WIDE;
            let column = at % WIDE;
            let signal = if column % 3 == labels[row] && column < 12 { 1.5 } else { 0.0 };
            (signal + random.normal()) * 0.5 / (1.0 + column as f32 / 8.0)
        })
        .collect();
    let targets = Targets::Single { classes: 3, labels };
    let y = targets.matrix();
    let folds = Folds { count: 0, of_row: vec![0; n] };
    let ridge = Ridge::new(&rows, &[], WIDE, &targets).unwrap();
    let found = ridge.fit_all(&ridge.sums(&folds), 0.1).unwrap();
    assert_eq!(found.0[0].coefficients.nrows(), 512);
    let expected = closed_form(&rows, WIDE, &y, &(0..n).collect::<Vec<_>>(), 0.1);
    let apart = largest_difference(&found.0[0].scores, &expected);
    assert!(apart < 0.1, "scores of 0..1 differ by {apart}");
}

#[test]
fn a_served_head_says_what_was_trained() {
    let labels = (0..40).map(|row| row % 3).collect();
    let flags = (0..40).map(|row| (0..3).map(|class| row % 4 == class || row % 2 == 0).collect());
    let single = Targets::Single { classes: 3, labels };
    let multiple = Targets::Multiple { classes: 3, labels: flags.collect() };
    let ordered = Targets::Ordered { classes: 3, labels: (0..40).map(|row| row % 3).collect() };
    for (targets, epochs) in [(single.clone(), 0), (single, 15), (multiple, 15), (ordered, 15)] {
        let mut set = World::new(3, [0.2; 5], 44).single(40);
        set.targets = targets;
        let mut scaling = Scaling::of(&set.features, &groups()).unwrap();
        let mut rows = scaling.apply(&set.features);
        let folds = Folds::new(&set.targets, &near_copies(&scaling.standardised(&rows), DIM, &set.hashes));
        let weights = evidence::weights(&rows, &scaling, &set.targets).unwrap();
        scaling.weigh(&weights, &mut rows);
        let ridge = Ridge::new(&rows, &[], DIM, &set.targets).unwrap();
        let fits = ridge.fit_folds(&ridge.sums(&folds), &folds).unwrap();
        let link = Link::learn(&fits.out_of_fold(&folds), &set.targets).unwrap();
        let start =
            refine::Start { ridge: &ridge, fits: &fits, folds: &folds, targets: &set.targets, link: &link };
        let refined = refine::refine(&start, epochs, &mut |_| ControlFlow::Continue(())).unwrap();
        let logits = &ridge.z * &refined.coefficients;
        let options = FitOptions { epochs, ..FitOptions::default() };
        let fitted =
            fit_as_told(&set, None, &groups(), &options, &mut |_| ControlFlow::Continue(())).unwrap();
        let served = Head::from_bytes(&fitted.head.to_bytes().unwrap()).unwrap();
        assert_eq!(served, fitted.head);
        for (index, raw) in set.features.rows().enumerate() {
            let mut expected: Vec<f32> =
                (0..3).map(|class| (logits[(index, class)] + refined.bias[class]) as f32).collect();
            set.targets.activation().apply(&mut expected);
            let found = served.probabilities(raw).unwrap();
            // The served weights are f16: a logit of some ten is off by some 1e-3.
            assert!(expected.iter().zip(&found).all(|(a, b)| (a - b).abs() < 5e-3), "{expected:?} {found:?}");
        }
    }
}
