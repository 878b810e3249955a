//! From the claim to the end of a job.

use serde_json::Value;

use super::{Job, JobProgress, JobState, MAX_ATTEMPTS, lock};
use crate::domain::ids::JobId;
use crate::storage::sql::clean;
use crate::storage::{Result, Storage, Tx};

impl Storage {
    /// Holds a lease until `now + lease_us` microseconds and notes the progress. `false` when the job is no longer
    /// `owner`'s (the lease ran out, or it was cancelled): then the work must stop.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn renew_job(
        &self,
        id: JobId,
        owner: &str,
        progress: JobProgress,
        now: i64,
        lease_us: i64,
    ) -> Result<bool> {
        let renewed = sqlx::query(
            "UPDATE jobs SET lease_until = $1, epoch = $2, epochs = $3, loss = CAST($4 AS DOUBLE PRECISION)
             WHERE id = $5 AND lease_owner = $6 AND state = 'running'",
        )
        .bind(now.saturating_add(lease_us))
        .bind(progress.epoch)
        .bind(progress.epochs)
        // A diverged loss has no place in JSON answers. As text, because sqlx 0.9 tells PostgreSQL that an absent f64 is
        // a single float, and a statement prepared so refuses the next double.
        .bind(progress.loss.filter(|loss| loss.is_finite()).map(|loss| loss.to_string()))
        .bind(id.0)
        .bind(clean(owner).into_owned())
        .execute(&self.write)
        .await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// Ends a job well: `version` is what it made, if anything. The label changes that were there when it was claimed
    /// count as trained. `false` when the job is no longer `owner`'s; then nothing is changed.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn finish_job(
        &self,
        id: JobId,
        owner: &str,
        version: Option<i64>,
        metrics: &Value,
        now: i64,
    ) -> Result<bool> {
        let mut tx = self.begin().await?;
        if held(&mut tx, id, owner).await?.is_none() {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE jobs SET state = 'done', finished_at = $1, version = $2, metrics = $3, error = NULL,
                 lease_owner = NULL, lease_until = NULL WHERE id = $4",
        )
        .bind(now)
        .bind(version)
        .bind(metrics.to_string())
        .bind(id.0)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "UPDATE projects SET updates_trained = (SELECT updates_claimed FROM jobs WHERE jobs.id = $1)
             WHERE id = (SELECT project_id FROM jobs WHERE jobs.id = $1)
             AND updates_trained < (SELECT updates_claimed FROM jobs WHERE jobs.id = $1)",
        )
        .bind(id.0)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a job that has too little to learn from yet; `waits_for` says what it takes. The label changes stay pending,
    /// so that the next one asks for a training again. `false` when the job is no longer `owner`'s.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn leave_waiting(&self, id: JobId, owner: &str, waits_for: &str, now: i64) -> Result<bool> {
        let mut tx = self.begin().await?;
        if held(&mut tx, id, owner).await?.is_none() {
            return Ok(false);
        }
        close(&mut tx, id, JobState::Waiting, Some(&clean(waits_for)), now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Ends an attempt badly. With `retry_at` the job is queued again for that time, unless this was its last attempt
    /// ([`super::MAX_ATTEMPTS`]) or a newer job is queued that will do its work. Returns its new state; `None` when the
    /// job is no longer `owner`'s.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn fail_job(
        &self,
        id: JobId,
        owner: &str,
        error: &str,
        retry_at: Option<i64>,
        now: i64,
    ) -> Result<Option<JobState>> {
        let mut tx = self.begin().await?;
        let Some(job) = held(&mut tx, id, owner).await? else {
            return Ok(None);
        };
        let error = clean(error);
        let state = match retry_at {
            Some(at) if job.attempts < MAX_ATTEMPTS && !has_successor(&mut tx, &job).await? => {
                requeue(&mut tx, id, &error, at).await?;
                JobState::Queued
            }
            Some(_) if job.attempts >= MAX_ATTEMPTS => {
                let error = format!("given up after {} attempts: {error}", job.attempts);
                close(&mut tx, id, JobState::Failed, Some(&error), now).await?;
                JobState::Failed
            }
            _ => {
                close(&mut tx, id, JobState::Failed, Some(&error), now).await?;
                JobState::Failed
            }
        };
        tx.commit().await?;
        Ok(Some(state))
    }

    /// Cancels a queued or running job; who runs it learns so from [`Storage::renew_job`]. `false` when it had ended.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn cancel_job(&self, id: JobId, now: i64) -> Result<bool> {
        let mut tx = self.begin().await?;
        let Some((job, _)) = lock(&mut tx, id).await? else {
            return Ok(false);
        };
        if !matches!(job.state, JobState::Queued | JobState::Running) {
            return Ok(false);
        }
        close(&mut tx, id, JobState::Cancelled, None, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Gives back what `owner` runs, at a shutdown in good order: the jobs are due at once and the broken-off attempt
    /// does not count. Returns their number.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn release_jobs(&self, owner: &str, now: i64) -> Result<u64> {
        let mut released = 0;
        for id in self.running_of(owner).await? {
            let mut tx = self.begin().await?;
            let Some(job) = held(&mut tx, id, owner).await? else {
                continue;
            };
            if has_successor(&mut tx, &job).await? {
                let note = "stopped with the program; a newer job is queued";
                close(&mut tx, id, JobState::Cancelled, Some(note), now).await?;
            } else {
                sqlx::query(
                    "UPDATE jobs SET state = 'queued', not_before = $1, deadline = $1, attempts = attempts - 1,
                         lease_owner = NULL, lease_until = NULL WHERE id = $2",
                )
                .bind(now)
                .bind(id.0)
                .execute(&mut *tx)
                .await?;
            }
            tx.commit().await?;
            released += 1;
        }
        Ok(released)
    }

    /// Ends the leases of `owner` now, at its start after a crash: what it ran can be claimed without waiting, and the
    /// attempts count, so a job that kills the program is given up in the end. Returns their number.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn expire_leases(&self, owner: &str, now: i64) -> Result<u64> {
        let expired =
            sqlx::query("UPDATE jobs SET lease_until = $1 WHERE lease_owner = $2 AND state = 'running'")
                .bind(now)
                .bind(clean(owner).into_owned())
                .execute(&self.write)
                .await?;
        Ok(expired.rows_affected())
    }

    async fn running_of(&self, owner: &str) -> Result<Vec<JobId>> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE lease_owner = $1 AND state = 'running' ORDER BY id",
        )
        .bind(clean(owner).into_owned())
        .fetch_all(&self.read)
        .await?;
        Ok(ids.into_iter().map(JobId).collect())
    }
}

