//! The image files of an export, wherever they are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use bytes::Bytes;
use percent_encoding::percent_decode_str;

use crate::app;
use crate::cli::files;
use crate::config::Settings;
use crate::domain::ids::TaskId;
use crate::media::Media;

/// Hexadecimal digits and a dash that Label Studio puts before an upload's name.
const UPLOAD_PREFIX: usize = 9;

/// Finds images by their address in a task's data.
pub struct Pictures {
    folder: Option<PathBuf>,
    /// Files of the folder by their name as Label Studio would keep it.
    by_name: HashMap<String, Vec<PathBuf>>,
    /// Where relative paths start besides here: the export's own folder.
    beside: PathBuf,
    media: Media,
}

impl Pictures {
    /// Lists `images`, if given.
    ///
    /// # Errors
    /// The folder can't be read, or the settings for Label Studio are wrong.
    pub fn open(images: Option<&Path>, export: &Path, settings: &Settings) -> anyhow::Result<Self> {
        let mut by_name: HashMap<String, Vec<PathBuf>> = HashMap::new();
        for path in images.map(files::below).transpose()?.unwrap_or_default() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            by_name.entry(kept_name(&name)).or_default().push(path);
        }
        let beside = export.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { folder: images.map(Path::to_owned), by_name, beside, media: app::media(settings)? })
    }

    /// The bytes of a task's image.
    ///
    /// # Errors
    /// It is nowhere; the message names the places that were searched.
    pub async fn read(&self, task: TaskId, source: &str) -> anyhow::Result<Bytes> {
        let path = match self.in_folder(source)? {
            Some(path) => Some(path.to_owned()),
            None => {
                [Path::new("").join(source), self.beside.join(source)].into_iter().find(|path| path.is_file())
            }
        };
        if let Some(path) = path {
            let bytes = tokio::fs::read(&path).await;
            return Ok(bytes.with_context(|| format!("image `{}`", path.display()))?.into());
        }
        self.media.fetch(Some(task), source, None).await.with_context(|| match &self.folder {
            Some(folder) => format!("`{}` is not in `{}`", file_name(source), folder.display()),
            None => "give the folder of the images with --images".to_owned(),
        })
    }

    fn in_folder(&self, source: &str) -> anyhow::Result<Option<&Path>> {
        let name = kept_name(&file_name(source));
        let found = self.by_name.get(&name).or_else(|| self.by_name.get(without_prefix(&name)?));
        match found.map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([path]) => Ok(Some(path)),
            Some([first, second, ..]) => bail!(
                "`{name}` may be `{}` or `{}`; leave one of them out of --images",
                first.display(),
                second.display()
            ),
        }
    }
}

/// The last part of an address's path, decoded; of local files, of the path in the query.
fn file_name(source: &str) -> String {
    let path = match source.split_once("?d=") {
        Some((_, path)) => path.split('&').next().unwrap_or_default(),
        None => source.split(['?', '#']).next().unwrap_or_default(),
    };
    let path = percent_decode_str(path).decode_utf8_lossy();
    path.rsplit(['/', '\\']).next().unwrap_or_default().to_owned()
}

/// The name under which Label Studio keeps a file (Django's `get_valid_filename`).
fn kept_name(name: &str) -> String {
    let plain = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.trim().replace(' ', "_").chars().filter(plain).collect()
}

/// `name.jpg` of `1a2b3c4d-name.jpg`.
fn without_prefix(name: &str) -> Option<&str> {
    let (prefix, rest) = name.split_at_checked(UPLOAD_PREFIX)?;
    let digits = prefix.strip_suffix('-')?;
    digits.chars().all(|digit| digit.is_ascii_hexdigit()).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_every_kind_of_address() {
        for (source, name) in [
            ("/data/upload/2/1a2b3c4d-rain_1.jpg", "1a2b3c4d-rain_1.jpg"),
            ("/data/local-files/?d=photos/a%20b/rain%201.jpg", "rain 1.jpg"),
            ("https://example.org/x/rain1.jpg?token=/secret", "rain1.jpg"),
            ("s3://bucket/deep/rain1.jpg", "rain1.jpg"),
            ("rain1.jpg", "rain1.jpg"),
        ] {
            assert_eq!(file_name(source), name, "{source}");
        }
    }

    #[test]
    fn an_upload_s_prefix_is_no_part_of_its_name() {
        assert_eq!(without_prefix("1a2b3c4d-rain_1.jpg"), Some("rain_1.jpg"));
        for other in ["rain-1.jpg", "1a2b3c4-rain.jpg", "1a2b3c4x-rain.jpg", "", "äöüäö-x.jpg"] {
            assert_eq!(without_prefix(other), None, "{other}");
        }
        assert_eq!(kept_name("rain (1) day.jpg"), "rain_1_day.jpg");
    }
}
