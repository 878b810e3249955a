//! Classes in an order.

use super::*;
use crate::model::fit::link::Link;

/// Classes on a line: what is between two of them is between their images too.
fn line(classes: usize, n: usize, seed: u64) -> (TrainingSet, World) {
    let mut world = World::new(2, [0.5; 5], seed);
    let first = world.centres[0].clone();
    let last = world.centres[1].clone();
    let at = |class: usize| class as f32 / (classes - 1) as f32;
    let between = |class| first.iter().zip(&last).map(|(a, b)| a + (b - a) * at(class)).collect();
    world.centres = (0..classes).map(between).collect();
    let mut set = world.single(n);
    let Targets::Single { labels, .. } = &set.targets else { panic!("single") };
    set.targets = Targets::Ordered { classes, labels: labels.clone() };
    (set, world)
}

/// Mean distance of the answer to the truth over new images, in classes.
fn error(fitted: &Fitted, world: &mut World) -> f64 {
    let classes = world.centres.len();
    let apart = |index: usize| {
        let row = fitted.head.probabilities(&world.row(index % classes)).unwrap();
        first(&row).abs_diff(index % classes) as f64
    };
    (0..200).map(apart).sum::<f64>() / 200.0
}

#[test]
fn an_order_is_learnt_from_fewer_labels_than_classes_by_themselves() {
    let mut ordered = 0.0;
    let mut by_themselves = 0.0;
    for seed in 0..4 {
        let (mut set, mut world) = line(7, 35, 60 + seed);
        ordered += error(&train(&set, 60), &mut world);
        let Targets::Ordered { classes, labels } = set.targets else { panic!("ordered") };
        set.targets = Targets::Single { classes, labels };
        by_themselves += error(&train(&set, 60), &mut world);
    }
    assert!(ordered < 0.9 * by_themselves, "{ordered} {by_themselves}");
}

#[test]
fn an_order_that_images_do_not_show_is_left_alone() {
    let mut world = World::new(4, [0.8; 5], 75);
    let set = world.single(40);
    let Targets::Single { classes, labels } = set.targets.clone() else { panic!("single") };
    let ordered = TrainingSet { targets: Targets::Ordered { classes, labels }, ..set.clone() };
    assert_eq!(train(&ordered, 60).head, train(&set, 60).head);
}

#[test]
fn copies_of_three_pictures_tell_of_no_order() {
    let mut world = World::new(4, [0.8; 5], 76);
    let pictures = [0, 2, 3].map(|class| world.row(class));
    let labels: Vec<usize> = (0..48).map(|row| [0, 2, 3][row % 3]).collect();
    let values = (0..48).flat_map(|row| pictures[row % 3].clone()).collect();
    let targets = Targets::Ordered { classes: 4, labels: labels.clone() };
    let set = TrainingSet { features: Matrix { dim: DIM, values }, targets, hashes: hashes(48) };
    let fitted = train(&set, 60);
    let named = pictures.map(|picture| first(&fitted.head.probabilities(&picture).unwrap()));
    assert_eq!(named, [0, 2, 3]);
}

#[test]
fn one_class_two_classes_and_a_thousand_give_probabilities() {
    for (classes, labels) in
        [(2, vec![0, 1, 0, 1, 1]), (5, vec![3, 3, 3]), (5, vec![4]), (1_000, vec![0, 999, 500])]
    {
        let mut world = World::new(1, [0.5; 5], 80);
        let features = world.rows(&vec![0; labels.len()]);
        let hashes = hashes(labels.len());
        let commonest = labels[0];
        let set = TrainingSet { features, targets: Targets::Ordered { classes, labels }, hashes };
        let fitted = train(&set, 60);
        let row = fitted.head.probabilities(&world.row(0)).unwrap();
        assert_eq!(row.len(), classes);
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-3 && row.iter().all(|p| *p >= 0.0), "{row:?}");
        if classes == 5 {
            assert_eq!(first(&row), commonest, "{row:?}");
        }
    }
}

#[test]
fn many_labels_decide_how_wide_the_bell_is_and_few_hardly() {
    let variance = |n: usize, noise: f32| {
        let mut random = Random::new(90);
        let labels: Vec<usize> = (0..n).map(|row| row % 5).collect();
        let scores =
            Mat::from_fn(n, 1, |row, _| f64::from(labels[row] as f32 / 4.0 + noise * random.normal()));
        Link::learn(&scores, &Targets::Ordered { classes: 5, labels }).unwrap().temperature()
    };
    let narrow = variance(2_000, 0.1);
    let wide = variance(2_000, 0.4);
    assert!(narrow < 0.02 && wide > 0.1, "{narrow} {wide}");
    let few = [variance(2, 0.1), variance(2, 0.4)];
    assert!(few.iter().all(|few| (0.015..0.1).contains(few)), "{few:?}");
}
