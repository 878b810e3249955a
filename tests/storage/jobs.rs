use serde_json::json;
use weathervane::domain::ids::{JobId, ProjectId};
use weathervane::storage::{Job, JobKind, JobProgress, JobRequest, JobState, MAX_ATTEMPTS, Storage};

use super::support::{Database, PROJECT, SECOND, annotation, created, training};

const LEASE: i64 = 10 * SECOND;

fn forced() -> JobRequest {
    JobRequest { force: true, quiet_us: 0, ..training() }
}

async fn submit(storage: &Storage, id: i64, now: i64) -> Option<JobId> {
    let event = created(vec![annotation(id, "rain", 1)]);
    storage.record_event(&event, Some(&training()), now).await.unwrap().job
}

async fn claim(storage: &Storage, owner: &str, now: i64) -> Option<Job> {
    storage.claim_job(owner, now, LEASE).await.unwrap()
}

async fn state(storage: &Storage, id: JobId) -> JobState {
    storage.job(id).await.unwrap().unwrap().state
}

pub async fn requests_coalesce_until_the_deadline(database: &Database) {
    let storage = database.open().await;
    let job = submit(&storage, 0, 0).await.unwrap();
    for step in 1..=20 {
        let now = step * SECOND / 4;
        assert_eq!(submit(&storage, step, now).await, Some(job));
        let queued = storage.job(job).await.unwrap().unwrap();
        assert_eq!(queued.not_before, (now + SECOND / 2).min(5 * SECOND));
        assert_eq!((queued.deadline, queued.created_at), (5 * SECOND, 0));
    }
    assert_eq!(claim(&storage, "me", 5 * SECOND - 1).await, None);
    // A forced request does not wait.
    assert_eq!(storage.enqueue_job(PROJECT, &forced(), 2 * SECOND).await.unwrap(), Some(job));
    let claimed = claim(&storage, "me", 2 * SECOND).await.unwrap();
    assert_eq!((claimed.id, claimed.state, claimed.attempts), (job, JobState::Running, 1));
    assert_eq!(claimed.lease_until, Some(2 * SECOND + LEASE));
}

pub async fn a_training_on_the_export_takes_the_place_of_a_queued_one(database: &Database) {
    let storage = database.open().await;
    let queued = submit(&storage, 1, 0).await.unwrap();
    let pull = JobRequest { kind: JobKind::PullAndTrain, ..forced() };
    let asked = storage.enqueue_job(PROJECT, &pull, 0).await.unwrap().unwrap();
    assert_eq!(claim(&storage, "me", 0).await.unwrap().id, asked);
    assert_eq!(
        (state(&storage, queued).await, state(&storage, asked).await),
        (JobState::Cancelled, JobState::Running)
    );
    // What comes while it runs is learnt by another.
    let next = submit(&storage, 2, SECOND).await.unwrap();
    storage.finish_job(asked, "me", Some(1), &json!({}), 2 * SECOND).await.unwrap();
    assert_eq!(claim(&storage, "me", 2 * SECOND).await.unwrap().id, next);
}

pub async fn a_job_waits_for_enough_label_changes(database: &Database) {
    let storage = database.open().await;
    let every_third = JobRequest { min_updates: 3, ..training() };
    assert_eq!(storage.enqueue_job(PROJECT, &training(), 0).await.unwrap(), None);
    for id in 1..=3 {
        let event = created(vec![annotation(id, "rain", 1)]);
        let outcome = storage.record_event(&event, Some(&every_third), id).await.unwrap();
        assert_eq!(outcome.job.is_some(), id == 3);
        assert_eq!(outcome.pending, id);
    }
}

