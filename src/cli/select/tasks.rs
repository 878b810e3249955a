//! Choosing among the open tasks of a project.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail};

use super::Select;
use super::folder::{keep_tag, make_folder};
use super::selection::{Chosen, Place, Selection};
use super::tags::Tags;
use crate::app::{self, House};
use crate::cli::collect::{extension, stem};
use crate::cli::files::write_whole;
use crate::cli::house;
use crate::cli::predict::name_skipped;
use crate::config::Settings;
use crate::domain::ids::{ProjectId, TaskId};
use crate::labelstudio::{Media, shown_source};
use crate::queue::Wish;
use crate::vision::{self, Limits};

impl Select {
    pub(super) async fn among_tasks(&self, project: ProjectId) -> anyhow::Result<Selection> {
        let house = self.house.open().await?;
        let selection = self.among_tasks_of(&house, project).await;
        house::close(house).await?;
        selection
    }

    async fn among_tasks_of(&self, house: &House, project: ProjectId) -> anyhow::Result<Selection> {
        house::project(&house.storage, project).await?;
        let tags = Tags::read(&house.storage).await?;
        tags.made_before(self, &house.storage).await?;
        house::look_at_tasks(house, project).await?;
        let left_out = house.queue.left_out(project, usize::MAX);
        name_skipped(&left_out.into_iter().map(|(_, why)| why).collect::<Vec<_>>());

        let (contents, known) = (house.queue.contents(project).await?, tags.known(self));
        let known: BTreeSet<TaskId> =
            contents.iter().filter(|(_, hash)| known.contains(*hash)).map(|(task, _)| *task).collect();
        let (limit, strategy, seed) = (self.number as usize, self.strategy, self.seed);
        let wish = Wish { limit, strategy, seed, known, among: None };
        let ranking = house.queue.choose(project, wish).await?;
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
        let mut sources = house.queue.sources(project, &ids).await?;
        let chosen = ranking.tasks.into_iter().map(|ranked| {
            let task = ranked.task;
            let (source, hash) = sources
                .remove(&task)
                .zip(contents.get(&task))
                .with_context(|| format!("task {task} changed meanwhile; run the same command again"))?;
            let place = Place::Task { task, source };
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
            copy(&selection.images, folder, &self.house.settings).await?;
        }
        keep_tag(&selection, &house.storage).await?;
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
        let Place::Task { task, source } = &chosen.place else { continue };
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
    let limits =
        Limits { max_bytes: settings.images.max_image_bytes, max_pixels: settings.images.max_image_pixels };
    let looked = bytes.clone();
    let format =
        tokio::task::spawn_blocking(move || vision::inspect(&looked, &limits).map(|image| image.format))
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
