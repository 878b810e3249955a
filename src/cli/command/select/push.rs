//! Chosen images into a project of Label Studio: as uploads, or as tasks of files that it serves.
//!
//! The project's tasks name the images that are there already, so that a push can be repeated, also by another person or on
//! another machine. An upload is known by its content, which its name begins with; names alone repeat.

mod existing;
mod local_files;

use std::path::Path;

use anyhow::{Context, bail};

use super::selection::{Chosen, ImagePlace, Pushed};
use crate::app;
use crate::cli::files::{extension, stem};
use crate::cli::uploads::how_to_serve;
use crate::cli::uploads::{Upload, is_image, upload};
use crate::config::Settings;
use crate::domain::ids::{ContentHash, ProjectId};
use crate::labelstudio::{Client, LabelStudioError, stored_name};
use crate::media::{KeptFile, Media};
use crate::vision::{self, Limits};
use existing::{Kept, mark};
use local_files::{Served, image_key, task};

/// Letters kept of a file's name: Label Studio cuts a path longer than 100 characters, and says nothing.
const NAME_CHARS: usize = 40;

/// Tasks made with one call: some 100 kB.
const TASKS: usize = 500;

/// A project that images are brought into.
pub struct PushTarget {
    client: Client,
    /// Asks Label Studio itself for every file that it keeps.
    media: Media,
    limits: Limits,
    project: ProjectId,
    way: Way,
}

/// Way in which images get into the project.
enum Way {
    Upload,
    /// Tasks whose `image_key` is the address of a local file.
    LocalFiles {
        folder: Served,
        image_key: String,
    },
}

impl PushTarget {
    /// Checks that the project is there and may be seen with this token; `served` is the folder whose images are to be
    /// local files.
    ///
    /// # Errors
    /// Label Studio can't be reached, refuses the token, or has no such project; or it can't serve the folder.
    pub async fn open(
        settings: &Settings,
        project: ProjectId,
        served: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let served = served.map(|folder| Served::find(folder, &settings.label_studio)).transpose()?;
        let client = app::client(settings)?;
        let details = match client.project_details(project).await {
            Err(LabelStudioError::NotFound { .. }) => bail!(
                "Label Studio has no project {project}, or this token may not see it: somebody deleted it, or \
                 LABEL_STUDIO_URL is another Label Studio"
            ),
            details => details?,
        };
        let way = match served {
            None => Way::Upload,
            Some(folder) => {
                let image_key = image_key(&details.label_config)
                    .with_context(|| format!("project {project} can't take local files"))?;
                Way::LocalFiles { folder, image_key }
            }
        };
        let mut as_label_studio_sees = settings.clone();
        as_label_studio_sees.label_studio.local_files_root = None;
        let limits = app::limits(settings);
        Ok(Self { client, media: app::media(&as_label_studio_sees)?, limits, project, way })
    }

    pub fn project(&self) -> ProjectId {
        self.project
    }

    /// Brings those of the images that are not in the project yet.
    ///
    /// # Errors
    /// Label Studio or a file fails; what was brought until then stays.
    pub async fn push(&self, chosen: &[Chosen]) -> anyhow::Result<Pushed> {
        let files = chosen.iter().filter_map(|chosen| match &chosen.place {
            ImagePlace::File(path) => Some((path.as_path(), chosen.hash)),
            ImagePlace::Task { .. } => None,
        });
        let files: Vec<(&Path, ContentHash)> = files.collect();
        let kept = Kept::read(&self.client, self.project).await?;
        let new = match &self.way {
            Way::Upload => self.upload(&files, &kept).await?,
            Way::LocalFiles { folder, image_key } => self.serve(folder, image_key, &files, &kept).await?,
        };
        Ok(Pushed { project: self.project, new, there: files.len() - new })
    }

    async fn upload(&self, files: &[(&Path, ContentHash)], kept: &Kept) -> anyhow::Result<usize> {
        let mut missing = Vec::new();
        for (path, hash) in files {
            if !self.is_uploaded(path, *hash, kept).await {
                missing.push(Upload { path: (*path).to_owned(), name: self.name(path, *hash).await? });
            }
        }
        upload(&self.client, self.project, &missing).await?;
        Ok(missing.len())
    }

    /// Returns `true` if an image was pushed, or uploaded by other means under its own name: then the content decides.
    async fn is_uploaded(&self, path: &Path, hash: ContentHash, kept: &Kept) -> bool {
        if kept.marks.contains(&mark(hash)) {
            return true;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for source in kept.named.get(&stored_name(&name)).into_iter().flatten() {
            let fetched = self.media.fetch(None, source, None).await;
            if fetched.is_ok_and(|bytes| ContentHash::new(*blake3::hash(&bytes).as_bytes()) == hash) {
                return true;
            }
        }
        false
    }

    /// The name of an upload. Label Studio takes a file by the end of its name, so one that says nothing gets the
    /// format's.
    async fn name(&self, path: &Path, hash: ContentHash) -> anyhow::Result<String> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stem: String = stem(&name).chars().take(NAME_CHARS).collect();
        let ending = match path.extension().filter(|_| is_image(path)) {
            Some(ending) => ending.to_string_lossy().into_owned(),
            None => {
                let named = || format!("image `{}`", path.display());
                let bytes = tokio::fs::read(path).await.with_context(named)?;
                let limits = self.limits;
                let inspect = move || vision::inspect(&bytes, &limits).map(|image| image.format);
                extension(tokio::task::spawn_blocking(inspect).await?.with_context(named)?)
            }
        };
        Ok(format!("{}-{stem}.{ending}", mark(hash)))
    }

    async fn serve(
        &self,
        folder: &Served,
        image_key: &str,
        files: &[(&Path, ContentHash)],
        kept: &Kept,
    ) -> anyhow::Result<usize> {
        let paths =
            files.iter().map(|(path, _)| folder.path(path)).collect::<anyhow::Result<Vec<String>>>()?;
        let missing: Vec<String> = paths.into_iter().filter(|path| !kept.local.contains(path)).collect();
        let Some(first) = missing.first() else { return Ok(0) };
        self.have_served(folder, &KeptFile::local_address(first)).await?;
        for paths in missing.chunks(TASKS) {
            let tasks = paths.iter().map(|path| task(image_key, path)).collect();
            self.client.import_tasks(self.project, tasks).await?;
        }
        Ok(missing.len())
    }

    /// Has Label Studio serve the folder, unless it does: it serves what lies below a storage that the account may see.
    async fn have_served(&self, folder: &Served, address: &str) -> anyhow::Result<()> {
        let Err(refusal) = self.media.fetch(None, address, None).await else { return Ok(()) };
        let folder = folder.absolute();
        let storages = self.client.local_storages(self.project).await?;
        if !storages.iter().any(|storage| storage.path.trim_end_matches('/') == folder) {
            match self.client.add_local_storage(self.project, &folder).await {
                Err(error @ LabelStudioError::Status { status: 400, .. }) => {
                    return Err(error)
                        .with_context(|| how_to_serve(&folder, "leave --local-files out to upload"));
                }
                added => {
                    added?;
                }
            }
            if self.media.fetch(None, address, None).await.is_ok() {
                return Ok(());
            }
        }
        Err(refusal).with_context(|| {
            format!("Label Studio does not serve `{folder}`; see the project's Settings > Cloud Storage")
        })
    }
}
