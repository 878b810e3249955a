//! Page 3: every image as a point, beside those that are like it.
//!
//! Maps and colours are made in the background and kept; the page and its points only put them together.

mod colours;
mod drawing;
mod page;
mod points;
mod shape;
mod tag;
mod view;

use std::sync::Arc;

use actix_web::web;
use tokio::sync::Semaphore;

use super::computed::{Computed, Seen};
use super::live::Live;
use super::refusal::Refusal;
use super::tags;
use super::visit::Visit;
use super::{Entry, at, look};
use crate::domain::ids::ProjectId;
use crate::projection::Projection;
use crate::queue::Map;
use crate::storage::Project;
use colours::Colouring;
use view::Colour;

pub(super) const ENTRIES: &[Entry] = &[
    at("/projects/{project}/map", || look().to(page::show)),
    at("/projects/{project}/map/points", || look().to(points::send)),
    at("/projects/{project}/map/tag", || web::post().to(tag::add)),
];

/// Maps and colourings kept: two megabytes each of 100,000 images.
const KEPT: u64 = 24;

/// While most images are still to come, a map is made anew when there are so many times as many.
const GROWTH: f64 = 1.1;

/// What is kept ready for this page.
pub(super) struct Maps {
    /// Of principal axes: made in a moment.
    quick: Computed<ProjectId, Drawn>,
    /// Of neighbours: made in up to a minute.
    slow: Computed<ProjectId, Drawn>,
    colourings: Computed<(ProjectId, Colour, String), Colouring>,
}

/// A map, and the stamp of what it was made from.
pub(super) struct Drawn {
    pub map: Map,
    pub stamp: String,
}

impl Maps {
    pub fn new(quick: &Arc<Semaphore>, slow: &Arc<Semaphore>, live: &Live) -> Self {
        Self {
            quick: Computed::new(KEPT, Arc::clone(quick), live.clone()),
            slow: Computed::new(KEPT, Arc::clone(slow), live.clone()),
            colourings: Computed::new(KEPT, Arc::clone(quick), live.clone()),
        }
    }
}

/// What a map is made from: while most images are still to come, not each of them; later every change.
async fn stamp(visit: &Visit, project: &Project) -> Result<String, Refusal> {
    let inner = visit.rooms();
    let pool = inner.queue.progress_among(project.id, inner.counts.of(project.id).await?.total);
    // A new task changes nothing before its image is embedded, a deleted one at once.
    let looked_at = pool.tasks.min(pool.embedded + pool.failed);
    Ok(if looked_at as f64 * GROWTH < pool.tasks as f64 {
        format!("part-{:.0}", (pool.embedded.max(1) as f64).log(GROWTH).floor())
    } else {
        format!("{}-{looked_at}", inner.queue.revision(project.id))
    })
}

/// A project's map as far as it is made; of a tag only its images, where they stand on the map of all.
async fn drawn(
    visit: &Visit,
    project: &Project,
    projection: Projection,
    tag: Option<&str>,
) -> Result<Seen<Drawn>, Refusal> {
    let inner = visit.rooms();
    let stamp = stamp(visit, project).await?;
    let maps = match projection {
        Projection::Principal => &inner.maps.quick,
        Projection::Neighbours => &inner.maps.slow,
    };
    let (queue, id, over, of) = (inner.queue.clone(), project.id, inner.live.over(), stamp.clone());
    let make = || async move {
        let map = queue.map(id, projection, over).await.map_err(|error| error.to_string())?;
        Ok(Drawn { map, stamp: of })
    };
    let seen = maps.get(project.id, project.id, stamp, make).await;
    let (Some(tag), Some(Ok(whole))) = (tag, &seen.made) else { return Ok(seen) };
    let part = whole.map.of_images(&tags::images(inner, tag).await?);
    Ok(Seen { made: Some(Ok(Arc::new(Drawn { map: part, stamp: whole.stamp.clone() }))), ..seen })
}
