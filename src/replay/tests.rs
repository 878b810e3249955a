//! On points in the plane, three classes around three corners.

use std::collections::HashSet;

use super::*;

const CLASSES: usize = 3;

/// Rows that may be picked, and after them as many that judge.
const TRAIN: usize = 90;

/// Numbers between -1 and 1 that look random and never change.
fn noise(index: usize) -> f32 {
    ((index as f32 * 12.9898).sin() * 43_758.547).fract()
}

fn collection() -> Collection {
    let labels: Vec<usize> = (0..2 * TRAIN).map(|row| row % CLASSES).collect();
    let corner = |class: usize| [(class == 1) as u8 as f32, (class == 2) as u8 as f32];
    let point = |row: usize| {
        let [x, y] = corner(labels[row]);
        [x + 0.6 * noise(4 * row), y + 0.6 * noise(4 * row + 1), noise(4 * row + 2), noise(4 * row + 3)]
    };
    let values: Vec<f32> = (0..2 * TRAIN).flat_map(point).collect();
    let group = |name: &str| Group { name: name.to_owned(), width: 2 };
    Collection {
        features: Matrix { dim: 4, values },
        groups: vec![group("telling"), group("noise")],
        hashes: (0..2 * TRAIN).map(|row| ContentHash::new([row as u8; 32])).collect(),
        classes: CLASSES,
        labels,
        train: (0..TRAIN).collect(),
        validation: (TRAIN..2 * TRAIN).collect(),
    }
}

fn schedule() -> Schedule {
    let fit = FitOptions { epochs: 0, ..FitOptions::default() };
    Schedule { first: 6, batch: 12, rounds: 2, seeds: 3, fit, random_share: None }
}

fn plans() -> Vec<Plan> {
    let plan = |start, then| Plan::Strategy { start, then, by_certainty: None };
    vec![plan(Strategy::Random, Strategy::Random), plan(Strategy::COLD, Strategy::DEFAULT)]
}

fn replayed(plans: &[Plan]) -> Vec<Vec<Run>> {
    Replay::new(collection(), schedule()).unwrap().run(plans, &|| ()).unwrap()
}

fn refused(change: impl FnOnce(&mut Collection, &mut Schedule)) -> String {
    let mut collection = collection();
    let mut schedule = schedule();
    change(&mut collection, &mut schedule);
    Replay::new(collection, schedule).err().expect("refused").to_string()
}

fn without_seconds(runs: Vec<Vec<Run>>) -> Vec<Vec<Vec<Round>>> {
    runs.into_iter().map(|runs| runs.into_iter().map(|run| run.rounds).collect()).collect()
}

#[test]
fn more_labels_teach_more() {
    let runs = replayed(&plans());
    for runs in &runs {
        let mean = |round: usize| runs.iter().map(|run| run.rounds[round].accuracy).sum::<f64>() / 3.0;
        assert!(mean(2) > mean(0) && mean(2) > 0.7, "{} then {}", mean(0), mean(2));
    }
    let labels: Vec<usize> = runs[0][0].rounds.iter().map(|round| round.labels).collect();
    assert_eq!(labels, [6, 18, 30]);
}

#[test]
fn the_same_seed_picks_the_same_and_another_seed_does_not() {
    let once = without_seconds(replayed(&plans()));
    let again = without_seconds(replayed(&plans()));
    assert_eq!(once, again);
    assert_ne!(once[0][0][0].picked, once[0][1][0].picked);
    assert_ne!(once[0][0][0].picked, once[0][0][1].picked);
}

#[test]
fn only_training_images_are_picked_and_none_twice() {
    for run in replayed(&plans()).concat() {
        let picked: Vec<usize> = run.rounds.iter().flat_map(|round| round.picked.clone()).collect();
        let distinct: HashSet<usize> = picked.iter().copied().collect();
        assert_eq!((picked.len(), distinct.len()), (30, 30));
        assert!(distinct.iter().all(|row| *row < TRAIN), "{picked:?}");
    }
}

