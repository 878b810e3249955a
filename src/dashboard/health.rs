//! Page 7: trainings, failures, webhooks, the writing of queues, and how much is waiting.

use actix_web::HttpResponse;
use maud::{Markup, html};

use super::charts::{LineChart, Point, line};
use super::layout::{self, Place, page, project_path, title_of};
use super::projects::advice;
use super::refusal::Refusal;
use super::visit::Visit;
use super::words::{bytes, count, duration, time};
use super::{Entry, at, look};
use crate::models::HeadCard;
use crate::storage::{Job, JobState, Project};

pub(super) const ENTRIES: &[Entry] = &[at("/health", || look().to(show))];

/// Jobs listed, and events of each project.
const JOBS: i64 = 30;
const EVENTS: i64 = 10;

async fn show(visit: Visit) -> Result<HttpResponse, Refusal> {
    let inner = visit.rooms();
    let projects = inner.storage.projects().await?;
    let jobs = inner.storage.newest_jobs(JOBS).await?;
    let open = inner.storage.open_jobs().await?;
    let mut told = Vec::new();
    for project in &projects {
        told.push(project_row(&visit, project).await?);
    }
    let body = html! {
        h1 { "Jobs and health" }
        (advice(&inner.advice))
        div #health data-live="labels version job pool" {
            section.card aria-label="Load" {
                h2 { "Load" }
                (load(&visit, &projects, &open).await?)
            }
            section.card aria-label="Label Studio" {
                h2 { "Webhooks and write-back, since the start" }
                @if told.is_empty() { p { "No project is known yet." } }
                @for row in &told { (row) }
            }
            section.card aria-label="Trainings" {
                h2 { "Trainings" }
                @if jobs.is_empty() { p { "None yet." } }
                div.cards { @for job in &jobs { (job_row(job, &projects, visit.now())) } }
            }
        }
    };
    Ok(page(&visit, Place::Health, "Jobs and health", &body))
}

async fn load(visit: &Visit, projects: &[Project], open: &[Job]) -> Result<Markup, Refusal> {
    let inner = visit.rooms();
    let mut waiting = 0;
    for project in projects {
        let tasks = inner.counts.of(project.id).await?.total;
        let pool = inner.queue.progress_among(project.id, tasks);
        waiting += pool.tasks.saturating_sub(pool.embedded + pool.failed);
    }
    let of_state = |state: JobState| open.iter().filter(|job| job.state == state).count() as i64;
    let memory = tokio::fs::read_to_string("/proc/self/status").await.ok().and_then(|text| resident(&text));
    Ok(html! {
        dl.facts {
            dt { "Trainings" }
            dd { (count(of_state(JobState::Running))) " running, " (count(of_state(JobState::Queued))) " queued" }
            dt { "Images on their way to the network" } dd { (count(inner.embedder.in_flight() as i64)) }
            dt { "Images of tasks not looked at yet" } dd { (count(waiting as i64)) }
            dt { "Memory" }
            dd { @match memory { Some(n) => (bytes(n)), None => "this system does not say" } }
        }
    })
}

/// Resident memory in bytes, from `/proc/self/status`.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

async fn project_row(visit: &Visit, project: &Project) -> Result<Markup, Refusal> {
    let inner = visit.rooms();
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

fn job_row(job: &Job, projects: &[Project], now: i64) -> Markup {
    let project = projects.iter().find(|project| project.id == job.project);
    let name = project.map_or_else(|| format!("Project {}", job.project), layout::title_of);
    let took = job.started_at.map(|started| job.finished_at.unwrap_or(now) - started);
    let heads: Vec<HeadCard> =
        job.metrics.clone().and_then(|metrics| serde_json::from_value(metrics).ok()).unwrap_or_default();
    let curves: Vec<&HeadCard> = heads.iter().filter(|head| !head.losses.is_empty()).collect();
    html! {
        article.tile aria-label={ "Job " (job.id) } {
            h3 { "Job " (job.id) " of " (name) ": " span class=[tone(job.state)] { (job.state.as_str()) } }
            dl.facts {
                dt { "Why" } dd { (job.reason) }
                dt { "Queued" } dd { (time(job.created_at)) }
                @if let Some(took) = took.filter(|_| job.state != JobState::Queued) { dt { "Took" } dd { (duration(took)) } }
                @if let (JobState::Running, Some((epoch, epochs))) = (job.state, job.epoch.zip(job.epochs)) {
                    dt { "Epoch" } dd { (epoch) " of at most " (epochs) }
                }
                @if job.attempts > 1 { dt { "Attempts" } dd { (job.attempts) } }
                @if let Some(version) = job.version { dt { "Version" } dd { (version) } }
                @if let Some(error) = &job.error { dt { "Reason" } dd.bad { (error) } }
            }
            @if !curves.is_empty() {
                details {
                    summary { "Loss curve" }
                    @for head in &curves { (loss(head)) }
                }
            }
        }
    }
}

fn tone(state: JobState) -> Option<&'static str> {
    match state {
        JobState::Done => Some("good"),
        JobState::Failed => Some("bad"),
        JobState::Running => Some("warn"),
        JobState::Queued | JobState::Cancelled => None,
    }
}

fn loss(head: &HeadCard) -> Markup {
    let point =
        |(epoch, loss): (usize, &f32)| Point { x: epoch as f64 + 1.0, y: f64::from(*loss), band: None };
    let points: Vec<Point> = head.losses.iter().enumerate().map(point).collect();
    let says = match (head.losses.first(), head.losses.last()) {
        (Some(first), Some(last)) => {
            format!("Training loss from {first:.3} to {last:.3} nats in {} epochs", head.losses.len())
        }
        _ => String::new(),
    };
    html! {
        h3 { (head.from_name) }
        (line(&LineChart {
            name: "Training loss",
            says: &says,
            across: "epoch",
            up: "nats",
            percent: false,
            line: &points,
            reference: &[],
        }))
        p.note { (says) "." }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_in_bytes() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\nThreads: 3"), Some(2_097_152));
        assert_eq!(resident("Name:\tx"), None);
        assert_eq!(resident("VmRSS:\tmuch"), None);
    }
}
