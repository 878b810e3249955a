//! Background tasks that run beside the server until it stops.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{unix_micros, wiring};
use crate::labelstudio::Client;
use crate::models::Models;
use crate::queue::Queue;
use crate::storage::Storage;
use crate::training::Training;

/// Versions that another process publishes serve here after so long at most.
const FOLLOW: Duration = Duration::from_secs(3);

/// Interval between checks that the database's file is still there.
const FILE_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Events are kept for so long, to recognise repeated deliveries and for people to look back.
const EVENTS_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// Interval between deletions of old events.
const FORGET: Duration = Duration::from_secs(24 * 3600);

/// Checks the token once, then compares labels with Label Studio's at start and on the timer.
pub(super) async fn keep_truth(
    training: Training,
    client: Client,
    every: Option<Duration>,
    stop: CancellationToken,
) {
    if !client.is_configured() {
        return;
    }
    if stop.run_until_cancelled(wiring::verify(&client)).await.is_none() {
        return;
    }
    if let Some(every) = every {
        let reconciler = training.reconciler();
        repeat(every, &stop, || reconciler.reconcile_all()).await;
    }
}

/// Takes over what others on the same database publish or activate: another replica, or the command line.
pub(super) async fn follow_versions(storage: Storage, models: Models, queue: Queue, stop: CancellationToken) {
    // For each project the version that was tried last, and whether it could be loaded.
    let known = Mutex::new(HashMap::new());
    repeat(FOLLOW, &stop, || async {
        let projects = match storage.projects().await {
            Ok(projects) => projects,
            Err(error) => return tracing::warn!(%error, "versions of other processes not looked for"),
        };
        let mut known = known.lock().await;
        for project in projects {
            if known.get(&project.id) == Some(&(project.current_version, true)) {
                continue;
            }
            let number = || models.current(project.id).map(|live| live.number);
            let before = number();
            match models.follow(project.id).await {
                Ok(_) => {
                    known.insert(project.id, (project.current_version, true));
                }
                // It is tried again, and said once.
                Err(error) => {
                    if known.insert(project.id, (project.current_version, false))
                        != Some((project.current_version, false))
                    {
                        tracing::error!(project = %project.id, %error, "model not loaded");
                    }
                }
            }
            if number() != before {
                queue.version_changed();
            }
        }
    })
    .await;
}

/// Checks that the database's file is still there.
pub(super) async fn watch_database_file(storage: Storage, stop: CancellationToken) {
    let said = AtomicBool::new(false);
    repeat(FILE_CHECK_INTERVAL, &stop, || async {
        match storage.check_file().await {
            Ok(()) => said.store(false, Ordering::Relaxed),
            Err(error) if !said.swap(true, Ordering::Relaxed) => {
                tracing::error!(%error, "nothing can be stored")
            }
            Err(_) => {}
        }
    })
    .await;
}

/// Keeps the table of events from growing for ever.
pub(super) async fn forget_old_events(storage: Storage, stop: CancellationToken) {
    repeat(FORGET, &stop, || async {
        let before = unix_micros() - i64::try_from(EVENTS_KEPT.as_micros()).unwrap_or(i64::MAX);
        match storage.prune_events(before).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "events older than 90 days forgotten"),
            Err(error) => tracing::warn!(%error, "old events not forgotten"),
        }
    })
    .await;
}

/// Does something now and then every so often, until `stop`.
async fn repeat<F: Future<Output = ()>>(
    every: Duration,
    stop: &CancellationToken,
    mut work: impl FnMut() -> F,
) {
    let mut timer = tokio::time::interval(every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let round = async {
            timer.tick().await;
            work().await;
        };
        if stop.run_until_cancelled(round).await.is_none() {
            return;
        }
    }
}