pub async fn of_many_workers_one_claims_a_job(database: &Database) {
    let storage = database.open().await;
    let other = database.open().await;
    for project in 0..4 {
        storage.enqueue_job(ProjectId(project), &forced(), project).await.unwrap().unwrap();
    }
    let workers = (0..12).map(|worker| {
        let storage = [&storage, &other][worker % 2].clone();
        tokio::spawn(async move { claim(&storage, &format!("worker {worker}"), SECOND).await })
    });
    let mut claimed = Vec::new();
    for worker in Vec::from_iter(workers) {
        claimed.extend(worker.await.unwrap().map(|job| job.project.0));
    }
    claimed.sort_unstable();
    assert_eq!(claimed, [0, 1, 2, 3]);
}

pub async fn a_project_runs_one_job_at_a_time(database: &Database) {
    let storage = database.open().await;
    let first = submit(&storage, 1, 0).await.unwrap();
    claim(&storage, "me", SECOND).await.unwrap();
    let second = submit(&storage, 2, SECOND).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(claim(&storage, "you", 9 * SECOND).await, None);
    assert!(storage.finish_job(first, "me", Some(1), &json!({ "accuracy": 0.5 }), 9 * SECOND).await.unwrap());
    assert_eq!(claim(&storage, "you", 9 * SECOND).await.unwrap().id, second);
    let done = storage.job(first).await.unwrap().unwrap();
    assert_eq!((done.state, done.version, done.finished_at), (JobState::Done, Some(1), Some(9 * SECOND)));
    assert_eq!(done.metrics, Some(json!({ "accuracy": 0.5 })));
    let recent = storage.recent_jobs(PROJECT, 9).await.unwrap();
    assert_eq!(recent.iter().map(|job| job.id).collect::<Vec<_>>(), [second, first]);
}

pub async fn changes_during_a_run_stay_pending(database: &Database) {
    let storage = database.open().await;
    let job = submit(&storage, 1, 0).await.unwrap();
    claim(&storage, "me", SECOND).await.unwrap();
    submit(&storage, 2, SECOND).await.unwrap();
    storage.finish_job(job, "me", Some(1), &json!({}), 2 * SECOND).await.unwrap();
    let project = storage.project(PROJECT).await.unwrap().unwrap();
    assert_eq!((project.updates_seen, project.updates_trained), (2, 1));
}

pub async fn an_expired_lease_is_taken_over_and_given_up_after_three_attempts(database: &Database) {
    let storage = database.open().await;
    let job = submit(&storage, 1, 0).await.unwrap();
    let mut now = SECOND;
    for attempt in 1..=MAX_ATTEMPTS {
        let owner = format!("owner {attempt}");
        assert_eq!(claim(&storage, &owner, now).await.unwrap().attempts, attempt);
        assert_eq!(claim(&storage, "early", now + LEASE - 1).await, None);
        now += LEASE;
    }
    let old = JobProgress::default();
    assert!(!storage.renew_job(job, "owner 1", old, now, LEASE).await.unwrap());
    assert!(!storage.finish_job(job, "owner 2", Some(1), &json!({}), now).await.unwrap());
    assert_eq!(storage.fail_job(job, "owner 1", "late", None, now).await.unwrap(), None);
    assert_eq!(claim(&storage, "one more", now).await, None);
    let failed = storage.job(job).await.unwrap().unwrap();
    assert_eq!((failed.state, failed.finished_at), (JobState::Failed, Some(now)));
    assert!(failed.error.unwrap().contains("given up"));
    // Further labels get a job of their own.
    let next = submit(&storage, 2, now).await.unwrap();
    assert_ne!(next, job);

    // After a crash the same program need not wait for its own lease.
    claim(&storage, "me", now + SECOND).await.unwrap();
    assert_eq!(storage.expire_leases("me", now + SECOND).await.unwrap(), 1);
    assert_eq!(claim(&storage, "me", now + SECOND).await.unwrap().attempts, 2);
}

