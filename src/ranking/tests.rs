//! Properties of every strategy; `brute` has the choice of each of them, computed the slow way.

mod brute;

use crate::matrix::Matrix;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::Strategy as Generator;

use super::{Strategy, *};

/// Points with copies, zero rows and few directions.
fn coarse(n: impl Into<proptest::collection::SizeRange>) -> impl Generator<Value = Vec<[f32; 3]>> {
    vec([-1..=1_i8, -1..=1, -1..=1].prop_map(|row| row.map(f32::from)), n)
}

/// Points that are all different.
fn fine(n: impl Into<proptest::collection::SizeRange>) -> impl Generator<Value = Vec<[f32; 3]>> {
    vec([-1.0..1.0_f32, -1.0..1.0, 0.1..1.0], n)
}

/// Rows scaled to length one.
fn unit(rows: &[[f32; 3]]) -> Matrix {
    let scaled = rows.iter().flat_map(|row| {
        let length = row.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-9);
        row.map(|value| value / length)
    });
    Matrix { dim: 3, values: scaled.collect() }
}

/// Probabilities that sum to one, for each of `n` images.
fn shares(raw: &[f32], classes: usize, n: usize) -> Vec<f32> {
    let rows = (0..n).flat_map(|row| {
        let part: Vec<f32> = (0..classes).map(|class| raw[(row * classes + class) % raw.len()]).collect();
        let sum: f32 = part.iter().sum();
        part.into_iter().map(move |value| value / sum)
    });
    rows.collect()
}

fn rows(picks: &[Pick]) -> Vec<usize> {
    picks.iter().map(|pick| pick.row).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn picks_are_distinct_rows_of_the_pool_and_the_same_again(
        (unlabelled, labelled) in (coarse(0..=12), coarse(0..=5)),
        // NaN and infinity stand for a broken head.
        raw in vec(prop_oneof![8 => 0.0..1.0_f32, 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)], 60),
        (classes, multiple, heads) in (1..=4_usize, any::<bool>(), 0..=2_usize),
        (count, seed, random_share, damaged) in (0..=15_usize, any::<u64>(), 0.0..=1.0_f32, 0..100_usize),
    ) {
        let mut unlabelled = unit(&unlabelled);
        let labelled = unit(&labelled);
        let n = unlabelled.len();
        if let Some(value) = unlabelled.values.get_mut(damaged) {
            *value = f32::NAN;
        }
        let head = HeadView { classes, multiple, probabilities: &raw[..n * classes] };
        let heads = vec![head; heads];
        let pool = Candidates { unlabelled: &unlabelled, labelled: &labelled, heads: &heads };
        let options = Options { random_share, ..Options::new(count, seed) };
        for strategy in Strategy::ALL {
            let picks = rank(&pool, strategy, &options);
            prop_assert_eq!(picks.len(), count.min(n), "{}", strategy);
            let mut seen = rows(&picks);
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), picks.len(), "{} repeats itself", strategy);
            prop_assert!(seen.iter().all(|&row| row < n), "{strategy}");
            prop_assert!(picks.iter().all(|pick| pick.score.is_finite() && pick.score >= 0.0), "{strategy}: {picks:?}");
            prop_assert_eq!(rank(&pool, strategy, &options), picks, "{}", strategy);
        }
    }

    #[test]
    fn near_copies_wait_while_others_remain(
        (unlabelled, labelled) in (coarse(1..=12), coarse(0..=3)),
        raw in vec(0.01..1.0_f32, 24),
        (count, seed) in (1..=12_usize, any::<u64>()),
    ) {
        let unlabelled = unit(&unlabelled);
        let labelled = unit(&labelled);
        let n = unlabelled.len();
        let probabilities = shares(&raw, 2, n);
        let heads = [HeadView { classes: 2, multiple: false, probabilities: &probabilities }];
        let pool = Candidates { unlabelled: &unlabelled, labelled: &labelled, heads: &heads };
        let options = Options { random_share: 0.0, ..Options::new(count, seed) };
        for strategy in Strategy::ALL {
            let picks = rows(&rank(&pool, strategy, &options));
            let is_copy = |row: usize, before: &[usize]| {
                let taken = before.iter().map(|&other| unlabelled.row(other));
                let mut known = taken.chain((0..labelled.len()).map(|other| labelled.row(other)));
                known.any(|other| cosine(other, unlabelled.row(row)) >= NEAR_COPY)
            };
            for (place, &row) in picks.iter().enumerate() {
                let before = &picks[..place];
                if is_copy(row, before) {
                    let mut others = (0..n).filter(|other| !before.contains(other));
                    prop_assert!(others.all(|other| is_copy(other, before)), "{strategy}: {picks:?} at {place}");
                }
            }
        }
    }

    #[test]
    fn chance_takes_every_tenth_place_with_the_same_rows_for_every_strategy(
        unlabelled in fine(40), raw in vec(0.01..1.0_f32, 97), seed in any::<u64>(),
    ) {
        let unlabelled = unit(&unlabelled);
        let probabilities = shares(&raw, 3, 40);
        let heads = [HeadView { classes: 3, multiple: false, probabilities: &probabilities }];
        let pool = Candidates { unlabelled: &unlabelled, labelled: &Matrix::default(), heads: &heads };
        let options = Options { near_copy: 2.0, ..Options::new(30, seed) };
        let drawn = crate::matrix::SplitMix64::new(seed).sample(40, 3);
        for strategy in Strategy::ALL {
            let picks = rank(&pool, strategy, &options);
            prop_assert_eq!(rows(&[picks[4].clone(), picks[14].clone(), picks[24].clone()]), drawn.clone());
            let by_chance = picks.iter().filter(|pick| pick.why == Reason::Random).count();
            prop_assert_eq!(by_chance, if strategy == Strategy::Random { 30 } else { 3 }, "{}", strategy);
        }
    }
}

