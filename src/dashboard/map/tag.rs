//! A rectangle of the map becomes a tag.

use std::collections::HashSet;

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Form;
use maud::{Markup, html};
use serde::Deserialize;

use super::drawn;
use super::view::{View, Wish};
use crate::dashboard::layout::project_path;
use crate::dashboard::refusal::Refusal;
use crate::dashboard::visit::Visit;
use crate::domain::ids::ContentHash;
use crate::domain::tag::{MAX_CHARS, Tag};
use crate::projection::{Projection, SIDE};
use crate::queue::Map;
use crate::storage::Project;

/// The form as it comes: everything is text until it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Selection {
    tag: String,
    left: String,
    right: String,
    bottom: String,
    top: String,
    /// Stamp of the map the rectangle was drawn on, and how that was made.
    map: String,
    projection: String,
    /// The view to go back to.
    wanted: String,
    colour: String,
    head: String,
}

/// Edges in the units of the map.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rectangle {
    left: f32,
    right: f32,
    bottom: f32,
    top: f32,
}

/// The form, for a rectangle that a script or a person fills in.
pub(super) fn form(
    visit: &Visit,
    project: &Project,
    view: &View,
    projection: Projection,
    stamp: &str,
) -> Markup {
    let edge = |name: &str, value: u32, label: &str| {
        html! {
            label { (label) input type="number" name=(name) min="0" max=(SIDE) step="any" value=(value) required; }
        }
    };
    html! {
        section.card aria-label="Selection" {
            h2 { "Tag a part of the map" }
            p.note {
                "Images in the rectangle bear the tag from then on, with those that bear it already. "
                code { "weathervane select" } " chooses no image that bears a tag."
            }
            form #map-tag.map-tag method="post" action={ (project_path(project)) "/map/tag" } {
                (visit.token())
                input type="hidden" name="map" value=(stamp);
                input type="hidden" name="projection" value=(projection.name());
                input type="hidden" name="wanted" value=(view.projection.name());
                input type="hidden" name="colour" value=(view.colour.name());
                input type="hidden" name="head" value=(view.head_name());
                (edge("left", 0, "Left"))
                (edge("right", 1_000, "Right"))
                (edge("bottom", 0, "Bottom"))
                (edge("top", 1_000, "Top"))
                label.map-name { "Tag" input type="text" name="tag" maxlength=(MAX_CHARS) required autocomplete="off"; }
                button type="submit" { "Tag these images" }
                output #map-told role="status" {}
            }
        }
    }
}

/// Tags the images in the rectangle.
pub(super) async fn add(visit: Visit, selection: Form<Selection>) -> Result<HttpResponse, Refusal> {
    let inner = visit.rooms();
    let project = visit.project().await?;
    let view =
        Wish::new(&selection.wanted, &selection.colour, &selection.head).understood(&visit, &project)?;
    let projection = Projection::from_name(&selection.projection);
    let projection = projection.ok_or_else(|| Refusal::not_found("projection", &selection.projection))?;
    let tag: Tag = selection.tag.parse().map_err(|error| refused(&error))?;
    let rectangle = Rectangle::read(&selection)?;
    let drawn = drawn(&visit, &project, projection).await?.made.and_then(Result::ok);
    let drawn = drawn.filter(|drawn| drawn.stamp == selection.map);
    let drawn = drawn.ok_or_else(|| {
        refused(&"the map has changed since it was shown, so the rectangle means other images")
    })?;
    let images = rectangle.images(&drawn.map);
    if images.is_empty() {
        return Err(refused(&"no image lies in the rectangle"));
    }
    inner.storage.tag_images(tag.as_str(), &images, visit.now()).await?;
    tracing::info!(project = %project.id, tag = tag.as_str(), images = images.len(), "images tagged in the dashboard");
    let to = format!("{}&tagged={}", view.address(&project, "", view.projection), images.len());
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, to)).finish())
}

fn refused(why: &dyn std::fmt::Display) -> Refusal {
    Refusal::Selection(why.to_string())
}

impl Rectangle {
    fn read(selection: &Selection) -> Result<Self, Refusal> {
        let edge = |name: &str, text: &str| {
            let value = text.trim().parse::<f32>().ok().filter(|value| value.is_finite());
            value.ok_or_else(|| refused(&format!("`{name}` is no number from 0 to {SIDE}")))
        };
        let rectangle = Self {
            left: edge("left", &selection.left)?,
            right: edge("right", &selection.right)?,
            bottom: edge("bottom", &selection.bottom)?,
            top: edge("top", &selection.top)?,
        };
        if rectangle.left > rectangle.right || rectangle.bottom > rectangle.top {
            return Err(refused(&"the rectangle is inside out: left is beyond right, or bottom beyond top"));
        }
        Ok(rectangle)
    }

    /// The images inside, edges included, each once.
    fn images(&self, map: &Map) -> Vec<ContentHash> {
        let holds =
            |[x, y]: [f32; 2]| (self.left..=self.right).contains(&x) && (self.bottom..=self.top).contains(&y);
        let mut seen = HashSet::new();
        let inside = map.images.iter().zip(&map.places).filter(|(_, place)| holds(**place));
        inside.map(|(image, _)| *image).filter(|image| seen.insert(*image)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::TaskId;

    fn selection(edges: [&str; 4]) -> Selection {
        let [left, right, bottom, top] = edges.map(str::to_owned);
        Selection { left, right, bottom, top, ..Selection::default() }
    }

    #[test]
    fn a_rectangle_holds_what_is_inside_and_on_its_edges() {
        let map = Map {
            tasks: [1, 2, 3, 4].map(TaskId).to_vec(),
            images: [7, 8, 9, 8].map(|byte| ContentHash::new([byte; 32])).to_vec(),
            places: vec![[10.0, 10.0], [20.0, 30.0], [20.1, 10.0], [20.0, 10.0]],
            settled: 4,
            pool: 4,
        };
        let rectangle = Rectangle::read(&selection(["0", "20", "10", "30.0"])).unwrap();
        assert_eq!(rectangle.images(&map), [7, 8].map(|byte| ContentHash::new([byte; 32])));
    }

    #[test]
    fn what_is_no_rectangle_is_refused_with_the_reason() {
        for (edges, reason) in [
            (["", "1", "0", "1"], "`left` is no number from 0 to 1000"),
            (["0", "NaN", "0", "1"], "`right` is no number from 0 to 1000"),
            (["0", "1", "inf", "1"], "`bottom` is no number from 0 to 1000"),
            (["0", "1", "0", "1e99"], "`top` is no number from 0 to 1000"),
            (["2", "1", "0", "1"], "the rectangle is inside out: left is beyond right, or bottom beyond top"),
        ] {
            let refused = Rectangle::read(&selection(edges)).unwrap_err();
            assert_eq!(refused.to_string(), format!("nothing was tagged: {reason}"));
        }
    }
}
