//! Images that were chosen together: a name for each selection.

use sqlx::{AssertSqlSafe, Row};

use super::images::hash;
use super::sql::{ROW_CHUNK, clean, rows};
use super::{Result, Storage};
use crate::domain::ids::ContentHash;

/// One selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedImage {
    pub tag: String,
    pub content_hash: ContentHash,
}

impl Storage {
    /// Adds images to a tag, best first; those that bear it already keep their place.
    ///
    /// # Errors
    /// When the database fails; then none is added.
    pub async fn tag_images(&self, tag: &str, images: &[ContentHash], now: i64) -> Result<()> {
        let tag = clean(tag);
        let mut transaction = self.begin().await?;
        for (chunk, images) in images.chunks(ROW_CHUNK).enumerate() {
            let statement = format!(
                "INSERT INTO tags (tag, content_hash, place, tagged_at) VALUES {} ON CONFLICT DO NOTHING",
                rows(images.len(), 4)
            );
            let mut query = sqlx::query(AssertSqlSafe(statement)).persistent(false);
            for (index, image) in images.iter().enumerate() {
                let place = (chunk * ROW_CHUNK + index) as i64;
                query = query.bind(tag.clone().into_owned()).bind(image.to_hex()).bind(place).bind(now);
            }
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Every tagged image, by tag, then in the order they were chosen.
    ///
    /// # Errors
    /// When the database fails or a row can't be read.
    pub async fn tagged_images(&self) -> Result<Vec<TaggedImage>> {
        let found = sqlx::query("SELECT tag, content_hash FROM tags ORDER BY tag, tagged_at, place")
            .fetch_all(&self.read)
            .await?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(TaggedImage {
                tag: row.try_get("tag")?,
                content_hash: hash(&row.try_get::<String, _>("content_hash")?)?,
            })
        };
        found.iter().map(read).collect()
    }
}
