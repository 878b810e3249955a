//! The pool to rank, and how far Label Studio has taken over the ranking.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Row};

use super::sql::clean;
use super::{Result, Storage, StorageError};
use crate::domain::ids::{ProjectId, TaskId};

/// Labelling state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// Nobody answered it, or only without a choice.
    Open,
    /// Skipped and not answered.
    Skipped,
    /// Answered at least once.
    Labelled,
}

impl Storage {
    /// Every task of a project that is not deleted, by id, with its labelling state.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn task_states(&self, project: ProjectId) -> Result<BTreeMap<TaskId, TaskState>> {
        let rows = sqlx::query(
            "SELECT tasks.task_id, COALESCE(MAX(CASE
                 WHEN annotations.annotation_id IS NULL OR annotations.empty = 1 THEN 0
                 WHEN annotations.was_cancelled = 1 THEN 1 ELSE 2 END), 0) AS state
             FROM tasks LEFT JOIN annotations ON annotations.project_id = tasks.project_id
                 AND annotations.task_id = tasks.task_id AND annotations.deleted_at IS NULL
             WHERE tasks.project_id = $1 AND tasks.deleted_at IS NULL GROUP BY tasks.task_id",
        )
        .bind(project.0)
        .fetch_all(&self.read)
        .await?;
        let read = |row: &sqlx::any::AnyRow| {
            // SQLite answers an aggregate as BIGINT, PostgreSQL a CASE as INTEGER.
            let state =
                row.try_get::<i64, _>("state").or_else(|_| row.try_get::<i32, _>("state").map(i64::from))?;
            let state = match state {
                0 => TaskState::Open,
                1 => TaskState::Skipped,
                _ => TaskState::Labelled,
            };
            Ok((TaskId(row.try_get("task_id")?), state))
        };
        rows.iter().map(read).collect()
    }

    /// Number of tasks that have annotations without any choice and no other answer, and the first `limit` of them by id.
    /// Label Studio counts them as labelled.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn empty_answers(&self, project: ProjectId, limit: i64) -> Result<(i64, Vec<TaskId>)> {
        /// An index holds the rows of `empty = 1` alone, which are few.
        const TASKS: &str =
            "FROM annotations AS blank WHERE project_id = $1 AND deleted_at IS NULL AND empty = 1
             AND NOT EXISTS (SELECT 1 FROM annotations AS other WHERE other.project_id = $1
                 AND other.task_id = blank.task_id AND other.deleted_at IS NULL AND other.was_cancelled = 0
                 AND other.empty = 0)";
        let count = sqlx::query_scalar(AssertSqlSafe(format!("SELECT COUNT(DISTINCT task_id) {TASKS}")))
            .bind(project.0)
            .fetch_one(&self.read)
            .await?;
        let sql = format!("SELECT DISTINCT task_id {TASKS} ORDER BY task_id LIMIT $2");
        let first: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(project.0)
            .bind(limit.max(0))
            .fetch_all(&self.read)
            .await?;
        Ok((count, first.into_iter().map(TaskId).collect()))
    }

    /// Records that Label Studio now serves tasks in the order called `name` by `strategy` (`None`: the program's own
    /// choice), and whether all of the order is there.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn set_queue_version(
        &self,
        project: ProjectId,
        name: &str,
        strategy: Option<&str>,
        complete: bool,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE projects SET queue_version = $1, queue_strategy = $2, queue_complete = $3 WHERE id = $4",
        )
        .bind(clean(name).into_owned())
        .bind(strategy.map(|name| clean(name).into_owned()))
        .bind(i64::from(complete))
        .bind(project.0)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    /// Sets the query strategy of a project; `None`: the program's own choice.
    ///
    /// # Errors
    /// [`StorageError::Missing`] for an unknown project; another error if the database fails.
    pub async fn set_strategy(&self, project: ProjectId, strategy: Option<&str>) -> Result<()> {
        let set = sqlx::query("UPDATE projects SET strategy = $1 WHERE id = $2")
            .bind(strategy.map(|name| clean(name).into_owned()))
            .bind(project.0)
            .execute(&self.write)
            .await?;
        if set.rows_affected() == 0 {
            return Err(StorageError::Missing { what: format!("project {project}") });
        }
        Ok(())
    }

    /// Pins the version that serves, so that it stays whatever is trained, or unpins it.
    ///
    /// # Errors
    /// [`StorageError::Missing`] for an unknown project; another error if the database fails.
    pub async fn set_pinned(&self, project: ProjectId, pinned: bool) -> Result<()> {
        let set = sqlx::query("UPDATE projects SET pinned = $1 WHERE id = $2")
            .bind(i64::from(pinned))
            .bind(project.0)
            .execute(&self.write)
            .await?;
        if set.rows_affected() == 0 {
            return Err(StorageError::Missing { what: format!("project {project}") });
        }
        Ok(())
    }
}