#[test]
fn chance_is_fair() {
    let unlabelled = unit(&[[1.0, 0.0, 0.0]; 5]);
    let pool = Candidates { unlabelled: &unlabelled, labelled: &Matrix::default(), heads: &[] };
    let mut first = [0; 5];
    for seed in 0..5000 {
        first[rank(&pool, Strategy::Random, &Options::new(2, seed))[0].row] += 1;
    }
    // 1,000 each, give or take four standard deviations of 28.
    assert!(first.iter().all(|count| (888..=1112).contains(count)), "{first:?}");
}

#[test]
fn without_a_model_a_strategy_that_needs_one_gives_way() {
    let unlabelled = unit(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.1, 1.0, 0.0], [0.0, 1.0, 0.1]]);
    let pool = Candidates { unlabelled: &unlabelled, labelled: &Matrix::default(), heads: &[] };
    let cold = rank(&pool, Strategy::COLD, &Options::new(3, 1));
    assert!(!Strategy::COLD.needs_model());
    for strategy in Strategy::ALL.into_iter().filter(|strategy| strategy.needs_model()) {
        assert_eq!(rank(&pool, strategy, &Options::new(3, 1)), cold, "{strategy}");
    }
}

#[test]
fn a_pool_of_copies_larger_than_one_round_of_candidates_is_ranked() {
    let kinds = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let many: Vec<[f32; 3]> = (0..10_500).map(|row| kinds[row % 3]).collect();
    let unlabelled = unit(&many);
    let probabilities: Vec<f32> =
        (0..10_500).flat_map(|row| [0.5 + 1e-5 * row as f32, 0.5 - 1e-5 * row as f32]).collect();
    let heads = [HeadView { classes: 2, multiple: false, probabilities: &probabilities }];
    let pool = Candidates { unlabelled: &unlabelled, labelled: &Matrix::default(), heads: &heads };
    for strategy in Strategy::ALL {
        let options = Options { random_share: 0.0, ..Options::new(300, 7) };
        let mut picks = rows(&rank(&pool, strategy, &options));
        let mut first: Vec<usize> = picks[..3].iter().map(|row| row % 3).collect();
        first.sort_unstable();
        assert_eq!(first, [0, 1, 2], "{strategy}: one of each kind comes first");
        picks.sort_unstable();
        picks.dedup();
        assert_eq!(picks.len(), 300, "{strategy}");
    }
}

