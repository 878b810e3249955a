//! A part of the map becomes a tag.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use actix_web::web::Form;
use maud::{Markup, html};
use serde::Deserialize;

use super::drawn;
use super::shape::Shape;
use super::view::{MapQuery, View};
use crate::dashboard::context::PageContext;
use crate::dashboard::error::PageError;
use crate::dashboard::layout::project_path;
use crate::domain::tag::{MAX_CHARS, Tag};
use crate::projection::{Projection, SIDE};
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
    /// Corners of a line that was drawn around images, in place of the edges; empty without one.
    polygon: String,
    /// Stamp of the map the rectangle was drawn on, and how that was made.
    map: String,
    projection: String,
    /// The view to go back to.
    wanted: String,
    colour: String,
    head: String,
    /// The tag whose images alone were shown, and are selected; empty: all were.
    shown: String,
}

/// The form, for a part that a script or a person fills in.
pub(super) fn form(
    context: &PageContext,
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
                "Images in the rectangle, or inside the line that was drawn, bear the tag from then on, with those that bear it \
                 already. "
                code { "weathervane select" } " chooses no image that bears a tag."
            }
            form #map-tag.map-tag method="post" action={ (project_path(project)) "/map/tag" } {
                (context.token())
                input type="hidden" name="map" value=(stamp);
                input type="hidden" name="projection" value=(projection.name());
                input type="hidden" name="wanted" value=(view.projection.name());
                input type="hidden" name="colour" value=(view.colour.name());
                input type="hidden" name="head" value=(view.head_name());
                input type="hidden" name="shown" value=(view.tag.as_deref().unwrap_or_default());
                input type="hidden" name="polygon" value="";
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

/// Tags the images that were selected.
pub(super) async fn add(context: PageContext, selection: Form<Selection>) -> Result<HttpResponse, PageError> {
    let inner = context.services();
    let project = context.project().await?;
    let view = MapQuery::new(&selection.wanted, &selection.colour, &selection.head, &selection.shown);
    let view = view.understood(&context, &project).await?;
    let projection = Projection::from_name(&selection.projection);
    let projection = projection.ok_or_else(|| PageError::not_found("projection", &selection.projection))?;
    let tag: Tag = selection.tag.parse().map_err(|error| refused(&error))?;
    let shape = selection.shape()?;
    let drawn = drawn(&context, &project, projection, view.tag.as_deref()).await?.made.and_then(Result::ok);
    let drawn = drawn.filter(|drawn| drawn.stamp == selection.map);
    let drawn = drawn.ok_or_else(|| {
        refused(&"the map has changed since it was shown, so the selection means other images")
    })?;
    // A comparison for each point and corner.
    let images = tokio::task::spawn_blocking(move || shape.images(&drawn.map)).await;
    let images = images.map_err(|_| PageError::Gone)?;
    if images.is_empty() {
        return Err(refused(&"no image lies inside"));
    }
    inner.storage.tag_images(tag.as_str(), &images, context.now()).await?;
    tracing::info!(project = %project.id, tag = tag.as_str(), images = images.len(), "images tagged in the dashboard");
    let to = format!("{}&tagged={}", view.address(&project, "", view.projection), images.len());
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, to)).finish())
}

fn refused(why: &dyn std::fmt::Display) -> PageError {
    PageError::Selection(why.to_string())
}

impl Selection {
    fn shape(&self) -> Result<Shape, PageError> {
        let shape = if self.polygon.trim().is_empty() {
            Shape::rectangle([&self.left, &self.right, &self.bottom, &self.top])
        } else {
            Shape::polygon(&self.polygon)
        };
        shape.map_err(|error| refused(&error))
    }
}
