//! Page 4: which tasks come next, why, and how another strategy would order them.

use std::collections::HashMap;

use actix_web::http::header::LOCATION;
use actix_web::web::{self, Form, Query};
use actix_web::{HttpResponse, http::StatusCode};
use maud::{Markup, html};
use serde::Deserialize;

use super::charts::{Bar, small_bars};
use super::computed::{Made, Seen};
use super::layout::{Place, Tab, page, project_path, title_of};
use super::refusal::Refusal;
use super::thumbnails::picture;
use super::visit::Visit;
use super::words::{count, of, percent};
use super::{Entry, at, look};
use crate::domain::ids::TaskId;
use crate::queue::{Ranked, Ranking, Says};
use crate::ranking::Strategy;
use crate::storage::Project;

pub(super) const ENTRIES: &[Entry] = &[
    at("/projects/{project}/queue", || look().to(show)),
    at("/projects/{project}/queue/strategy", || web::post().to(apply)),
];

/// Tasks ranked for the page, and shown at once.
const RANKED: usize = 200;
const SHOWN: usize = 24;

/// Classes of a task that are drawn, the most probable first.
const CLASSES: usize = 6;

/// What the form of a strategy calls "as the program does by itself".
const BY_ITSELF: &str = "";

#[derive(Deserialize)]
struct Wish {
    /// The strategy to look at; absent: the one in use.
    strategy: Option<String>,
    /// Tasks to show.
    #[serde(default)]
    n: Option<usize>,
    #[serde(default)]
    done: String,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    strategy: String,
}

async fn show(visit: Visit, wish: Query<Wish>) -> Result<HttpResponse, Refusal> {
    let inner = visit.rooms();
    let project = visit.project().await?;
    let own = project.strategy.as_deref().and_then(|name| name.parse::<Strategy>().ok());
    let looked_at = match wish.strategy.as_deref() {
        None => own,
        Some(name) => chosen(name)?,
    };
    let shown = wish.n.unwrap_or(SHOWN).clamp(1, RANKED);
    let in_use = ranking(&visit, &project, own).await;
    let preview = looked_at != own;
    let ranking = if preview { ranking(&visit, &project, looked_at).await } else { in_use.clone() };
    let waiting = !(ranking.fresh && in_use.fresh);
    let left_out = inner.queue.left_out(project.id, SHOWN);
    let body = html! {
        h1 { "Queue" }
        @if wish.done == "strategy" {
            p.done role="status" { "The strategy is stored. Label Studio's queue follows as soon as it is written." }
        }
        (strategies(&visit, &project, own, looked_at))
        section #order data-live="labels version pool ready" data-project=(project.id) data-waiting=[waiting.then_some("")]
            aria-label="Order" {
            (order(&visit, &project, &ranking, preview.then_some(&in_use), shown))
        }
        @if !left_out.is_empty() {
            details {
                summary { (of(left_out.len() as i64, "task", "tasks")) " or more without an image" }
                ul { @for (task, reason) in &left_out { li { "Task " (task) ": " (reason) } } }
            }
        }
    };
    Ok(page(&visit, Place::Project(&project, Tab::Queue), &format!("Queue of {}", title_of(&project)), &body))
}

/// Stores the strategy; the queue is written anew behind the answer.
async fn apply(visit: Visit, choice: Form<Choice>) -> Result<HttpResponse, Refusal> {
    let project = visit.project().await?;
    let strategy = chosen(&choice.strategy)?;
    visit.rooms().queue.follow(project.id, strategy).await?;
    tracing::info!(project = %project.id, strategy = strategy.map(Strategy::name), "strategy chosen in the dashboard");
    let to = format!("{}/queue?done=strategy", project_path(&project));
    Ok(HttpResponse::build(StatusCode::SEE_OTHER).insert_header((LOCATION, to)).finish())
}

fn chosen(name: &str) -> Result<Option<Strategy>, Refusal> {
    if name == BY_ITSELF {
        return Ok(None);
    }
    name.parse().map(Some).map_err(|_| Refusal::not_found("strategy", name))
}

pub(super) async fn ranking(visit: &Visit, project: &Project, strategy: Option<Strategy>) -> Seen<Ranking> {
    let inner = visit.rooms();
    let version = inner.models.current(project.id).map(|published| published.number);
    let embedded = inner.queue.progress_among(project.id, 0).embedded;
    let stamp = format!("{version:?}/{}/{embedded}/{:?}", project.updates_seen, project.strategy);
    let (queue, id) = (inner.queue.clone(), project.id);
    // Without a strategy the project's own would be taken. The default gives way by itself while there is no model.
    let by = Some(strategy.unwrap_or(Strategy::DEFAULT));
    let make = || async move { queue.rank(id, by, RANKED).await.map_err(|error| error.to_string()) };
    inner.rankings.get(id, (id, strategy), stamp, make).await
}

