//! Page 4: which tasks come next, why, and how another strategy would order them.

mod strategy;

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::{self, Query};
use maud::{Markup, html};
use serde::Deserialize;

use super::background_cache::{Made, Seen};
use super::charts::{Bar, small_bars};
use super::context::PageContext;
use super::error::PageError;
use super::format::{count, of, percent};
use super::layout::{Place, Tab, page, title_of};
use super::tags;
use super::thumbnails::picture;
use super::{Entry, at, get};
use crate::domain::ids::TaskId;
use crate::queue::{self, HeadProbabilities, Ranked, Ranking};
use crate::ranking::Strategy;
use crate::storage::Project;

pub(super) const ENTRIES: &[Entry] = &[
    at("/projects/{project}/queue", || get().to(show)),
    at("/projects/{project}/queue/strategy", || web::post().to(strategy::apply)),
];

/// Tasks ranked for the page, and shown at once.
const RANKED: usize = 200;
const SHOWN: usize = 24;

/// Classes of a task that are drawn, the most probable first.
const CLASSES: usize = 6;

#[derive(Deserialize)]
struct QueueQuery {
    /// The query strategy to preview; absent: the one in use.
    strategy: Option<String>,
    /// Show only images that bear it.
    tag: Option<String>,
    /// Tasks to show.
    #[serde(default)]
    n: Option<usize>,
    #[serde(default)]
    done: String,
}

async fn show(context: PageContext, query: Query<QueueQuery>) -> Result<HttpResponse, PageError> {
    let inner = context.services();
    let project = context.project().await?;
    let own = project.strategy.as_deref().and_then(|name| name.parse::<Strategy>().ok());
    let chosen = match query.strategy.as_deref() {
        None => own,
        Some(name) => strategy::chosen(name)?,
    };
    let shown = query.n.unwrap_or(SHOWN).clamp(1, RANKED);
    let tag = tags::chosen(inner, query.tag.as_deref()).await?;
    let tags = inner.storage.tags().await?;
    let in_use = ranking(&context, &project, own, tag.as_deref()).await;
    let preview = chosen != own;
    let ranking =
        if preview { ranking(&context, &project, chosen, tag.as_deref()).await } else { in_use.clone() };
    let waiting = !(ranking.fresh && in_use.fresh);
    let left_out = inner.pool.left_out(project.id, SHOWN);
    let body = html! {
        h1 { "Queue" }
        @if query.done == "strategy" {
            p.done role="status" { "The strategy is stored. Label Studio's queue follows as soon as it is written." }
        }
        (strategy::form(&context, &project, own, chosen, &tags::field(&tags, tag.as_deref())))
        section #order data-live="labels version pool ready" data-project=(project.id) data-waiting=[waiting.then_some("")]
            aria-label="Order" {
            @if let Some(tag) = &tag { p.note { "Only images with the tag " strong { (tag) } " are shown." } }
            (order(&context, &project, &ranking, preview.then_some(&in_use), shown))
        }
        @if !left_out.is_empty() {
            details {
                summary { (of(left_out.len() as i64, "task", "tasks")) " or more without an image" }
                ul { @for (task, reason) in &left_out { li { "Task " (task) ": " (reason) } } }
            }
        }
    };
    Ok(page(
        &context,
        Place::Project(&project, Tab::Queue),
        &format!("Queue of {}", title_of(&project)),
        &body,
    ))
}

/// The ranking of a project, or of those of its images that bear a tag, as far as it is made.
pub(super) async fn ranking(
    context: &PageContext,
    project: &Project,
    strategy: Option<Strategy>,
    tag: Option<&str>,
) -> Seen<Ranking> {
    let inner = context.services();
    let version = inner.models.current(project.id).map(|published| published.number);
    let embedded = inner.pool.progress_among(project.id, 0).embedded;
    let mut stamp = format!("{version:?}/{}/{embedded}/{:?}", project.updates_seen, project.strategy);
    if tag.is_some() {
        stamp += &tags::stamp(inner).await.unwrap_or_default();
    }
    let dashboard = context.dashboard();
    let id = project.id;
    let tag = tag.map(str::to_owned);
    let key = (id, strategy, tag.clone());
    // Without a strategy the project's own would be taken. The default gives way by itself while there is no model.
    let strategy = Some(strategy.unwrap_or(Strategy::DEFAULT));
    let make = || async move {
        let inner = &dashboard.0;
        let among = match tag {
            Some(tag) => Some(tags::images(inner, &tag).await.map_err(|error| error.to_string())?),
            None => None,
        };
        let query = queue::RankRequest { limit: RANKED, strategy, among, ..queue::RankRequest::default() };
        inner.queue.choose(id, query).await.map_err(|error| error.to_string())
    };
    inner.rankings.get(id, key, stamp, make).await
}

