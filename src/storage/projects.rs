//! Label Studio projects: what is known of each, and how far its labels are trained.

use sqlx::any::AnyRow;
use sqlx::{FromRow, Row};

use super::sql::clean;
use super::{Result, Storage, StorageError, Tx};
use crate::domain::ids::ProjectId;

/// Interval at which `last_seen_at` is written while nothing else changes, microseconds: `/setup` comes several times a second.
const SEEN_EVERY_US: i64 = 60_000_000;

/// A project as it is stored. Times are Unix microseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    /// Label Studio's id.
    pub id: ProjectId,
    /// Its title.
    pub title: Option<String>,
    /// Its label config, XML.
    pub label_config: Option<String>,
    /// Digest of the heads and classes of the label config; `None` when it has none.
    pub config_digest: Option<String>,
    /// Reason why the project can't be classified; `None` when it can.
    pub problem: Option<String>,
    /// `min_annotations_to_start_training`: 0 unless the user turned training on submit on.
    pub min_annotations: Option<i64>,
    /// Label Studio's sampling, such as `Uncertainty sampling`.
    pub sampling: Option<String>,
    /// The project's `model_version` in Label Studio.
    pub model_version: Option<String>,
    /// Creation time in Label Studio.
    pub ls_created_at: Option<i64>,
    /// Number of label changes so far.
    pub updates_seen: i64,
    /// Number of label changes that the newest training knew.
    pub updates_trained: i64,
    /// Number of the version that serves.
    pub current_version: Option<i64>,
    /// `true` if the version that serves stays, whatever is trained.
    pub pinned: bool,
    /// Name of the order in which Label Studio serves the tasks: its version's, with a revision where that order was
    /// written again.
    pub queue_version: Option<String>,
    /// `true` if all of that order was written.
    pub queue_complete: bool,
    /// Query strategy of its ranking; `None`: the program's own choice.
    pub strategy: Option<String>,
    /// Query strategy of the order that Label Studio serves.
    pub queue_strategy: Option<String>,
    /// Time at which it was first heard of.
    pub created_at: i64,
    /// Time at which it was last heard of, to the minute.
    pub last_seen_at: i64,
    /// Time at which Label Studio was found to have deleted it.
    pub deleted_at: Option<i64>,
}

impl Project {
    /// Number of label changes that no training has seen yet.
    pub fn pending_updates(&self) -> i64 {
        self.updates_seen - self.updates_trained
    }
}

/// Fields of a project that one request holds; those that are `None` stay as they were.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectInfo {
    /// Label Studio's id.
    pub id: ProjectId,
    /// Its title.
    pub title: Option<String>,
    /// Its label config with what was made of it.
    pub config: Option<ProjectConfig>,
    /// `min_annotations_to_start_training`.
    pub min_annotations: Option<i64>,
    /// Label Studio's sampling.
    pub sampling: Option<String>,
    /// The project's `model_version` in Label Studio.
    pub model_version: Option<String>,
    /// Creation time in Label Studio, Unix microseconds.
    pub ls_created_at: Option<i64>,
}

/// A label config and what was made of it; the three belong together and are stored together.
#[derive(Clone, Debug, PartialEq)]
pub struct ProjectConfig {
    /// The XML.
    pub label_config: String,
    /// Digest of its heads and classes; `None` when it can't be used.
    pub digest: Option<String>,
    /// Reason why it can't be used; `None` when it can.
    pub problem: Option<String>,
}

impl ProjectInfo {
    /// Nothing but the id.
    pub fn new(id: ProjectId) -> Self {
        Self {
            id,
            title: None,
            config: None,
            min_annotations: None,
            sampling: None,
            model_version: None,
            ls_created_at: None,
        }
    }

    /// `known` after this was heard at `now`.
    fn merge_into(&self, known: &Project, now: i64) -> Project {
        let text = |new: &Option<String>, old: &Option<String>| match new {
            Some(new) => Some(clean(new).into_owned()),
            None => old.clone(),
        };
        let mut merged = known.clone();
        merged.title = text(&self.title, &known.title);
        merged.sampling = text(&self.sampling, &known.sampling);
        merged.model_version = text(&self.model_version, &known.model_version);
        merged.min_annotations = self.min_annotations.or(known.min_annotations);
        merged.ls_created_at = self.ls_created_at.or(known.ls_created_at);
        merged.deleted_at = None;
        if let Some(config) = &self.config {
            merged.label_config = Some(clean(&config.label_config).into_owned());
            merged.config_digest = config.digest.clone();
            merged.problem = config.problem.as_deref().map(|text| clean(text).into_owned());
        }
        if now - known.last_seen_at >= SEEN_EVERY_US {
            merged.last_seen_at = now;
        }
        merged
    }
}

