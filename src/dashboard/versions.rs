//! Page 6: all versions side by side, what two of them say differently, and which one serves.

mod actions;
mod compare;

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::{self, Query};
use maud::{Markup, html};
use serde::Deserialize;

use super::context::PageContext;
use super::error::PageError;
use super::format::{count, percent, time};
use super::history::Measured;
use super::layout::{Place, Tab, page, project_path, title_of};
use super::{Entry, at, get, thresholds};
use crate::models::HeadCard;
use crate::storage::Project;

pub(super) const ENTRIES: &[Entry] = &[
    at("/projects/{project}/versions", || get().to(show)),
    at("/projects/{project}/versions/compare", || get().to(compare::show)),
    at("/projects/{project}/versions/{number}/file", || get().to(actions::download)),
    at("/projects/{project}/versions/{number}/activate", || web::post().to(actions::activate)),
    at("/projects/{project}/pin", || web::post().to(actions::pin)),
];

/// Versions of one page.
const SHOWN: usize = 20;

#[derive(Deserialize)]
struct ComparisonQuery {
    /// Only versions older than this number.
    before: Option<i64>,
    #[serde(default)]
    done: String,
}

async fn show(context: PageContext, query: Query<ComparisonQuery>) -> Result<HttpResponse, PageError> {
    let inner = context.services();
    let project = context.project().await?;
    let outlines = inner.history.outlines(project.id).await?;
    let older = outlines.iter().filter(|version| query.before.is_none_or(|before| version.number < before));
    let numbers: Vec<i64> = older.take(SHOWN).map(|version| version.number).collect();
    let versions = inner.history.measured(project.id, &numbers).await?;
    let last = numbers.last().copied().filter(|last| outlines.iter().any(|version| version.number < *last));
    let live = inner.models.current(project.id).map(|published| published.number);
    let path = project_path(&project);
    let body = html! {
        h1 { "Versions" }
        (actions::done(&query.done))
        section.card aria-label="What serves" {
            p {
                @match (&live, project.pinned) {
                    (None, _) => "No version of this project serves yet.",
                    (Some(number), false) => { "Version " (number) " serves until the next training." }
                    (Some(number), true) => { "Version " (number) " is pinned: trainings make versions, and none of them serves." }
                }
            }
            (actions::pin_form(&context, &project))
            @if versions.len() > 1 { (compare::form(&project, &numbers)) }
        }
        div #versions data-live="version" data-project=(project.id) {
            @if versions.is_empty() {
                p { "There is no version yet: the first comes with labelled images of at least two classes." }
            } @else {
                (table(&context, &project, &versions, live))
            }
        }
        @if let Some(last) = last { p { a.button.quiet href={ (path) "/versions?before=" (last) } { "Older versions" } } }
    };
    let title = format!("Versions of {}", title_of(&project));
    Ok(page(&context, Place::Project(&project, Tab::Versions), &title, &body))
}

fn table(context: &PageContext, project: &Project, versions: &[Arc<Measured>], live: Option<i64>) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="All versions" {
            table {
                caption { "Measured out of fold on the labels each version learnt from; the newest first." }
                thead {
                    tr {
                        th { "Version" } th { "Made" } th { "Head" } th.number { "Labels" } th.number { "Accuracy" }
                        th { "95 % interval" } th.number { "Log loss" } th.number { "Brier" } th { "Source" } th { "Action" }
                    }
                }
                tbody { @for version in versions { (rows(context, project, version, live == Some(version.number))) } }
            }
        }
    }
}

fn rows(context: &PageContext, project: &Project, version: &Measured, serves: bool) -> Markup {
    let lines = version.heads.len().max(1);
    html! {
        @for index in 0..lines {
            tr {
                @if index == 0 {
                    th rowspan=(lines) scope="rowgroup" { (version.name) @if serves { " " span.chip.good { "serves" } } }
                    td rowspan=(lines) { (time(version.created_at)) }
                }
                @match version.heads.get(index) {
                    Some(card) => (measures(card, version.labels)),
                    None => td colspan="7" { "not measured" },
                }
                @if index == 0 {
                    td rowspan=(lines) { (actions::forms(context, project, version, serves)) }
                }
            }
        }
    }
}

fn measures(card: &HeadCard, labels: i64) -> Markup {
    html! {
        td { (card.from_name) }
        @match thresholds::told(card) {
            Ok(told) => {
                td.number { (count(told.n as i64)) }
                td.number { (percent(told.accuracy)) }
                td.figure { (percent(told.interval.0)) " to " (percent(told.interval.1)) }
                td.number { (format!("{:.3}", told.log_loss)) }
                td.number { (format!("{:.3}", told.brier)) }
            }
            Err(why) => {
                td.number { (count(card.evaluation.as_ref().map_or(labels, |told| told.n as i64))) }
                td.note colspan="4" { (why) }
            }
        }
        td { (card.source.name()) }
    }
}
