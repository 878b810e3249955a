//! The page around the map.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Query;
use maud::{Markup, html};

use super::colours::{Colouring, NONE, STEPS, Scale, colouring};
use super::view::{Colour, MapQuery, View};
use super::{Drawn, drawing, drawn, points, tag};
use crate::dashboard::assets;
use crate::dashboard::background_cache::Seen;
use crate::dashboard::context::PageContext;
use crate::dashboard::error::PageError;
use crate::dashboard::format::of;
use crate::dashboard::layout::{Place, Tab, page, project_path, title_of};
use crate::dashboard::tags;
use crate::domain::ids::TaskId;
use crate::projection::Projection;
use crate::storage::Project;

/// A map of many images is fetched no sooner again, milliseconds: 1.8 MB for 100,000.
const REST_MS: u32 = 3_000;

/// A map with its colours, as far as they are made.
struct Picture<'a> {
    context: &'a PageContext,
    project: &'a Project,
    view: &'a View,
    /// By the projection that was asked for, or meanwhile by another one.
    drawn: Seen<Drawn>,
    projection: Projection,
    colouring: Seen<Colouring>,
    sizes: HashMap<TaskId, u8>,
}

pub(super) async fn show(context: PageContext, query: Query<MapQuery>) -> Result<HttpResponse, PageError> {
    let project = context.project().await?;
    let view = query.understood(&context, &project).await?;
    let (wanted, colouring, sizes) = tokio::join!(
        drawn(&context, &project, view.projection, view.tag.as_deref()),
        colouring(&context, &project, &view),
        points::sizes(&context, &project)
    );
    let mut seen = wanted?;
    let mut projection = view.projection;
    if seen.made.is_none() && projection != Projection::Principal {
        projection = Projection::Principal;
        seen = drawn(&context, &project, projection, view.tag.as_deref()).await?;
    }
    let tags = context.services().storage.tags().await?;
    let context = &context;
    let project = &project;
    let view = &view;
    let colouring = colouring?;
    let picture = Picture { context, project, view, drawn: seen, projection, colouring, sizes };
    let stamp = picture.drawn().map(|drawn| drawn.stamp.as_str()).unwrap_or_default();
    let body = html! {
        link rel="stylesheet" href=(assets::MAP_STYLE.path());
        h1 { "Embedding map" }
        @if let Some(tagged) = query.tagged {
            p.done role="status" { (of(i64::from(tagged), "image bears", "images bear")) " the tag now." }
        }
        (tags::done(&query.done))
        (form(project, view, &tags::field(&tags, view.tag.as_deref())))
        div.map-page {
            (picture.section())
            div.side {
                (tag::form(context, project, view, projection, stamp))
                (tags::section(context, project, &tags))
            }
        }
        script src=(assets::MAP_SCRIPT.path()) defer {}
    };
    Ok(page(context, Place::Project(project, Tab::Map), &format!("Map of {}", title_of(project)), &body))
}

/// Form of the view; it works without scripts.
fn form(project: &Project, view: &View, tag: &Markup) -> Markup {
    html! {
        section.card aria-label="View" {
            form.inline method="get" action={ (project_path(project)) "/map" } {
                label for="projection" { "Near means" }
                select #projection name="projection" {
                    @for projection in Projection::ALL {
                        option value=(projection.name()) selected[projection == view.projection] {
                            @match projection {
                                Projection::Principal => "alike in what varies most (PCA)",
                                Projection::Neighbours => "neighbours (t-SNE)",
                            }
                        }
                    }
                }
                label for="colour" { "Colour" }
                select #colour name="colour" {
                    @for colour in Colour::ALL {
                        option value=(colour.name()) selected[colour == view.colour] { (colour.name()) }
                    }
                }
                @if view.heads.len() > 1 {
                    label for="head" { "Of" }
                    select #head name="head" {
                        @for head in &view.heads {
                            option value=(head.from_name) selected[head.from_name == view.head_name()] { (head.from_name) }
                        }
                    }
                }
                (tag)
                button.quiet type="submit" { "Show" }
            }
        }
    }
}

