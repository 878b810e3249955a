//! Results of a whole training.

use super::*;

#[test]
fn classes_apart_are_learnt_and_new_images_told_apart() {
    let mut world = World::new(3, [0.8; 5], 1);
    let fitted = train(&world.single(45), 60);
    assert_eq!(fitted.evaluation.n, 45);
    assert!(fitted.evaluation.accuracy > 0.95, "{:?}", fitted.evaluation);
    assert!(fitted.evaluation.log_loss < 0.4, "{:?}", fitted.evaluation);
    assert_eq!(fitted.head.classes(), 3);
    assert!((fitted.group_weights.iter().map(|(_, weight)| weight).sum::<f32>() - 1.0).abs() < 1e-6);
    for index in 0..90 {
        let row = fitted.head.probabilities(&world.row(index % 3)).unwrap();
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{row:?}");
        assert_eq!(first(&row), index % 3, "image {index}: {row:?}");
    }
}

#[test]
fn classes_that_apply_together_are_learnt_each_for_itself() {
    let mut world = World::new(3, [1.0; 5], 2);
    let mut flags_and_row = |number: usize| {
        let flags: Vec<bool> = (0..3).map(|class| number >> class & 1 == 1).collect();
        let noise = (0..DIM).map(|_| world.random.normal() * 0.5).collect();
        let row = flags
            .iter()
            .zip(&world.centres)
            .filter(|(applies, _)| **applies)
            .fold(noise, |row: Vec<f32>, (_, centre)| row.iter().zip(centre).map(|(a, b)| a + b).collect());
        (flags, row)
    };
    let (labels, rows): (Vec<_>, Vec<_>) = (0..48).map(&mut flags_and_row).unzip();
    let features = Matrix { dim: DIM, values: rows.concat() };
    let targets = Targets::Multiple { classes: 3, labels };
    let fitted = train(&TrainingSet { features, targets, hashes: hashes(48) }, 60);
    assert!(fitted.evaluation.accuracy > 0.95, "{:?}", fitted.evaluation);
    for number in 0..40 {
        let (flags, row) = flags_and_row(number);
        let row = fitted.head.probabilities(&row).unwrap();
        let found: Vec<bool> = row.iter().map(|p| *p > 0.5).collect();
        assert_eq!(found, flags, "{row:?}");
    }
}

#[test]
fn a_class_without_labels_keeps_a_small_probability() {
    let mut world = World::new(3, [0.8; 5], 3);
    let mut set = world.single(30);
    let Targets::Single { classes, .. } = &mut set.targets else { panic!("single") };
    *classes = 5;
    let fitted = train(&set, 60);
    assert_eq!(fitted.evaluation.recall[3..], [None, None]);
    for index in 0..30 {
        let row = fitted.head.probabilities(&world.row(index % 3)).unwrap();
        for unseen in [row[3], row[4]] {
            assert!(unseen > 0.0 && unseen < row[index % 3], "image {index}: {row:?}");
        }
    }
}

#[test]
fn one_class_alone_or_one_image_alone_still_gives_a_head() {
    for n in [1, 2, 20] {
        let mut world = World::new(1, [0.5; 5], 4);
        let mut set = world.single(n);
        let Targets::Single { classes, .. } = &mut set.targets else { panic!("single") };
        *classes = 2;
        let fitted = train(&set, 60);
        let row = fitted.head.probabilities(&world.row(0)).unwrap();
        assert!(row[0] > row[1] && row[1] > 0.0, "{n} images: {row:?}");
    }
}

#[test]
fn the_same_picture_for_every_label_gives_a_head_that_knows_nothing() {
    let mut world = World::new(2, [0.8; 5], 5);
    let mut set = world.single(12);
    set.features.values = world.row(0).repeat(12);
    set.hashes = vec![set.hashes[0]; 12];
    let fitted = train(&set, 60);
    let row = fitted.head.probabilities(set.features.row(0)).unwrap();
    assert!((row[0] - 0.5).abs() < 0.05, "{row:?}");
    assert!(fitted.evaluation.log_loss > 0.6, "{:?}", fitted.evaluation);
}

#[test]
fn regions_of_one_picture_are_judged_together_and_others_that_look_alike_are_not() {
    let mut set = World::new(2, [0.3; 5], 7).single(24);
    // Rows 0 and 1 are of one image and look different, rows 2 and 3 are of two and look the same.
    set.hashes[1] = set.hashes[0];
    let row = set.features.row(2).to_vec();
    let dim = set.features.dim;
    set.features.values[3 * dim..4 * dim].copy_from_slice(&row);
    let options = FitOptions { of_regions: true, epochs: 0 };
    let fitted = fit(&set, None, &groups(), &options, &mut |_| ControlFlow::Continue(())).unwrap();
    let groups = &fitted.copies;
    assert!(groups[0] == groups[1] && groups[2] != groups[3], "{groups:?}");
}

