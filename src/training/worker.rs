//! The loop that claims due jobs, runs them under a lease, and writes down how they ended.

use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{TrainingError, Worker};
use crate::domain::ids::ProjectId;
use crate::domain::project::ProjectRef;
use crate::model::Progress;
use crate::storage::{Job, JobProgress, JobState};

/// A claimed job is ours for so long without a sign of life; then another process may take it.
const LEASE: Duration = Duration::from_secs(30);

/// Signs of life and progress: often enough for a progress bar, rarely enough for the database.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// Interval at which the loop checks for jobs even if nothing woke it: another process may have queued one.
const IDLE: Duration = Duration::from_secs(10);

/// First wait before a failed job runs again; doubles with each attempt.
const RETRY: Duration = Duration::from_secs(2);

impl Worker {
    /// Takes what was written while the clock ran ahead as old; a database in trouble is met again soon enough.
    pub async fn mend_clock(&self) {
        let waits = self.0.policy.quiet_us.max(self.0.policy.max_wait_us);
        let longest = LEASE.max(Duration::from_micros(waits.unsigned_abs()));
        match self.0.storage.mend_future((self.0.now)(), longest).await {
            Ok(0) => {}
            Ok(rows) => tracing::warn!(
                rows,
                "rows with times in the future: the clock ran ahead; they count as old now"
            ),
            Err(error) => tracing::warn!(%error, "rows with times in the future not looked for"),
        }
    }

    /// Runs due jobs until `stop`; then the running one is cancelled and its lease given back.
    pub async fn run(&self, stop: CancellationToken) {
        self.catch_up().await;
        loop {
            let now = (self.0.now)();
            let claimed = match self.0.storage.claim_job(&self.0.owner, now, micros(LEASE)).await {
                Ok(claimed) => claimed,
                Err(error) => {
                    tracing::warn!(%error, "job queue not reachable");
                    None
                }
            };
            match claimed {
                Some(job) => {
                    tokio::select! {
                        () = self.attempt(&job) => {}
                        () = stop.cancelled() => break,
                    }
                }
                None => {
                    tokio::select! {
                        () = tokio::time::sleep(self.until_due().await) => {}
                        () = self.0.wake.notified() => {}
                        () = stop.cancelled() => break,
                    }
                }
            }
            if stop.is_cancelled() {
                break;
            }
        }
        self.give_back().await;
    }

    /// Cancels what runs here and gives its lease back, so that another process may go on at once.
    pub async fn give_back(&self) {
        self.0.trainer.cancel();
        if let Err(error) = self.0.storage.release_jobs(&self.0.owner, (self.0.now)()).await {
            tracing::warn!(%error, "running job not given back; its lease ends in {} s", LEASE.as_secs());
        }
    }

    /// Asks for the trainings that earlier ones owe: those given up while images were unavailable, or for an error
    /// since mended.
    async fn catch_up(&self) {
        match self.0.storage.projects().await {
            Ok(projects) => {
                for project in projects {
                    self.0.training().learn_pending(project.id, "labels not learnt before the restart").await;
                }
            }
            Err(error) => tracing::warn!(%error, "projects can't be read, no training caught up on"),
        }
    }

    /// Runs every queued job now, due or not, one after the other; for tests and the command line.
    ///
    /// # Errors
    /// The queue can't be read.
    pub async fn train_pending(&self) -> Result<usize, TrainingError> {
        let mut ran = 0;
        while let Some(job) =
            self.0.storage.claim_job(&self.0.owner, i64::MAX - micros(LEASE), micros(LEASE)).await?
        {
            self.attempt(&job).await;
            ran += 1;
        }
        Ok(ran)
    }

