//! Page 5: labels worth a second look, pictures that are the same, and pictures unlike all others.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::charts::{Bar, small_bars};
use super::context::PageContext;
use super::error::PageError;
use super::format::{count, of, percent};
use super::layout::{Place, Tab, page, title_of};
use super::queue::task_link;
use super::review::{Findings, SUSPECTS};
use super::thumbnails::picture;
use super::{Entry, at, get, thresholds};
use crate::models::{Card, HeadCard, SuspectCard};
use crate::pool::HeadReview;
use crate::storage::Project;

pub(super) const ENTRIES: &[Entry] = &[
    at("/projects/{project}/label-errors", || get().to(show)),
    at("/projects/{project}/suspects", || get().to(show)),
];

/// Groups of near-duplicates, pictures of a group, and outliers that are shown.
const GROUPS: usize = 24;
const OF_GROUP: usize = 8;
const OUTLIERS: usize = 24;

/// Damaged pictures that are shown.
const DAMAGED: usize = 24;

/// Tasks answered with nothing that are shown.
const NOTHINGS: i64 = 24;

async fn show(context: PageContext) -> Result<HttpResponse, PageError> {
    let project = context.project().await?;
    let published = context.services().models.current(project.id);
    let seen = match &published {
        Some(published) => Some(context.services().findings(&project, published).await),
        None => None,
    };
    let waiting = seen.as_ref().is_some_and(|seen| !seen.fresh);
    let body = html! {
        h1 { "Label errors" }
        (answered_with_nothing(&context, &project).await?)
        (damaged(&context, &project))
        div #findings data-live="version pool ready" data-project=(project.id) data-waiting=[waiting.then_some("")] {
            @match seen.map(|seen| (seen.made, seen.fresh)) {
                None => p.lead { "No version serves yet: label errors are looked for from the first training on." },
                Some((None, _)) => p.lead role="status" {
                    "The labels are being looked over. This page follows by itself, or load it again in a moment."
                },
                Some((Some(Err(reason)), _)) => p.problem { (reason) },
                Some((Some(Ok(findings)), fresh)) => {
                    @if !fresh { p.note { "Something changed since; newer findings are on their way." } }
                    (shown(&context, &project, &findings, published.as_ref().map(|published| &published.file.card)))
                }
            }
        }
    };
    let title = format!("Label errors of {}", title_of(&project));
    Ok(page(&context, Place::Project(&project, Tab::LabelErrors), &title, &body))
}

/// Tasks that were submitted without any choice, which no model is needed to see.
async fn answered_with_nothing(context: &PageContext, project: &Project) -> Result<Markup, PageError> {
    let (number, first) = context.services().storage.empty_answers(project.id, NOTHINGS).await?;
    Ok(html! {
        @if number > 0 {
            section.card #nothings aria-label="Answered with nothing" data-live="labels" data-project=(project.id) {
                h2 { "Answered with nothing" }
                p.note {
                    (of(number, "task was", "tasks were")) " submitted without any choice. Label Studio counts that as "
                    "labelled and does not serve it again: open it and choose."
                }
                ul.tiles.small {
                    @for task in &first {
                        li { (picture(project.id, *task)) "Task " (task) (task_link(context, project, *task)) }
                    }
                }
                @if number > NOTHINGS { p.note { "and " (count(number - NOTHINGS)) " more" } }
            }
        }
    })
}

/// Pictures of which only a part could be read, as far as the pool is filled.
fn damaged(context: &PageContext, project: &Project) -> Markup {
    let pool = &context.services().pool;
    let number = pool.progress_among(project.id, 0).damaged;
    html! {
        div #damaged data-live="pool" data-project=(project.id) {
            @if number > 0 {
                section.card aria-label="Damaged pictures" {
                    h2 { "Damaged pictures" }
                    p.note {
                        "Only a part could be read of " (of(number as i64, "picture", "pictures")) "; the rest is grey here. They "
                        "are predicted as they are, and learnt only where a person labels them. Where there is a whole one, "
                        "upload it again."
                    }
                    ul.tiles.small {
                        @for task in pool.damaged(project.id, DAMAGED) {
                            li {
                                (picture(project.id, task))
                                "Task " (task) " " span.chip { "damaged" }
                                (task_link(context, project, task))
                            }
                        }
                    }
                    @if number > DAMAGED { p.note { "and " (number - DAMAGED) " more" } }
                }
            }
        }
    }
}

