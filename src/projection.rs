//! Points in the plane: what lies together in many numbers, drawn in two.
//!
//! Pure functions from numbers to numbers, on one thread; the same input gives the same map. [`Projection::Principal`]
//! keeps what varies most, [`Projection::Neighbours`] keeps together what lies together.

mod nearest;
mod pca;
mod tsne;

#[cfg(test)]
mod tests;

use crate::matrix::Matrix;
use nearest::{Near, nearest};
pub use pca::principal;

/// Side of the square every map is scaled to.
pub const SIDE: f32 = 1_000.0;

/// Points a neighbour map is settled from at most; 20,000 take about half a minute of one core. Each of the others
/// stands among the settled ones that are most like it.
pub const SETTLED: usize = 20_000;

/// Settled points whose mean is the place of one that was not settled.
const STANDS_AMONG: usize = 3;

/// Points below which neighbours tell nothing.
const MIN_POINTS: usize = 10;

/// Method of dimensionality reduction: brings points into the plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Projection {
    /// The two axes of largest variance (PCA)
    Principal,
    /// Each point beside its neighbours (t-SNE: van der Maaten & Hinton 2008, by Barnes-Hut trees: van der Maaten 2014)
    Neighbours,
}

/// Points in the plane.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// x and y, 0 to [`SIDE`], in the order of the rows.
    pub places: Vec<[f32; 2]>,
    /// Rows the map was made from; the others were placed among them.
    pub settled: usize,
}

/// Reason for which there is no map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProjectionError {
    #[error("the map was stopped before it was ready")]
    Stopped,
    #[error("the map can't be made: {0}")]
    Failed(String),
}

impl Projection {
    pub const ALL: [Self; 2] = [Self::Principal, Self::Neighbours];

    /// As it stands in addresses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Principal => "pca",
            Self::Neighbours => "neighbours",
        }
    }

    /// Parses the output of [`Projection::name`]; `None` for anything else.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|projection| projection.name() == name)
    }

    /// Draws rows. It is asked now and then whether to go on.
    ///
    /// # Errors
    /// It was stopped, or the rows can't be drawn.
    pub fn draw(
        self,
        rows: Matrix<&[f32]>,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<Plane, ProjectionError> {
        if let Some(at) = rows.values.iter().position(|value| !value.is_finite()) {
            return Err(ProjectionError::Failed(format!("number {at} of the points is {}", rows.values[at])));
        }
        let mut plane = match self {
            Self::Neighbours if rows.len() >= MIN_POINTS => neighbours(rows, SETTLED, go_on)?,
            _ => Plane { places: principal(rows), settled: rows.len() },
        };
        if plane.places.iter().flatten().any(|value| !value.is_finite()) {
            return Err(ProjectionError::Failed("points fell out of the plane".to_owned()));
        }
        fit_square(&mut plane.places);
        Ok(plane)
    }
}

/// Settles at most `limit` rows, evenly taken, and places the others among them.
fn neighbours(
    rows: Matrix<&[f32]>,
    limit: usize,
    go_on: &(dyn Fn() -> bool + Sync),
) -> Result<Plane, ProjectionError> {
    let step = rows.len().div_ceil(limit.max(1)).max(1);
    let part = |wanted: &dyn Fn(usize) -> bool| {
        rows.select(&(0..rows.len()).filter(|row| wanted(row % step)).collect::<Vec<_>>())
    };
    let chosen = part(&|rest| rest == 0);
    let settled = tsne::settle(chosen.view(), principal(chosen.view()), go_on)?;
    let others = part(&|rest| rest != 0);
    let near =
        nearest(others.view(), chosen.view(), STANDS_AMONG, false, go_on).ok_or(ProjectionError::Stopped)?;
    let mut near = near.iter();
    let places = (0..rows.len()).map(|row| match row % step {
        0 => settled[row / step],
        _ => near.next().map_or([0.0; 2], |near| among(near, &settled)),
    });
    Ok(Plane { places: places.collect(), settled: chosen.len() })
}

/// The mean of the places of `near`, the nearest weighing most.
fn among(near: &[Near], places: &[[f32; 2]]) -> [f32; 2] {
    let mut sum = [0.0; 2];
    let mut total = 0.0;
    for near in near {
        // Copies of a settled point stand on it.
        let weight = 1.0 / (near.square + 1e-6);
        let place = places[near.row as usize];
        sum = [sum[0] + weight * place[0], sum[1] + weight * place[1]];
        total += weight;
    }
    if total > 0.0 { sum.map(|sum| sum / total) } else { sum }
}

/// Scales places into the square of [`SIDE`], the same in both directions and centred.
fn fit_square(places: &mut [[f32; 2]]) {
    let bounds = |axis: usize| {
        let values = places.iter().map(|place| place[axis]);
        values
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let across = bounds(0);
    let up = bounds(1);
    let width = (across.1 - across.0).max(up.1 - up.0);
    let scale = if width > 0.0 { SIDE / width } else { 0.0 };
    let middle = [f32::midpoint(across.0, across.1), f32::midpoint(up.0, up.1)];
    for place in places {
        for (value, middle) in place.iter_mut().zip(middle) {
            *value = ((*value - middle) * scale + SIDE / 2.0).clamp(0.0, SIDE);
        }
    }
}
