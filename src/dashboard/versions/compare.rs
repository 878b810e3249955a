//! Two versions: their measures side by side, and the tasks they answer differently.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::web::Query;
use maud::{Markup, html};
use serde::Deserialize;

use super::table;
use crate::dashboard::context::PageContext;
use crate::dashboard::error::PageError;
use crate::dashboard::format::{count, of, percent};
use crate::dashboard::layout::{Place, Tab, page, project_path};
use crate::dashboard::queue::task_link;
use crate::dashboard::thumbnails::picture;
use crate::pool::{AnswerChange, Comparison};
use crate::storage::Project;

/// Tasks shown.
const SHOWN: usize = 48;

#[derive(Deserialize)]
pub(super) struct Pair {
    a: i64,
    b: i64,
}

/// Chooses two of the versions on the page.
pub(super) fn form(project: &Project, numbers: &[i64]) -> Markup {
    let choose = |name: &str, label: &str, chosen: usize| {
        html! {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                @for (index, number) in numbers.iter().enumerate() {
                    option value=(number) selected[index == chosen] { (number) }
                }
            }
        }
    };
    html! {
        form.inline method="get" action={ (project_path(project)) "/versions/compare" } {
            (choose("a", "Compare version", 1)) (choose("b", "with", 0))
            button.quiet type="submit" { "Compare" }
        }
    }
}

pub(super) async fn show(context: PageContext, pair: Query<Pair>) -> Result<HttpResponse, PageError> {
    let inner = context.services();
    let project = context.project().await?;
    let a = pair.a;
    let b = pair.b;
    let measured = inner.history.measured(project.id, &[a.max(b), a.min(b)]).await?;
    for number in [a, b] {
        if !measured.iter().any(|version| version.number == number) {
            return Err(PageError::not_found("version", &number.to_string()));
        }
    }
    let embedded = inner.pool.progress_among(project.id, 0).embedded;
    let pool = inner.pool.clone();
    let models = inner.models.clone();
    let id = project.id;
    let make = || async move {
        let read = |number| models.version(id, number);
        let (before, after) = tokio::try_join!(read(a), read(b)).map_err(|error| error.to_string())?;
        Comparison::of(&pool, id, before, after).await.map_err(|error| error.to_string())
    };
    let seen = inner.comparisons.get(id, (id, a, b), embedded.to_string(), make).await;
    let live = inner.models.current(project.id).map(|published| published.number);
    let body = html! {
        h1 { "Version " (a) " and version " (b) }
        (table(&context, &project, &measured, live))
        section #changes.card aria-label="Changed answers" data-live="ready" data-project=(project.id)
            data-waiting=[(!seen.fresh).then_some("")] {
            h2 { "Answers that changed" }
            @match &seen.made {
                None => p role="status" { "The versions are being compared. This page follows by itself, or load it again in a moment." },
                Some(Err(reason)) => p.problem { (reason) },
                Some(Ok(comparison)) => (changes(&context, &project, comparison)),
            }
        }
        p { a href={ (project_path(&project)) "/versions" } { "All versions" } }
    };
    Ok(page(&context, Place::Project(&project, Tab::Versions), &format!("Versions {a} and {b}"), &body))
}

fn changes(context: &PageContext, project: &Project, comparison: &Arc<Comparison>) -> Markup {
    let Comparison { pool, compared, changes } = comparison.as_ref();
    html! {
        p {
            (of(changes.len() as i64, "answer differs", "answers differ")) " on " (of(*compared as i64, "task", "tasks"))
            @if compared < pool { " spread evenly over the " (count(*pool as i64)) " with an embedding" }
            ", open and labelled ones."
            @if changes.len() > SHOWN { " The " (SHOWN) " that the second version is surest of are shown." }
        }
        ul.tiles { @for change in changes.iter().take(SHOWN) { li.tile { (tile(context, project, change)) } } }
    }
}

fn tile(context: &PageContext, project: &Project, change: &AnswerChange) -> Markup {
    html! {
        (picture(project.id, change.task))
        h3 { "Task " (change.task) ", " (change.head) }
        p {
            (change.before.0) " (" (percent(f64::from(change.before.1))) ") became "
            strong { (change.after.0) } " (" (percent(f64::from(change.after.1))) ")"
        }
        (task_link(context, project, change.task))
    }
}