/// The job, its project locked, if `owner` runs it. A lease that ran out but was not taken over is still held.
async fn held(tx: &mut Tx, id: JobId, owner: &str) -> Result<Option<Job>> {
    let job = lock(tx, id).await?.map(|(job, _)| job);
    Ok(job.filter(|job| job.state == JobState::Running && job.lease_owner.as_deref() == Some(&*clean(owner))))
}

/// Returns `true` if another job of its kind is queued, so that this one can't be.
async fn has_successor(tx: &mut Tx, job: &Job) -> Result<bool> {
    let other: Option<i64> =
        sqlx::query_scalar("SELECT id FROM jobs WHERE project_id = $1 AND kind = $2 AND state = 'queued'")
            .bind(job.project.0)
            .bind(job.kind.as_str())
            .fetch_optional(&mut **tx)
            .await?;
    Ok(other.is_some())
}

async fn requeue(tx: &mut Tx, id: JobId, error: &str, at: i64) -> Result<()> {
    sqlx::query(
        "UPDATE jobs SET state = 'queued', not_before = $1, deadline = $1, error = $2, lease_owner = NULL,
             lease_until = NULL WHERE id = $3",
    )
    .bind(at)
    .bind(error.to_owned())
    .bind(id.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn close(tx: &mut Tx, id: JobId, state: JobState, error: Option<&str>, now: i64) -> Result<()> {
    sqlx::query(
        "UPDATE jobs SET state = $1, finished_at = $2, error = $3, lease_owner = NULL, lease_until = NULL WHERE id = $4",
    )
    .bind(state.as_str())
    .bind(now)
    .bind(error.map(str::to_owned))
    .bind(id.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}
