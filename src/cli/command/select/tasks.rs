//! Choosing among the open tasks of a project.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail};

use super::Select;
use super::folder::{keep_tag, make_folder};
use super::selection::{Chosen, ImagePlace, Selection};
use super::tags::Tags;
use crate::app::{self, Services};
use crate::cli::args::services;
use crate::cli::files::{extension, stem, write_whole};
use crate::cli::output::progress::name_skipped;
use crate::config::Settings;
use crate::domain::ids::{ProjectId, TaskId};
use crate::media::{Media, shown_source};
use crate::queue::RankRequest;
use crate::vision;

impl Select {
    pub(super) async fn among_tasks(&self, project: ProjectId) -> anyhow::Result<Selection> {
        let services = services::open(&self.server.settings).await?;
        let selection = self.among_tasks_of(&services, project).await;
        services::close(services).await?;
        selection
    }

    async fn among_tasks_of(&self, services: &Services, project: ProjectId) -> anyhow::Result<Selection> {
        services::project(&services.storage, project).await?;
        let tags = Tags::read(&services.storage).await?;
        tags.made_before(self, &services.storage).await?;
        services::fill_pool(services, project).await?;
        let left_out = services.pool.left_out(project, usize::MAX);
        name_skipped(&left_out.into_iter().map(|(_, why)| why).collect::<Vec<_>>());

        let contents = services.pool.contents(project).await?;
        let known = tags.known(self);
        let known: BTreeSet<TaskId> =
            contents.iter().filter(|(_, hash)| known.contains(*hash)).map(|(task, _)| *task).collect();
        let limit = self.number as usize;
        let strategy = self.strategy;
        let seed = self.seed;
        let request = RankRequest { limit, strategy, seed, known, among: None };
        let ranking = services.queue.choose(project, request).await?;
        if ranking.tasks.is_empty() {
            bail!(
                "every open task of project {project} whose image can be had bears a tag already; --again chooses among all"
            );
        }
        if let Some(wanted) = self.strategy.filter(|wanted| *wanted != ranking.strategy) {
            eprintln!(
                "project {project} has no model yet, which `{wanted}` needs: {} chose instead",
                ranking.strategy
            );
        }
        let ids: Vec<TaskId> = ranking.tasks.iter().map(|ranked| ranked.task).collect();
        let mut sources = services.pool.sources(project, &ids).await?;
        let chosen = ranking.tasks.into_iter().map(|ranked| {
            let task = ranked.task;
            let (source, hash) = sources
                .remove(&task)
                .zip(contents.get(&task))
                .with_context(|| format!("task {task} changed meanwhile; run the same command again"))?;
            let place = ImagePlace::Task { task, source };
            anyhow::Ok(Chosen { place, hash: *hash, score: Some(ranked.score), reason: ranked.reason })
        });
        let selection = Selection {
            strategy: Some(ranking.strategy),
            of: ranking.pool,
            tag: self.tag(),
            project: Some((project, ranking.version)),
            images: chosen.collect::<anyhow::Result<_>>()?,
            pushed: None,
        };
        if let Some(folder) = &self.copy_to {
            copy(&selection.images, folder, &self.server.settings).await?;
        }
        keep_tag(&selection, &services.storage).await?;
        Ok(selection)
    }
}

/// Copies the images that can be fetched, each whole or not at all, under the task's id and what the image is called;
/// the others are named on stderr.
async fn copy(chosen: &[Chosen], folder: &Path, settings: &Settings) -> anyhow::Result<()> {
    make_folder(folder)?;
    let media = app::media(settings)?;
    let mut skipped = Vec::new();
    for chosen in chosen {
        let ImagePlace::Task { task, source } = &chosen.place else { continue };
        match fetch(&media, *task, source, settings).await {
            Ok((name, bytes)) => write_whole(&folder.join(name), &bytes)?,
            Err(error) => skipped.push(format!("{error:#}")),
        }
    }
    name_skipped(&skipped);
    eprintln!("{} images copied to {}", chosen.len() - skipped.len(), folder.display());
    Ok(())
}

async fn fetch(
    media: &Media,
    task: TaskId,
    source: &str,
    settings: &Settings,
) -> anyhow::Result<(String, bytes::Bytes)> {
    let bytes = media.fetch(Some(task), source, None).await?;
    let limits = app::limits(settings);
    let inspected = bytes.clone();
    let format =
        tokio::task::spawn_blocking(move || vision::inspect(&inspected, &limits).map(|image| image.format))
            .await?
            .with_context(|| format!("image for task {task}"))?;
    let name = match shown_source(source) {
        shown if shown.starts_with("data:") => format!("{task}.{}", extension(format)),
        shown => {
            let last = shown.rsplit(['/', '=']).next().unwrap_or_default();
            format!("{task}-{}.{}", stem(last), extension(format))
        }
    };
    Ok((name, bytes))
}