pub async fn a_job_that_waits_for_labels_leaves_them_pending(database: &Database) {
    let storage = database.open().await;
    let job = submit(&storage, 1, 0).await.unwrap();
    assert!(!storage.leave_waiting(job, "me", "a second class", SECOND).await.unwrap(), "nobody runs it");
    claim(&storage, "me", SECOND).await.unwrap();
    assert!(!storage.leave_waiting(job, "another", "a second class", SECOND).await.unwrap());
    assert!(storage.leave_waiting(job, "me", "a second\0class", 2 * SECOND).await.unwrap());
    let waiting = storage.job(job).await.unwrap().unwrap();
    assert_eq!((waiting.state, waiting.finished_at), (JobState::Waiting, Some(2 * SECOND)));
    assert_eq!((waiting.error.as_deref(), waiting.lease_owner), (Some("a second\u{fffd}class"), None));
    // The label counts as not learnt, so that the next one is learnt together with it.
    assert_eq!(storage.projects().await.unwrap()[0].pending_updates(), 1);
    assert_ne!(submit(&storage, 2, 3 * SECOND).await.unwrap(), job);
}

pub async fn a_failed_job_is_retried_later(database: &Database) {
    let storage = database.open().await;
    let job = submit(&storage, 1, 0).await.unwrap();
    for attempt in 1..=MAX_ATTEMPTS {
        let now = attempt * 10 * SECOND;
        assert_eq!(claim(&storage, "me", now).await.unwrap().attempts, attempt);
        let state = storage.fail_job(job, "me", "disk\0full", Some(now + 5 * SECOND), now).await.unwrap();
        if attempt < MAX_ATTEMPTS {
            assert_eq!(state, Some(JobState::Queued));
            assert_eq!(claim(&storage, "me", now + 5 * SECOND - 1).await, None);
        } else {
            assert_eq!(state, Some(JobState::Failed));
        }
    }
    let error = storage.job(job).await.unwrap().unwrap().error.unwrap();
    assert_eq!(error, "given up after 3 attempts: disk\u{fffd}full");

    // Without a time to try again, and where a newer job waits, it fails at once.
    let plain = submit(&storage, 2, 100 * SECOND).await.unwrap();
    claim(&storage, "me", 101 * SECOND).await.unwrap();
    assert_eq!(
        storage.fail_job(plain, "me", "no", None, 101 * SECOND).await.unwrap(),
        Some(JobState::Failed)
    );
    let overtaken = submit(&storage, 3, 200 * SECOND).await.unwrap();
    claim(&storage, "me", 201 * SECOND).await.unwrap();
    let newer = submit(&storage, 4, 201 * SECOND).await.unwrap();
    let state_of_overtaken = storage.fail_job(overtaken, "me", "no", Some(0), 202 * SECOND).await.unwrap();
    assert_eq!(state_of_overtaken, Some(JobState::Failed));
    assert_eq!(claim(&storage, "me", 202 * SECOND).await.unwrap().id, newer);
}

pub async fn a_cancelled_job_is_lost_to_its_worker(database: &Database) {
    let storage = database.open().await;
    let job = submit(&storage, 1, 0).await.unwrap();
    claim(&storage, "me", SECOND).await.unwrap();
    let progress = JobProgress { epoch: Some(3), epochs: Some(20), loss: Some(0.25) };
    assert!(storage.renew_job(job, "me", progress, 2 * SECOND, LEASE).await.unwrap());
    let running = storage.job(job).await.unwrap().unwrap();
    assert_eq!((running.epoch, running.epochs, running.loss), (Some(3), Some(20), Some(0.25)));
    assert_eq!(running.lease_until, Some(2 * SECOND + LEASE));
    let diverged = JobProgress { loss: Some(f64::NAN), ..progress };
    assert!(storage.renew_job(job, "me", diverged, 2 * SECOND, LEASE).await.unwrap());
    assert_eq!(storage.job(job).await.unwrap().unwrap().loss, None);
    // On each connection an absent loss may be the first that its prepared statement sees.
    for round in 0..32 {
        let loss = (round % 2 == 1).then_some(0.125);
        assert!(
            storage.renew_job(job, "me", JobProgress { loss, ..progress }, 2 * SECOND, LEASE).await.unwrap()
        );
        assert_eq!(storage.job(job).await.unwrap().unwrap().loss, loss);
    }
    assert!(storage.cancel_job(job, 3 * SECOND).await.unwrap());
    assert!(!storage.cancel_job(job, 3 * SECOND).await.unwrap());
    assert!(!storage.renew_job(job, "me", progress, 3 * SECOND, LEASE).await.unwrap());
    assert!(!storage.finish_job(job, "me", None, &json!({}), 3 * SECOND).await.unwrap());
    assert_eq!(state(&storage, job).await, JobState::Cancelled);
    assert!(!storage.cancel_job(JobId(999), 3 * SECOND).await.unwrap());
    assert_eq!(storage.job(JobId(999)).await.unwrap(), None);
}

