//! Page 7: trainings, failures, webhooks, the writing of queues, and how much is waiting.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::context::PageContext;
use super::error::PageError;
use super::format::{bytes, count, time};
use super::layout::{Place, page, project_path, title_of};
use super::projects::advice;
use super::{Entry, at, get, jobs};
use crate::storage::{Job, JobState, Project};

pub(super) const ENTRIES: &[Entry] = &[at("/health", || get().to(show))];

/// Jobs listed, and events of each project.
const JOBS: i64 = 30;
const EVENTS: i64 = 10;

async fn show(context: PageContext) -> Result<HttpResponse, PageError> {
    let inner = context.services();
    let projects = inner.storage.projects().await?;
    let newest = inner.storage.newest_jobs(JOBS).await?;
    let open = inner.storage.open_jobs().await?;
    let mut told = Vec::new();
    for project in &projects {
        told.push(project_row(&context, project).await?);
    }
    let body = html! {
        h1 { "Jobs and health" }
        (advice(&inner.advice))
        div #health data-live="labels version job pool" {
            section.card aria-label="Load" {
                h2 { "Load" }
                (load(&context, &projects, &open).await?)
            }
            section.card aria-label="Label Studio" {
                h2 { "Webhooks and write-back, since the start" }
                @if told.is_empty() { p { "No project is known yet." } }
                @for row in &told { (row) }
            }
            section.card aria-label="Trainings" {
                h2 { "Trainings" }
                @if newest.is_empty() { p { "None yet." } }
                @else { (jobs::table(&newest, &projects, context.now())) }
            }
        }
    };
    Ok(page(&context, Place::Health, "Jobs and health", &body))
}

async fn load(context: &PageContext, projects: &[Project], open: &[Job]) -> Result<Markup, PageError> {
    let inner = context.services();
    let mut waiting = 0;
    for project in projects {
        let tasks = inner.counts.of(project.id).await?.total;
        let pool = inner.pool.progress_among(project.id, tasks);
        waiting += pool.tasks.saturating_sub(pool.embedded + pool.failed);
    }
    let of_state = |state: JobState| open.iter().filter(|job| job.state == state).count() as i64;
    let memory = (inner.resident_memory)();
    Ok(html! {
        dl.facts {
            dt { "Trainings" }
            dd { (count(of_state(JobState::Running))) " running, " (count(of_state(JobState::Queued))) " queued" }
            dt { "Images on their way to the network" } dd { (count(inner.embedder.in_flight() as i64)) }
            dt { "Images of tasks not embedded yet" } dd { (count(waiting as i64)) }
            dt { "Memory" }
            dd { @match memory { Some(n) => (bytes(n)), None => "this system does not say" } }
        }
    })
}

async fn project_row(context: &PageContext, project: &Project) -> Result<Markup, PageError> {
    let inner = context.services();
    let heard = inner.training.webhooks(project.id);
    let written = inner.queue.write_back(project.id);
    let events = inner.storage.recent_events(project.id, EVENTS).await?;
    Ok(html! {
        h3 { a href=(project_path(project)) { (title_of(project)) } }
        dl.facts {
            dt { "Webhooks" }
            dd {
                (count(heard.received as i64))
                @if let (Some(action), Some(at)) = (&heard.last_action, heard.last_at_us) {
                    ", the last: " (action) " at " (time(at))
                }
            }
            dt { "Queue written" }
            dd {
                @if !inner.writes_queue { "never: it takes LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY" }
                @else {
                    (count(written.written as i64)) " times, " (count(written.failed as i64)) " failed"
                    @if let Some(at) = written.last_at { ", the last: " (count(written.tasks as i64)) " tasks at " (time(at)) }
                }
            }
            @if let Some(problem) = &written.problem { dt { "Last error" } dd.bad { (problem) } }
            @if let Some(version) = &project.queue_version { dt { "Label Studio serves the order of" } dd { (version) } }
        }
        @if !events.is_empty() {
            details {
                summary { "Newest events" }
                div.scroll tabindex="0" role="region" aria-label={ "Events of " (title_of(project)) } {
                    table {
                        thead { tr { th { "Time" } th { "Event" } th { "Says" } } }
                        tbody {
                            @for event in &events {
                                tr { td.figure { (time(event.received_at)) } td { (event.action) } td.long { (event.summary) } }
                            }
                        }
                    }
                }
            }
        }
    })
}