#[test]
fn by_certainty_the_least_certain_of_the_head_come_first() {
    let plan = |by_certainty| Plan::Strategy { start: Strategy::COLD, then: Strategy::DEFAULT, by_certainty };
    let [by_rank, head, pool] = [None, Some(12), Some(TRAIN)].map(|head| replayed(&[plan(head)]).remove(0));
    let of_round = |runs: &[Run], round: usize| runs[0].rounds[round].picked.clone();
    assert_eq!(of_round(&by_rank, 0), of_round(&pool, 0), "nothing is certain before the first training");
    let sorted = |mut rows: Vec<usize>| {
        rows.sort_unstable();
        rows
    };
    // As many as a batch: the same images in another order.
    assert_ne!(of_round(&by_rank, 1), of_round(&head, 1));
    assert_eq!(sorted(of_round(&by_rank, 1)), sorted(of_round(&head, 1)));
    assert_ne!(sorted(of_round(&by_rank, 1)), sorted(of_round(&pool, 1)));
}

#[test]
fn somebody_elses_picks_are_judged_as_ones_own() {
    let ours = replayed(&plans());
    let picks = |runs: &[Run]| -> Vec<Vec<Vec<usize>>> {
        runs.iter().map(|run| run.rounds.iter().map(|round| round.picked.clone()).collect()).collect()
    };
    let theirs = replayed(&[Plan::Picked(picks(&ours[1]))]);
    assert_eq!(without_seconds(theirs)[0], without_seconds(ours)[1]);
}

#[test]
fn every_round_is_reported_while_it_runs() {
    let rounds = AtomicUsize::new(0);
    let count = || {
        rounds.fetch_add(1, Ordering::Relaxed);
    };
    Replay::new(collection(), schedule()).unwrap().run(&plans(), &count).unwrap();
    assert_eq!(rounds.into_inner(), 2 * 3 * 3);
}

#[test]
fn picks_that_do_not_fit_are_refused() {
    let replay = Replay::new(collection(), schedule()).unwrap();
    let rounds = |first: usize| vec![(first..first + 6).collect(), (20..32).collect(), (40..52).collect()];
    for (picks, words) in [
        (vec![rounds(0); 2], "2 seeds"),
        (vec![vec![vec![0]; 3]; 3], "seed 0, round 0: 1 rows are picked, expected 6"),
        (vec![rounds(0), rounds(0), vec![(0..6).collect()]], "seed 2, round 1: 0 rows"),
        (vec![rounds(18); 3], "picks row 20, which is not a training image or was picked before"),
        (vec![rounds(TRAIN); 3], "picks row 90"),
    ] {
        let error = replay.run(&[Plan::Picked(picks)], &|| ()).unwrap_err().to_string();
        assert!(error.contains(words), "{error} / {words}");
    }
}

#[test]
fn what_can_not_be_replayed_is_refused_in_words() {
    type Change = fn(&mut Collection, &mut Schedule);
    let cases: [(Change, &str); 8] = [
        (|c, _| c.validation.clear(), "no validation images"),
        (|c, _| c.labels[..TRAIN].fill(1), "all of one class"),
        (|c, _| c.features.values[5] = f32::NAN, "row 1 (counted from 0) are not finite: column 1 is NaN"),
        (|c, _| c.hashes.truncate(2), "180 rows of features, 180 labels and 2 hashes"),
        (|_, s| s.batch = 50, "106 labels are asked for, but there are 90 training images"),
        (|_, s| s.batch = 0, "a batch of 0 labels"),
        (|_, s| s.first = 0, "a batch of 0 labels"),
        (|_, s| s.seeds = 0, "0 seeds"),
    ];
    for (change, words) in cases {
        let error = refused(change);
        assert!(error.contains(words), "{error} / {words}");
    }
    let plan = Plan::Strategy { start: Strategy::DEFAULT, then: Strategy::DEFAULT, by_certainty: None };
    let error = Replay::new(collection(), schedule()).unwrap().run(&[plan], &|| ()).unwrap_err();
    assert!(error.to_string().contains("needs a trained head"), "{error}");
}
