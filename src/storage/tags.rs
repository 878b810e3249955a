//! Images that were chosen together: a name for each selection.

use sqlx::{AssertSqlSafe, Row};

use super::images::hash;
use super::sql::{ROW_CHUNK, clean, rows};
use super::{Result, Storage, Tx};
use crate::domain::ids::{ContentHash, ProjectId};

/// One selection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedImage {
    pub tag: String,
    pub content_hash: ContentHash,
    /// Time of the choice, Unix microseconds.
    pub tagged_at: i64,
}

/// A tag and what bears it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagCount {
    pub tag: String,
    pub images: i64,
}

/// Outcome of renaming a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// So many images bear the new name.
    Images(u64),
    /// No image bears the old one.
    Unknown,
    /// Images bear the new one already: two selections would become one for good.
    Taken,
}

impl Storage {
    /// Adds images to a tag, best first; those that bear it already keep their place.
    ///
    /// # Errors
    /// Returns an error if the database fails; then none is added.
    pub async fn tag_images(&self, tag: &str, images: &[ContentHash], now: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        insert(&mut tx, &clean(tag), images, now).await?;
        Ok(tx.commit().await?)
    }

    /// Adds images to a tag and remembers, in the same step, that they are on their way into a project.
    ///
    /// # Errors
    /// Returns an error if the database fails; then nothing is added.
    pub async fn begin_push(
        &self,
        tag: &str,
        images: &[ContentHash],
        project: ProjectId,
        now: i64,
    ) -> Result<()> {
        let tag = clean(tag);
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO pushes (tag, project_id, begun_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(tag.clone().into_owned())
        .bind(project.0)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        insert(&mut tx, &tag, images, now).await?;
        Ok(tx.commit().await?)
    }

    /// Returns `true` if a push of a tag into a project was begun and not finished.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn is_push_unfinished(&self, tag: &str, project: ProjectId) -> Result<bool> {
        let begun: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM pushes WHERE tag = $1 AND project_id = $2")
            .bind(clean(tag).into_owned())
            .bind(project.0)
            .fetch_one(&self.read)
            .await?;
        Ok(begun > 0)
    }

    /// Records that all images of a tag are in the project.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn finish_push(&self, tag: &str, project: ProjectId) -> Result<()> {
        sqlx::query("DELETE FROM pushes WHERE tag = $1 AND project_id = $2")
            .bind(clean(tag).into_owned())
            .bind(project.0)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    /// Every tagged image, by tag, then in the order they were chosen.
    ///
    /// # Errors
    /// Returns an error if the database fails or a row can't be read.
    pub async fn tagged_images(&self) -> Result<Vec<TaggedImage>> {
        let found =
            sqlx::query("SELECT tag, content_hash, tagged_at FROM tags ORDER BY tag, tagged_at, place")
                .fetch_all(&self.read)
                .await?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(TaggedImage {
                tag: row.try_get("tag")?,
                content_hash: hash(&row.try_get::<String, _>("content_hash")?)?,
                tagged_at: row.try_get("tagged_at")?,
            })
        };
        found.iter().map(read).collect()
    }

    /// Every tag with the number of its images, by name. Reads an index alone.
    ///
    /// # Errors
    /// Returns an error if the database fails or a row can't be read.
    pub async fn tags(&self) -> Result<Vec<TagCount>> {
        let found = sqlx::query("SELECT tag, COUNT(*) AS images FROM tags GROUP BY tag ORDER BY tag")
            .fetch_all(&self.read)
            .await?;
        found
            .iter()
            .map(|row| Ok(TagCount { tag: row.try_get("tag")?, images: row.try_get("images")? }))
            .collect()
    }

    /// The images of one tag, in the order they were chosen.
    ///
    /// # Errors
    /// Returns an error if the database fails or a row can't be read.
    pub async fn images_of_tag(&self, tag: &str) -> Result<Vec<ContentHash>> {
        let query = "SELECT content_hash FROM tags WHERE tag = $1 ORDER BY tagged_at, place";
        let found = sqlx::query(query).bind(clean(tag).into_owned()).fetch_all(&self.read).await?;
        found.iter().map(|row| hash(&row.try_get::<String, _>("content_hash")?)).collect()
    }

    /// Gives a tag another name, also where it is on its way into a project.
    ///
    /// # Errors
    /// Returns an error if the database fails; then it keeps its name.
    pub async fn rename_tag(&self, tag: &str, name: &str) -> Result<Renamed> {
        let tag = clean(tag).into_owned();
        let name = clean(name).into_owned();
        let mut tx = self.begin().await?;
        let renamed = sqlx::query(
            "UPDATE tags SET tag = $1 WHERE tag = $2 AND NOT EXISTS (SELECT 1 FROM tags AS others WHERE others.tag = $3)",
        )
        .bind(name.clone())
        .bind(tag.clone())
        .bind(name.clone())
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if renamed == 0 {
            let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM tags WHERE tag = $1")
                .bind(tag)
                .fetch_one(&mut *tx)
                .await?;
            return Ok(if known == 0 { Renamed::Unknown } else { Renamed::Taken });
        }
        forget_pushes(&mut tx, &name).await?;
        sqlx::query("UPDATE pushes SET tag = $1 WHERE tag = $2")
            .bind(name)
            .bind(tag)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(Renamed::Images(renamed))
    }

    /// Removes a tag from all its images and returns their number.
    ///
    /// # Errors
    /// Returns an error if the database fails; then they keep it.
    pub async fn remove_tag(&self, tag: &str) -> Result<u64> {
        let tag = clean(tag);
        let mut tx = self.begin().await?;
        let removed = sqlx::query("DELETE FROM tags WHERE tag = $1")
            .bind(tag.clone().into_owned())
            .execute(&mut *tx)
            .await?
            .rows_affected();
        forget_pushes(&mut tx, &tag).await?;
        tx.commit().await?;
        Ok(removed)
    }

    /// Time at which an image was last tagged, Unix microseconds; `None` while none is. Reads an index alone.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub async fn last_tagged_at(&self) -> Result<Option<i64>> {
        Ok(sqlx::query_scalar("SELECT MAX(tagged_at) FROM tags").fetch_one(&self.read).await?)
    }
}

/// Deletes the unfinished pushes of a tag.
async fn forget_pushes(tx: &mut Tx, tag: &str) -> Result<()> {
    sqlx::query("DELETE FROM pushes WHERE tag = $1").bind(tag.to_owned()).execute(&mut **tx).await?;
    Ok(())
}

async fn insert(tx: &mut Tx, tag: &str, images: &[ContentHash], now: i64) -> Result<()> {
    for (chunk, images) in images.chunks(ROW_CHUNK).enumerate() {
        let statement = format!(
            "INSERT INTO tags (tag, content_hash, place, tagged_at) VALUES {} ON CONFLICT DO NOTHING",
            rows(images.len(), 4)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement)).persistent(false);
        for (index, image) in images.iter().enumerate() {
            let place = (chunk * ROW_CHUNK + index) as i64;
            query = query.bind(tag.to_owned()).bind(image.to_hex()).bind(place).bind(now);
        }
        query.execute(&mut **tx).await?;
    }
    Ok(())
}
