//! A part of the map, as a form names it: a rectangle, or a line that was drawn around some points.

use std::collections::HashSet;

use crate::domain::ids::ContentHash;
use crate::pool::Map;
use crate::projection::SIDE;

/// Corners of a line at most: a script thins what a hand drew, and each costs a comparison for every point.
pub(super) const CORNERS: usize = 256;

/// A part of the map, in its units.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    Rectangle {
        left: f32,
        right: f32,
        bottom: f32,
        top: f32,
    },
    /// Closed from the last corner to the first.
    Polygon(Vec<[f32; 2]>),
}

/// Reason why a text is no part of the map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ShapeError {
    #[error("`{0}` is not a number from 0 to {SIDE}")]
    Edge(&'static str),
    #[error("the rectangle is inside out: left is beyond right, or bottom beyond top")]
    InsideOut,
    #[error("corner {0} of the line is not a pair of numbers from 0 to {SIDE}")]
    Corner(usize),
    #[error("a line around images has 3 to {CORNERS} corners")]
    Corners,
}

impl Shape {
    /// Reads the edges of a rectangle.
    ///
    /// # Errors
    /// An edge is no number, or the edges are in the wrong order.
    pub fn rectangle([left, right, bottom, top]: [&str; 4]) -> Result<Self, ShapeError> {
        let edge = |name: &'static str, text: &str| number(text).ok_or(ShapeError::Edge(name));
        let left = edge("left", left)?;
        let right = edge("right", right)?;
        let bottom = edge("bottom", bottom)?;
        let top = edge("top", top)?;
        if left > right || bottom > top {
            return Err(ShapeError::InsideOut);
        }
        Ok(Self::Rectangle { left, right, bottom, top })
    }

    /// Reads corners: `x,y x,y x,y`.
    ///
    /// # Errors
    /// A corner is not on the map, or there are too few or too many.
    pub fn polygon(text: &str) -> Result<Self, ShapeError> {
        let read = |(index, corner): (usize, &str)| {
            let place = corner.split_once(',').and_then(|(x, y)| Some([number(x)?, number(y)?]));
            let place = place.filter(|place| place.iter().all(|value| (0.0..=SIDE).contains(value)));
            place.ok_or(ShapeError::Corner(index + 1))
        };
        // One more than may be, whatever comes.
        let corners = text.split_ascii_whitespace().take(CORNERS + 1).enumerate().map(read);
        let corners = corners.collect::<Result<Vec<_>, _>>()?;
        if (3..=CORNERS).contains(&corners.len()) {
            Ok(Self::Polygon(corners))
        } else {
            Err(ShapeError::Corners)
        }
    }

    /// The images inside, each once. Edges of a rectangle count as inside.
    pub fn images(&self, map: &Map) -> Vec<ContentHash> {
        let mut seen = HashSet::new();
        let inside = map.images.iter().zip(&map.places).filter(|(_, place)| self.holds(**place));
        inside.map(|(image, _)| *image).filter(|image| seen.insert(*image)).collect()
    }

    fn holds(&self, [x, y]: [f32; 2]) -> bool {
        match self {
            Self::Rectangle { left, right, bottom, top } => {
                (*left..=*right).contains(&x) && (*bottom..=*top).contains(&y)
            }
            Self::Polygon(corners) => {
                // A ray to the right crosses the line an odd number of times.
                let before = corners.iter().cycle().skip(corners.len().saturating_sub(1));
                let crossed = corners.iter().zip(before).filter(|([ax, ay], [bx, by])| {
                    (*ay > y) != (*by > y) && x < ax + (y - ay) / (by - ay) * (bx - ax)
                });
                crossed.count() % 2 == 1
            }
        }
    }
}

fn number(text: &str) -> Option<f32> {
    text.trim().parse::<f32>().ok().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::TaskId;

    fn map() -> Map {
        Map {
            tasks: [1, 2, 3, 4].map(TaskId).to_vec(),
            images: [7, 8, 9, 8].map(|byte| ContentHash::new([byte; 32])).to_vec(),
            places: vec![[10.0, 10.0], [20.0, 30.0], [20.1, 10.0], [20.0, 10.0]],
            settled: 4,
            pool: 4,
        }
    }

    fn images(shape: &Shape) -> Vec<u8> {
        let of = |byte: u8| ContentHash::new([byte; 32]);
        let found = shape.images(&map());
        [7, 8, 9].into_iter().filter(|byte| found.contains(&of(*byte))).collect()
    }

    #[test]
    fn a_rectangle_holds_what_is_inside_and_on_its_edges() {
        let rectangle = Shape::rectangle(["0", "20", "10", "30.0"]).unwrap();
        assert_eq!(rectangle.images(&map()), [7, 8].map(|byte| ContentHash::new([byte; 32])));
    }

    #[test]
    fn a_line_holds_what_it_goes_around() {
        // A hook that goes around the second point and passes below it.
        let hook = Shape::polygon("15,25 25,25 25,35 5,35 5,5 12,5 12,30 15,30").unwrap();
        assert_eq!(images(&hook), [7, 8]);
        let triangle = Shape::polygon(" 19,9\t22,9  20.5,20 ").unwrap();
        assert_eq!(images(&triangle), [8, 9]);
        assert_eq!(images(&Shape::polygon("0,0 1000,0 1000,1000 0,1000").unwrap()), [7, 8, 9]);
        assert!(images(&Shape::polygon("5,5 5,5 5,5").unwrap()).is_empty(), "a line without an inside");
    }

    #[test]
    fn what_is_no_rectangle_is_refused_with_the_reason() {
        for (edges, reason) in [
            (["", "1", "0", "1"], "`left` is not a number from 0 to 1000"),
            (["0", "NaN", "0", "1"], "`right` is not a number from 0 to 1000"),
            (["0", "1", "inf", "1"], "`bottom` is not a number from 0 to 1000"),
            (["0", "1", "0", "1e99"], "`top` is not a number from 0 to 1000"),
            (["2", "1", "0", "1"], "the rectangle is inside out: left is beyond right, or bottom beyond top"),
        ] {
            assert_eq!(Shape::rectangle(edges).unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn what_is_no_line_around_something_is_refused_with_the_reason() {
        let corners = |count: usize| "1,1 ".repeat(count);
        assert!(Shape::polygon(&corners(CORNERS)).is_ok());
        let many = corners(CORNERS + 1);
        let endless = corners(60_000);
        for (text, reason) in [
            ("1,1 2,2", "a line around images has 3 to 256 corners"),
            (many.as_str(), "a line around images has 3 to 256 corners"),
            (endless.as_str(), "a line around images has 3 to 256 corners"),
            ("1,1 2,2 3", "corner 3 of the line is not a pair of numbers from 0 to 1000"),
            ("1,1 NaN,2 3,3", "corner 2 of the line is not a pair of numbers from 0 to 1000"),
            ("1,1 2,inf 3,3", "corner 2 of the line is not a pair of numbers from 0 to 1000"),
            ("-1,1 2,2 3,3", "corner 1 of the line is not a pair of numbers from 0 to 1000"),
            ("1,1 2,2 3,1000.1", "corner 3 of the line is not a pair of numbers from 0 to 1000"),
            ("1,1,1 2,2 3,3", "corner 1 of the line is not a pair of numbers from 0 to 1000"),
            ("<script>", "corner 1 of the line is not a pair of numbers from 0 to 1000"),
        ] {
            assert_eq!(Shape::polygon(text).unwrap_err().to_string(), reason, "{:.40}", text);
        }
    }
}
