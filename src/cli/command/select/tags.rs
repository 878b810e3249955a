//! The selections that were made before.

use std::collections::{BTreeMap, HashSet};

use anyhow::bail;

use super::Select;
use crate::domain::ids::{ContentHash, ProjectId};
use crate::storage::Storage;

/// Images of each tag, in the order they were chosen.
pub struct Tags(BTreeMap<String, Vec<ContentHash>>);

impl Tags {
    pub async fn read(storage: &Storage) -> anyhow::Result<Self> {
        let mut tags: BTreeMap<String, Vec<ContentHash>> = BTreeMap::new();
        for image in storage.tagged_images().await? {
            tags.entry(image.tag).or_default().push(image.content_hash);
        }
        Ok(Self(tags))
    }

    /// Images that count as known: those of all tags, and none with `--again`.
    pub fn known(&self, select: &Select) -> HashSet<ContentHash> {
        if select.again { HashSet::new() } else { self.0.values().flatten().copied().collect() }
    }

    /// The images of a selection that was made before and is only to be pushed; `None` where new ones are to be chosen.
    /// A push that was not finished comes before any new choice, so that the same command again never chooses others.
    ///
    /// # Errors
    /// The tag is there and is not to be extended, or is to be extended and is not there.
    pub async fn made_before(
        &self,
        select: &Select,
        storage: &Storage,
    ) -> anyhow::Result<Option<&[ContentHash]>> {
        let Some(tag) = select.tag() else { return Ok(None) };
        let Some(images) = self.0.get(&tag) else {
            if select.extend {
                let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
                bail!("there is no tag `{tag}` to extend; there are: {}", names.join(", "))
            }
            return Ok(None);
        };
        let number = images.len();
        match (select.push, select.extend) {
            (None, true) => Ok(None),
            (None, false) => {
                bail!("tag `{tag}` has {number} images already; --extend adds to it, or choose another name")
            }
            (Some(project), true) => {
                if !storage.is_push_unfinished(&tag, ProjectId(project)).await? {
                    return Ok(None);
                }
                eprintln!(
                    "the last push of tag `{tag}` was not finished: nothing new is chosen now; the same command again chooses more"
                );
                Ok(Some(images))
            }
            (Some(_), false) => {
                eprintln!(
                    "tag `{tag}` has {number} images already: these are pushed, nothing new is chosen; --extend chooses more"
                );
                Ok(Some(images))
            }
        }
    }
}