#[test]
fn doubt_is_that_of_the_least_certain_head_and_decision() {
    let single = HeadView {
        classes: 3,
        multiple: false,
        probabilities: &[0.6, 0.3, 0.1, 0.9, 0.05, 0.05, f32::NAN, 0.5, 0.5],
    };
    let multiple = HeadView { classes: 2, multiple: true, probabilities: &[0.99, 0.01, 0.4, 0.95, 0.5, 1.0] };
    let close = |found: Vec<f32>, expected: [f32; 3]| {
        assert!(
            found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4),
            "{found:?}, expected {expected:?}"
        );
    };
    close(uncertainty(&[single, multiple], 3, Measure::Margin), [0.7, 0.8, 1.0]);
    close(uncertainty(&[single, multiple], 3, Measure::LeastConfidence), [0.4, 0.4, 0.5]);
    close(uncertainty(&[single], 3, Measure::Entropy), [0.8173, 0.3590, 0.0]);
    close(uncertainty(&[multiple], 3, Measure::Entropy), [0.0808, 0.9710, 1.0]);
    let alone = HeadView { classes: 1, multiple: false, probabilities: &[1.0; 3] };
    close(uncertainty(&[alone], 3, Measure::Entropy), [0.0; 3]);
    close(uncertainty(&[], 3, Measure::Margin), [0.0; 3]);
}

#[test]
fn reasons_fit_their_picks() {
    let unlabelled = unit(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
    let sure = HeadView { classes: 2, multiple: false, probabilities: &[0.9, 0.1, 1.0, 0.0] };
    let torn = HeadView { classes: 2, multiple: true, probabilities: &[0.45, 0.9, 0.0, 1.0] };
    let heads = [sure, torn];
    let pool = Candidates { unlabelled: &unlabelled, labelled: &Matrix::default(), heads: &heads };
    let options = Options::new(2, 3);
    let why = |strategy| rank(&pool, strategy, &options).into_iter().map(|pick| pick.why).collect::<Vec<_>>();
    let undecided = Reason::Undecided { head: 1, class: 0, probability: 0.45 };
    assert_eq!(why(Strategy::Margin), [undecided, Reason::Typical]);
    assert_eq!(why(Strategy::UHerding), [undecided, Reason::Typical]);
    assert_eq!(why(Strategy::Coral), [undecided, Reason::Unlike]);
    assert_eq!(why(Strategy::KCenter), [Reason::Unlike; 2]);
    assert_eq!(why(Strategy::Medoids), [Reason::Typical; 2]);
    let heads = [sure];
    let pool = Candidates { heads: &heads, ..pool };
    let between = Reason::Between { head: 0, classes: [0, 1], probabilities: [0.9, 0.1] };
    assert_eq!(rank(&pool, Strategy::Entropy, &options)[0].why, between);
}

#[test]
fn a_reason_names_how_many_open_images_a_pick_stands_for() {
    let pick = |why, images, estimated| {
        let reach = Some(Reach { images, estimated, alike: Vec::new() });
        Pick { row: 0, score: 1.0, why, reach }.reason(&[vec!["rain", "shine"]])
    };
    let between = Reason::Between { head: 0, classes: [0, 1], probabilities: [0.5, 0.4] };
    assert_eq!(pick(Reason::Typical, 14, false), "stands for 14 open images");
    assert_eq!(pick(Reason::Typical, 1, false), "stands for 1 open image");
    assert_eq!(pick(Reason::Typical, 140, true), "stands for about 140 open images");
    assert_eq!(pick(Reason::Typical, 0, false), "like no other open image");
    assert_eq!(pick(between, 3, false), "between rain and shine: 0.50 / 0.40; stands for 3 open images");
    assert_eq!(pick(between, 0, false), "between rain and shine: 0.50 / 0.40");
    let alone = Pick { row: 0, score: 1.0, why: Reason::Random, reach: None };
    assert_eq!(alone.reason::<&str>(&[]), "random, to keep the estimate honest");
}

#[test]
fn who_looks_at_where_images_lie_says_what_they_stand_for_and_chance_does_not() {
    let unlabelled =
        unit(&(0..40_u8).map(|row| [f32::from(row), 1.0, f32::from(row % 7)]).collect::<Vec<_>>());
    let probabilities = [0.6, 0.4].repeat(40);
    let heads = [HeadView { classes: 2, multiple: false, probabilities: &probabilities }];
    let pool = Candidates { unlabelled: &unlabelled, labelled: &Matrix::default(), heads: &heads };
    for strategy in Strategy::ALL {
        let plain = matches!(
            strategy,
            Strategy::Random | Strategy::LeastConfidence | Strategy::Margin | Strategy::Entropy
        );
        for pick in rank(&pool, strategy, &Options::new(20, 3)) {
            let expected = !plain && pick.why != Reason::Random;
            assert_eq!(pick.reach.is_some(), expected, "{strategy}: {pick:?}");
        }
    }
}
