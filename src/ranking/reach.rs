//! Number of open images that a pick stands for.

use super::kernel::squared_width;
use super::points::{Targets, distances};
use crate::matrix::Matrix;
use crate::matrix::SplitMix64;

/// Open rows that are compared, at most; in larger pools the number is estimated from so many, drawn by chance.
const SAMPLED_ROWS: usize = 10_000;

/// Rows the reach is measured on at most, as the width of herding's kernel is.
const WIDTH_ROWS: usize = 1000;

/// Rows named of those a pick stands for: what fits beside it.
const NAMED: usize = 3;

/// Squared reach of a pick, in herding's squared widths: at a whole width photographs no longer look alike.
const REACH: f32 = 0.5;

/// Images that a pick stands for: the open images within half the squared width of herding's kernel that are not a pick
/// before it, and that no pick before it stands for. So the numbers of a batch don't depend on its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Number of them, the pick itself left out.
    pub images: usize,
    /// `true` if the number is an estimate from a part of the pool.
    pub estimated: bool,
    /// The nearest of them, at most three: rows of the unlabelled points.
    pub alike: Vec<usize>,
}

/// The reach of each of `picks`, rows of `points`, in their order.
///
/// Cost for b picks and points of d numbers: min(n, 10,000) b d + 1,000² d.
pub(super) fn reaches(points: &Matrix, picks: &[usize], seed: u64) -> Vec<Reach> {
    let n = points.len();
    if picks.is_empty() {
        return Vec::new();
    }
    // A third stream beside those of the batch and of its strategy.
    let mut random = SplitMix64::new(seed.rotate_left(32));
    let width = REACH * squared_width(&points.select(&random.sample(n, WIDTH_ROWS)));
    let estimated = n > SAMPLED_ROWS;
    let rows: Vec<usize> = if estimated { random.sample(n, SAMPLED_ROWS) } else { (0..n).collect() };
    let share = rows.len() as f64 / n as f64;
    let mut is_taken = vec![false; rows.len()];
    let mut reaches = Vec::with_capacity(picks.len());
    distances(&points.select(picks), &Targets::new(points.select(&rows)), |pick, line| {
        let mut count = 0_usize;
        let mut nearest = Vec::with_capacity(NAMED + 1);
        for (place, &distance) in line.iter().enumerate() {
            if distance > width || is_taken[place] {
                continue;
            }
            is_taken[place] = true;
            let row = rows[place];
            if row == picks[pick] {
                continue;
            }
            count += 1;
            nearest.push((distance, row));
            nearest.sort_by(|a: &(f32, usize), b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            nearest.truncate(NAMED);
        }
        let images = (count as f64 / share).round() as usize;
        reaches.push(Reach { images, estimated, alike: nearest.into_iter().map(|(_, row)| row).collect() });
    });
    reaches
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many rows at each of some places around a circle, in turn: closer than the least width of the kernel.
    fn heaps(sizes: &[usize]) -> Matrix {
        let mut values = Vec::new();
        for (heap, &size) in sizes.iter().enumerate() {
            for row in 0..size {
                let angle = heap as f32 * 1.2 + row as f32 * 1e-6;
                values.extend([angle.cos(), angle.sin()]);
            }
        }
        Matrix { dim: 2, values }
    }

    #[test]
    fn a_pick_stands_for_its_heap_and_a_second_one_there_for_nothing_more() {
        let points = heaps(&[40, 30, 25]);
        let found = reaches(&points, &[0, 50, 3, 94], 7);
        assert_eq!(found.iter().map(|reach| reach.images).collect::<Vec<_>>(), [39, 29, 0, 24]);
        assert!(
            found[0].alike.len() == 3 && found[0].alike.iter().all(|row| (1..40).contains(row)),
            "{found:?}"
        );
        assert!(found[2].alike.is_empty() && found.iter().all(|reach| !reach.estimated));
        assert_eq!(reaches(&points, &[0, 50], 7), found[..2], "whatever follows");
    }

    #[test]
    fn of_a_large_pool_the_number_is_an_estimate() {
        let points = heaps(&[20_000, 10_000]);
        let found = reaches(&points, &[5, 25_000], 1);
        assert!(found.iter().all(|reach| reach.estimated && reach.alike.len() == 3), "{found:?}");
        // So full a heap is wider than the reach.
        assert!(found[0].images > 100 && found[0].images < 20_000, "{found:?}");
        assert!(reaches(&points, &[], 1).is_empty() && reaches(&Matrix::default(), &[], 1).is_empty());
    }

    #[test]
    fn an_image_alone_stands_for_no_other() {
        assert_eq!(reaches(&heaps(&[1]), &[0], 1), [Reach::default()]);
    }
}
