//! Live updates: one stream that names what changed; pages fetch again what shows it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, ContentEncoding};
use actix_web::web::{self, Bytes};
use actix_web::{Error, HttpResponse};
use futures_util::stream;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::context::PageContext;
use super::error::PageError;
use super::{Dashboard, Entry, at};
use crate::domain::ids::ProjectId;
use crate::storage::StorageError;

pub(super) const ENTRIES: &[Entry] = &[at("/events", || web::get().to(events))];

/// Pages that follow at once; each costs a connection.
const LISTENERS: usize = 64;

/// Changes a slow page may be behind; beyond them it fetches everything.
const BACKLOG: usize = 64;

/// Interval between checks for changes while somebody follows.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A sign of life, so that dead connections are noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// A stream's life; the browser comes back at once, and its access is checked again.
const LIFE: Duration = Duration::from_secs(3_600);

/// Kinds of changes in a project; pages name those they show.
pub(super) mod kind {
    pub const LABELS: &str = "labels";
    pub const VERSION: &str = "version";
    pub const JOB: &str = "job";
    pub const POOL: &str = "pool";
    /// Something that the background made for a page is ready.
    pub const READY: &str = "ready";
}

/// Channel from those that report changes to the pages that follow; clone it freely.
#[derive(Clone)]
pub(super) struct Live {
    changes: broadcast::Sender<Arc<str>>,
    listeners: Arc<Semaphore>,
    over: CancellationToken,
}

impl Live {
    pub fn new() -> Self {
        let (changes, _) = broadcast::channel(BACKLOG);
        Self { changes, listeners: Arc::new(Semaphore::new(LISTENERS)), over: CancellationToken::new() }
    }

    /// Tells all pages that follow.
    pub fn tell(&self, project: ProjectId, kinds: &[&str]) {
        let change = json!({"project": project, "kinds": kinds});
        // Nobody may be listening.
        let _ = self.changes.send(format!("event: change\ndata: {change}\n\n").into());
    }

    pub fn close(&self) {
        self.over.cancel();
    }

    /// Ends with the server.
    pub fn over(&self) -> CancellationToken {
        self.over.clone()
    }
}

async fn events(context: PageContext) -> Result<HttpResponse, PageError> {
    let live = context.services().live.clone();
    let place = Arc::clone(&live.listeners).try_acquire_owned().map_err(|_| PageError::Busy)?;
    let follower = Follower {
        changes: live.changes.subscribe(),
        over: live.over,
        ends: Instant::now() + LIFE,
        greeted: false,
        _place: place,
    };
    let stream = stream::unfold(follower, |mut follower| async move {
        let message = follower.next().await?;
        Some((Ok::<_, Error>(Bytes::from(message)), follower))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        // Compression would hold small messages back.
        .insert_header(ContentEncoding::Identity)
        .streaming(stream))
}

struct Follower {
    changes: broadcast::Receiver<Arc<str>>,
    over: CancellationToken,
    ends: Instant,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    async fn next(&mut self) -> Option<String> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(": hello\n\n".to_owned());
        }
        tokio::select! {
            change = self.changes.recv() => match change {
                Ok(change) => Some(change.to_string()),
                Err(RecvError::Lagged(_)) => Some(": changes left out\n\n".to_owned()),
                Err(RecvError::Closed) => None,
            },
            () = tokio::time::sleep(HEARTBEAT) => Some(": still here\n\n".to_owned()),
            () = tokio::time::sleep_until(self.ends) => None,
            () = self.over.cancelled() => None,
        }
    }
}

/// Figures of a project that can change; reading them costs no more than one row.
#[derive(Clone, Default, PartialEq)]
struct State {
    labels: (i64, u64),
    version: (Option<i64>, bool, Option<String>, Option<String>),
    job: Option<(i64, &'static str, Option<i64>)>,
    pool: (usize, usize, usize, bool),
}

/// Looks for changes while somebody follows, until `stop`.
pub(super) async fn watch(dashboard: &Dashboard, stop: CancellationToken) {
    let live = &dashboard.0.live;
    let mut known: HashMap<ProjectId, State> = HashMap::new();
    while stop.run_until_cancelled(tokio::time::sleep(CHECK_INTERVAL)).await.is_some() {
        if live.changes.receiver_count() == 0 {
            known.clear();
            continue;
        }
        match states(dashboard).await {
            Ok(states) => {
                for (project, state) in &states {
                    let changed = known.get(project).map(|before| differences(before, state));
                    if let Some(kinds) = changed.filter(|kinds| !kinds.is_empty()) {
                        dashboard.0.counts.forget(*project).await;
                        live.tell(*project, &kinds);
                    }
                }
                known = states;
            }
            Err(error) => tracing::debug!(%error, "changes not looked for"),
        }
    }
    live.close();
}

async fn states(dashboard: &Dashboard) -> Result<HashMap<ProjectId, State>, StorageError> {
    let inner = &dashboard.0;
    let jobs = inner.storage.open_jobs().await?;
    let projects = inner.storage.projects().await?.into_iter();
    let state = |row: crate::storage::Project| {
        let of_project = jobs.iter().filter(|job| job.project == row.id);
        let job = of_project.max_by_key(|job| job.started_at.is_some());
        let pool = inner.pool.progress_among(row.id, 0);
        let state = State {
            labels: (row.updates_seen, inner.training.webhooks(row.id).received),
            version: (row.current_version, row.pinned, row.queue_version, row.strategy),
            job: job.map(|job| (job.id.0, job.state.as_str(), job.epoch)),
            pool: (pool.embedded, pool.failed, pool.damaged, inner.queue.write_back(row.id).writing),
        };
        (row.id, state)
    };
    Ok(projects.map(state).collect())
}

fn differences(before: &State, after: &State) -> Vec<&'static str> {
    let mut kinds = Vec::new();
    let mut differs = |kind, differs: bool| kinds.extend(differs.then_some(kind));
    differs(kind::LABELS, before.labels != after.labels);
    differs(kind::VERSION, before.version != after.version);
    differs(kind::JOB, before.job != after.job);
    differs(kind::POOL, before.pool != after.pool);
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_nothing_else() {
        let before = State::default();
        assert_eq!(differences(&before, &before), Vec::<&str>::new());
        let after = State { labels: (1, 0), job: Some((1, "running", None)), ..State::default() };
        assert_eq!(differences(&before, &after), [kind::LABELS, kind::JOB]);
        let later = State { job: Some((1, "running", Some(3))), ..after.clone() };
        assert_eq!(differences(&after, &later), [kind::JOB]);
        assert_eq!(differences(&before, &State { pool: (0, 0, 0, true), ..before.clone() }), [kind::POOL]);
    }

    #[tokio::test]
    async fn a_follower_hears_changes_and_ends_with_the_server() {
        let live = Live::new();
        let place = Arc::clone(&live.listeners).try_acquire_owned().unwrap();
        let mut follower = Follower {
            changes: live.changes.subscribe(),
            over: live.over.clone(),
            ends: Instant::now() + LIFE,
            greeted: false,
            _place: place,
        };
        assert_eq!(follower.next().await.as_deref(), Some(": hello\n\n"));
        live.tell(ProjectId(3), &[kind::JOB]);
        let told = follower.next().await.unwrap();
        assert_eq!(told, "event: change\ndata: {\"kinds\":[\"job\"],\"project\":3}\n\n");
        live.close();
        assert_eq!(follower.next().await, None);
    }
}
