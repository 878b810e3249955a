//! Activity in a project at this moment, in words.

use maud::{Markup, html};

use super::format::{count, of};
use crate::pool::PoolProgress;
use crate::storage::{Job, JobState};

/// Something under way.
#[derive(Debug, PartialEq)]
pub(super) struct Doing {
    pub words: String,
    /// Progress, 0 to 1, where it is known.
    pub share: Option<f64>,
}

/// Everything under way, what a person waits for first; empty when nothing is.
pub(super) fn doings(jobs: &[&Job], pool: PoolProgress, writing: bool) -> Vec<Doing> {
    let mut doings = Vec::new();
    for job in jobs {
        match (job.state, job.epoch.zip(job.epochs)) {
            (JobState::Running, Some((epoch, epochs))) => doings.push(Doing {
                words: format!("training, epoch {} of at most {}", count(epoch), count(epochs)),
                share: (epochs > 0).then(|| epoch as f64 / epochs as f64),
            }),
            (JobState::Running, None) => {
                doings.push(Doing { words: "training: gathering labels and images".to_owned(), share: None })
            }
            (JobState::Queued, _) => {
                doings.push(Doing { words: "training waits for its turn".to_owned(), share: None })
            }
            _ => {}
        }
    }
    let done = pool.embedded + pool.failed;
    if done < pool.tasks {
        doings.push(Doing {
            words: format!(
                "embedding {} of {}",
                count(done as i64),
                of(pool.tasks as i64, "image", "images")
            ),
            share: Some(done as f64 / pool.tasks as f64),
        });
    }
    if writing {
        doings.push(Doing { words: "writing the order back to Label Studio".to_owned(), share: None });
    }
    doings
}

pub(super) fn show(doings: &[Doing]) -> Markup {
    html! {
        @if doings.is_empty() { span { "idle" } }
        @for doing in doings {
            div {
                (doing.words)
                @if let Some(share) = doing.share {
                    progress max="100" value=(format!("{:.0}", 100.0 * share)) aria-label=(doing.words) {}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn embedding_and_writing_are_told_with_figures() {
        let pool = PoolProgress { tasks: 1_000, embedded: 300, failed: 12, damaged: 0 };
        let words: Vec<String> = doings(&[], pool, true).into_iter().map(|doing| doing.words).collect();
        assert_eq!(words, ["embedding 312 of 1,000 images", "writing the order back to Label Studio"]);
        let done = PoolProgress { tasks: 312, embedded: 300, failed: 12, damaged: 0 };
        assert_eq!(show(&doings(&[], done, false)).into_string(), "<span>idle</span>");
    }
}
