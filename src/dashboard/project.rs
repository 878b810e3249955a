//! Page 2: one project, how it learnt and how good it is.

mod figures;

use std::sync::Arc;

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::charts::{LineChart, Point, line};
use super::history::Measured;
use super::layout::{Place, Tab, page, title_of};
use super::projects::{facts, missing};
use super::refusal::Refusal;
use super::visit::Visit;
use super::words::{count, percent};
use super::{Entry, at, look, now};
use crate::models::{HeadCard, Published};
use crate::queue::HeadReview;
use crate::storage::{Job, Project};
use crate::training::Reference;

pub(super) const ENTRIES: &[Entry] = &[at("/projects/{project}", || look().to(show))];

/// The reference is drawn anew when the labels have grown by this factor since: it moves slowly and costs seconds.
const GROWTH: f64 = 1.1;

async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let inner = visit.rooms();
    let project = visit.project().await?;
    let counts = inner.counts.of(project.id).await?;
    let standing = inner.training.standing(&project, counts.total);
    let jobs = inner.storage.open_jobs().await?;
    let jobs: Vec<&Job> = jobs.iter().filter(|job| job.project == project.id).collect();
    let doings = now::doings(&jobs, standing.pool, inner.queue.write_back(project.id).writing);
    let missing = missing(&visit, &project, counts, &standing);
    let ignored =
        standing.config.as_ref().and_then(|config| config.as_ref().ok()).map(|config| &config.ignored);

    let published = inner.models.current(project.id);
    let (mut heads, mut waiting) = (Vec::new(), false);
    if let Some(published) = &published {
        let outlines = inner.history.outlines(project.id).await?;
        let curve = inner.history.curve(project.id, &outlines).await?;
        let findings = inner.findings(&project, published).await;
        waiting |= !findings.fresh;
        let findings = findings.made.and_then(Result::ok);
        for card in &published.file.card.heads {
            let reference = reference(&visit, &project, published, card).await;
            waiting |= matches!(reference, Known::NotYet);
            let reviewed =
                findings.as_ref().map(|findings| findings.review.heads.as_slice()).unwrap_or_default();
            let review = reviewed.iter().find(|head| head.from_name == card.from_name);
            heads.push(head(card, &curve, &reference, review));
        }
    }
    let body = html! {
        h1 { (title_of(&project)) }
        section #now.card aria-label="Where it stands" data-live="labels version job pool" data-project=(project.id) {
            (facts(&visit, &project, counts, &standing, &now::show(&doings)))
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
        div #learnt data-live="version ready" data-project=(project.id) data-waiting=[waiting.then_some("")] {
            @if heads.is_empty() {
                section.card {
                    h2 { "Nothing is learnt yet" }
                    p { "The first version comes with labelled images of at least two classes." }
                }
            }
            @for head in &heads { (head) }
        }
    };
    Ok(page(&visit, Place::Project(&project, Tab::Overview), &title_of(&project), &body))
}