fn order(
    context: &PageContext,
    project: &Project,
    ranking: &Seen<Ranking>,
    in_use: Option<&Seen<Ranking>>,
    shown: usize,
) -> Markup {
    let Some(made) = &ranking.made else {
        return html! { p.lead role="status" { "The tasks are being ranked. This page follows by itself, or load it again in a moment." } };
    };
    let made: &Made<Ranking> = made;
    let now = match made {
        Ok(now) => now,
        Err(reason) => return html! { p.problem { (reason) } },
    };
    let before = in_use.and_then(|seen| seen.made.as_ref()).and_then(|made| made.as_ref().ok());
    let places: Option<HashMap<TaskId, usize>> = before
        .map(|before| before.tasks.iter().enumerate().map(|(place, ranked)| (ranked.task, place)).collect());
    html! {
        p {
            (of(now.pool as i64, "open task is", "open tasks are")) " ranked by " strong { (now.strategy.name()) }
            " with version " (now.version) "."
            @if !ranking.fresh { " " span.note { "Something changed since; the new order is on its way." } }
        }
        @if now.tasks.is_empty() { p { "Nothing is left to label." } }
        ol.tiles {
            @for (place, ranked) in now.tasks.iter().take(shown).enumerate() {
                // Whoever wants more goes on at the first that is new.
                li.tile id={ "place-" (place + 1) } tabindex="-1" data-task=(ranked.task) { (tile(context, project, place, ranked, places.as_ref())) }
            }
        }
        @if now.tasks.len() > shown {
            p { a.button.quiet href=(more(context, shown)) data-more { "Show more" } }
        }
    }
}

fn tile(
    context: &PageContext,
    project: &Project,
    place: usize,
    ranked: &Ranked,
    places: Option<&HashMap<TaskId, usize>>,
) -> Markup {
    html! {
        (picture(project.id, ranked.task))
        h2 { (count(place as i64 + 1)) ". Task " (ranked.task) }
        @if context.services().pool.is_damaged(project.id, ranked.task) {
            p.note { span.chip { "damaged" } " only a part of the picture could be read" }
        }
        @if let Some(places) = places { p.note { (moved(place, places.get(&ranked.task).copied())) } }
        p { (ranked.reason) }
        @if !ranked.alike.is_empty() {
            ul.tiles.three.alike aria-label={ "Images that task " (ranked.task) " stands for" } {
                @for task in &ranked.alike { li { (picture(project.id, *task)) } }
            }
        }
        @for head in &ranked.heads { (says(head)) }
        (task_link(context, project, ranked.task))
    }
}

/// Difference between a task's place and the one it has under the strategy in use, in words.
fn moved(now: usize, before: Option<usize>) -> String {
    match before {
        None => format!("now behind the first {RANKED}"),
        Some(before) if before == now => "same place as now".to_owned(),
        Some(before) => format!("now at place {}", before + 1),
    }
}

/// Probabilities that a head predicts for a task, the most probable classes first.
pub(super) fn says(head: &HeadProbabilities) -> Markup {
    let mut classes: Vec<&(String, f32)> = head.classes.iter().collect();
    classes.sort_by(|a, b| b.1.total_cmp(&a.1));
    let rows: Vec<Bar> = classes
        .iter()
        .take(CLASSES)
        .map(|(name, p)| Bar {
            name: name.clone(),
            share: Some(f64::from(*p)),
            figure: percent(f64::from(*p)),
        })
        .collect();
    small_bars(&format!("Probabilities of {}", head.from_name), &rows)
}

/// A link to the task in Label Studio, where its address is known.
pub(super) fn task_link(context: &PageContext, project: &Project, task: TaskId) -> Markup {
    html! {
        @if let Some(to) = context.task_address(project.id, task) {
            p { a href=(to) rel="noreferrer" target="_blank" { "Open in Label Studio" span.note { " (task " (task) ")" } } }
        }
    }
}

fn more(context: &PageContext, shown: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(context.request().query_string().as_bytes()) {
        if name == "strategy" || name == "tag" {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("n", &(shown + SHOWN).min(RANKED).to_string());
    format!("{}?{}#place-{}", context.request().path(), query.finish(), shown + 1)
}
