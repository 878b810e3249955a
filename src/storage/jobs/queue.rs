//! Into the queue and out of it: coalescing, due times, claims.

use super::{Job, JobKind, JobRequest, MAX_ATTEMPTS, lock};
use crate::domain::ids::{JobId, ProjectId};
use crate::storage::projects::{self, Project};
use crate::storage::sql::clean;
use crate::storage::{Result, Storage, Tx};

/// Claims lost to others in a row after which a worker gives up until the next time.
const MAX_LOST_CLAIMS: usize = 16;

/// Error of a job whose attempts never came to an end.
const POISONED: &str = "given up: its attempts were cut off each time (the program was killed, or ran out of memory); \
    see the log of those times, then start the training by hand";

impl Storage {
    /// Queues a job without an event, by the same rules as [`Storage::record_event`]; an already queued job is put off.
    /// `None` when not enough label changes are pending.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn enqueue_job(
        &self,
        project: ProjectId,
        request: &JobRequest,
        now: i64,
    ) -> Result<Option<JobId>> {
        let mut tx = self.begin().await?;
        let project = projects::ensure(&mut tx, project, now).await?;
        let job = enqueue(&mut tx, &project, request, now).await?;
        tx.commit().await?;
        Ok(job)
    }

    /// Takes the job that has been due longest for `owner`, until `now + lease_us` microseconds: a queued one, or a running
    /// one whose lease ran out. A project's second job waits for its first. `None` when nothing is due.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn claim_job(&self, owner: &str, now: i64, lease_us: i64) -> Result<Option<Job>> {
        for _ in 0..MAX_LOST_CLAIMS {
            let Some(candidate) = self.due_job(now).await? else {
                return Ok(None);
            };
            if let Some(job) = self.try_claim(candidate, owner, now, lease_us).await? {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    /// Time at which [`Storage::claim_job`] may next return a job, Unix microseconds, perhaps already past: the earliest
    /// start of a queued job that waits for no running one, or end of a running one's lease. `None` when nothing is open.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn next_due(&self) -> Result<Option<i64>> {
        Ok(sqlx::query_scalar(
            "SELECT MIN(CASE WHEN state = 'running' THEN lease_until ELSE not_before END) FROM jobs
             WHERE state = 'running' OR (state = 'queued' AND NOT EXISTS (
                 SELECT 1 FROM jobs other WHERE other.project_id = jobs.project_id AND other.state = 'running'))",
        )
        .fetch_one(&self.read)
        .await?)
    }

    async fn due_job(&self, now: i64) -> Result<Option<JobId>> {
        let id: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM jobs WHERE (state = 'running' AND lease_until <= $1)
             OR (state = 'queued' AND not_before <= $1 AND NOT EXISTS (
                 SELECT 1 FROM jobs other WHERE other.project_id = jobs.project_id AND other.state = 'running'))
             ORDER BY not_before, id LIMIT 1",
        )
        .bind(now)
        .fetch_optional(&self.read)
        .await?;
        Ok(id.map(JobId))
    }

    /// Takes one job as [`Storage::claim_job`] does, if it is due and its project's turn: the compare-and-set, under the
    /// project's lock.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn try_claim(&self, id: JobId, owner: &str, now: i64, lease_us: i64) -> Result<Option<Job>> {
        let mut tx = self.begin().await?;
        if lock(&mut tx, id).await?.is_none() {
            return Ok(None);
        }
        give_up_if_poisoned(&mut tx, id, now).await?;
        let job = sqlx::query_as(
            "UPDATE jobs SET state = 'running', lease_owner = $1, lease_until = $2, started_at = $3,
                 attempts = attempts + 1, epoch = NULL, epochs = NULL, loss = NULL,
                 updates_claimed = (SELECT updates_seen FROM projects WHERE projects.id = jobs.project_id)
             WHERE id = $4
             AND ((state = 'running' AND lease_until <= $3) OR (state = 'queued' AND not_before <= $3))
             AND NOT EXISTS (SELECT 1 FROM jobs other
                 WHERE other.project_id = jobs.project_id AND other.state = 'running' AND other.id <> jobs.id)
             RETURNING *",
        )
        .bind(clean(owner).into_owned())
        .bind(now.saturating_add(lease_us))
        .bind(now)
        .bind(id.0)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(job) = &job {
            take_place_of_queued(&mut tx, job, now).await?;
        }
        tx.commit().await?;
        Ok(job)
    }
}

/// Cancels the queued training of a project whose claimed job takes over the export first: that job learns the same labels.
async fn take_place_of_queued(tx: &mut Tx, job: &Job, now: i64) -> Result<()> {
    if job.kind == JobKind::PullAndTrain {
        sqlx::query(
            "UPDATE jobs SET state = 'cancelled', finished_at = $1
             WHERE project_id = $2 AND kind = $3 AND state = 'queued'",
        )
        .bind(now)
        .bind(job.project.0)
        .bind(JobKind::Train.as_str())
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

async fn give_up_if_poisoned(tx: &mut Tx, id: JobId, now: i64) -> Result<()> {
    sqlx::query(
        "UPDATE jobs SET state = 'failed', finished_at = $1, error = $2, lease_owner = NULL, lease_until = NULL
         WHERE id = $3 AND state = 'running' AND lease_until <= $1 AND attempts >= $4",
    )
    .bind(now)
    .bind(POISONED)
    .bind(id.0)
    .bind(MAX_ATTEMPTS)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Queues a job or puts the queued one off, inside a transaction that holds the project's row.
pub(in crate::storage) async fn enqueue(
    tx: &mut Tx,
    project: &Project,
    request: &JobRequest,
    now: i64,
) -> Result<Option<JobId>> {
    if !request.force && project.pending_updates() < request.min_updates.max(1) {
        return Ok(None);
    }
    let deadline = now.saturating_add(request.max_wait_us);
    let not_before = now.saturating_add(request.quiet_us).min(deadline);
    let kind = request.kind.as_str();
    let queued: Option<i64> = sqlx::query_scalar(
        "INSERT INTO jobs (project_id, kind, reason, state, created_at, not_before, deadline)
         VALUES ($1, $2, $3, 'queued', $4, $5, $6) ON CONFLICT DO NOTHING RETURNING id",
    )
    .bind(project.id.0)
    .bind(kind)
    .bind(clean(&request.reason).into_owned())
    .bind(now)
    .bind(not_before)
    .bind(deadline)
    .fetch_optional(&mut **tx)
    .await?;
    match queued {
        Some(id) => Ok(Some(JobId(id))),
        None => put_off(tx, project.id, kind, now.saturating_add(request.quiet_us), deadline).await,
    }
}

/// A queued job starts after the quiet time of its last request, but never after the earliest deadline of any.
async fn put_off(
    tx: &mut Tx,
    project: ProjectId,
    kind: &str,
    quiet: i64,
    deadline: i64,
) -> Result<Option<JobId>> {
    let id: Option<i64> = sqlx::query_scalar(
        "UPDATE jobs SET deadline = CASE WHEN deadline < $1 THEN deadline ELSE $1 END,
             not_before = CASE WHEN deadline < $1 AND deadline < $2 THEN deadline WHEN $1 < $2 THEN $1 ELSE $2 END
         WHERE project_id = $3 AND kind = $4 AND state = 'queued' RETURNING id",
    )
    .bind(deadline)
    .bind(quiet)
    .bind(project.0)
    .bind(kind)
    .fetch_optional(&mut **tx)
    .await?;
    Ok(id.map(JobId))
}
