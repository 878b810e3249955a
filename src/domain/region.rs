//! Regions of a picture: the boxes and ellipses that people and other models draw, as Label Studio's results hold them.
//!
//! A drawn region and the answers about it are items of one result that share an `id`. The editor writes the place into each
//! of them; other programs write it into the drawn one alone.

mod asked;

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::label_config::{HeadSpec, RegionCondition};
pub use asked::asked;

/// Farthest place and largest size, in percent: nobody draws what is ten thousand times as large as the picture, and numbers
/// below it can be reckoned with.
const FARTHEST: f64 = 1e6;

/// Fields of a `value` that say where a region lies.
const PLACE_FIELDS: [&str; 7] = ["x", "y", "width", "height", "radiusX", "radiusY", "rotation"];

/// Fields beside the `value` that the editor writes into every item of a region.
const PICTURE_FIELDS: [&str; 3] = ["original_width", "original_height", "image_rotation"];

/// Place of a rectangle or an ellipse, in percent of the picture's width and height, as it is shown upright.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    shape: Shape,
    /// Left and top corner of a rectangle before it is turned, centre of an ellipse.
    x: f64,
    y: f64,
    /// Of an ellipse the radii.
    width: f64,
    height: f64,
    /// Degrees clockwise, about the point at `x` and `y`.
    rotation: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Rectangle,
    Ellipse,
}

/// Reason why a region can't be cut out of its picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum PlaceError {
    /// The kind of region, or what there is in place of one.
    #[error("{0}, where only rectangles and ellipses are cut out")]
    Kind(&'static str),
    #[error("a region whose place is not a number, or far from any picture")]
    Unreadable,
    #[error("a region without width or height")]
    Empty,
    #[error("a region that lies outside of its picture")]
    Outside,
    #[error("a region of a picture that was turned in the editor")]
    Turned,
}

/// Whole pixels of a picture, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

impl Place {
    /// Place of the region of a result's item.
    ///
    /// # Errors
    /// It is no rectangle or ellipse, or none that can be cut out of the picture.
    pub fn of(item: &Value) -> Result<Self, PlaceError> {
        let value = item.get("value").unwrap_or(&Value::Null);
        let number = |field: &str| match value.get(field) {
            Some(Value::Number(number)) => number.as_f64().filter(|number| number.abs() <= FARTHEST),
            _ => None,
        };
        let has = |fields: [&str; 2]| fields.iter().all(|field| value.get(field).is_some());
        let (shape, [width, height]) = match (has(["radiusX", "radiusY"]), has(["width", "height"])) {
            (true, _) => (Shape::Ellipse, ["radiusX", "radiusY"]),
            (_, true) if has(["x", "y"]) && value.get("sequence").is_none() => {
                (Shape::Rectangle, ["width", "height"])
            }
            _ => return Err(PlaceError::Kind(kind(value))),
        };
        let rotation = if value.get("rotation").is_some_and(|turned| !turned.is_null()) {
            number("rotation")
        } else {
            Some(0.0)
        };
        let numbers = (number("x"), number("y"), number(width), number(height), rotation);
        let (Some(x), Some(y), Some(width), Some(height), Some(rotation)) = numbers else {
            return Err(PlaceError::Unreadable);
        };
        if width <= 0.0 || height <= 0.0 {
            return Err(PlaceError::Empty);
        }
        // The numbers are then of the picture as it was turned.
        if item.get("image_rotation").and_then(Value::as_f64).is_some_and(|turned| turned % 360.0 != 0.0) {
            return Err(PlaceError::Turned);
        }
        let place = Self { shape, x, y, width, height, rotation };
        // Where it reaches when it is turned depends on the picture's shape.
        if rotation == 0.0 && place.crop(10_000, 10_000).is_none() {
            return Err(PlaceError::Outside);
        }
        Ok(place)
    }

    /// The pixels of a picture of this size within the upright rectangle around the region, as far as they are within the
    /// picture; `None` where none is. What is smaller than a pixel is one pixel.
    pub fn crop(&self, width: u32, height: u32) -> Option<Crop> {
        let across = f64::from(width) / 100.0;
        let down = f64::from(height) / 100.0;
        let (sin, cos) = self.rotation.to_radians().sin_cos();
        let x = self.x * across;
        let y = self.y * down;
        let w = self.width * across;
        let h = self.height * down;
        let (left, right, top, bottom) = match self.shape {
            Shape::Rectangle => {
                let xs = [0.0, w * cos, -h * sin];
                let ys = [0.0, w * sin, h * cos];
                let ends = |[zero, a, b]: [f64; 3]| {
                    let corners = [zero, a, b, a + b];
                    (
                        corners.into_iter().fold(f64::INFINITY, f64::min),
                        corners.into_iter().fold(f64::NEG_INFINITY, f64::max),
                    )
                };
                let (left, right) = ends(xs);
                let (top, bottom) = ends(ys);
                (left, right, top, bottom)
            }
            Shape::Ellipse => {
                let across = (w * cos).hypot(h * sin);
                let down = (w * sin).hypot(h * cos);
                (-across, across, -down, down)
            }
        };
        let (x, width) = covered(x + left, x + right, width)?;
        let (y, height) = covered(y + top, y + bottom, height)?;
        Some(Crop { x, y, width, height })
    }

    /// The same bytes for the same place, others for any other.
    pub fn bytes(&self) -> [u8; 41] {
        let mut bytes = [0; 41];
        bytes[0] = self.shape as u8;
        let numbers = [self.x, self.y, self.width, self.height, self.rotation];
        for (part, number) in bytes[1..].chunks_exact_mut(8).zip(numbers) {
            // 0 and -0 are one place.
            part.copy_from_slice(&(number + 0.0).to_le_bytes());
        }
        bytes
    }
}

