//! Tasks: the images of a project, as Label Studio describes them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, FromRow, Row};

use super::projects;
use super::sql::{ROW_CHUNK, json, keep_prepared, lists, placeholders, rows};
use super::{Result, Storage, StorageError, Tx};
use crate::domain::ids::{ProjectId, TaskId};
use crate::domain::task::Task;

/// A task as Label Studio sent it. Times are Unix microseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskRecord {
    /// Label Studio's id.
    pub id: TaskId,
    /// The task's `data`: variable name to value, an image address among them.
    pub data: Map<String, Value>,
    /// Creation time in Label Studio; 0 when unknown. Label Studio on SQLite gives the ids of deleted tasks away again: one
    /// that was created later is another task.
    pub created_at: i64,
    /// Time of the last change in Label Studio; 0 when unknown.
    pub updated_at: i64,
}

/// Numbers of tasks of a project that are not deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskCounts {
    /// All of them.
    pub total: i64,
    /// Those with at least one annotation that is neither deleted nor cancelled.
    pub labelled: i64,
    /// Those that are skipped and have no other annotation.
    pub skipped: i64,
}

impl Storage {
    /// Keeps tasks, however many; one that is known and unchanged costs no write, an older state never replaces a newer
    /// one and a deleted task stays deleted, unless its id was given to a later one. Returns the number of new or changed ones.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn upsert_tasks(&self, project: ProjectId, tasks: &[TaskRecord], now: i64) -> Result<u64> {
        if tasks.is_empty() {
            return Ok(0);
        }
        let mut tx = self.begin().await?;
        projects::ensure(&mut tx, project, now).await?;
        let changed = upsert(&mut tx, project, tasks, None, now).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Those of the tasks `ids` that are known and not deleted, in no order.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn tasks(&self, project: ProjectId, ids: &[TaskId]) -> Result<Vec<TaskRecord>> {
        let mut tasks = Vec::with_capacity(ids.len());
        for list in lists(ids) {
            let sql = format!(
                "SELECT * FROM tasks WHERE project_id = $1 AND deleted_at IS NULL AND task_id IN ({})",
                placeholders(2, list.len())
            );
            let mut query = sqlx::query_as(AssertSqlSafe(sql)).bind(project.0);
            for id in list {
                query = query.bind(id.0);
            }
            tasks.extend(query.fetch_all(&self.read).await?);
        }
        Ok(tasks)
    }

    /// Up to `limit` tasks with ids above `after` (`None`: from the first), by id.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn tasks_page(
        &self,
        project: ProjectId,
        after: Option<TaskId>,
        limit: i64,
    ) -> Result<Vec<TaskRecord>> {
        Ok(sqlx::query_as(
            "SELECT * FROM tasks WHERE project_id = $1 AND deleted_at IS NULL AND task_id > $2 ORDER BY task_id LIMIT $3",
        )
        .bind(project.0)
        .bind(after.map_or(i64::MIN, |id| id.0))
        .bind(limit.max(0))
        .fetch_all(&self.read)
        .await?)
    }

    /// As [`Storage::tasks_page`], but only tasks without an annotation that teaches: the pool to rank.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn unlabelled_tasks_page(
        &self,
        project: ProjectId,
        after: Option<TaskId>,
        limit: i64,
    ) -> Result<Vec<TaskRecord>> {
        Ok(sqlx::query_as(
            "SELECT * FROM tasks WHERE project_id = $1 AND deleted_at IS NULL AND task_id > $2
             AND NOT EXISTS (
                 SELECT 1 FROM annotations WHERE annotations.project_id = $1 AND annotations.task_id = tasks.task_id
                 AND annotations.deleted_at IS NULL AND annotations.was_cancelled = 0 AND annotations.empty = 0)
             ORDER BY task_id LIMIT $3",
        )
        .bind(project.0)
        .bind(after.map_or(i64::MIN, |id| id.0))
        .bind(limit.max(0))
        .fetch_all(&self.read)
        .await?)
    }

    /// Counts the tasks of a project.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn task_counts(&self, project: ProjectId) -> Result<TaskCounts> {
        // The indexes of live rows answer this: the wide rows of tasks and annotations are not read.
        let total =
            sqlx::query_scalar("SELECT COUNT(*) FROM tasks WHERE project_id = $1 AND deleted_at IS NULL")
                .bind(project.0)
                .fetch_one(&self.read)
                .await?;
        let (labelled, skipped) = sqlx::query_as(
            "SELECT COUNT(CASE WHEN state = 2 THEN 1 END), COUNT(CASE WHEN state = 1 THEN 1 END) FROM (
                 SELECT MAX(CASE WHEN annotations.empty = 1 THEN 0 WHEN annotations.was_cancelled = 1 THEN 1 ELSE 2 END)
                     AS state
                 FROM annotations JOIN tasks ON tasks.project_id = annotations.project_id
                     AND tasks.task_id = annotations.task_id AND tasks.deleted_at IS NULL
                 WHERE annotations.project_id = $1 AND annotations.deleted_at IS NULL
                 GROUP BY annotations.task_id) AS answered",
        )
        .bind(project.0)
        .fetch_one(&self.read)
        .await?;
        Ok(TaskCounts { total, labelled, skipped })
    }
}