fn strategies(
    visit: &Visit,
    project: &Project,
    own: Option<Strategy>,
    looked_at: Option<Strategy>,
) -> Markup {
    let path = project_path(project);
    let name = |strategy: Option<Strategy>| strategy.map_or(BY_ITSELF, Strategy::name);
    html! {
        section.card aria-label="Strategy" {
            form.inline method="get" action={ (path) "/queue" } {
                label for="strategy" { "Strategy" }
                select #strategy name="strategy" {
                    option value=(BY_ITSELF) selected[looked_at.is_none()] { "automatic" }
                    @for strategy in Strategy::ALL {
                        option value=(strategy.name()) selected[looked_at == Some(strategy)] { (strategy.name()) }
                    }
                }
                button.quiet type="submit" { "Look" }
            }
            p.note { (about(looked_at)) }
            @if looked_at == own {
                p { "This strategy is in use." }
            } @else {
                form.inline method="post" action={ (path) "/queue/strategy" } {
                    (visit.token())
                    input type="hidden" name="strategy" value=(name(looked_at));
                    button type="submit" { "Use this strategy" }
                    span.note { "Until then the project goes on with " strong { (own.map_or("automatic", Strategy::name)) } "." }
                }
            }
        }
    }
}

fn order(
    visit: &Visit,
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
                li.tile { (tile(visit, project, place, ranked, places.as_ref())) }
            }
        }
        @if now.tasks.len() > shown {
            p { a.button.quiet href=(more(visit, shown)) { "Show more" } }
        }
    }
}

fn tile(
    visit: &Visit,
    project: &Project,
    place: usize,
    ranked: &Ranked,
    places: Option<&HashMap<TaskId, usize>>,
) -> Markup {
    html! {
        (picture(project.id, ranked.task))
        h2 { (count(place as i64 + 1)) ". Task " (ranked.task) }
        @if let Some(places) = places { p.note { (moved(place, places.get(&ranked.task).copied())) } }
        p { (ranked.reason) }
        @for head in &ranked.heads { (says(head)) }
        (task_link(visit, project, ranked.task))
    }
}

/// How a task's place differs from the one it has under the strategy in use.
fn moved(now: usize, before: Option<usize>) -> String {
    match before {
        None => format!("now behind the first {RANKED}"),
        Some(before) if before == now => "same place as now".to_owned(),
        Some(before) => format!("now at place {}", before + 1),
    }
}

/// What a head says of a task, the most probable classes first.
pub(super) fn says(head: &Says) -> Markup {
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
pub(super) fn task_link(visit: &Visit, project: &Project, task: TaskId) -> Markup {
    html! {
        @if let Some(to) = visit.task_address(project.id, task) {
            p { a href=(to) rel="noreferrer" target="_blank" { "Open in Label Studio" span.note { " (task " (task) ")" } } }
        }
    }
}

fn more(visit: &Visit, shown: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in url::form_urlencoded::parse(visit.request().query_string().as_bytes()) {
        if name == "strategy" {
            query.append_pair(&name, &value);
        }
    }
    query.append_pair("n", &(shown + SHOWN).min(RANKED).to_string());
    format!("{}?{}", visit.request().path(), query.finish())
}

/// A strategy in a sentence.
fn about(strategy: Option<Strategy>) -> &'static str {
    match strategy {
        None => "The program's own choice: u-herding, and max-herding while there is no model.",
        Some(Strategy::Random) => "Tasks by chance: what everything else is measured against.",
        Some(Strategy::LeastConfidence) => "Tasks whose most probable class is least probable.",
        Some(Strategy::Margin) => "Tasks whose two most probable classes are closest.",
        Some(Strategy::Entropy) => "Tasks whose probabilities are spread most evenly.",
        Some(Strategy::KCenter) => "Tasks farthest from everything that is labelled or chosen.",
        Some(Strategy::Medoids) => "The tasks in the middle of as many clusters as are asked for.",
        Some(Strategy::TypiClust) => "The most typical task of each cluster.",
        Some(Strategy::MaxHerding) => "Tasks that together stand for as many others as possible.",
        Some(Strategy::UHerding) => "Tasks that together stand for as much uncertainty as possible.",
        Some(Strategy::Badge) => "Tasks that would change the model most, and in different ways.",
        Some(Strategy::Coral) => "Tasks far from the labelled ones and hard to decide.",
        Some(Strategy::ClusterMargin) => "Hard tasks, in turn from different clusters.",
        Some(Strategy::Tcm) => "Typical tasks first, hard ones later.",
    }
}
