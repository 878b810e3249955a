//! Versions: every model that was published, and which one serves.

use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, FromRow, Row};

use super::sql::{clean, json, lists, placeholders};
use super::{Result, Storage, StorageError, projects};
use crate::domain::ids::{JobId, ProjectId};

/// A published model.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Its project.
    pub project: ProjectId,
    /// Counts up within the project; gaps are publications that were cut off.
    pub number: i64,
    /// Name in Label Studio; unique within the project.
    pub name: String,
    /// Key of its file in the blob store.
    pub blob_key: String,
    /// Fingerprint of the backbone it stands on.
    pub fingerprint: String,
    /// Digest of the label config it was trained for.
    pub config_digest: String,
    /// Its heads and classes.
    pub heads: Value,
    /// Metrics of its evaluation.
    pub metrics: Value,
    /// Number of labels it was trained with.
    pub labels: i64,
    /// Creation time, Unix microseconds.
    pub created_at: i64,
    /// The job that made it.
    pub job: Option<JobId>,
}

/// A version to insert: the fields of [`Version`] without the time.
#[derive(Clone, Debug, PartialEq)]
pub struct NewVersion {
    /// From [`Storage::reserve_version_number`].
    pub number: i64,
    /// Name for Label Studio.
    pub name: String,
    /// Key of its file in the blob store.
    pub blob_key: String,
    /// Fingerprint of the backbone it stands on.
    pub fingerprint: String,
    /// Digest of the label config it was trained for.
    pub config_digest: String,
    /// Its heads and classes.
    pub heads: Value,
    /// Metrics of its evaluation.
    pub metrics: Value,
    /// Number of labels it was trained with.
    pub labels: i64,
    /// The job that made it.
    pub job: Option<JobId>,
}

/// A version without its metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionOutline {
    pub number: i64,
    pub name: String,
    /// Number of labels it was trained with.
    pub labels: i64,
    /// Creation time, Unix microseconds.
    pub created_at: i64,
}

impl Storage {
    /// A number that no other version of the project has or will have, from 1. Reserving comes before the blob is
    /// written, so two publications never write the same key, not even after a crash between blob and row.
    ///
    /// # Errors
    /// [`StorageError::Missing`] for an unknown project; another error if the database fails.
    pub async fn reserve_version_number(&self, project: ProjectId) -> Result<i64> {
        sqlx::query_scalar(
            "UPDATE projects SET versions_reserved = versions_reserved + 1 WHERE id = $1 RETURNING versions_reserved",
        )
        .bind(project.0)
        .fetch_optional(&self.write)
        .await?
        .ok_or_else(|| StorageError::Missing {
            what: format!("project {project}"),
        })
    }

    /// Inserts a version; it does not serve yet.
    ///
    /// # Errors
    /// [`StorageError::Conflict`] when the project has one of that number or name, [`StorageError::Missing`] for an
    /// unknown project; another error if the database fails.
    pub async fn insert_version(&self, project: ProjectId, version: &NewVersion, now: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        projects::lock(&mut tx, project).await?;
        let inserted = sqlx::query(
            "INSERT INTO versions (project_id, number, name, blob_key, fingerprint, config_digest, heads, metrics,
                 labels, created_at, job_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
             ON CONFLICT DO NOTHING",
        )
        .bind(project.0)
        .bind(version.number)
        .bind(clean(&version.name).into_owned())
        .bind(clean(&version.blob_key).into_owned())
        .bind(version.fingerprint.clone())
        .bind(version.config_digest.clone())
        .bind(version.heads.to_string())
        .bind(version.metrics.to_string())
        .bind(version.labels)
        .bind(now)
        .bind(version.job.map(|job| job.0))
        .execute(&mut *tx)
        .await?;
        if inserted.rows_affected() == 0 {
            return Err(StorageError::Conflict {
                what: format!("version {} (`{}`) of project {project}", version.number, version.name),
            });
        }
        Ok(tx.commit().await?)
    }

    /// Lets version `new` serve if `expected` serves now (`None`: none does). `false` when another one does.
    ///
    /// # Errors
    /// [`StorageError::Missing`] for an unknown version; another error if the database fails.
    pub async fn set_current_version(
        &self,
        project: ProjectId,
        expected: Option<i64>,
        new: i64,
    ) -> Result<bool> {
        let set = sqlx::query(
            "UPDATE projects SET current_version = $1 WHERE id = $2 AND current_version IS NOT DISTINCT FROM $3
             AND EXISTS (SELECT 1 FROM versions WHERE versions.project_id = $2 AND versions.number = $1)",
        )
        .bind(new)
        .bind(project.0)
        .bind(expected)
        .execute(&self.write)
        .await?;
        if set.rows_affected() == 0 && self.version(project, new).await?.is_none() {
            return Err(StorageError::Missing { what: format!("version {new} of project {project}") });
        }
        Ok(set.rows_affected() == 1)
    }

