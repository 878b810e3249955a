//! A folder that Label Studio serves from its local files.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};

use crate::config::LabelStudioSettings;
use crate::domain::label_config::LabelConfig;
use crate::media::KeptFile;

/// Where its images are.
pub struct Served {
    folder: PathBuf,
    /// Absolute, without links.
    absolute: PathBuf,
    /// Below the document root.
    below_root: PathBuf,
}

impl Served {
    /// # Errors
    /// The folder can't be read, or does not lie below the document root.
    pub fn find(folder: &Path, settings: &LabelStudioSettings) -> anyhow::Result<Self> {
        let root = settings.local_files_root.as_deref().context(
            "--local-files: LOCAL_FILES_DOCUMENT_ROOT is not set; set it (--local-files-root) to the folder that Label \
             Studio serves, or leave --local-files out to upload",
        )?;
        let real = |path: &Path| {
            path.canonicalize().with_context(|| format!("folder `{}` can't be read", path.display()))
        };
        let absolute = real(folder)?;
        let root = real(root)?;
        let below_root = absolute.strip_prefix(&root).unwrap_or(Path::new("")).to_owned();
        ensure!(
            !below_root.as_os_str().is_empty(),
            "--local-files: `{}` is not a folder below LOCAL_FILES_DOCUMENT_ROOT `{}`; move it there, or leave \
             --local-files out to upload",
            folder.display(),
            root.display()
        );
        Ok(Self { folder: folder.to_owned(), absolute, below_root })
    }

    /// The folder as Label Studio is told it.
    pub fn absolute(&self) -> std::borrow::Cow<'_, str> {
        self.absolute.to_string_lossy()
    }

    /// A file's path below the document root.
    ///
    /// # Errors
    /// It is not UTF-8.
    pub fn path(&self, file: &Path) -> anyhow::Result<String> {
        let path = self.below_root.join(file.strip_prefix(&self.folder).unwrap_or(file));
        let text = path.to_str().with_context(|| format!("`{}` is not UTF-8; rename it", path.display()))?;
        Ok(text.to_owned())
    }
}

/// The task variable that a label config shows as its image.
///
/// # Errors
/// The label config can't be read, or classifies no image.
pub fn image_key(label_config: &str) -> anyhow::Result<String> {
    let config = LabelConfig::parse(label_config)?;
    let head = config.heads.first().context("its label config asks nothing")?;
    ensure!(
        !head.image_key.contains('$'),
        "its label config builds the address of an image of several parts (`{}`); push by uploads, or show `$key` alone",
        head.image_key
    );
    Ok(head.image_key.clone())
}

/// A task of a local file.
pub fn task(image_key: &str, path: &str) -> Value {
    let data = Map::from_iter([(image_key.to_owned(), json!(KeptFile::local_address(path)))]);
    json!({ "data": data })
}
