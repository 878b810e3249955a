//! Trainings that are refused, each with its reason.

use super::*;

fn refused(set: &TrainingSet, pool: Option<&Matrix>) -> FitError {
    fit(set, pool, &groups(), &FitOptions::default(), &mut |_| ControlFlow::Continue(()))
        .expect_err("refused")
}

fn sound() -> TrainingSet {
    World::new(3, [0.5; 5], 60).single(12)
}

#[test]
fn rows_labels_and_hashes_that_do_not_match_are_counted() {
    let mut set = sound();
    set.hashes.pop();
    assert_eq!(refused(&set, None).to_string(), "12 rows of features but 12 labels and 11 hashes");
    let mut set = sound();
    set.targets = Targets::Single { classes: 3, labels: vec![0; 13] };
    assert!(matches!(refused(&set, None), FitError::Rows { rows: 12, labels: 13, hashes: 12 }));
}

#[test]
fn no_labels_at_all_are_refused() {
    let targets = Targets::Single { classes: 3, labels: Vec::new() };
    let set = TrainingSet { features: Matrix { dim: DIM, values: Vec::new() }, targets, hashes: Vec::new() };
    assert!(matches!(refused(&set, None), FitError::Empty));
}

#[test]
fn embeddings_of_another_backbone_are_refused_wherever_they_come_from() {
    let set = sound();
    let mut narrow = set.clone();
    narrow.features = Matrix { dim: 47, values: vec![0.5; 47 * 12] };
    assert!(matches!(
        refused(&narrow, None),
        FitError::Model(ModelError::Length { expected: DIM, found: 47 })
    ));
    for dim in [0, 47, 49, 2 * DIM] {
        let pool = Matrix { dim, values: vec![0.5; dim * 5] };
        let found =
            fit(&set, Some(&pool), &groups(), &FitOptions::default(), &mut |_| ControlFlow::Continue(()));
        // A pool without rows is no pool.
        assert_eq!(found.is_err(), dim > 0, "{dim}");
    }
    let mut ragged = set.clone();
    ragged.features.values.extend([0.5; 7]);
    assert!(matches!(
        refused(&ragged, None),
        FitError::Model(ModelError::Length { expected: 576, found: 583 })
    ));
}

#[test]
fn labels_beyond_the_classes_are_named() {
    let mut set = sound();
    set.targets = Targets::Single { classes: 3, labels: vec![0, 1, 2, 3, 0, 1, 2, 0, 0, 1, 1, 2] };
    assert_eq!(refused(&set, None).to_string(), "label 3 of a head with 3 classes");
    set.targets = Targets::Multiple { classes: 3, labels: vec![vec![true, false]; 12] };
    assert!(matches!(refused(&set, None), FitError::Label { label: 2, classes: 3 }));
}

#[test]
fn numbers_that_are_not_finite_are_refused_with_their_row() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut set = sound();
        let clean = set.features.clone();
        set.features.values[7 * DIM + 3] = bad;
        for pool in [None, Some(&clean)] {
            let error = refused(&set, pool);
            assert!(matches!(error, FitError::Damaged { of: "labelled images", row: 7 }), "{bad}: {error}");
        }
        let mut pool = clean.clone();
        pool.values[2 * DIM] = bad;
        set.features = clean;
        let error = refused(&set, Some(&pool));
        assert!(matches!(error, FitError::Damaged { of: "project's images", row: 2 }), "{bad}: {error}");
    }
}