    /// Takes version `expected` out of service; none serves then. `false` when another one does.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn retire_version(&self, project: ProjectId, expected: i64) -> Result<bool> {
        let set =
            sqlx::query("UPDATE projects SET current_version = NULL WHERE id = $1 AND current_version = $2")
                .bind(project.0)
                .bind(expected)
                .execute(&self.write)
                .await?;
        Ok(set.rows_affected() == 1)
    }

    /// All versions of a project, newest first.
    ///
    /// # Errors
    /// Returns an error if the database fails or a row can't be read.
    pub async fn versions(&self, project: ProjectId) -> Result<Vec<Version>> {
        Ok(sqlx::query_as("SELECT * FROM versions WHERE project_id = $1 ORDER BY number DESC")
            .bind(project.0)
            .fetch_all(&self.read)
            .await?)
    }

    /// All versions of a project in outline, newest first; an index alone answers.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn version_outlines(&self, project: ProjectId) -> Result<Vec<VersionOutline>> {
        let rows = sqlx::query(
            "SELECT number, name, labels, created_at FROM versions WHERE project_id = $1 ORDER BY number DESC",
        )
        .bind(project.0)
        .fetch_all(&self.read)
        .await?;
        let read = |row: &AnyRow| {
            Ok(VersionOutline {
                number: row.try_get("number")?,
                name: row.try_get("name")?,
                labels: row.try_get("labels")?,
                created_at: row.try_get("created_at")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Those of the versions `numbers` that there are, in no order.
    ///
    /// # Errors
    /// Returns an error if the database fails or a row can't be read.
    pub async fn versions_among(&self, project: ProjectId, numbers: &[i64]) -> Result<Vec<Version>> {
        let mut found = Vec::with_capacity(numbers.len());
        for list in lists(numbers) {
            let sql = format!(
                "SELECT * FROM versions WHERE project_id = $1 AND number IN ({})",
                placeholders(2, list.len())
            );
            let mut query = sqlx::query_as(AssertSqlSafe(sql)).bind(project.0);
            for number in list {
                query = query.bind(number);
            }
            found.extend(query.fetch_all(&self.read).await?);
        }
        Ok(found)
    }

    /// One version by its number.
    ///
    /// # Errors
    /// Returns an error if the database fails or the row can't be read.
    pub async fn version(&self, project: ProjectId, number: i64) -> Result<Option<Version>> {
        Ok(sqlx::query_as("SELECT * FROM versions WHERE project_id = $1 AND number = $2")
            .bind(project.0)
            .bind(number)
            .fetch_optional(&self.read)
            .await?)
    }

    /// One version by its name.
    ///
    /// # Errors
    /// Returns an error if the database fails or the row can't be read.
    pub async fn version_named(&self, project: ProjectId, name: &str) -> Result<Option<Version>> {
        Ok(sqlx::query_as("SELECT * FROM versions WHERE project_id = $1 AND name = $2")
            .bind(project.0)
            .bind(clean(name).into_owned())
            .fetch_optional(&self.read)
            .await?)
    }

    /// The version that serves; `None` before the first.
    ///
    /// # Errors
    /// Returns an error if the database fails or the row can't be read.
    pub async fn current_version(&self, project: ProjectId) -> Result<Option<Version>> {
        Ok(sqlx::query_as(
            "SELECT versions.* FROM versions JOIN projects
             ON projects.id = versions.project_id AND projects.current_version = versions.number
             WHERE projects.id = $1",
        )
        .bind(project.0)
        .fetch_optional(&self.read)
        .await?)
    }
}

impl FromRow<'_, AnyRow> for Version {
    fn from_row(row: &AnyRow) -> sqlx::Result<Self> {
        let heads: String = row.try_get("heads")?;
        let metrics: String = row.try_get("metrics")?;
        Ok(Self {
            project: ProjectId(row.try_get("project_id")?),
            number: row.try_get("number")?,
            name: row.try_get("name")?,
            blob_key: row.try_get("blob_key")?,
            fingerprint: row.try_get("fingerprint")?,
            config_digest: row.try_get("config_digest")?,
            heads: json("versions.heads", &heads)?,
            metrics: json("versions.metrics", &metrics)?,
            labels: row.try_get("labels")?,
            created_at: row.try_get("created_at")?,
            job: row.try_get::<Option<i64>, _>("job_id")?.map(JobId),
        })
    }
}