#[test]
fn watching_may_end_a_training() {
    let set = World::new(3, [0.1; 5], 6).single(30);
    let mut seen = Vec::new();
    let ended = fit(&set, None, &groups(), &FitOptions::default(), &mut |progress| {
        assert!(progress.loss.is_finite() && progress.loss > 0.0, "{progress:?}");
        seen.push((progress.epoch, progress.epochs));
        if seen.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(ended, Err(FitError::Cancelled)), "{ended:?}");
    assert_eq!(seen, [(1, 60), (2, 60), (3, 60)]);
}

#[test]
fn the_same_labels_give_the_same_bytes() {
    let mut world = World::new(4, [0.2, 0.2, 0.2, 0.0, 0.0], 7);
    let set = world.single(60);
    let pool = world.rows(&[0, 1, 2, 3].repeat(30));
    let run = || {
        fit(&set, Some(&pool), &groups(), &FitOptions::default(), &mut |_| ControlFlow::Continue(())).unwrap()
    };
    let once = run();
    let again = run();
    assert_eq!(once.head.to_bytes().unwrap(), again.head.to_bytes().unwrap());
    assert_eq!(once.evaluation, again.evaluation);
}

#[test]
fn near_copies_never_judge_each_other() {
    // Labels by chance: whoever finds a twin's label has seen the twin.
    let mut world = World::new(1, [0.0; 5], 8);
    let mut values = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..40 {
        let row = world.row(0);
        let label = world.random.below(2);
        values.extend(&row);
        values.extend(row.iter().map(|value| value + 0.1 * world.random.normal()));
        labels.extend([label; 2]);
    }
    let features = Matrix { dim: DIM, values };
    let set = TrainingSet { features, targets: Targets::Single { classes: 2, labels }, hashes: hashes(80) };
    let rows = Scaling::of(&set.features, &groups()).unwrap().apply(&set.features);
    let folds = Folds::new(&set.targets, &near_copies(&rows, DIM, &set.hashes));
    for pair in folds.of_row.chunks_exact(2) {
        assert_eq!(pair[0], pair[1]);
    }
    let fitted = train(&set, 0);
    assert!(fitted.evaluation.accuracy < 0.7, "{:?}", fitted.evaluation);
}

#[test]
fn the_group_that_carries_the_signal_gets_the_weight() {
    for (signal, name) in [
        ([0.7, 0.0, 0.0, 0.0, 0.0], "last"),
        ([0.0, 0.7, 0.7, 0.0, 0.0], "block2+4"),
        ([0.0, 0.0, 0.0, 0.7, 0.7], "block7+10"),
    ] {
        for seed in 0..5 {
            let fitted = train(&World::new(3, signal, 20 + seed).single(60), 0);
            let weight = |wanted: &str| {
                fitted
                    .group_weights
                    .iter()
                    .find(|(name, _)| name == wanted)
                    .map_or(0.0, |(_, weight)| *weight)
            };
            assert!(weight(name) >= 0.6, "{name}, seed {seed}: {:?}", fitted.group_weights);
        }
    }
}

#[test]
fn unlabelled_images_teach_where_a_label_a_class_does_not() {
    let mut alone = 0;
    let mut taught = 0;
    for seed in 0..5 {
        let mut world = World::new(3, [0.7; 5], 50 + seed);
        let set = world.single(6);
        let pool = world.rows(&[0, 1, 2].repeat(60));
        let with_pool = fit(
            &set,
            Some(&pool),
            &groups(),
            &FitOptions { epochs: 0, ..FitOptions::default() },
            &mut |_| ControlFlow::Continue(()),
        )
        .unwrap_or_else(|error| panic!("{error}"));
        let fitted = train(&set, 0);
        for index in 0..150 {
            let row = world.row(index % 3);
            let right = |head: &Head| usize::from(first(&head.probabilities(&row).unwrap()) == index % 3);
            alone += right(&fitted.head);
            taught += right(&with_pool.head);
        }
    }
    assert!(taught > alone + 20, "of 750 images {taught} are right with the pool and {alone} without");
}

#[test]
fn a_pool_of_labelled_images_only_teaches_nothing_twice() {
    let set = World::new(3, [0.5; 5], 60).single(30);
    let of_pool = self_training::unlabelled(&set.features, &set.features);
    assert!(of_pool.is_empty());
    let with_pool = fit(
        &set,
        Some(&set.features),
        &groups(),
        &FitOptions { epochs: 0, ..FitOptions::default() },
        &mut |_| ControlFlow::Continue(()),
    );
    assert_eq!(with_pool.unwrap_or_else(|error| panic!("{error}")).head, train(&set, 0).head);
}

#[test]
fn a_groups_unit_does_not_matter() {
    let mut world = World::new(3, [0.5; 5], 9);
    let set = world.single(45);
    let mut scaled = set.clone();
    let grow = |row: &mut [f32]| row[..16].iter_mut().for_each(|value| *value = *value * 512.0 + 64.0);
    scaled.features.values.chunks_exact_mut(DIM).for_each(grow);
    let plain = train(&set, 20);
    let scaled = train(&scaled, 20);
    for index in 0..15 {
        let mut row = world.row(index % 3);
        let expected = plain.head.probabilities(&row).unwrap();
        grow(&mut row);
        let found = scaled.head.probabilities(&row).unwrap();
        // Weights are f16 in either unit: a logit is off by some 1e-3.
        assert!(expected.iter().zip(&found).all(|(a, b)| (a - b).abs() < 5e-3), "{expected:?} {found:?}");
    }
}

#[test]
fn refinement_is_kept_only_where_unseen_labels_gain() {
    let mut kept = 0;
    for seed in 0..6 {
        for signal in [0.0, 0.15, 0.4] {
            let set = World::new(3, [signal; 5], 30 + seed).single(50);
            let ridge = train(&set, 0);
            let refined = train(&set, 60);
            assert!(!ridge.refined);
            let before = ridge.evaluation.log_loss;
            let after = refined.evaluation.log_loss;
            if refined.refined {
                kept += 1;
                assert!(after < before, "seed {seed}, signal {signal}: {before} {after}");
            } else {
                assert_eq!((after, &refined.head), (before, &ridge.head), "seed {seed}, signal {signal}");
            }
        }
    }
    assert!(kept > 0, "no refinement ever gained");
}