impl Storage {
    /// Merges the fields of a request into a project and returns all of it. Costs one read when nothing is new.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn upsert_project(&self, info: &ProjectInfo, now: i64) -> Result<Project> {
        if let Some(known) = self.project(info.id).await?
            && info.merge_into(&known, now) == known
        {
            return Ok(known);
        }
        let mut tx = self.begin().await?;
        let project = ensure(&mut tx, info.id, now).await?;
        let project = update(&mut tx, &project, info, 0, now).await?;
        tx.commit().await?;
        Ok(project)
    }

    /// One project, also a deleted one; `None` when it was never heard of.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn project(&self, id: ProjectId) -> Result<Option<Project>> {
        Ok(sqlx::query_as("SELECT * FROM projects WHERE id = $1")
            .bind(id.0)
            .fetch_optional(&self.read)
            .await?)
    }

    /// All projects that are not deleted, by id.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn projects(&self) -> Result<Vec<Project>> {
        Ok(sqlx::query_as("SELECT * FROM projects WHERE deleted_at IS NULL ORDER BY id")
            .fetch_all(&self.read)
            .await?)
    }

    /// Records why the project can't be classified, or with `None` that it can.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn set_project_problem(&self, id: ProjectId, problem: Option<&str>) -> Result<()> {
        sqlx::query("UPDATE projects SET problem = $1 WHERE id = $2")
            .bind(problem.map(|text| clean(text).into_owned()))
            .bind(id.0)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// Records that Label Studio no longer has the project and cancels its jobs. Everything else is kept, and hearing of
    /// the project again brings it back. `false` when it was unknown or already deleted.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn mark_project_deleted(&self, id: ProjectId, now: i64) -> Result<bool> {
        let mut tx = self.begin().await?;
        let marked = sqlx::query("UPDATE projects SET deleted_at = $1 WHERE id = $2 AND deleted_at IS NULL")
            .bind(now)
            .bind(id.0)
            .execute(&mut *tx)
            .await?;
        cancel_jobs(&mut tx, id, now).await?;
        tx.commit().await?;
        Ok(marked.rows_affected() == 1)
    }
}

async fn cancel_jobs(tx: &mut Tx, id: ProjectId, now: i64) -> Result<()> {
    sqlx::query(
        "UPDATE jobs SET state = 'cancelled', finished_at = $1, lease_owner = NULL, lease_until = NULL
         WHERE project_id = $2 AND state IN ('queued', 'running')",
    )
    .bind(now)
    .bind(id.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Starts a transaction's work on a project: locks its row, makes it where missing.
pub(super) async fn ensure(tx: &mut Tx, id: ProjectId, now: i64) -> Result<Project> {
    Ok(sqlx::query_as(
        "INSERT INTO projects (id, created_at, last_seen_at) VALUES ($1, $2, $2)
         ON CONFLICT (id) DO UPDATE SET updates_seen = projects.updates_seen
         RETURNING *",
    )
    .bind(id.0)
    .bind(now)
    .fetch_one(&mut **tx)
    .await?)
}

/// Starts a transaction's work on a project that must be there: locks its row.
pub(super) async fn lock(tx: &mut Tx, id: ProjectId) -> Result<Project> {
    sqlx::query_as("UPDATE projects SET updates_seen = updates_seen WHERE id = $1 RETURNING *")
        .bind(id.0)
        .fetch_optional(&mut **tx)
        .await?
        .ok_or_else(|| StorageError::Missing { what: format!("project {id}") })
}

/// Writes what is new in `info` and `changes` more label changes to the locked row of `known`.
pub(super) async fn update(
    tx: &mut Tx,
    known: &Project,
    info: &ProjectInfo,
    changes: i64,
    now: i64,
) -> Result<Project> {
    let mut merged = info.merge_into(known, now);
    merged.updates_seen += changes;
    if merged == *known {
        return Ok(merged);
    }
    sqlx::query(
        "UPDATE projects SET title = $1, label_config = $2, config_digest = $3, problem = $4, min_annotations = $5,
             sampling = $6, model_version = $7, ls_created_at = $8, updates_seen = $9, last_seen_at = $10,
             deleted_at = NULL
         WHERE id = $11",
    )
    .bind(merged.title.clone())
    .bind(merged.label_config.clone())
    .bind(merged.config_digest.clone())
    .bind(merged.problem.clone())
    .bind(merged.min_annotations)
    .bind(merged.sampling.clone())
    .bind(merged.model_version.clone())
    .bind(merged.ls_created_at)
    .bind(merged.updates_seen)
    .bind(merged.last_seen_at)
    .bind(merged.id.0)
    .execute(&mut **tx)
    .await?;
    Ok(merged)
}

impl FromRow<'_, AnyRow> for Project {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: ProjectId(row.try_get("id")?),
            title: row.try_get("title")?,
            label_config: row.try_get("label_config")?,
            config_digest: row.try_get("config_digest")?,
            problem: row.try_get("problem")?,
            min_annotations: row.try_get("min_annotations")?,
            sampling: row.try_get("sampling")?,
            model_version: row.try_get("model_version")?,
            ls_created_at: row.try_get("ls_created_at")?,
            updates_seen: row.try_get("updates_seen")?,
            updates_trained: row.try_get("updates_trained")?,
            current_version: row.try_get("current_version")?,
            pinned: row.try_get::<i64, _>("pinned")? != 0,
            queue_version: row.try_get("queue_version")?,
            queue_complete: row.try_get::<i64, _>("queue_complete")? != 0,
            strategy: row.try_get("strategy")?,
            queue_strategy: row.try_get("queue_strategy")?,
            created_at: row.try_get("created_at")?,
            last_seen_at: row.try_get("last_seen_at")?,
            deleted_at: row.try_get("deleted_at")?,
        })
    }
}