impl Picture<'_> {
    fn drawn(&self) -> Option<&Arc<Drawn>> {
        self.drawn.made.as_ref().and_then(|made| made.as_ref().ok())
    }

    /// The part that follows changes; a script puts its canvas in the place of the drawing.
    fn section(&self) -> Markup {
        let context = self.context;
        let project = self.project;
        let kinds = match self.view.colour {
            Colour::Label => "pool ready version labels",
            _ => "pool ready version",
        };
        let drawn = self.drawn();
        let points = drawn.map(|_| self.view.address(project, "/points", self.projection));
        // Ids are numbers: the script puts them at the end.
        let task = context
            .task_address(project.id, TaskId(0))
            .and_then(|to| to.strip_suffix('0').map(str::to_owned));
        html! {
            section #map.card aria-label="Map" data-live=(kinds) data-project=(project.id) data-points=[points]
                data-stamp=[drawn.map(|drawn| &drawn.stamp)] data-projection=(self.projection.name())
                data-thumbnails={ (project_path(project)) "/thumbnails/" } data-task=[task] data-steps=(STEPS) data-none=(NONE)
                data-ramp=[self.is_ramp().then_some("")] data-rest=(REST_MS) data-waiting=[self.is_waiting().then_some("")] {
                (self.state())
                @if let Some(drawn) = drawn { (self.figure(drawn)) }
            }
        }
    }

    /// `true` if a newer map or colouring is on its way.
    fn is_waiting(&self) -> bool {
        !(self.drawn.fresh && self.colouring.fresh && self.projection == self.view.projection)
    }

    fn is_ramp(&self) -> bool {
        matches!(self.colouring.made, Some(Ok(ref colouring)) if matches!(colouring.scale, Scale::Range { .. }))
    }

    /// Description of the map: the images that are shown, and those that are not.
    fn state(&self) -> Markup {
        let drawn = match &self.drawn.made {
            None => {
                return html! {
                    p.lead role="status" { "The map is being drawn. This page follows by itself, or load it again in a moment." }
                };
            }
            Some(Err(reason)) => return html! { p.problem { (reason) } },
            Some(Ok(drawn)) => drawn,
        };
        let map = &drawn.map;
        let shown = map.tasks.len() as i64;
        let settled = map.settled as i64;
        html! {
            p {
                (of(shown, "image", "images"))
                @if let Some(tag) = &self.view.tag { " with the tag " strong { (tag) } }
                ", placed by "
                @match self.projection {
                    Projection::Principal => "the two axes of largest variance.",
                    Projection::Neighbours => "their neighbours.",
                }
                " Larger points come first in the queue."
            }
            @if map.pool > map.tasks.len() {
                p.note { "Shown is every " (map.pool.div_ceil(map.tasks.len().max(1))) ". of " (of(map.pool as i64, "image", "images")) "." }
            }
            @if settled < shown {
                p.note {
                    "Neighbours were looked for among " (of(settled, "image", "images")) "; each of the others stands among the three of these that are most like it."
                }
            }
            @if self.projection != self.view.projection {
                p.note role="status" { "The map of neighbours is being drawn; until then this is the one of largest variance." }
            } @else if !self.drawn.fresh || (self.colouring.made.is_some() && !self.colouring.fresh) {
                p.note role="status" { "Something changed since; the next map is on its way." }
            }
            @match &self.colouring.made {
                None => p.note role="status" { "The colours are being gathered." },
                Some(Err(reason)) => p.problem { (reason) },
                Some(Ok(colouring)) => (drawing::legend(&colouring.scale, none(self.view.colour))),
            }
        }
    }

    fn figure(&self, drawn: &Drawn) -> Markup {
        let colouring = self.colouring.made.as_ref().and_then(|made| made.as_ref().ok());
        let says = format!(
            "{} coloured by {}",
            of(drawn.map.tasks.len() as i64, "image", "images"),
            self.view.colour.name()
        );
        let opens = |task| self.context.task_address(self.project.id, task);
        let by_script = self.context.request().headers().contains_key("hx-request");
        html! {
            div #map-figure.map-figure data-says=(says) {
                // Who follows changes has a canvas.
                @if !by_script { (drawing::svg(&drawn.map, colouring.map(AsRef::as_ref), &self.sizes, &says, &opens)) }
            }
        }
    }
}

/// Name for points without a colour.
fn none(colour: Colour) -> &'static str {
    match colour {
        Colour::Label => "no label",
        Colour::Prediction | Colour::Certainty => "no prediction",
        Colour::Tag => "no tag",
        Colour::Time => "no date in task or file name",
    }
}