/// What a random choice would have taught, as far as it is known.
enum Known {
    /// And why.
    Not(&'static str),
    NotYet,
    Yes(Reference),
}

async fn reference(visit: &Visit, project: &Project, published: &Arc<Published>, card: &HeadCard) -> Known {
    let labels = published.file.card.labels.max(1) as f64;
    let stamp = format!("{}/{}", published.file.card.config_digest, (labels.ln() / GROWTH.ln()) as i64);
    let (id, head, training) = (project.id, card.from_name.clone(), visit.rooms().training.clone());
    let make =
        || async move { training.random_reference(id, &head).await.map_err(|error| error.to_string()) };
    let seen =
        visit.rooms().references.get(project.id, (project.id, card.from_name.clone()), stamp, make).await;
    match seen.made {
        Some(Ok(reference)) => match reference.as_ref() {
            Some(reference) => Known::Yes(reference.clone()),
            None => Known::Not("A random choice is replayed from 15 labels of a single-choice head on."),
        },
        Some(Err(error)) => {
            tracing::debug!(project = %project.id, %error, "no random-choice reference");
            Known::Not("A random choice could not be replayed; the server's log says why.")
        }
        None => Known::NotYet,
    }
}

fn head(card: &HeadCard, curve: &[Arc<Measured>], reference: &Known, review: Option<&HeadReview>) -> Markup {
    html! {
        section.card aria-label={ "Learnt of " (card.from_name) } {
            h2 { (card.from_name) }
            div.cards.wide {
                div { h3 { "Learning curve" } (learning(card, curve, reference)) }
                @if let Some(review) = review { div { h3 { "May labelling stop?" } (figures::stop(&review.stop)) } }
                div { h3 { "Confusion matrix" } (figures::confusion(card)) }
                div { h3 { "Recall by class" } (figures::recall(card)) }
                div { h3 { "Calibration" } (figures::calibration(card)) }
                div { h3 { "Labels by class" } (figures::labels(card)) }
            }
        }
    }
}

fn learning(card: &HeadCard, curve: &[Arc<Measured>], reference: &Known) -> Markup {
    let evaluations = curve.iter().filter_map(|version| {
        let head = version.heads.iter().find(|head| head.from_name == card.from_name)?;
        Some((version, head.evaluation.as_ref()?))
    });
    let evaluations: Vec<_> = evaluations.collect();
    let points: Vec<Point> = evaluations
        .iter()
        .map(|(_, told)| Point { x: told.n as f64, y: told.accuracy, band: Some(told.interval) })
        .collect();
    let by_chance: Vec<Point> = match reference {
        Known::Yes(reference) => reference
            .points
            .iter()
            .map(|point| Point {
                x: point.labels as f64,
                y: point.accuracy,
                band: Some((
                    (point.accuracy - point.spread).max(0.0),
                    (point.accuracy + point.spread).min(1.0),
                )),
            })
            .collect(),
        Known::Not(_) | Known::NotYet => Vec::new(),
    };
    let says = match (points.first(), points.last()) {
        (Some(first), Some(last)) => format!(
            "Out-of-fold accuracy from {} with {} labels to {} with {}",
            percent(first.y),
            count(first.x as i64),
            percent(last.y),
            count(last.x as i64)
        ),
        _ => "No version was measured".to_owned(),
    };
    let chart = LineChart {
        name: "Learning curve",
        says: &says,
        across: "labels",
        up: "accuracy",
        percent: true,
        line: &points,
        reference: &by_chance,
    };
    html! {
        (line(&chart))
        ul.legend {
            li { svg.chart viewBox="0 0 32 12" aria-hidden="true" { path.line d="M0 6H32" {} } "out of fold, with 95 % interval" }
            @if !by_chance.is_empty() {
                li { svg.chart viewBox="0 0 32 12" aria-hidden="true" { path.reference d="M0 6H32" {} } "random choice" }
            }
        }
        @match reference {
            Known::Yes(reference) => p.note {
                "Random choice: the project's own labels, drawn by chance " (reference.draws) " times and judged on "
                (count(reference.judged_on as i64)) " labels that were never drawn; the band is one standard deviation."
            },
            Known::Not(why) => p.note { (why) },
            Known::NotYet => p.note { "A random choice is being replayed on the project's own labels." },
        }
        details {
            summary { "Figures" }
            div.scroll tabindex="0" role="region" aria-label="Figures of the learning curve" {
                table {
                    thead { tr { th { "Version" } th.number { "Labels" } th.number { "Accuracy" } th { "95 % interval" } } }
                    tbody {
                        @for (version, told) in evaluations.iter().rev() {
                            tr {
                                td { (version.name) }
                                td.number { (count(told.n as i64)) }
                                td.number { (percent(told.accuracy)) }
                                td.figure { (percent(told.interval.0)) " to " (percent(told.interval.1)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
