//! Kernel of herding: images are alike as far as its width reaches, which is measured on the pool.

use std::f32::consts::{LN_2, LOG2_E};

use super::points::{Targets, distances};
use crate::matrix::Matrix;

/// Rows the width of the kernel is measured on at most.
pub(super) const WIDTH_ROWS: usize = 1000;

/// Neighbour whose median distance is the kernel's width.
const NEIGHBOUR: usize = 20;

/// Least squared width, for pools of copies.
const LEAST_WIDTH: f32 = 1e-6;

/// `sigma²`: the median, over at most 1,000 rows of the pool, of the squared distance to the 20th neighbour among them;
/// so the kernel reaches the nearest two percent of a pool however large it is, as batches don't grow with it.
pub(super) fn squared_width(some: &Matrix) -> f32 {
    let neighbour = NEIGHBOUR.min(some.len().saturating_sub(1));
    if neighbour == 0 {
        return 1.0;
    }
    let mut reaches = Vec::with_capacity(some.len());
    distances(some, &Targets::new(some.clone()), |row, line| {
        let mut line = line.to_vec();
        line.swap_remove(row);
        reaches.push(*line.select_nth_unstable_by(neighbour - 1, f32::total_cmp).1);
    });
    let middle = reaches.len() / 2;
    reaches.select_nth_unstable_by(middle, f32::total_cmp).1.max(LEAST_WIDTH)
}

/// `exp(-squared_distance / squared_width)`; inline, for herding takes it of 40 million pairs in a loop.
#[inline]
pub(super) fn kernel(squared_distance: f32, squared_width: f32) -> f32 {
    exp(squared_distance * (-1.0 / squared_width))
}

/// `e^x` for `x <= 0`, within 1e-6 of itself, in operations that run in vector lanes (the standard library's is a
/// call): `2^y` with the whole part of `y` as exponent and the series of `2^r`, |r| <= 1/2, to the sixth power.
#[inline]
fn exp(x: f32) -> f32 {
    /// 1.5 x 2^23: a number added to it is rounded to a whole one, which stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// Powers of ln 2 divided by factorials, from the sixth down to the zeroth.
    const SERIES: [f32; 7] =
        [1.540_353e-4, 1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 2.402_265e-1, LN_2, 1.0];
    let y = (x * LOG2_E).max(-126.0);
    let rounded = y + ROUND;
    let rest = y - (rounded - ROUND);
    let power = SERIES.iter().fold(0.0, |sum, factor| sum * rest + factor);
    power * f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_exact_to_six_digits() {
        for step in 0..8700 {
            let x = -0.01 * step as f32;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 1e-5 && (exact < 1e-6 || error < 2e-6), "e^{x} is wrong by {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(-1e9) < 2e-38, "no number wraps around");
    }
}
