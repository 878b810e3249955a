//! The files that a project's tasks name.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::domain::ids::{ContentHash, ProjectId};
use crate::labelstudio::{Client, LabelStudioError};
use crate::media::KeptFile;

/// Hexadecimal digits of an image's content that its name in Label Studio begins with: 48 bits.
const MARK_DIGITS: usize = 12;

/// Images that a project has already.
#[derive(Default)]
pub struct Kept {
    /// Marks of uploads that were pushed.
    pub marks: HashSet<String>,
    /// Addresses of the other uploads, by their names.
    pub named: HashMap<String, Vec<String>>,
    /// Paths of local files below the document root.
    pub local: HashSet<String>,
}

impl Kept {
    /// Reads the project's tasks, whoever made them; Label Studio's list of uploads holds the account's own only.
    ///
    /// # Errors
    /// As every call.
    pub async fn read(client: &Client, project: ProjectId) -> Result<Self, LabelStudioError> {
        let mut kept = Self::default();
        let mut listed = 0;
        for page in 1.. {
            let answer = client.tasks_page(project, page).await?;
            listed += answer.tasks.len();
            let data = answer.tasks.iter().filter_map(|task| task["data"].as_object());
            data.flat_map(|data| data.values()).filter_map(Value::as_str).for_each(|source| kept.add(source));
            if answer.tasks.is_empty() || listed >= answer.total {
                break;
            }
        }
        Ok(kept)
    }

    fn add(&mut self, source: &str) {
        match KeptFile::of(source) {
            Some(KeptFile::Upload(name)) => match name.split_once('-').map(|(mark, _)| mark) {
                Some(mark) if mark.len() == MARK_DIGITS && mark.bytes().all(|c| c.is_ascii_hexdigit()) => {
                    self.marks.insert(mark.to_owned());
                }
                _ => self.named.entry(name).or_default().push(source.to_owned()),
            },
            Some(KeptFile::Local(path)) => {
                self.local.insert(path);
            }
            None => {}
        }
    }
}

/// Mark that the name of a pushed image begins with.
pub fn mark(hash: ContentHash) -> String {
    hash.to_hex().chars().take(MARK_DIGITS).collect()
}
