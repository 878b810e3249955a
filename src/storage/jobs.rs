//! Training jobs: one queued and one running per project at most, claimed with a lease.

mod queue;
mod run;

use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::{Result, Storage, StorageError, Tx, projects};
use crate::domain::ids::{JobId, ProjectId};

pub(super) use queue::enqueue;

/// Kind of a job: the work it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// Trains on the labels we have.
    Train,
    /// Takes over Label Studio's export first, for labels that no webhook told of. It learns what a queued
    /// [`JobKind::Train`] would.
    PullAndTrain,
}

impl JobKind {
    /// Its name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::PullAndTrain => "pull and train",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Train, Self::PullAndTrain].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Starts of a job after which it is given up: whatever stops it that often will stop it again.
pub const MAX_ATTEMPTS: i64 = 3;

/// State of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits for its time or for the project's running job.
    Queued,
    /// Somebody holds its lease.
    Running,
    /// Ended well.
    Done,
    /// Ended without a version: there is too little to learn from yet; `error` says what it takes.
    Waiting,
    /// Ended badly; `error` says why.
    Failed,
    /// Stopped by a person, or its project is gone, or a later job took its place.
    Cancelled,
}

impl JobState {
    /// Its name in the database and in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Done, Self::Waiting, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A job as it is stored. Times are Unix microseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The project it is for.
    pub project: ProjectId,
    /// Kind of its work.
    pub kind: JobKind,
    /// Reason for which it was queued first.
    pub reason: String,
    /// State it is in.
    pub state: JobState,
    /// Time at which it was queued.
    pub created_at: i64,
    /// Earliest time of its start.
    pub not_before: i64,
    /// Latest time to which further events may put it off.
    pub deadline: i64,
    /// Start of its last attempt.
    pub started_at: Option<i64>,
    /// Time of its end.
    pub finished_at: Option<i64>,
    /// Owner of the lease, who runs it.
    pub lease_owner: Option<String>,
    /// End of the lease, unless renewed.
    pub lease_until: Option<i64>,
    /// Number of attempts so far.
    pub attempts: i64,
    /// Epoch it has reached.
    pub epoch: Option<i64>,
    /// Epochs in all.
    pub epochs: Option<i64>,
    /// Training loss at that epoch.
    pub loss: Option<f64>,
    /// Number of the version it made.
    pub version: Option<i64>,
    /// Metrics of that version.
    pub metrics: Option<Value>,
    /// Reason for its failure, or for that of its last attempt, or what it waits for.
    pub error: Option<String>,
}

/// A request for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRequest {
    /// Kind of the work; a project has one queued job of each kind.
    pub kind: JobKind,
    /// Reason, for people.
    pub reason: String,
    /// It starts when no further request came for so long, microseconds.
    pub quiet_us: i64,
    /// It starts after so long however many requests come, microseconds.
    pub max_wait_us: i64,
    /// Label changes that must be pending; at least one is always needed.
    pub min_updates: i64,
    /// `true` to queue it whatever is pending.
    pub force: bool,
}

/// Progress of a running job.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JobProgress {
    /// Epoch reached.
    pub epoch: Option<i64>,
    /// Epochs in all.
    pub epochs: Option<i64>,
    /// Training loss.
    pub loss: Option<f64>,
}

impl Storage {
    /// One job.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>> {
        Ok(sqlx::query_as("SELECT * FROM jobs WHERE id = $1").bind(id.0).fetch_optional(&self.read).await?)
    }

    /// The newest jobs of a project, newest first.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn recent_jobs(&self, project: ProjectId, limit: i64) -> Result<Vec<Job>> {
        Ok(sqlx::query_as("SELECT * FROM jobs WHERE project_id = $1 ORDER BY id DESC LIMIT $2")
            .bind(project.0)
            .bind(limit.max(0))
            .fetch_all(&self.read)
            .await?)
    }

    /// The newest jobs of all projects, newest first.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn newest_jobs(&self, limit: i64) -> Result<Vec<Job>> {
        Ok(sqlx::query_as("SELECT * FROM jobs ORDER BY id DESC LIMIT $1")
            .bind(limit.max(0))
            .fetch_all(&self.read)
            .await?)
    }

    /// All jobs that are queued or running, oldest first.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn open_jobs(&self) -> Result<Vec<Job>> {
        Ok(sqlx::query_as("SELECT * FROM jobs WHERE state IN ('queued', 'running') ORDER BY id")
            .fetch_all(&self.read)
            .await?)
    }
}

/// Reads a job again inside a transaction, after locking its project's row; `None` when there is no such job.
async fn lock(tx: &mut Tx, id: JobId) -> Result<Option<(Job, projects::Project)>> {
    // The lock comes first: what is read before it may already be old.
    let locked: Option<projects::Project> = sqlx::query_as(
        "UPDATE projects SET updates_seen = updates_seen WHERE id = (SELECT project_id FROM jobs WHERE id = $1) RETURNING *",
    )
    .bind(id.0)
    .fetch_optional(&mut **tx)
    .await?;
    let Some(project) = locked else {
        return Ok(None);
    };
    let job: Option<Job> =
        sqlx::query_as("SELECT * FROM jobs WHERE id = $1").bind(id.0).fetch_optional(&mut **tx).await?;
    Ok(job.map(|job| (job, project)))
}

impl FromRow<'_, AnyRow> for Job {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        let kind: String = row.try_get("kind")?;
        let state: String = row.try_get("state")?;
        let metrics: Option<String> = row.try_get("metrics")?;
        Ok(Self {
            id: JobId(row.try_get("id")?),
            project: ProjectId(row.try_get("project_id")?),
            kind: JobKind::parse(&kind).ok_or_else(|| unknown("jobs.kind", &kind))?,
            reason: row.try_get("reason")?,
            state: JobState::parse(&state).ok_or_else(|| unknown("jobs.state", &state))?,
            created_at: row.try_get("created_at")?,
            not_before: row.try_get("not_before")?,
            deadline: row.try_get("deadline")?,
            started_at: row.try_get("started_at")?,
            finished_at: row.try_get("finished_at")?,
            lease_owner: row.try_get("lease_owner")?,
            lease_until: row.try_get("lease_until")?,
            attempts: row.try_get("attempts")?,
            epoch: row.try_get("epoch")?,
            epochs: row.try_get("epochs")?,
            loss: row.try_get("loss")?,
            version: row.try_get("version")?,
            metrics: metrics.map(|text| super::sql::json("jobs.metrics", &text)).transpose()?,
            error: row.try_get("error")?,
        })
    }
}

/// A name that only a newer program, or nobody, wrote.
fn unknown(column: &str, name: &str) -> sqlx::Error {
    let source = StorageError::invalid(format!("unknown `{name}`")).into();
    sqlx::Error::ColumnDecode { index: column.into(), source }
}
