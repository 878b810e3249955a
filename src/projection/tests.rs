use std::sync::atomic::{AtomicUsize, Ordering};

use faer::MatRef;
use faer::linalg::solvers::Svd;

use super::*;

/// SplitMix64, about uniform in -1..1; the sum of three is near enough to a normal variable.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    let mut unit = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    move || unit() + unit() + unit()
}

/// `count` rows of `clusters` clusters in 16 numbers, in turn: centres 3 apart in each number, spread 1.
fn clusters(count: usize, clusters: usize) -> Vec<f32> {
    let mut noise = noise(7);
    let centres: Vec<f32> = (0..clusters * 16).map(|_| 3.0 * noise()).collect();
    (0..count)
        .flat_map(|row| {
            let centre = &centres[row % clusters * 16..][..16];
            centre.iter().map(|value| value + noise()).collect::<Vec<_>>()
        })
        .collect()
}

fn always() -> bool {
    true
}

/// Places of each row's others, the nearest first.
fn ranked(rows: &[Vec<f32>]) -> Vec<Vec<usize>> {
    let distance =
        |a: usize, b: usize| -> f32 { rows[a].iter().zip(&rows[b]).map(|(a, b)| (a - b).powi(2)).sum() };
    let of = |row: usize| {
        let mut others: Vec<usize> = (0..rows.len()).filter(|other| *other != row).collect();
        others.sort_by(|a, b| distance(row, *a).total_cmp(&distance(row, *b)));
        others
    };
    (0..rows.len()).map(of).collect()
}

/// Venna & Kaski 2001: 1 when all neighbours in the plane are neighbours in truth, about 0.5 for a plane by chance.
fn trustworthiness(values: &[f32], dim: usize, places: &[[f32; 2]], k: usize) -> f64 {
    let truth = ranked(&values.chunks(dim).map(<[f32]>::to_vec).collect::<Vec<_>>());
    let drawn = ranked(&places.iter().map(|place| place.to_vec()).collect::<Vec<_>>());
    let n = truth.len();
    let mut wrong = 0;
    for (truth, drawn) in truth.iter().zip(&drawn) {
        for neighbour in &drawn[..k] {
            let rank = 1 + truth.iter().position(|other| other == neighbour).unwrap();
            wrong += rank.saturating_sub(k);
        }
    }
    1.0 - 2.0 / (n * k * (2 * n - 3 * k - 1)) as f64 * wrong as f64
}

#[test]
fn principal_axes_are_those_of_the_singular_values() {
    let mut noise = noise(3);
    let count = 60;
    let dim = 7;
    let values: Vec<f32> = (0..count * dim).map(|at| noise() * (1 + at % dim) as f32 + 4.0).collect();
    let places = principal(Matrix { dim, values: &values[..] });
    let mean: Vec<f32> =
        (0..dim).map(|column| values.iter().skip(column).step_by(dim).sum::<f32>() / count as f32).collect();
    let centred: Vec<f32> = values.iter().enumerate().map(|(at, value)| value - mean[at % dim]).collect();
    let svd = Svd::new_thin(MatRef::from_row_major_slice(&centred, count, dim)).unwrap();
    for axis in 0..2 {
        let expected: Vec<f32> =
            (0..count).map(|row| svd.U()[(row, axis)] * svd.S().column_vector()[axis]).collect();
        let sign = if expected[0] * places[0][axis] < 0.0 { -1.0 } else { 1.0 };
        for (place, expected) in places.iter().zip(expected) {
            // Singular values are about 50: single floats keep five digits.
            assert!((place[axis] - sign * expected).abs() < 1e-3, "{place:?} {expected}");
        }
    }
}