fn shown(context: &PageContext, project: &Project, findings: &Findings, card: Option<&Card>) -> Markup {
    let cards = card.map(|card| card.heads.as_slice()).unwrap_or_default();
    html! {
        @for head in &findings.review.heads {
            section.card aria-label={ "Label errors of " (head.from_name) } {
                h2 { "Labels of " (head.from_name) " worth a second look" }
                @if let Some(card) = cards.iter().find(|card| card.from_name == head.from_name) {
                    (doubted(context, project, findings, head, card))
                }
                @if !head.unseen_classes.is_empty() {
                    p { "Without a label: " (head.unseen_classes.join(", ")) "." }
                }
                @if !head.rare_classes.is_empty() { p { "Few labels: " (head.rare_classes.join(", ")) "." } }
            }
            section.card aria-label={ "Near-copies of " (head.from_name) } {
                h2 { "Labelled pictures that are nearly the same" }
                @if head.near_copies.is_empty() { p { "None." } }
                @for (index, group) in head.near_copies.iter().take(GROUPS).enumerate() {
                    h3 { "Group " (index + 1) ", " (of(group.len() as i64, "picture", "pictures")) }
                    ul.tiles.small {
                        @for task in group.iter().take(OF_GROUP) {
                            li { (picture(project.id, *task)) "Task " (task) (task_link(context, project, *task)) }
                        }
                    }
                }
                @if head.near_copies.len() > GROUPS { p.note { "and " (head.near_copies.len() - GROUPS) " more groups" } }
            }
        }
        section.card aria-label="Outliers" {
            h2 { "Open pictures unlike all others" }
            @if findings.review.outliers.is_empty() { p { "None stand out." } }
            ul.tiles.small {
                @for outlier in findings.review.outliers.iter().take(OUTLIERS) {
                    li {
                        (picture(project.id, outlier.task))
                        "Task " (outlier.task) ", distance " (format!("{:.2}", outlier.distance))
                        (task_link(context, project, outlier.task))
                    }
                }
            }
        }
    }
}

fn doubted(
    context: &PageContext,
    project: &Project,
    findings: &Findings,
    head: &HeadReview,
    card: &HeadCard,
) -> Markup {
    let doubted = thresholds::doubted(card, &head.suspects);
    html! {
        p.note {
            (thresholds::doubts(card, doubted.len()))
            @if doubted.len() > SUSPECTS { " The " (SUSPECTS) " most doubted are shown." }
        }
        @for suspect in doubted.iter().take(SUSPECTS) {
            article.pair.tile aria-label={ "Task " (suspect.task) } { (accused(context, project, findings, head, suspect)) }
        }
    }
}

fn accused(
    context: &PageContext,
    project: &Project,
    findings: &Findings,
    head: &HeadReview,
    suspect: &SuspectCard,
) -> Markup {
    let row = |name: &str, p: f32| Bar {
        name: name.to_owned(),
        share: Some(f64::from(p)),
        figure: percent(f64::from(p)),
    };
    let near = findings.near.get(&suspect.task).map(Vec::as_slice).unwrap_or_default();
    let labels = findings.labels.get(&head.from_name);
    html! {
        div {
            (picture(project.id, suspect.task))
            h3 { "Task " (suspect.task) ": labelled " (suspect.given) ", the model says " (suspect.likely) }
            (small_bars("The model's view", &[row(&suspect.given, suspect.p_given), row(&suspect.likely, suspect.p_likely)]))
            (task_link(context, project, suspect.task))
        }
        div {
            h3 { "Nearest labelled pictures" }
            ul.tiles.small {
                @for neighbour in near {
                    li {
                        (picture(project.id, neighbour.task))
                        @match labels.and_then(|labels| labels.get(&neighbour.task)) {
                            Some(label) => strong { (label) },
                            None => span.note { "no label of this head" },
                        }
                        span.note { " task " (neighbour.task) ", distance " (format!("{:.2}", neighbour.distance)) }
                    }
                }
            }
        }
    }
}