pub async fn a_shutdown_gives_jobs_back_without_counting_the_attempt(database: &Database) {
    let storage = database.open().await;
    let job = submit(&storage, 1, 0).await.unwrap();
    for _ in 0..=MAX_ATTEMPTS {
        assert_eq!(claim(&storage, "me", SECOND).await.unwrap().attempts, 1);
        assert_eq!(storage.release_jobs("you", SECOND).await.unwrap(), 0);
        assert_eq!(storage.release_jobs("me", SECOND).await.unwrap(), 1);
    }
    assert_eq!(state(&storage, job).await, JobState::Queued);
}

pub async fn a_released_job_gives_way_to_a_newer_one(database: &Database) {
    let storage = database.open().await;
    let old = submit(&storage, 1, 0).await.unwrap();
    claim(&storage, "me", SECOND).await.unwrap();
    let new = submit(&storage, 2, SECOND).await.unwrap();
    assert_eq!(storage.release_jobs("me", SECOND).await.unwrap(), 1);
    assert_eq!(state(&storage, old).await, JobState::Cancelled);
    assert_eq!(claim(&storage, "me", 2 * SECOND).await.unwrap().id, new);
}

pub async fn the_next_due_time_is_exact(database: &Database) {
    let storage = database.open().await;
    assert_eq!(storage.next_due().await.unwrap(), None);
    let first = submit(&storage, 1, 0).await.unwrap();
    assert_eq!(storage.next_due().await.unwrap(), Some(SECOND / 2));
    claim(&storage, "me", SECOND).await.unwrap();
    submit(&storage, 2, SECOND).await.unwrap();
    assert_eq!(storage.next_due().await.unwrap(), Some(SECOND + LEASE));
    storage.enqueue_job(ProjectId(8), &forced(), 3 * SECOND).await.unwrap().unwrap();
    assert_eq!(storage.next_due().await.unwrap(), Some(3 * SECOND));
    storage.finish_job(first, "me", None, &json!({}), 4 * SECOND).await.unwrap();
    assert_eq!(storage.next_due().await.unwrap(), Some(3 * SECOND / 2));
}

pub async fn times_of_a_clock_that_ran_ahead_count_as_old(database: &Database) {
    const DAY: i64 = 24 * 3600 * SECOND;
    let storage = database.open().await;
    let running = submit(&storage, 1, DAY).await.unwrap();
    assert_eq!(claim(&storage, "before", 2 * DAY).await.map(|job| job.id), Some(running));
    let waiting = storage.enqueue_job(ProjectId(8), &training(), DAY).await.unwrap();
    let now = 10 * SECOND;
    assert_eq!(claim(&storage, "after", now).await, None);
    let lease = std::time::Duration::from_micros(LEASE.unsigned_abs());
    // The annotation, the running job, and the other project's one if it was queued.
    assert_eq!(storage.mend_future(now, lease).await.unwrap(), 2 + u64::from(waiting.is_some()));
    assert_eq!(storage.mend_future(now, lease).await.unwrap(), 0);
    assert_eq!(claim(&storage, "after", now).await.map(|job| job.id), Some(running));
}