#[test]
fn what_has_no_axis_lies_on_a_line_or_a_point() {
    for (dim, values) in [(1, vec![1.0, 2.0, 4.0]), (3, vec![5.0; 9]), (3, vec![]), (0, vec![])] {
        let rows = Matrix { dim, values: &values[..] };
        let plane = Projection::Principal.draw(rows, &always).unwrap();
        assert_eq!(plane.places.len(), rows.len());
        assert!(plane.places.iter().all(|place| (place[1] - SIDE / 2.0).abs() < 1e-3), "{plane:?}");
        assert_eq!(Projection::Neighbours.draw(rows, &always).unwrap(), plane, "too few for neighbours");
    }
    let alike = vec![0.5; 40 * 3];
    let plane = Projection::Neighbours.draw(Matrix { dim: 3, values: &alike[..] }, &always).unwrap();
    assert_eq!(plane.places, vec![[SIDE / 2.0; 2]; 40]);
}

#[test]
fn nearest_rows_are_those_of_all_pairs() {
    let values = clusters(150, 4);
    let rows = Matrix { dim: 16, values: &values[..] };
    let truth = ranked(&values.chunks(16).map(<[f32]>::to_vec).collect::<Vec<_>>());
    for (near, truth) in nearest(rows, rows, 9, true, &always).unwrap().iter().zip(&truth) {
        let near: Vec<usize> = near.iter().map(|near| near.row as usize).collect();
        assert_eq!(near, truth[..9]);
    }
    let itself = nearest(rows, rows, 1, false, &always).unwrap();
    assert!(itself.iter().enumerate().all(|(row, near)| near[0].row as usize == row));
    assert_eq!(nearest(rows, rows, 200, true, &always).unwrap()[0].len(), 149);
}

#[test]
fn neighbours_stay_together_and_clusters_apart() {
    let values = clusters(400, 8);
    let plane = Projection::Neighbours.draw(Matrix { dim: 16, values: &values[..] }, &always).unwrap();
    let trust = trustworthiness(&values, 16, &plane.places, 12);
    assert!(trust > 0.95, "{trust}");
    let drawn = ranked(&plane.places.iter().map(|place| place.to_vec()).collect::<Vec<_>>());
    let own = drawn
        .iter()
        .enumerate()
        .flat_map(|(row, near)| near[..5].iter().map(move |other| (row - other % 8) % 8));
    let strangers = own.filter(|rest| *rest != 0).count();
    assert!(strangers < 20, "{strangers} of 2,000 neighbours are of another cluster");
    assert!(plane.places.iter().flatten().all(|value| (0.0..=SIDE).contains(value)));
    assert_eq!(plane.settled, 400);
}

#[test]
fn those_that_are_not_settled_stand_with_their_own() {
    let values = clusters(300, 4);
    let rows = Matrix { dim: 16, values: &values[..] };
    // Three rows from one to the next: each cluster has settled points.
    let plane = neighbours(rows, 100, &always).unwrap();
    assert_eq!((plane.settled, plane.places.len()), (100, 300));
    let trust = trustworthiness(&values, 16, &plane.places, 12);
    assert!(trust > 0.9, "{trust}");
}

#[test]
fn the_same_rows_give_the_same_map() {
    let values = clusters(120, 3);
    let rows = Matrix { dim: 16, values: &values[..] };
    for projection in Projection::ALL {
        assert_eq!(projection.draw(rows, &always).unwrap(), projection.draw(rows, &always).unwrap());
    }
}

#[test]
fn it_stops_when_told_to_and_refuses_what_is_no_number() {
    let mut values = clusters(120, 3);
    let asked = AtomicUsize::new(0);
    let few = || asked.fetch_add(1, Ordering::Relaxed) < 20;
    let stopped = Projection::Neighbours.draw(Matrix { dim: 16, values: &values[..] }, &few);
    assert_eq!(stopped, Err(ProjectionError::Stopped));
    assert_eq!(asked.load(Ordering::Relaxed), 21);
    values[5] = f32::NAN;
    let refused = Projection::Principal.draw(Matrix { dim: 16, values: &values[..] }, &always).unwrap_err();
    assert_eq!(refused.to_string(), "the map can't be made: number 5 of the points is NaN");
}

#[test]
fn names_are_read_back() {
    for projection in Projection::ALL {
        assert_eq!(Projection::from_name(projection.name()), Some(projection));
    }
    assert_eq!(Projection::from_name("umap"), None);
}