    /// Trains one project now, as "Start training" does, and gives the job once it has ended, whoever ran it: a server on
    /// the same database may be quicker. `watch` gets the job every so often meanwhile.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn train_now(
        &self,
        project: ProjectId,
        watch: &mut dyn FnMut(&Job),
    ) -> Result<Job, TrainingError> {
        let project = ProjectRef { id: project, created_at_secs: None };
        let id = self.0.training().request(Some(project), None, Vec::new()).await?;
        loop {
            let now = (self.0.now)();
            if let Some(job) = self.0.storage.try_claim(id, &self.0.owner, now, micros(LEASE)).await? {
                watch(&job);
                self.attempt(&job).await;
            }
            let job = self.0.storage.job(id).await?.ok_or(TrainingError::JobGone(id))?;
            if !matches!(job.state, JobState::Queued | JobState::Running) {
                return Ok(job);
            }
            watch(&job);
            tokio::time::sleep(HEARTBEAT).await;
        }
    }

    async fn until_due(&self) -> Duration {
        let now = (self.0.now)();
        match self.0.storage.next_due().await {
            Ok(Some(due)) => Duration::from_micros(u64::try_from(due - now).unwrap_or(0))
                .clamp(Duration::from_millis(1), IDLE),
            _ => IDLE,
        }
    }

    async fn attempt(&self, job: &Job) {
        let span = tracing::info_span!("training", job = %job.id, project = %job.project);
        self.attempt_in_span(job).instrument(span).await;
    }

    async fn attempt_in_span(&self, job: &Job) {
        let (progress, follow) = watch::channel(None);
        let ended = tokio::select! {
            ended = self.run_job(job, progress) => ended,
            () = self.keep_lease(job, follow) => Err(TrainingError::LeaseLost),
        };
        let storage = &self.0.storage;
        let owner = &self.0.owner;
        let now = (self.0.now)();
        let written = match ended {
            Ok(outcome) => storage
                .finish_job(job.id, owner, Some(outcome.version), &outcome.metrics, now)
                .await
                .map(|_| ()),
            Err(TrainingError::LeaseLost | TrainingError::Cancelled) => return,
            Err(TrainingError::NothingToLearn(waits_for)) => {
                metrics::counter!("weathervane_trainings_total", "outcome" => "waiting").increment(1);
                tracing::info!("no model yet, {waits_for}");
                storage.leave_waiting(job.id, owner, &waits_for, now).await.map(|_| ())
            }
            Err(error) => {
                let retry_at = error.is_passing().then(|| now + backoff(job.attempts));
                metrics::counter!("weathervane_trainings_total", "outcome" => "failed").increment(1);
                tracing::error!(%error, retry = retry_at.is_some(), "training failed");
                storage.fail_job(job.id, owner, &error.to_string(), retry_at, now).await.map(|_| ())
            }
        };
        if let Err(error) = written {
            tracing::warn!(%error, "the job's end was not written down; it will run again");
        }
    }

    /// Renews the lease and writes progress until the lease is lost.
    async fn keep_lease(&self, job: &Job, follow: watch::Receiver<Option<Progress>>) {
        let mut beat = tokio::time::interval(HEARTBEAT);
        loop {
            beat.tick().await;
            let progress = *follow.borrow();
            let now = (self.0.now)();
            let reached = progress.map_or_else(JobProgress::default, |step| JobProgress {
                epoch: Some(step.epoch as i64),
                epochs: Some(step.epochs as i64),
                loss: Some(f64::from(step.loss)),
            });
            match self.0.storage.renew_job(job.id, &self.0.owner, reached, now, micros(LEASE)).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "lease not renewed"),
            }
        }
    }
}

impl TrainingError {
    /// Returns `true` if the same job may succeed later without anybody's doing.
    fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Storage(_)
                | Self::Models(_)
                | Self::LabelStudio(_)
                | Self::Inference(_)
                | Self::ImagesMissing { .. }
                | Self::Panicked(_)
        )
    }
}

fn backoff(attempts: i64) -> i64 {
    micros(RETRY) << attempts.clamp(0, 8)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