/// Keeps tasks inside a transaction that holds the project's row. What was received before `truth_since` gives way to the
/// given state whatever its age; `None` lets only newer states replace older ones.
pub(super) async fn upsert(
    tx: &mut Tx,
    project: ProjectId,
    tasks: &[TaskRecord],
    truth_since: Option<i64>,
    now: i64,
) -> Result<u64> {
    // One statement may touch a row only once, and the last of two states is the later one.
    let tasks: BTreeMap<i64, &TaskRecord> = tasks.iter().map(|task| (task.id.0, task)).collect();
    let tasks: Vec<_> = tasks.into_values().collect();
    let mut changed = 0;
    for chunk in tasks.chunks(ROW_CHUNK) {
        let mut query =
            sqlx::query(AssertSqlSafe(upsert_sql(chunk.len()))).persistent(keep_prepared(chunk.len()));
        for task in chunk {
            query = query
                .bind(project.0)
                .bind(task.id.0)
                .bind(serde_json::to_string(&task.data).map_err(StorageError::invalid)?)
                .bind(task.created_at)
                .bind(task.updated_at)
                .bind(now);
        }
        query = query.bind(truth_since.unwrap_or(i64::MIN));
        changed += query.execute(&mut **tx).await?.rows_affected();
    }
    Ok(changed)
}

fn upsert_sql(count: usize) -> String {
    format!(
        "INSERT INTO tasks (project_id, task_id, data, created_at, updated_at, received_at) VALUES {values}
         ON CONFLICT (project_id, task_id) DO UPDATE SET data = excluded.data,
             created_at = CASE WHEN excluded.created_at = 0 THEN tasks.created_at ELSE excluded.created_at END,
             updated_at = excluded.updated_at, received_at = excluded.received_at, deleted_at = NULL
         WHERE (tasks.data <> excluded.data OR tasks.updated_at <> excluded.updated_at OR tasks.deleted_at IS NOT NULL
             OR tasks.created_at < excluded.created_at)
         AND ((tasks.deleted_at IS NULL AND excluded.updated_at >= tasks.updated_at
                 AND (excluded.created_at = 0 OR excluded.created_at >= tasks.created_at))
             OR (tasks.created_at > 0 AND excluded.created_at > tasks.created_at)
             OR (tasks.received_at < ${since} AND (tasks.deleted_at IS NULL OR tasks.deleted_at < ${since})))",
        values = rows(count, 6),
        since = count * 6 + 1,
    )
}

/// Marks tasks deleted inside a transaction that holds the project's row; an unknown one leaves a tombstone, so that
/// its late creation does not bring it back. Returns the number of those that were alive.
pub(super) async fn delete(tx: &mut Tx, project: ProjectId, ids: &[TaskId], now: i64) -> Result<u64> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let mut deleted = 0;
    for list in lists(&ids) {
        let sql = format!(
            "UPDATE tasks SET deleted_at = $1 WHERE project_id = $2 AND deleted_at IS NULL AND task_id IN ({})",
            placeholders(3, list.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(now).bind(project.0);
        for id in list {
            query = query.bind(id.0);
        }
        deleted += query.execute(&mut **tx).await?.rows_affected();
    }
    for chunk in ids.chunks(ROW_CHUNK) {
        let sql = format!(
            "INSERT INTO tasks (project_id, task_id, data, created_at, updated_at, received_at, deleted_at) VALUES {}
             ON CONFLICT DO NOTHING",
            rows(chunk.len(), 7)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(keep_prepared(chunk.len()));
        for id in chunk {
            query = query.bind(project.0).bind(id.0).bind("{}").bind(0_i64).bind(0_i64).bind(now).bind(now);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(deleted)
}

/// Live tasks that were last received before `since`.
pub(super) async fn received_before(tx: &mut Tx, project: ProjectId, since: i64) -> Result<Vec<TaskId>> {
    let ids: Vec<i64> = sqlx::query_scalar(
        "SELECT task_id FROM tasks WHERE project_id = $1 AND deleted_at IS NULL AND received_at < $2",
    )
    .bind(project.0)
    .bind(since)
    .fetch_all(&mut **tx)
    .await?;
    Ok(ids.into_iter().map(TaskId).collect())
}

/// Those of the tasks `ids` that are known to be deleted.
pub(super) async fn deleted_among(tx: &mut Tx, project: ProjectId, ids: &[TaskId]) -> Result<Vec<TaskId>> {
    let mut deleted = Vec::new();
    for list in lists(ids) {
        let sql = format!(
            "SELECT task_id FROM tasks WHERE project_id = $1 AND deleted_at IS NOT NULL AND task_id IN ({})",
            placeholders(2, list.len())
        );
        let mut query = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql)).bind(project.0);
        for id in list {
            query = query.bind(id.0);
        }
        deleted.extend(query.fetch_all(&mut **tx).await?.into_iter().map(TaskId));
    }
    Ok(deleted)
}

impl From<TaskRecord> for Task {
    fn from(record: TaskRecord) -> Self {
        Self { id: record.id, data: record.data, created_at: record.created_at }
    }
}

impl FromRow<'_, AnyRow> for TaskRecord {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        let data: String = row.try_get("data")?;
        Ok(Self {
            id: TaskId(row.try_get("task_id")?),
            data: json("tasks.data", &data)?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}
