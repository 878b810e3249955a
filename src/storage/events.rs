//! Webhook events: each is taken in by one transaction, once.

use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::annotations::{self, Delivery};
use super::jobs::{self, JobRequest};
use super::projects::{self, ProjectInfo};
use super::sql::clean;
use super::tasks::{self, TaskRecord};
use super::{Result, Storage, Tx};
use crate::domain::annotation::Annotation;
use crate::domain::ids::{AnnotationId, JobId, ProjectId, TaskId};

/// Deletions of one transaction: a tenth of a second. More are taken in by several, so that others can write in between.
const DELETIONS: usize = 5_000;

/// An event and its content.
#[derive(Clone, Debug)]
pub struct EventRecord {
    /// The project, as far as the event describes it.
    pub project: ProjectInfo,
    /// Label Studio's name of the event, such as `ANNOTATION_CREATED`.
    pub action: String,
    /// Digest of what makes the event this one; only used with `dedupe`.
    pub digest: String,
    /// A second event with this digest is a repeated delivery. `false` for events that may rightly come twice with the
    /// same content, such as `START_TRAINING`.
    pub dedupe: bool,
    /// One line for people: never the body.
    pub summary: String,
    /// Annotations created or updated.
    pub annotations: Vec<Annotation>,
    /// Annotations deleted.
    pub deleted_annotations: Vec<AnnotationId>,
    /// Tasks created or described.
    pub tasks: Vec<TaskRecord>,
    /// Tasks deleted, and with them their annotations.
    pub deleted_tasks: Vec<TaskId>,
}

impl EventRecord {
    /// An event without content.
    pub fn new(project: ProjectInfo, action: impl Into<String>) -> Self {
        Self {
            project,
            action: action.into(),
            digest: String::new(),
            dedupe: false,
            summary: String::new(),
            annotations: Vec::new(),
            deleted_annotations: Vec::new(),
            tasks: Vec::new(),
            deleted_tasks: Vec::new(),
        }
    }
}

/// Outcome of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventOutcome {
    /// `true` if it had been delivered before: nothing was changed.
    pub duplicate: bool,
    /// Label changes: annotations that now teach something else than before.
    pub changed: i64,
    /// Label changes of the project that no training has seen yet.
    pub pending: i64,
    /// The queued job that will learn them; `None` when none was asked for or none is due.
    pub job: Option<JobId>,
}

/// A recorded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Counts up.
    pub id: i64,
    /// Its project.
    pub project: ProjectId,
    /// Label Studio's name of it.
    pub action: String,
    /// One line for people.
    pub summary: String,
    /// Time of receipt, Unix microseconds.
    pub received_at: i64,
}

impl Storage {
    /// Takes an event in and queues the job it asks for, all in one transaction: once this returns, the event survives a
    /// crash. With `job`, a job is queued (or the queued one is put off) when the event changed labels and enough
    /// changes are pending, or when the request is forced. Dropping the future undoes everything, so it must not hang on
    /// the connection of the sender.
    ///
    /// Of an event that deletes many thousands, all but the last are deleted before that transaction, a few thousand at a
    /// time: what a failure leaves of them is repaired by a second delivery or the next export.
    ///
    /// # Errors
    /// Returns an error if the database fails; then nothing else is changed and the event may be delivered again.
    pub async fn record_event(
        &self,
        event: &EventRecord,
        job: Option<&JobRequest>,
        now: i64,
    ) -> Result<EventOutcome> {
        let id = event.project.id;
        let (first_annotations, annotations) = all_but_last(&event.deleted_annotations);
        let (first_tasks, tasks) = all_but_last(&event.deleted_tasks);
        let mut changed = 0;
        let is_large = !(first_annotations.is_empty() && first_tasks.is_empty());
        if is_large && !self.is_recorded(event).await? {
            for part in first_annotations.chunks(DELETIONS) {
                changed += self.delete(id, part, &[], now).await?;
            }
            for part in first_tasks.chunks(DELETIONS) {
                changed += self.delete(id, &[], part, now).await?;
            }
        }
        let mut tx = self.begin().await?;
        let known = projects::ensure(&mut tx, id, now).await?;
        if !insert(&mut tx, event, now).await? {
            tx.rollback().await?;
            return Ok(EventOutcome {
                duplicate: true,
                changed: 0,
                pending: known.pending_updates(),
                job: None,
            });
        }
        tasks::upsert(&mut tx, id, &event.tasks, None, now).await?;
        tasks::delete(&mut tx, id, tasks, now).await?;
        let delivery = Delivery {
            annotations: &event.annotations,
            deleted_annotations: annotations,
            deleted_tasks: tasks,
        };
        let changed_last = annotations::receive(&mut tx, &known, &delivery, now).await?;
        let project = projects::update(&mut tx, &known, &event.project, changed_last, now).await?;
        changed += changed_last;
        let wanted = job.filter(|request| changed > 0 || request.force);
        let job = match wanted {
            Some(request) => jobs::enqueue(&mut tx, &project, request, now).await?,
            None => None,
        };
        tx.commit().await?;
        Ok(EventOutcome { duplicate: false, changed, pending: project.pending_updates(), job })
    }

