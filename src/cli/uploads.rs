//! Image files into a project of Label Studio, a batch at a time.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::cli::output::progress::progress;
use crate::domain::ids::ProjectId;
use crate::labelstudio::{Client, FilePart};

/// Ends of the names of image files that Label Studio takes.
pub const ENDINGS: [&str; 6] = ["jpg", "jpeg", "png", "webp", "bmp", "gif"];

/// Files of one upload; Label Studio takes 100.
const FILES: usize = 50;

/// Bytes from which on an upload is sent; Label Studio takes 250 MB.
const BYTES: usize = 30_000_000;

/// A file and the name it gets in Label Studio.
#[derive(Clone)]
pub struct Upload {
    pub path: PathBuf,
    pub name: String,
}

/// Returns `true` if a file's name has the extension of an image.
pub fn is_image(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Uploads files, each a task; a batch arrives whole or not at all.
///
/// # Errors
/// A file can't be read, or as [`Client::upload`]; the batches before are in the project then.
pub async fn upload(client: &Client, project: ProjectId, files: &[Upload]) -> anyhow::Result<()> {
    let bar = progress("uploading", files.len())?;
    let mut parts = Vec::new();
    let mut bytes = 0;
    for (index, file) in files.iter().enumerate() {
        let content = tokio::fs::read(&file.path)
            .await
            .with_context(|| format!("`{}` can't be read", file.path.display()))?;
        bytes += content.len();
        parts.push(FilePart { name: file.name.clone(), bytes: content.into() });
        if parts.len() == FILES || bytes >= BYTES || index + 1 == files.len() {
            client.upload(project, std::mem::take(&mut parts)).await?;
            bytes = 0;
            bar.set_position(index as u64 + 1);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// Advice where Label Studio refuses to serve a folder; `otherwise` names another way for its images.
pub fn how_to_serve(folder: &str, otherwise: &str) -> String {
    let above = Path::new(folder).parent().unwrap_or(Path::new("/")).display();
    format!(
        "start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and \
         LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={above}, and name the folder as its machine or container sees it; or \
         {otherwise}"
    )
}
