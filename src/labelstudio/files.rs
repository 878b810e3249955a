//! Images into a project of Label Studio 1.23: a folder it serves itself, or uploads.

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::request::{Call, FilePart};
use super::{Client, LabelStudioError};
use crate::domain::ids::ProjectId;

/// Largest answer, in bytes: the names of 500,000 uploads.
const MAX_BYTES: usize = 100_000_000;

/// Image files by their names; a Python expression that is matched from the start of the path.
const IMAGES: &str = r"(?i).*\.(jpe?g|png|webp|bmp|gif)$";

/// A folder that Label Studio serves as tasks of a project.
#[derive(Clone, Debug, Deserialize)]
pub struct LocalStorage {
    pub id: i64,
    /// Absolute, on Label Studio's machine.
    pub path: String,
    /// `completed` or `failed` after a sync; `queued` where a worker does it.
    #[serde(default)]
    pub status: Option<String>,
    /// Why the last sync failed, a Python traceback.
    #[serde(default)]
    pub traceback: Option<String>,
}

#[derive(Deserialize)]
struct Upload {
    file: String,
}

impl Client {
    /// The folders a project has tasks of (`GET /api/storages/localfiles`).
    ///
    /// # Errors
    /// As every call.
    pub async fn local_storages(&self, project: ProjectId) -> Result<Vec<LocalStorage>, LabelStudioError> {
        let doing = format!("list the local-files storages of project {project}");
        let call =
            Call::new(doing, Method::GET, "api/storages/localfiles").query("project", project.to_string());
        self.json(&call, MAX_BYTES).await
    }

    /// Lets a project have a task for each image in a folder of Label Studio's machine (`POST /api/storages/localfiles`).
    ///
    /// # Errors
    /// As every call; Label Studio serves no local files, or none of this folder.
    pub async fn add_local_storage(
        &self,
        project: ProjectId,
        path: &str,
    ) -> Result<LocalStorage, LabelStudioError> {
        let doing = format!("let project {project} serve the images in `{path}`");
        let call = Call::new(doing, Method::POST, "api/storages/localfiles").body(json!({
            "project": project, "path": path, "title": "images", "use_blob_urls": true, "regex_filter": IMAGES,
        }));
        self.json(&call, MAX_BYTES).await
    }

    /// Makes tasks of the files that have none yet (`POST /api/storages/localfiles/{id}/sync`).
    ///
    /// # Errors
    /// As every call; ten thousands of files take longer than one call may.
    pub async fn sync_local_storage(&self, storage: &LocalStorage) -> Result<LocalStorage, LabelStudioError> {
        let doing = format!("sync the images in `{}`", storage.path);
        let call = Call::new(doing, Method::POST, format!("api/storages/localfiles/{}/sync", storage.id))
            .body(json!({}));
        self.json(&call, MAX_BYTES).await
    }

    /// Names of the files uploaded to a project, as [`stored_name`] makes them.
    ///
    /// # Errors
    /// As every call.
    pub async fn uploads(&self, project: ProjectId) -> Result<Vec<String>, LabelStudioError> {
        let doing = format!("list the uploads of project {project}");
        let call = Call::new(doing, Method::GET, format!("api/projects/{project}/file-uploads"))
            .query("all", "true");
        let uploads: Vec<Upload> = self.json(&call, MAX_BYTES).await?;
        // `upload/{project}/{8 hexadecimal digits}-{name}`.
        let name = |upload: &Upload| Some(upload.file.rsplit('/').next()?.split_once('-')?.1.to_owned());
        Ok(uploads.iter().filter_map(name).collect())
    }

    /// Uploads files, each a task (`POST /api/projects/{id}/import`). It is not tried again, since it may have arrived.
    ///
    /// # Errors
    /// As every call.
    pub async fn upload(&self, project: ProjectId, files: Vec<FilePart>) -> Result<(), LabelStudioError> {
        let doing = format!("upload {} files to project {project}", files.len());
        let call = Call::new(doing, Method::POST, format!("api/projects/{project}/import")).files(files);
        self.json::<Value>(&call, MAX_BYTES).await.map(drop)
    }

    /// Makes tasks (`POST /api/projects/{id}/import`). It is not tried again, since it may have arrived.
    ///
    /// # Errors
    /// As every call; one task that Label Studio can't take makes it refuse them all.
    pub async fn import_tasks(&self, project: ProjectId, tasks: Vec<Value>) -> Result<(), LabelStudioError> {
        let doing = format!("make {} tasks in project {project}", tasks.len());
        let call = Call::new(doing, Method::POST, format!("api/projects/{project}/import"))
            .body(Value::Array(tasks));
        self.json::<Value>(&call, MAX_BYTES).await.map(drop)
    }
}

/// The name Label Studio keeps of an uploaded file: spaces become `_`, and all but letters, digits, `-`, `_` and `.` goes
/// (Django's `get_valid_name`).
pub fn stored_name(name: &str) -> String {
    let kept = name.trim().chars().map(|c| if c == ' ' { '_' } else { c });
    kept.filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_as_label_studio_1_23_keeps_them() {
        for (name, stored) in [
            ("a b(1).png", "a_b1.png"),
            ("ö ä.png", "ö_ä.png"),
            ("2020-01-01_13.00.jpg", "2020-01-01_13.00.jpg"),
            (" x+y'.jpg", "xy.jpg"),
        ] {
            assert_eq!(stored_name(name), stored);
        }
    }
}
