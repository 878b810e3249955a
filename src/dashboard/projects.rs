//! Page 1: all projects, how far each is, what happens now, and what is missing.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::context::PageContext;
use super::error::PageError;
use super::format::count;
use super::layout::{Place, label_link, page, project_path, title_of};
use super::{Entry, activity, at, at_connect, get, thresholds};
use crate::models::HeadStatus;
use crate::storage::{Job, Project, TaskCounts};
use crate::training::ProjectStatus;

pub(super) const ENTRIES: &[Entry] = &[at("", || get().to(list)), at("/", || get().to(list))];

/// Classes shown before the rest is only counted.
const CLASSES: usize = 12;

/// Tasks with damaged pictures that are named.
const DAMAGED: usize = 5;

async fn list(context: PageContext) -> Result<HttpResponse, PageError> {
    let inner = context.services();
    let jobs = inner.storage.open_jobs().await?;
    let mut cards = Vec::new();
    for project in inner.storage.projects().await? {
        let counts = inner.counts.of(project.id).await?;
        let standing = inner.training.status(&project, counts.total);
        cards.push(card(&context, &project, counts, &standing, &jobs));
    }
    let body = html! {
        h1 { "Projects" }
        (advice(&inner.advice))
        @if cards.is_empty() {
            p.lead { "No project is known yet." }
            p {
                "In Label Studio open a project, then Settings > Model, and connect this server's address; or run "
                code { "weathervane connect" } "."
            }
            (at_connect::note(inner.queue.policy()))
        }
        div #projects.cards data-live="labels version job pool" {
            @for card in &cards { (card) }
        }
    };
    Ok(page(&context, Place::Projects, "Projects", &body))
}

/// Advice on settings that the whole installation lacks.
pub(super) fn advice(advice: &[String]) -> Markup {
    html! {
        @if !advice.is_empty() {
            ul.advice aria-label="What is missing" { @for line in advice { li { (line) } } }
        }
    }
}

fn card(
    context: &PageContext,
    project: &Project,
    counts: TaskCounts,
    standing: &ProjectStatus,
    jobs: &[Job],
) -> Markup {
    let inner = context.services();
    let jobs: Vec<&Job> = jobs.iter().filter(|job| job.project == project.id).collect();
    let writing = inner.queue.write_back(project.id).writing;
    let missing = missing(context, project, standing);
    let has_version = inner.models.current(project.id).is_some();
    html! {
        section.card aria-label=(title_of(project)) {
            h2 { a href=(project_path(project)) { (title_of(project)) } }
            @for head in &standing.heads { (classes(head)) }
            (facts(context, project, counts, standing, &activity::show(&activity::doings(&jobs, standing.pool, writing))))
            @if !missing.is_empty() {
                ul.advice aria-label="What is missing" { @for line in &missing { li { (line) } } }
            }
            @if !has_version {
                p { "Nothing is learnt from its labels yet: " a href=(project_path(project)) { "what to do now" } "." }
            }
            (label_link(context, project))
        }
    }
}

fn classes(head: &HeadStatus) -> Markup {
    let rest = head.classes.len().saturating_sub(CLASSES);
    html! {
        ul.chips aria-label={ "Classes of " (head.from_name) } {
            @for class in head.classes.iter().take(CLASSES) { li { (class) } }
            @if rest > 0 { li { "and " (count(rest as i64)) " more" } }
        }
    }
}

/// Counts, the version that serves, its accuracy, and what happens now.
pub(super) fn facts(
    context: &PageContext,
    project: &Project,
    counts: TaskCounts,
    standing: &ProjectStatus,
    now: &Markup,
) -> Markup {
    let open = counts.total - counts.labelled - counts.skipped;
    let published = context.services().models.current(project.id);
    let cards = published.as_ref().map(|published| published.file.card.heads.as_slice()).unwrap_or_default();
    html! {
        dl.facts {
            dt { "Tasks" }
            dd {
                (count(counts.labelled)) " labelled, " (count(open)) " unlabelled, " (count(counts.skipped)) " skipped"
            }
            dt { "Live version" }
            dd { (standing.version) @if project.pinned { " " span.chip { "pinned" } } }
            @for card in cards {
                dt { "Accuracy" @if cards.len() > 1 { " of " (card.from_name) } }
                dd { (thresholds::accuracy(card)) }
            }
            dt { "Now" }
            dd { (now) }
        }
    }
}

/// Problems of a project, each with its remedy.
///
/// A project that only begins lacks nothing: its page leads it step by step.
pub(super) fn missing(context: &PageContext, project: &Project, standing: &ProjectStatus) -> Vec<String> {
    let mut missing = Vec::new();
    missing.extend(standing.problem.clone());
    let begins = standing.heads.iter().all(|head| head.missing.is_some());
    for head in &standing.heads {
        if let Some(what) = head.missing.filter(|_| !begins) {
            missing.push(format!("`{}` predicts nothing yet: label more, it takes {what}", head.from_name));
        }
        if !head.unlearnt_classes.is_empty() {
            missing.push(format!(
                "`{}` has classes that no training knows yet: {}; label some images of each",
                head.from_name,
                head.unlearnt_classes.join(", ")
            ));
        }
    }
    if let Some(problem) = &standing.queue_problem {
        missing.push(format!("Label Studio's queue is not ordered: {problem}"));
    }
    if standing.pool.failed > 0 {
        let first = context.services().pool.left_out(project.id, 1).into_iter().next();
        let first = first.map(|(_, reason)| format!("; the first: {reason}")).unwrap_or_default();
        missing.push(format!(
            "{} unavailable{first}",
            super::format::of(standing.pool.failed as i64, "image", "images")
        ));
    }
    if standing.pool.damaged > 0 {
        let first: Vec<String> = context
            .services()
            .pool
            .damaged(project.id, DAMAGED)
            .iter()
            .map(|task| format!("task {task}"))
            .collect();
        let more = if standing.pool.damaged > first.len() { " and more" } else { "" };
        missing.push(format!(
            "Damaged, only a part could be read: {} ({}{more}). They are predicted, and learnt only where a person labels them",
            super::format::of(standing.pool.damaged as i64, "image", "images"),
            first.join(", ")
        ));
    }
    missing
}
