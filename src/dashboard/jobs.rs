//! Trainings as a table, one line each, in words.

use maud::{Markup, html};

use super::charts::{LineChart, Point, line};
use super::format::{count, duration, time};
use super::layout::title_of;
use crate::models::HeadCard;
use crate::storage::{Job, JobState, Project};

/// A line for each job, and the loss curves of the newest one that has some. `now` in Unix microseconds.
pub(super) fn table(jobs: &[Job], projects: &[Project], now: i64) -> Markup {
    let title = |job: &Job| {
        let project = projects.iter().find(|project| project.id == job.project);
        project.map_or_else(|| format!("Project {}", job.project), title_of)
    };
    html! {
        div.scroll tabindex="0" role="region" aria-label="Newest trainings" {
            table {
                thead {
                    tr {
                        th.number { "Job" } th { "Project" } th { "State" } th { "Why" } th { "Queued" } th { "Took" }
                        th { "Result" }
                    }
                }
                tbody { @for job in jobs { (row(job, &title(job), now)) } }
            }
        }
        @if let Some((job, heads)) = jobs.iter().find_map(|job| Some((job, trained(job)?))) {
            details {
                summary { "Loss curve of job " (job.id) }
                @for head in &heads { (loss(head)) }
            }
        }
    }
}

fn row(job: &Job, title: &str, now: i64) -> Markup {
    let took = job.started_at.filter(|_| job.state != JobState::Queued);
    let took = took.map(|started| duration(job.finished_at.unwrap_or(now) - started));
    html! {
        tr {
            td.number { (job.id) }
            td { (title) }
            td.figure { span class=[tone(job.state)] { (job.state.as_str()) } }
            td.figure { (asked_by(&job.reason)) }
            td.figure { (time(job.created_at)) }
            td.figure { (took.as_deref().unwrap_or("–")) }
            td.long { (result(job)) }
        }
    }
}

/// Progress of a job, its result, or the reason for its failure.
fn result(job: &Job) -> String {
    let says = match (job.state, job.epoch.zip(job.epochs), job.version, &job.error) {
        (JobState::Running, Some((epoch, epochs)), ..) => {
            format!("epoch {} of at most {}", count(epoch), count(epochs))
        }
        (_, _, _, Some(error)) => error.clone(),
        (_, _, Some(version), None) => format!("version {version}"),
        _ => "–".to_owned(),
    };
    if job.attempts > 1 { format!("{says} (attempt {})", job.attempts) } else { says }
}

/// Reason for a training, as its reader would say it.
fn asked_by(reason: &str) -> &str {
    match reason {
        "start training" => "\"Start training\" in Label Studio",
        "train requested" => "asked for by hand",
        "annotation_created" => "an answer was submitted",
        "annotations_created" => "answers were submitted",
        "annotation_updated" => "an answer was changed",
        "annotations_updated" => "answers were changed",
        "annotation_deleted" => "an answer was deleted",
        "annotations_deleted" => "answers were deleted",
        "task_deleted" | "tasks_deleted" => "tasks were deleted",
        "label config changed" => "the label config changed",
        "labels taken over" => "labels were taken over from Label Studio",
        "project created again" => "the project was created again in Label Studio",
        // Of another version of this program, or in words already.
        other => other,
    }
}

fn tone(state: JobState) -> Option<&'static str> {
    match state {
        JobState::Done => Some("good"),
        JobState::Failed => Some("bad"),
        JobState::Running => Some("warn"),
        JobState::Queued | JobState::Waiting | JobState::Cancelled => None,
    }
}

/// The heads that a job trained, where their losses are known.
fn trained(job: &Job) -> Option<Vec<HeadCard>> {
    let heads: Vec<HeadCard> = serde_json::from_value(job.metrics.clone()?).ok()?;
    let heads: Vec<HeadCard> = heads.into_iter().filter(|head| !head.losses.is_empty()).collect();
    (!heads.is_empty()).then_some(heads)
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
    use crate::domain::ids::{JobId, ProjectId};
    use crate::storage::JobKind;

    fn job(state: JobState) -> Job {
        Job {
            id: JobId(3),
            project: ProjectId(1),
            kind: JobKind::Train,
            reason: "annotation_created".to_owned(),
            state,
            created_at: 0,
            not_before: 0,
            deadline: 0,
            started_at: Some(1_000_000),
            finished_at: Some(1_340_000),
            lease_owner: None,
            lease_until: None,
            attempts: 1,
            epoch: Some(12),
            epochs: Some(60),
            loss: None,
            version: None,
            metrics: None,
            error: None,
        }
    }

    #[test]
    fn each_state_says_in_one_line_what_came_of_it() {
        let waiting = Job { error: Some("waiting for a second class".to_owned()), ..job(JobState::Waiting) };
        let again = Job { error: Some("disk full".to_owned()), attempts: 3, ..job(JobState::Failed) };
        for (job, says) in [
            (job(JobState::Running), "epoch 12 of at most 60"),
            (Job { version: Some(7), ..job(JobState::Done) }, "version 7"),
            (waiting, "waiting for a second class"),
            (again, "disk full (attempt 3)"),
            (job(JobState::Cancelled), "–"),
        ] {
            assert_eq!(result(&job), says);
        }
    }

    #[test]
    fn waiting_for_labels_is_no_failure_and_reasons_are_words() {
        let html = row(&job(JobState::Waiting), "birds", 0).into_string();
        assert!(html.contains("<span>waiting</span>") && !html.contains("bad"), "{html}");
        assert!(html.contains("an answer was submitted") && html.contains("340 ms"), "{html}");
        assert_eq!(asked_by("start training"), "\"Start training\" in Label Studio");
        assert_eq!(asked_by("labels not learnt before the restart"), "labels not learnt before the restart");
    }
}
