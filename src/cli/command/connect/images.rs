//! The images of a folder as tasks: served by Label Studio itself, or uploaded.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use percent_encoding::percent_decode_str;

use crate::cli::classes::{self, ClassFolder, class_folders, image_files};
use crate::cli::output::checklist::{Checklist, Step, StepOutcome};
use crate::cli::uploads::{ENDINGS, Upload, how_to_serve, upload};
use crate::domain::ids::ProjectId;
use crate::domain::label_config::LabelConfig;
use crate::labelstudio::{Client, LabelStudioError, LocalStorage, stored_name};

const STEP: &str = "images";

/// A folder and the way its images go.
pub struct Images {
    /// As it stands here, or on Label Studio's machine.
    folder: PathBuf,
    /// Image files directly in it, as far as this machine sees them.
    files: Vec<PathBuf>,
    /// The folders in it that may be classes.
    classes: Vec<ClassFolder>,
    upload: bool,
}

impl Images {
    /// # Errors
    /// Nothing can be uploaded of this folder, or a folder of another machine is no absolute path.
    pub fn new(folder: &Path, upload: bool) -> anyhow::Result<Self> {
        if !upload && !folder.is_dir() {
            // A folder that is not here may be one of Label Studio's machine.
            ensure!(folder.is_absolute(), "--images: no folder `{}` here", folder.display());
            let folder = folder.to_owned();
            return Ok(Self { folder, files: Vec::new(), classes: Vec::new(), upload });
        }
        let files = image_files(folder).context("--images")?;
        let classes = class_folders(folder).context("--images")?;
        let endings = ENDINGS.join(", ");
        ensure!(
            !upload || !files.is_empty() || !classes.is_empty(),
            "--images: folder `{}` has no image files ({endings})",
            folder.display()
        );
        Ok(Self { folder: folder.canonicalize()?, files, classes, upload })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names of the folders in it that hold images.
    pub fn class_names(&self) -> Vec<String> {
        self.classes.iter().map(|folder| folder.class.clone()).collect()
    }

    /// Makes tasks of the images, and first labels of those that lie in a folder with a class's name.
    pub async fn bring(&self, client: &Client, project: ProjectId, checklist: &mut Checklist) -> Option<()> {
        let details = checklist.take(STEP, client.project_details(project).await)?;
        let config = checklist.take(STEP, LabelConfig::parse(&details.label_config))?;
        let known = |folder: &&ClassFolder| {
            config.image_head().is_some_and(|head| head.class_index(&folder.class).is_some())
        };
        let classes: Vec<&ClassFolder> = self.classes.iter().filter(known).collect();
        if self.upload {
            let uploads = self.uploads(&classes);
            let sent = upload_new(client, project, &uploads).await.map_err(|error| format!("{error:#}"));
            let step = match checklist.take(STEP, sent)? {
                0 => Step::ok(STEP, format!("all {} are uploaded", uploads.len())),
                new => Step::new(STEP, StepOutcome::Made, format!("{new} of {} uploaded", uploads.len())),
            };
            checklist.add(step);
        } else {
            let own = (!self.files.is_empty() || classes.is_empty()).then_some(&self.folder);
            for folder in own.into_iter().chain(classes.iter().map(|folder| &folder.path)) {
                let step = serve(client, project, &folder.to_string_lossy(), checklist).await?;
                checklist.add(step);
            }
        }
        if classes.is_empty() {
            return Some(());
        }
        let given = classes::label(client, project, |address| class_of(&classes, address)).await;
        let step = match checklist.take("first labels", given.map_err(|error| format!("{error:#}")))? {
            0 => Step::ok("first labels", "given"),
            new => {
                Step::new("first labels", StepOutcome::Made, format!("{new}, from the names of the folders"))
            }
        };
        checklist.add(step);
        Some(())
    }

    fn uploads(&self, classes: &[&ClassFolder]) -> Vec<Upload> {
        let own = self.files.iter().map(|path| Upload { path: path.clone(), name: file_name(path) });
        let of_class = classes.iter().flat_map(|folder| {
            let name = |path: &PathBuf| uploaded_name(&folder.class, path);
            folder.images.iter().map(move |path| Upload { path: path.clone(), name: name(path) })
        });
        own.chain(of_class).collect()
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Images of two classes may have the same name.
fn uploaded_name(class: &str, path: &Path) -> String {
    format!("{class}-{}", file_name(path))
}

/// The class of the folder in which the image of an address lies, which Label Studio serves or which was uploaded.
fn class_of(classes: &[&ClassFolder], address: &str) -> Option<String> {
    let found = if let Some((_, within)) = address.rsplit_once("?d=") {
        let within = percent_decode_str(within).decode_utf8_lossy().into_owned();
        let parent = Path::new(&within).parent()?;
        let named = !parent.as_os_str().is_empty();
        classes
            .iter()
            .find(|folder| named && folder.path.ends_with(parent.strip_prefix("/").unwrap_or(parent)))
    } else {
        // `/data/upload/{project}/{8 hexadecimal digits}-{name}`.
        let name = percent_decode_str(address.rsplit('/').next()?).decode_utf8_lossy().into_owned();
        let (_, name) = name.split_once('-')?;
        let bears = |path: &PathBuf, class: &str| stored_name(&uploaded_name(class, path)) == name;
        classes.iter().find(|folder| folder.images.iter().any(|path| bears(path, &folder.class)))
    };
    Some(found?.class.clone())
}

/// Has Label Studio serve the folder, and make tasks of what is new in it.
async fn serve(client: &Client, project: ProjectId, folder: &str, checklist: &mut Checklist) -> Option<Step> {
    let before = checklist.take(STEP, client.project_details(project).await)?.task_number;
    let known = checklist.take(STEP, client.local_storages(project).await)?;
    let known = known.into_iter().find(|storage| storage.path.trim_end_matches('/') == folder);
    let is_new = known.is_none();
    let storage = match known {
        Some(storage) => storage,
        None => match client.add_local_storage(project, folder).await {
            Err(error @ LabelStudioError::Status { status: 400, .. }) => {
                checklist.add(Step::problem(
                    STEP,
                    error.to_string(),
                    how_to_serve(folder, "upload the files with --upload"),
                ));
                return None;
            }
            made => checklist.take(STEP, made)?,
        },
    };
    let synced = checklist.take(STEP, client.sync_local_storage(&storage).await)?;
    if let Some(step) = unfinished(&synced) {
        return Some(step);
    }
    let after = checklist.take(STEP, client.project_details(project).await)?.task_number;
    let outcome = match (is_new, after != before) {
        (true, _) => StepOutcome::Made,
        (false, true) => StepOutcome::Changed,
        (false, false) => StepOutcome::Ok,
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
        Some("queued" | "in_progress") => Some(Step::new(
            STEP,
            StepOutcome::Changed,
            format!("Label Studio syncs `{path}` in the background"),
        )),
        _ => None,
    }
}

/// Uploads what is not uploaded yet, and gives how many that were.
async fn upload_new(client: &Client, project: ProjectId, files: &[Upload]) -> anyhow::Result<usize> {
    let known: HashSet<String> = client.uploads(project).await?.into_iter().collect();
    let is_new = |file: &&Upload| !known.contains(&stored_name(&file.name));
    let new: Vec<Upload> = files.iter().filter(is_new).cloned().collect();
    upload(client, project, &new).await?;
    Ok(new.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_the_class_of_its_folder_however_it_came() {
        let folder = |class: &str| ClassFolder {
            class: class.to_owned(),
            path: Path::new("/data/my photos").join(class),
            images: vec![Path::new("/data/my photos").join(class).join("1 a.jpg")],
        };
        let robin = folder("robin");
        let wren = folder("wren");
        for (address, class) in [
            ("/data/local-files/?d=my%20photos/robin/1%20a.jpg", Some("robin")),
            ("/data/local-files/?d=my photos%2Fwren%2F9.jpg", Some("wren")),
            ("/data/local-files/?d=other/robin/1.jpg", None),
            ("/data/local-files/?d=my%20photos/1.jpg", None),
            ("/data/local-files/?d=1.jpg", None),
            ("/data/upload/3/0a1b2c3d-wren-1_a.jpg", Some("wren")),
            ("/data/upload/3/0a1b2c3d-1_a.jpg", None),
            ("https://example.org/robin/1.jpg", None),
        ] {
            assert_eq!(class_of(&[&robin, &wren], address).as_deref(), class, "{address}");
        }
    }
}
