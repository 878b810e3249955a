//! This machine: the data directory, the database, room on the disk, the backbone.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use secrecy::ExposeSecret;

use crate::app;
use crate::cli::output::checklist::{Checklist, Step};
use crate::config::Settings;
use crate::domain::ids::ProjectId;
use crate::storage::{FILE_NAME, Storage, StorageError};

/// Less room than this fills up soon: 100,000 images take 450 MB.
const MIN_FREE_BYTES: u64 = 500_000_000;

/// Checks this machine and gives the projects in the database that Label Studio had at the last comparison.
pub async fn check(settings: &Settings, checklist: &mut Checklist) -> Vec<ProjectId> {
    let folder = settings.storage.data_dir.as_path();
    checklist.add(data_dir(folder));
    checklist.add(disk(folder));
    let stored = database(settings, checklist).await.unwrap_or_default();
    let model = settings.model.clone();
    let loaded = tokio::task::spawn_blocking(move || app::backbone(&model)).await;
    let loaded = loaded.map_err(|error| error.to_string());
    if let Some(backbone) =
        checklist.take("backbone", loaded.and_then(|loaded| loaded.map_err(|error| error.to_string())))
    {
        checklist.add(Step::ok("backbone", format!("`{}` loads", backbone.spec().name)));
    }
    stored
}

/// Checks that a file can be created in the data directory.
fn data_dir(folder: &Path) -> Step {
    const STEP: &str = "data directory";
    if !folder.exists() {
        return Step::ok(STEP, format!("`{}` is not there yet; the server makes it", folder.display()));
    }
    let trial = folder.join(format!(".doctor-{}", std::process::id()));
    let written = File::create_new(&trial).and_then(|mut file| file.write_all(b"trial"));
    // It may not be there; then there is nothing to remove.
    let _ = std::fs::remove_file(&trial);
    match written {
        Ok(()) => Step::ok(STEP, format!("`{}` can be written", folder.display())),
        Err(error) => Step::problem(
            STEP,
            format!("`{}` can't be written: {error}", folder.display()),
            "give it to the user who runs the server, or choose another with --data-dir",
        ),
    }
}

/// Room for more, at the folder or the nearest one above that is there.
fn disk(folder: &Path) -> Step {
    const STEP: &str = "disk";
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = absolute.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"));
    match rustix::fs::statvfs(there) {
        Ok(told) => {
            let free = told.f_bavail.saturating_mul(told.f_frsize);
            let detail = format!("{:.1} GB free at `{}`", free as f64 / 1e9, there.display());
            match free < MIN_FREE_BYTES {
                true => Step::problem(
                    STEP,
                    detail,
                    "make room: the database and the models grow with every image",
                ),
                false => Step::ok(STEP, detail),
            }
        }
        Err(error) => Step::problem(
            STEP,
            format!("`{}` tells no free space: {error}", there.display()),
            "check the file system",
        ),
    }
}

/// Opens the database as the server does, if there is one.
async fn database(settings: &Settings, checklist: &mut Checklist) -> Option<Vec<ProjectId>> {
    const STEP: &str = "database";
    let folder = &settings.storage.data_dir;
    let url = &settings.storage.database_url;
    if url.is_none() && !folder.join(FILE_NAME).exists() {
        checklist.add(Step::ok(STEP, format!("none in `{}` yet; the server makes it", folder.display())));
        return None;
    }
    let read = async {
        let storage = match url {
            Some(url) => Storage::connect(url.expose_secret()).await?,
            None => Storage::open_dir(folder).await?,
        };
        let projects = storage.projects().await?;
        Ok::<_, StorageError>(projects.into_iter().filter(|project| project.deleted_at.is_none()))
    };
    let projects: Vec<ProjectId> = checklist.take(STEP, read.await)?.map(|project| project.id).collect();
    checklist.add(Step::ok(STEP, format!("it opens and is up to date; {} projects", projects.len())));
    Some(projects)
}
