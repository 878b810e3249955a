//! Pictures by the address that led to them, so that a known address is not fetched again.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, Row};

use super::projects;
use super::sql::{ROW_CHUNK, keep_prepared, lists, placeholders, rows};
use super::{Result, Storage, StorageError};
use crate::domain::ids::{ContentHash, ProjectId};

/// A picture that was fetched once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageRecord {
    /// Hash of its content.
    pub content_hash: ContentHash,
    /// Time of the fetch, Unix microseconds.
    pub fetched_at: i64,
}

impl Storage {
    /// Records of `sources` (addresses as they stand in task data), in their order; `None` where never fetched.
    ///
    /// # Errors
    /// Returns an error if the database fails or a row can't be read.
    pub async fn images(&self, project: ProjectId, sources: &[&str]) -> Result<Vec<Option<ImageRecord>>> {
        let keys: Vec<String> = sources.iter().map(|source| key(source)).collect();
        let wanted: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut found = HashMap::with_capacity(keys.len());
        for list in lists(&wanted) {
            let sql = format!(
                "SELECT source_key, content_hash, fetched_at FROM images WHERE project_id = $1 AND source_key IN ({})",
                placeholders(2, list.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(sql)).bind(project.0);
            for key in list {
                query = query.bind(key.to_owned());
            }
            for row in query.fetch_all(&self.read).await? {
                let record = ImageRecord {
                    content_hash: hash(&row.try_get::<String, _>("content_hash")?)?,
                    fetched_at: row.try_get("fetched_at")?,
                };
                found.insert(row.try_get::<String, _>("source_key")?, record);
            }
        }
        Ok(keys.iter().map(|key| found.get(key).copied()).collect())
    }

    /// Stores the picture that each address led to, in place of an earlier one.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn put_images(
        &self,
        project: ProjectId,
        images: &[(&str, ContentHash)],
        now: i64,
    ) -> Result<()> {
        let mut images: Vec<_> = images.iter().map(|(source, hash)| (key(source), *hash)).collect();
        images.sort_unstable();
        images.dedup_by(|a, b| a.0 == b.0);
        if images.is_empty() {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        projects::ensure(&mut tx, project, now).await?;
        for chunk in images.chunks(ROW_CHUNK) {
            let sql = format!(
                "INSERT INTO images (project_id, source_key, content_hash, fetched_at) VALUES {}
                 ON CONFLICT (project_id, source_key) DO UPDATE SET content_hash = excluded.content_hash,
                     fetched_at = excluded.fetched_at",
                rows(chunk.len(), 4)
            );
            let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(keep_prepared(chunk.len()));
            for (key, hash) in chunk {
                query = query.bind(project.0).bind(key.clone()).bind(hash.to_hex()).bind(now);
            }
            query.execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// An address may be megabytes long (`data:`) or hold a secret; its BLAKE3 digest does as a key.
fn key(source: &str) -> String {
    blake3::hash(source.as_bytes()).to_hex().to_string()
}

pub(super) fn hash(hex: &str) -> Result<ContentHash> {
    ContentHash::from_hex(hex)
        .ok_or_else(|| StorageError::damaged(format!("`{hex}` is not a valid content hash")))
}
