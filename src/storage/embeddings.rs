//! Embeddings: output of the backbone for each picture, computed once.
//!
//! Kept as IEEE half floats, little endian: half the bytes, and the rounding (a relative 2^-11) is far below what the
//! classifier can tell. Keyed by content hash and fingerprint of the backbone, so a changed backbone never meets old rows.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt};
use half::f16;
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use sqlx::any::AnyRow;
use sqlx::{AssertSqlSafe, Row};

use super::images::hash;
use super::sql::{keep_prepared, lists, placeholders, rows};
use super::{Result, Storage, StorageError};
use crate::domain::ids::{ContentHash, ProjectId};

/// Embeddings of one `INSERT`: each is a few kilobytes.
const PUT_CHUNK: usize = 100;

/// Lists read side by side: one per core of a small machine, and readers are left for others.
const CONCURRENT_READS: usize = 2;

/// Embedding of a picture by one backbone, as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// As the backbone gave it, rounded to half floats.
    pub vector: Vec<f32>,
    /// `true` if a part of the picture could not be read.
    pub damaged: bool,
}

/// An embedding to store.
#[derive(Clone, Copy, Debug)]
pub struct NewEmbedding<'a> {
    /// Of the picture's file.
    pub hash: ContentHash,
    /// Numbers that half floats can hold.
    pub vector: &'a [f32],
    /// `true` if a part of the picture could not be read.
    pub damaged: bool,
}

impl Storage {
    /// The embeddings of `hashes` under the backbone `fingerprint`, in their order; `None` where there is none.
    ///
    /// # Errors
    /// Returns an error if the database fails or a row can't be read.
    pub async fn embeddings(
        &self,
        hashes: &[ContentHash],
        fingerprint: &str,
    ) -> Result<Vec<Option<Embedding>>> {
        let mut distinct = hashes.to_vec();
        // Rows lie about in the order of their keys.
        distinct.sort_unstable();
        distinct.dedup();
        let mut parts = futures_util::stream::iter(lists(&distinct))
            .map(|list| self.embeddings_of(list, fingerprint))
            .buffer_unordered(CONCURRENT_READS);
        let mut found = HashMap::with_capacity(distinct.len());
        while let Some(part) = parts.try_next().await? {
            found.extend(part);
        }
        if distinct.len() == hashes.len() {
            return Ok(hashes.iter().map(|hash| found.remove(hash)).collect());
        }
        Ok(hashes.iter().map(|hash| found.get(hash).cloned()).collect())
    }

