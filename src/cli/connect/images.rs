//! The images of a folder as tasks: served by Label Studio itself, or uploaded.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::cli::steps::{Outcome, Report, Step};
use crate::cli::uploads::{ENDINGS, Upload, is_image, upload};
use crate::domain::ids::ProjectId;
use crate::labelstudio::{Client, LabelStudioError, LocalStorage, stored_name};

const STEP: &str = "images";

/// A folder and the way its images go.
pub enum Images {
    /// A path on Label Studio's machine.
    Served(PathBuf),
    /// Image files, by name.
    Uploaded(Vec<PathBuf>),
}

impl Images {
    /// # Errors
    /// Nothing can be uploaded of this folder, or a folder of another machine is no absolute path.
    pub fn new(folder: &Path, upload: bool) -> anyhow::Result<Self> {
        if !upload {
            // A folder that is not here may be one of Label Studio's machine.
            let path = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
            ensure!(path.is_absolute(), "--images: no folder `{}` here", folder.display());
            return Ok(Self::Served(path));
        }
        let named = || format!("--images: folder `{}` can't be read", folder.display());
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).with_context(named)? {
            let path = entry.with_context(named)?.path();
            if path.is_file() && is_image(&path) {
                files.push(path);
            }
        }
        let endings = ENDINGS.join(", ");
        ensure!(!files.is_empty(), "--images: folder `{}` has no image files ({endings})", folder.display());
        files.sort_unstable();
        Ok(Self::Uploaded(files))
    }

    pub async fn bring(&self, client: &Client, project: ProjectId, report: &mut Report) -> Option<()> {
        let step = match self {
            Self::Served(folder) => serve(client, project, &folder.to_string_lossy(), report).await?,
            Self::Uploaded(files) => {
                let sent = upload_new(client, project, files).await.map_err(|error| format!("{error:#}"));
                match report.take(STEP, sent)? {
                    0 => Step::ok(STEP, format!("all {} are uploaded", files.len())),
                    new => Step::new(STEP, Outcome::Made, format!("{new} of {} uploaded", files.len())),
                }
            }
        };
        report.add(step);
        Some(())
    }
}

/// Has Label Studio serve the folder, and make tasks of what is new in it.
async fn serve(client: &Client, project: ProjectId, folder: &str, report: &mut Report) -> Option<Step> {
    let before = report.take(STEP, client.project_details(project).await)?.task_number;
    let known = report.take(STEP, client.local_storages(project).await)?;
    let known = known.into_iter().find(|storage| storage.path.trim_end_matches('/') == folder);
    let is_new = known.is_none();
    let storage = match known {
        Some(storage) => storage,
        None => match client.add_local_storage(project, folder).await {
            Err(error @ LabelStudioError::Status { status: 400, .. }) => {
                report.add(Step::problem(
                    STEP,
                    error.to_string(),
                    how_to_serve(folder, "upload the files with --upload"),
                ));
                return None;
            }
            made => report.take(STEP, made)?,
        },
    };
    let synced = report.take(STEP, client.sync_local_storage(&storage).await)?;
    if let Some(step) = unfinished(&synced) {
        return Some(step);
    }
    let after = report.take(STEP, client.project_details(project).await)?.task_number;
    let outcome = match (is_new, after != before) {
        (true, _) => Outcome::Made,
        (false, true) => Outcome::Changed,
        (false, false) => Outcome::Ok,
    };
    let detail = format!("Label Studio serves `{folder}`: {} new tasks, {after} in all", after - before);
    Some(Step::new(STEP, outcome, detail))
}

/// A sync that failed, or that a worker of Label Studio's does later.
fn unfinished(storage: &LocalStorage) -> Option<Step> {
    let path = &storage.path;
    match storage.status.as_deref() {
        Some("failed") => {
            let trace = storage.traceback.as_deref().unwrap_or_default();
            let why = trace.trim().lines().last().unwrap_or("it does not say why");
            let advice = "look at the storage in the project's Settings > Cloud Storage";
            Some(Step::problem(STEP, format!("Label Studio can't sync `{path}`: {why}"), advice))
        }
        Some("queued" | "in_progress") => {
            Some(Step::new(STEP, Outcome::Changed, format!("Label Studio syncs `{path}` in the background")))
        }
        _ => None,
    }
}

/// What to do where Label Studio refuses to serve a folder; `otherwise` says how else its images get there.
pub fn how_to_serve(folder: &str, otherwise: &str) -> String {
    let above = Path::new(folder).parent().unwrap_or(Path::new("/")).display();
    format!(
        "start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and \
         LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={above}, and name the folder as its machine or container sees it; or \
         {otherwise}"
    )
}

/// Uploads what is not uploaded yet, and gives how many that were.
async fn upload_new(client: &Client, project: ProjectId, files: &[PathBuf]) -> anyhow::Result<usize> {
    let known: HashSet<String> = client.uploads(project).await?.into_iter().collect();
    let missing = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (!known.contains(&stored_name(&name))).then(|| Upload { path: path.clone(), name })
    };
    let new: Vec<Upload> = files.iter().filter_map(missing).collect();
    upload(client, project, &new).await?;
    Ok(new.len())
}
