//! The services of a server, opened by a command beside it.

use anyhow::{Context, bail};

use crate::app::{self, Services};
use crate::cli::output::progress::progress;
use crate::config::Settings;
use crate::domain::ids::ProjectId;
use crate::pool::PoolProgress;
use crate::storage::{FILE_NAME, Project, Storage};

/// Projects that a message names.
const NAMED_PROJECTS: usize = 10;

/// Opens the data directory (or the database) that a server has made; nothing is made here.
///
/// # Errors
/// A setting is wrong, there is no database, or a room can't be built.
pub async fn open(settings: &Settings) -> anyhow::Result<Services> {
    check_database(settings)?;
    Services::build(settings).await
}

/// As [`open`], the database alone.
///
/// # Errors
/// A setting is wrong, or there is no database.
pub async fn open_storage(settings: &Settings) -> anyhow::Result<Storage> {
    check_database(settings)?;
    app::open_storage(settings).await
}

fn check_database(settings: &Settings) -> anyhow::Result<()> {
    settings.validate()?;
    let storage = &settings.storage;
    let file = storage.data_dir.join(FILE_NAME);
    if storage.database_url.is_none() && !file.exists() {
        bail!(
            "no database {}; name the server's data directory (--data-dir) or DATABASE_URL",
            file.display()
        );
    }
    Ok(())
}

/// Ends the threads of services without holding up the runtime.
///
/// # Errors
/// The wait was interrupted.
pub async fn close(services: Services) -> anyhow::Result<()> {
    Ok(tokio::task::spawn_blocking(move || services.close()).await?)
}

/// Loads the models and embeds every task of a project, with a progress bar on a terminal.
///
/// # Errors
/// The project has nothing to classify, or the database does not answer.
pub async fn fill_pool(services: &Services, project: ProjectId) -> anyhow::Result<()> {
    services.models.load_all().await?;
    let bar = progress("embedding", 0)?;
    let mut seen = |progress: PoolProgress| {
        bar.set_length(progress.tasks as u64);
        bar.set_position((progress.embedded + progress.failed) as u64);
    };
    services.pool.fill_project(project, &mut seen).await?;
    bar.finish_and_clear();
    Ok(())
}

/// A project the server has heard of.
///
/// # Errors
/// It has not; the message names those it has.
pub async fn project(storage: &Storage, id: ProjectId) -> anyhow::Result<Project> {
    if let Some(project) = storage.project(id).await? {
        return Ok(project);
    }
    let known = storage.projects().await?;
    let named = |project: &Project| match &project.title {
        Some(title) => format!("{} ({title})", project.id),
        None => project.id.to_string(),
    };
    let names: Vec<String> = known.iter().take(NAMED_PROJECTS).map(named).collect();
    let known = if names.is_empty() { "none is".to_owned() } else { names.join(", ") + " are" };
    Err(anyhow::anyhow!("project {id} is not known here; {known} known"))
        .context("connect it in Label Studio (Settings > Model) or name another --project or --data-dir")
}