    /// Deletes annotations, and tasks with theirs, in one transaction; gives the number of label changes.
    async fn delete(
        &self,
        project: ProjectId,
        deleted_annotations: &[AnnotationId],
        deleted_tasks: &[TaskId],
        now: i64,
    ) -> Result<i64> {
        let mut tx = self.begin().await?;
        let known = projects::ensure(&mut tx, project, now).await?;
        tasks::delete(&mut tx, project, deleted_tasks, now).await?;
        let delivery = Delivery { annotations: &[], deleted_annotations, deleted_tasks };
        let changed = annotations::receive(&mut tx, &known, &delivery, now).await?;
        projects::update(&mut tx, &known, &ProjectInfo::new(project), changed, now).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Returns `true` if the event was recorded before.
    async fn is_recorded(&self, event: &EventRecord) -> Result<bool> {
        if !event.dedupe {
            return Ok(false);
        }
        let found: Option<i64> =
            sqlx::query_scalar("SELECT id FROM events WHERE project_id = $1 AND digest = $2")
                .bind(event.project.id.0)
                .bind(clean(&event.digest).into_owned())
                .fetch_optional(&self.read)
                .await?;
        Ok(found.is_some())
    }

    /// The newest events of a project, newest first.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn recent_events(&self, project: ProjectId, limit: i64) -> Result<Vec<EventRow>> {
        Ok(sqlx::query_as("SELECT * FROM events WHERE project_id = $1 ORDER BY id DESC LIMIT $2")
            .bind(project.0)
            .bind(limit.max(0))
            .fetch_all(&self.read)
            .await?)
    }

    /// Deletes events received before `before` and returns their number. A repeated delivery of a pruned event still
    /// changes no annotation: those know their own age.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn prune_events(&self, before: i64) -> Result<u64> {
        let deleted = sqlx::query("DELETE FROM events WHERE received_at < $1")
            .bind(before)
            .execute(&self.write)
            .await?;
        Ok(deleted.rows_affected())
    }
}

/// The last [`DELETIONS`], and what comes before them.
fn all_but_last<T>(deleted: &[T]) -> (&[T], &[T]) {
    deleted.split_at(deleted.len().saturating_sub(DELETIONS))
}

/// Returns `false` if the event is already there.
async fn insert(tx: &mut Tx, event: &EventRecord, now: i64) -> Result<bool> {
    let inserted = sqlx::query(
        "INSERT INTO events (project_id, action, digest, summary, received_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (project_id, digest) DO NOTHING",
    )
    .bind(event.project.id.0)
    .bind(clean(&event.action).into_owned())
    .bind(event.dedupe.then(|| clean(&event.digest).into_owned()))
    .bind(clean(&event.summary).into_owned())
    .bind(now)
    .execute(&mut **tx)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

impl FromRow<'_, AnyRow> for EventRow {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            project: ProjectId(row.try_get("project_id")?),
            action: row.try_get("action")?,
            summary: row.try_get("summary")?,
            received_at: row.try_get("received_at")?,
        })
    }
}
