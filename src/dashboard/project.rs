//! Page 2: one project, how it learnt and how good it is.

mod figures;
mod learning;
mod next;
mod start;

use std::sync::Arc;

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::context::PageContext;
use super::error::PageError;
use super::format::count;
use super::history::Measured;
use super::layout::{Place, Tab, page, title_of};
use super::projects::{facts, missing};
use super::{Entry, activity, at, at_connect, get, thresholds};
use crate::domain::label_config::{LabelConfig, LabelConfigError};
use crate::models::HeadCard;
use crate::pool::HeadReview;
use crate::storage::{Job, JobState, Project};

pub(super) const ENTRIES: &[Entry] = &[at("/projects/{project}", || get().to(show))];

/// Tasks answered with nothing that are named.
const NOTHINGS: i64 = 5;

/// Reasons named for which answers teach nothing.
const REASONS: usize = 5;

async fn show(context: PageContext) -> Result<HttpResponse, PageError> {
    let inner = context.services();
    let project = context.project().await?;
    let counts = inner.counts.of(project.id).await?;
    let standing = inner.training.status(&project, counts.total);
    let jobs = inner.storage.open_jobs().await?;
    let jobs: Vec<&Job> = jobs.iter().filter(|job| job.project == project.id).collect();
    let doings = activity::doings(&jobs, standing.pool, inner.queue.write_back(project.id).writing);
    let mut missing = missing(&context, &project, &standing);
    let last = inner.storage.recent_jobs(project.id, 1).await?.pop();
    let why = last.as_ref().and_then(|job| Some((job.state, job.error.as_deref()?)));
    if let Some((JobState::Failed, error)) = why {
        missing.push(format!("The last training failed: {error}"));
    }
    let ignored =
        standing.config.as_ref().and_then(|config| config.as_ref().ok()).map(|config| &config.ignored);

    let published = inner.models.current(project.id);
    let mut heads = Vec::new();
    let mut waiting = false;
    if let Some(published) = &published {
        let outlines = inner.history.outlines(project.id).await?;
        let curve = inner.history.curve(project.id, &outlines).await?;
        let findings = inner.findings(&project, published).await;
        waiting |= !findings.fresh;
        let findings = findings.made.and_then(Result::ok);
        for card in &published.file.card.heads {
            let reviewed =
                findings.as_ref().map(|findings| findings.review.heads.as_slice()).unwrap_or_default();
            let review = reviewed.iter().find(|head| head.from_name == card.from_name);
            heads.push(head(card, &curve, review));
        }
    }
    let next = next::section(&context, &project).await;
    let body = html! {
        h1 { (title_of(&project)) }
        div.overview {
            div.side {
                section #now.card aria-label="Where it stands" data-live="labels version job pool" data-project=(project.id) {
                    (facts(&context, &project, counts, &standing, &activity::show(&doings)))
                    (answered_with_nothing(&context, &project).await?)
                    (answers_that_teach_nothing(&context, &project, standing.config.as_ref()))
                    @if !missing.is_empty() {
                        ul.advice aria-label="What is missing" { @for line in &missing { li { (line) } } }
                    }
                    @if let Some(ignored) = ignored.filter(|ignored| !ignored.is_empty()) {
                        details {
                            summary { "Left out of the label config" }
                            ul { @for line in ignored { li { (line) } } }
                        }
                    }
                }
                (next)
            }
            div #learnt data-live=(if heads.is_empty() { "labels version job pool" } else { "version ready" }) data-project=(project.id) data-waiting=[waiting.then_some("")] {
                @if heads.is_empty() {
                    (start::steps(&start::Start {
                        labelling: context.labelling_address(project.id),
                        counts,
                        waits_for: why.filter(|(state, _)| *state == JobState::Waiting).map(|(_, waits_for)| waits_for),
                        trigger: inner.training.trigger(),
                        starter: standing.heads.iter().any(|head| head.served_by == "starter"),
                    }))
                    (at_connect::note(inner.queue.policy()))
                }
                @for head in &heads { (head) }
            }
        }
    };
    Ok(page(&context, Place::Project(&project, Tab::Overview), &title_of(&project), &body))
}

/// Tasks that were submitted without any choice, each with the way to it; nothing where there are none.
async fn answered_with_nothing(context: &PageContext, project: &Project) -> Result<Markup, PageError> {
    let (number, first) = context.services().storage.empty_answers(project.id, NOTHINGS).await?;
    Ok(html! {
        @if number > 0 {
            p.problem {
                "Answered with nothing: " (count(number)) ". Choose an answer: "
                @for task in &first {
                    @match context.task_address(project.id, *task) {
                        Some(to) => a href=(to) rel="noreferrer" target="_blank" { "task " (task) },
                        None => { "task " (task) }
                    }
                    " "
                }
                @if number > NOTHINGS { "and " (count(number - NOTHINGS)) " more" }
            }
        }
    })
}

/// Answers that no head learns from, by reason; nothing where there are none.
fn answers_that_teach_nothing(
    context: &PageContext,
    project: &Project,
    config: Option<&Result<Arc<LabelConfig>, LabelConfigError>>,
) -> Markup {
    let Some(Ok(config)) = config else { return Markup::default() };
    let unused = context.services().training.labels().unused_answers_so_far(project.id, config);
    let unused = unused.as_ref().map(|unused| unused.as_slice()).unwrap_or_default();
    html! {
        @if !unused.is_empty() {
            ul.advice aria-label="Answers that teach nothing" {
                @for reason in unused.iter().take(REASONS) { li { (reason.in_project(project.id)) } }
                @if unused.len() > REASONS { li { "and " (unused.len() - REASONS) " more reasons" } }
            }
        }
    }
}

fn head(card: &HeadCard, curve: &[Arc<Measured>], review: Option<&HeadReview>) -> Markup {
    html! {
        section.card aria-label={ "Learnt of " (card.from_name) } {
            h2 { (card.from_name) }
            p.note { (thresholds::serves(card)) }
            div.cards.wide {
                div { h3 { "Learning curve" } (learning::curve(card, curve)) }
                div { h3 { "Confusion matrix" } (figures::confusion(card)) }
                @if let Some(review) = review { div { h3 { "May labelling stop?" } (figures::stop(card, &review.stop)) } }
                div { h3 { "Recall by class" } (figures::recall(card)) }
                div { h3 { "Calibration" } (figures::calibration(card)) }
                div { h3 { "Labels by class" } (figures::labels(card)) }
            }
        }
    }
}