/// First and number of the pixels that a range covers, of those from 0 to `side`.
fn covered(from: f64, to: f64, side: u32) -> Option<(u32, u32)> {
    let end = f64::from(side);
    if to <= 0.0 || from >= end {
        return None;
    }
    let from = from.round().clamp(0.0, end - 1.0);
    let to = to.round().clamp(from + 1.0, end);
    Some((from as u32, (to - from) as u32))
}

/// Kind of region of a `value` without a rectangle or an ellipse, for a message.
fn kind(value: &Value) -> &'static str {
    let has = |field: &str| value.get(field).is_some();
    match () {
        () if has("points") => "a polygon",
        () if has("vertices") => "a line",
        () if has("rle") || has("format") => "a brush mask",
        () if has("sequence") => "a region of a video",
        () if has("x") => "a key point",
        () if has("item_index") => "an item of a list",
        () => "no region",
    }
}

/// `true` if an item is about less than the whole image: with `perRegion` it holds the region's place beside the answer,
/// with `perItem` the item's.
pub fn is_of_a_part(item: &Value) -> bool {
    item.get("value").is_some_and(|value| kind(value) != "no region")
}

/// The `id` that the items of one region share.
pub fn id(item: &Value) -> Option<&str> {
    item.get("id")?.as_str().filter(|id| !id.is_empty())
}

/// Places of the regions of a result, by id; the items' first place counts.
pub fn places(result: &[Value]) -> HashMap<&str, Result<Place, PlaceError>> {
    let mut places = HashMap::new();
    for item in result.iter().filter(|item| is_of_a_part(item)) {
        let Some(id) = id(item) else { continue };
        let known = places.entry(id).or_insert_with(|| Place::of(item));
        if known.is_err() {
            *known = Place::of(item).or(*known);
        }
    }
    places
}

/// A region as it was sent, with all answers about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    pub id: String,
    pub place: Place,
    /// At least one.
    pub items: Vec<Value>,
}

impl Region {
    /// The regions of a result that can be cut out, in their order, and why others can't.
    pub fn all(result: &[Value]) -> (Vec<Self>, Vec<PlaceError>) {
        let mut places = places(result);
        let mut regions = Vec::<Self>::new();
        let mut refused = Vec::new();
        let mut at = HashMap::new();
        for item in result {
            let Some(id) = id(item) else { continue };
            match places.remove(id) {
                Some(Ok(place)) => {
                    at.insert(id, regions.len());
                    regions.push(Self { id: id.to_owned(), place, items: Vec::new() });
                }
                Some(Err(why)) => refused.push(why),
                None => {}
            }
            if let Some(region) = at.get(id).and_then(|at| regions.get_mut(*at)) {
                region.items.push(item.clone());
            }
        }
        (regions, refused)
    }

    /// `true` if a head's question about the region is answered.
    pub fn is_answered(&self, head: &HeadSpec) -> bool {
        self.items.iter().any(|item| item.get("from_name").and_then(Value::as_str) == Some(&*head.from_name))
    }

    /// `true` if the editor asks a head's question about the region.
    pub fn is_asked(&self, head: &HeadSpec) -> bool {
        let is_there =
            |item: &Value| item.get("to_name").and_then(Value::as_str) == Some(head.to_name.as_str());
        self.items.iter().any(is_there) && head.regions.iter().all(|condition| self.meets(condition))
    }

    fn meets(&self, condition: &RegionCondition) -> bool {
        // The editor reads the first tag that gave it a label.
        let labels = self.items.iter().find_map(|item| {
            let kind = item.get("type")?.as_str().filter(|kind| kind.ends_with("labels"))?;
            let labels = item.get("value")?.get(kind)?.as_array().filter(|labels| !labels.is_empty())?;
            Some((item.get("from_name")?.as_str()?, labels))
        });
        let (tag, labels) = labels.map_or((None, &[][..]), |(tag, labels)| (Some(tag), labels.as_slice()));
        let is_named = |label: &Value| {
            label.as_str().is_some_and(|label| condition.labels.iter().any(|name| name == label))
        };
        (condition.tag.is_none() || condition.tag.as_deref() == tag)
            && (condition.labels.is_empty() || labels.iter().any(is_named))
    }

    /// An item for a further answer: the region's id and place, `answer` in its `value`.
    pub fn item(&self, head: &HeadSpec, answer: Map<String, Value>, score: f64) -> Value {
        let mut value = Map::new();
        let mut item = Map::new();
        if let Some(drawn) = self.items.iter().find(|item| Place::of(item).is_ok()) {
            let copy = |from: &Value, fields: &[&str], to: &mut Map<String, Value>| {
                let there =
                    fields.iter().filter_map(|field| Some(((*field).to_owned(), from.get(field)?.clone())));
                to.extend(there);
            };
            copy(&drawn["value"], &PLACE_FIELDS, &mut value);
            copy(drawn, &PICTURE_FIELDS, &mut item);
        }
        value.extend(answer);
        let named = [
            ("id", self.id.as_str()),
            ("from_name", &head.from_name),
            ("to_name", &head.to_name),
            ("type", head.control.result_type()),
        ];
        item.extend(named.map(|(field, text)| (field.to_owned(), Value::from(text))));
        item.insert("value".to_owned(), Value::Object(value));
        item.insert("score".to_owned(), Value::from(score));
        Value::Object(item)
    }
}

#[cfg(test)]
mod tests;
