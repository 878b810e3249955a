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

use super::background_cache::{BackgroundCache, Seen};
use super::context::PageContext;
use super::error::PageError;
use super::live::Live;
use super::tags;
use super::{Entry, at, get};
use crate::domain::ids::ProjectId;
use crate::pool::Map;
use crate::projection::Projection;
use crate::storage::Project;
use colours::Colouring;
use view::Colour;

pub(super) const ENTRIES: &[Entry] = &[
    at("/projects/{project}/map", || get().to(page::show)),
    at("/projects/{project}/map/points", || get().to(points::send)),
    at("/projects/{project}/map/tag", || web::post().to(tag::add)),
];

/// Maps and colourings kept: two megabytes each of 100,000 images.
const KEPT: u64 = 24;

/// While most images are still to come, a map is made again when there are so many times as many.
const GROWTH: f64 = 1.1;

/// Maps and colourings kept ready for this page.
pub(super) struct Maps {
    /// Maps by PCA: made in a moment.
    quick: BackgroundCache<ProjectId, Drawn>,
    /// Maps by t-SNE (van der Maaten & Hinton 2008): made in up to a minute.
    slow: BackgroundCache<ProjectId, Drawn>,
    colourings: BackgroundCache<(ProjectId, Colour, String), Colouring>,
}

/// A map, and the stamp of what it was made from.
pub(super) struct Drawn {
    pub map: Map,
    pub stamp: String,
}

impl Maps {
    pub fn new(quick: &Arc<Semaphore>, slow: &Arc<Semaphore>, live: &Live) -> Self {
        Self {
            quick: BackgroundCache::new(KEPT, Arc::clone(quick), live.clone()),
            slow: BackgroundCache::new(KEPT, Arc::clone(slow), live.clone()),
            colourings: BackgroundCache::new(KEPT, Arc::clone(quick), live.clone()),
        }
    }
}

/// Stamp of the data that a map is made from: while most images are still to come it does not change with each of them;
/// later it changes with every one.
async fn stamp(context: &PageContext, project: &Project) -> Result<String, PageError> {
    let inner = context.services();
    let pool = inner.pool.progress_among(project.id, inner.counts.of(project.id).await?.total);
    // A new task changes nothing before its image is embedded, a deleted one at once.
    let done = pool.tasks.min(pool.embedded + pool.failed);
    Ok(if done as f64 * GROWTH < pool.tasks as f64 {
        format!("part-{:.0}", (pool.embedded.max(1) as f64).log(GROWTH).floor())
    } else {
        format!("{}-{done}", inner.pool.revision(project.id))
    })
}

/// A project's map as far as it is made; of a tag only its images, where they stand on the map of all.
async fn drawn(
    context: &PageContext,
    project: &Project,
    projection: Projection,
    tag: Option<&str>,
) -> Result<Seen<Drawn>, PageError> {
    let inner = context.services();
    let stamp = stamp(context, project).await?;
    let maps = match projection {
        Projection::Principal => &inner.maps.quick,
        Projection::Neighbours => &inner.maps.slow,
    };
    let pool = inner.pool.clone();
    let id = project.id;
    let over = inner.live.over();
    let of = stamp.clone();
    let make = || async move {
        let map = Map::draw(&pool, id, projection, over).await.map_err(|error| error.to_string())?;
        Ok(Drawn { map, stamp: of })
    };
    let seen = maps.get(project.id, project.id, stamp, make).await;
    let (Some(tag), Some(Ok(whole))) = (tag, &seen.made) else { return Ok(seen) };
    let part = whole.map.of_images(&tags::images(inner, tag).await?);
    Ok(Seen { made: Some(Ok(Arc::new(Drawn { map: part, stamp: whole.stamp.clone() }))), ..seen })
}