    /// Rows are decoded while the engine reads the next ones.
    async fn embeddings_of(
        &self,
        list: Vec<ContentHash>,
        fingerprint: &str,
    ) -> Result<Vec<(ContentHash, Embedding)>> {
        let sql = format!(
            "SELECT content_hash, dim, vector, damaged FROM embeddings WHERE fingerprint = $1 AND content_hash IN ({})",
            placeholders(2, list.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(sql)).bind(fingerprint.to_owned());
        for hash in &list {
            query = query.bind(hash.to_hex());
        }
        let mut rows = query.fetch(&self.read);
        let mut found = Vec::with_capacity(list.len());
        while let Some(row) = rows.try_next().await? {
            let (hash, vector) = read(&row)?;
            found.push((hash, Embedding { vector, damaged: row.try_get::<i64, _>("damaged")? != 0 }));
        }
        Ok(found)
    }

    /// Keeps embeddings; one that is there already stays as it is, since the same picture and backbone give the same.
    ///
    /// # Errors
    /// [`StorageError::Invalid`] for a value that half floats can't hold (not finite, or beyond 65504), and then nothing is
    /// kept; another error if the database fails.
    pub async fn put_embeddings(
        &self,
        fingerprint: &str,
        embeddings: &[NewEmbedding<'_>],
        now: i64,
    ) -> Result<()> {
        let mut encoded = Vec::with_capacity(embeddings.len());
        for NewEmbedding { hash, vector, damaged } in embeddings {
            encoded.push((*hash, vector.len() as i64, encode(*hash, vector)?, i64::from(*damaged)));
        }
        if encoded.is_empty() {
            return Ok(());
        }
        // One order for all writers, so that none waits for another in a circle.
        encoded.sort_unstable_by_key(|(hash, ..)| *hash);
        let mut tx = self.begin().await?;
        for chunk in encoded.chunks(PUT_CHUNK) {
            let sql = format!(
                "INSERT INTO embeddings (content_hash, fingerprint, dim, vector, damaged, created_at) VALUES {}
                 ON CONFLICT DO NOTHING",
                rows(chunk.len(), 6)
            );
            let mut query = sqlx::query(AssertSqlSafe(sql)).persistent(keep_prepared(chunk.len()));
            for (hash, dim, vector, damaged) in chunk {
                query = query
                    .bind(hash.to_hex())
                    .bind(fingerprint.to_owned())
                    .bind(*dim)
                    .bind(vector.clone())
                    .bind(*damaged)
                    .bind(now);
            }
            query.execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Counts the embeddings under the backbone `fingerprint`.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn embedding_count(&self, fingerprint: &str) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM embeddings WHERE fingerprint = $1")
            .bind(fingerprint.to_owned())
            .fetch_one(&self.read)
            .await?)
    }

    /// Up to `limit` embeddings of whole pictures of the project, labelled or not, by content hash: an even and repeatable
    /// sample, since the hash has nothing to do with what is to be seen.
    ///
    /// # Errors
    /// Returns an error if the database fails or a row can't be read.
    pub async fn sample_embeddings(
        &self,
        project: ProjectId,
        fingerprint: &str,
        limit: i64,
    ) -> Result<Vec<(ContentHash, Vec<f32>)>> {
        let rows = sqlx::query(
            "SELECT content_hash, dim, vector FROM embeddings WHERE fingerprint = $1 AND damaged = 0
             AND content_hash IN (SELECT content_hash FROM images WHERE project_id = $2)
             ORDER BY content_hash LIMIT $3",
        )
        .bind(fingerprint.to_owned())
        .bind(project.0)
        .bind(limit.max(0))
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &AnyRow) -> Result<(ContentHash, Vec<f32>)> {
    let hash = hash(row.try_get("content_hash")?)?;
    let dim: i64 = row.try_get("dim")?;
    Ok((hash, decode(hash, dim, row.try_get("vector")?)?))
}

fn encode(hash: ContentHash, vector: &[f32]) -> Result<Vec<u8>> {
    let halves = Vec::from_iter(vector.iter().copied().map(f16::from_f32));
    if let Some(at) = halves.iter().position(|value| !value.is_finite()) {
        return Err(StorageError::invalid(format!(
            "embedding of {hash:?} holds {} at {at}, half floats hold -65504 to 65504; check the backbone's weights",
            vector[at]
        )));
    }
    Ok(halves.iter().flat_map(|value| value.to_le_bytes()).collect())
}

fn decode(hash: ContentHash, dim: i64, bytes: &[u8]) -> Result<Vec<f32>> {
    if i64::try_from(bytes.len()).ok() != dim.checked_mul(2) {
        return Err(StorageError::damaged(format!(
            "embedding of {hash:?} has {} bytes, {dim} half floats need twice as many",
            bytes.len()
        )));
    }
    let (pairs, _) = bytes.as_chunks::<2>();
    let bits: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    Ok(bits.reinterpret_cast::<f16>().to_f32_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: [u8; 32] = [7; 32];

    proptest! {
        #[test]
        fn what_is_read_is_what_was_put_rounded_to_half_floats(vector in prop::collection::vec(-65_000_f32..65_000.0, 0..40)) {
            let hash = ContentHash::new(HASH);
            let bytes = encode(hash, &vector).unwrap();
            let back = decode(hash, vector.len() as i64, &bytes).unwrap();
            prop_assert_eq!(back.len(), vector.len());
            for (new, old) in back.iter().zip(&vector) {
                // Half a unit in the last place: 2^-11 of the value, or of the smallest normal number 2^-14.
                prop_assert!((new - old).abs() <= old.abs().max(2_f32.powi(-14)) * 2_f32.powi(-11));
            }
        }
    }

    #[test]
    fn a_value_that_half_floats_cannot_hold_is_refused() {
        for bad in [f32::NAN, f32::INFINITY, 70_000.0] {
            let error = encode(ContentHash::new(HASH), &[0.0, bad]).unwrap_err();
            assert!(matches!(error, StorageError::Invalid { .. }), "{error}");
        }
    }

    #[test]
    fn bytes_of_the_wrong_length_are_damage() {
        for dim in [-1, 1, 3, i64::MAX] {
            let error = decode(ContentHash::new(HASH), dim, &[0; 4]).unwrap_err();
            assert!(matches!(error, StorageError::Damaged { .. }), "{error}");
        }
    }
}
