//! Choosing among the images of a folder.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, bail};

use super::Select;
use super::pictures::{EmbeddedFile, embed_all};
use super::push::PushTarget;
use super::selection::{Chosen, ImagePlace, Selection};
use super::tags::Tags;
use crate::app;
use crate::cli::files::write_whole;
use crate::domain::ids::{ContentHash, ProjectId};
use crate::matrix::Matrix;
use crate::model::Group;
use crate::ranking::{Candidates, Options, Pick, Space, Strategy, rank};
use crate::storage::Storage;

/// Request for a choice among a folder's images.
struct SelectionRequest {
    strategy: Strategy,
    number: usize,
    seed: u64,
    known: HashSet<ContentHash>,
}

impl Select {
    pub(super) async fn in_folder(&self, folder: &Path) -> anyhow::Result<Selection> {
        let settings = &self.server.settings;
        let strategy = self.strategy.unwrap_or(Strategy::COLD);
        if strategy.needs_model() {
            bail!(
                "`{strategy}` needs a trained head, which a folder has not; choose max-herding, medoids, k-center, typiclust \
                 or random, or choose among a project's tasks with --project"
            );
        }
        // Before the images are embedded: a wrong project or token should not cost minutes.
        let target = match self.push {
            Some(project) => {
                let served = self.local_files.then_some(folder);
                Some(PushTarget::open(settings, ProjectId(project), served).await?)
            }
            None => None,
        };
        let data_dir = &settings.storage.data_dir;
        std::fs::create_dir_all(data_dir)
            .with_context(|| format!("data directory `{}` can't be made", data_dir.display()))?;
        let storage = app::open_storage(settings).await?;
        let tags = Tags::read(&storage).await?;
        let before = tags.made_before(self, &storage).await?;

        let model = settings.model.clone();
        let backbone = tokio::task::spawn_blocking(move || app::backbone(&model)).await??;
        let groups = backbone.spec().groups.clone();
        let limits = app::limits(settings);
        let pictures = embed_all(folder, backbone, &storage, limits).await?;
        let of = pictures.len();
        let images = match before {
            Some(images) => of_tag(&pictures, images, folder)?,
            None => {
                let request = SelectionRequest {
                    strategy,
                    number: self.number as usize,
                    seed: self.seed.unwrap_or_default(),
                    known: tags.known(self),
                };
                let images =
                    tokio::task::spawn_blocking(move || choose(&pictures, &groups, &request)).await?;
                if images.is_empty() {
                    bail!(
                        "every image of `{}` bears a tag already; --again chooses among all",
                        folder.display()
                    );
                }
                images
            }
        };
        if let Some(folder) = &self.copy_to {
            copy(&images, folder).await?;
        }
        let mut selection = Selection {
            strategy: before.is_none().then_some(strategy),
            of,
            tag: self.tag(),
            project: None,
            images,
            pushed: None,
        };
        match target {
            Some(target) => push(&target, &storage, &mut selection).await?,
            None => keep_tag(&selection, &storage).await?,
        }
        Ok(selection)
    }
}

/// Remembers a selection under its tag, if it has one.
pub(super) async fn keep_tag(selection: &Selection, storage: &Storage) -> anyhow::Result<()> {
    if let Some(tag) = &selection.tag {
        let hashes: Vec<ContentHash> = selection.images.iter().map(|chosen| chosen.hash).collect();
        storage.tag_images(tag, &hashes, app::unix_micros()).await?;
    }
    Ok(())
}

/// Brings a selection into a project. The tag is kept first, and that it is on its way: whatever happens then, the same
/// command again knows what to push.
async fn push(target: &PushTarget, storage: &Storage, selection: &mut Selection) -> anyhow::Result<()> {
    let tag = selection.tag.clone().unwrap_or_default();
    let project = target.project();
    let hashes: Vec<ContentHash> = selection.images.iter().map(|chosen| chosen.hash).collect();
    storage.begin_push(&tag, &hashes, project, app::unix_micros()).await?;
    let pushed = target.push(&selection.images).await.with_context(|| {
        format!(
            "not all {} images of tag `{tag}` are in project {project}; run the same command again for the rest",
            hashes.len()
        )
    })?;
    storage.finish_push(&tag, project).await?;
    eprintln!("project {project}: {} new, {} there already", pushed.new, pushed.there);
    selection.pushed = Some(pushed);
    Ok(())
}

/// The pictures that bear a tag, in the tag's order.
fn of_tag(pictures: &[EmbeddedFile], tag: &[ContentHash], folder: &Path) -> anyhow::Result<Vec<Chosen>> {
    let mut places: HashMap<ContentHash, &EmbeddedFile> = HashMap::new();
    for picture in pictures {
        places.entry(picture.hash).or_insert(picture);
    }
    let found: Vec<Chosen> = tag
        .iter()
        .filter_map(|hash| {
            Some(Chosen {
                place: ImagePlace::File(places.get(hash)?.path.clone()),
                hash: *hash,
                score: None,
                reason: "chosen before".to_owned(),
            })
        })
        .collect();
    match tag.len() - found.len() {
        _ if found.is_empty() => {
            bail!(
                "none of the tag's {} images is in `{}`; name their folder, or another --tag",
                tag.len(),
                folder.display()
            )
        }
        0 => {}
        missing => eprintln!("{missing} of the tag's {} images are not in `{}`", tag.len(), folder.display()),
    }
    Ok(found)
}

/// The chosen pictures, each with the reason. A picture that lies there twice counts once.
fn choose(pictures: &[EmbeddedFile], groups: &[Group], request: &SelectionRequest) -> Vec<Chosen> {
    let dim = pictures.first().map_or(0, |picture| picture.vector.len());
    let values = pictures.iter().flat_map(|picture| picture.vector.iter().copied()).collect();
    let features = Matrix { dim, values };
    let points: Matrix = Space::fit(&features, groups).project(&features);
    let mut seen = HashSet::new();
    let single: Vec<usize> = (0..pictures.len()).filter(|row| seen.insert(pictures[*row].hash)).collect();
    let (labelled, open): (Vec<usize>, Vec<usize>) =
        single.into_iter().partition(|row| request.known.contains(&pictures[*row].hash));
    let labelled = points.select(&labelled);
    let unlabelled = points.select(&open);
    let pool = Candidates { unlabelled: &unlabelled, labelled: &labelled, heads: &[] };
    let chosen = |pick: Pick| {
        let picture = &pictures[open[pick.row]];
        Chosen {
            place: ImagePlace::File(picture.path.clone()),
            hash: picture.hash,
            score: Some(pick.score),
            reason: pick.reason::<&str>(&[]),
        }
    };
    rank(&pool, request.strategy, &Options::new(request.number, request.seed))
        .into_iter()
        .map(chosen)
        .collect()
}

/// Copies the chosen images, each whole or not at all; two of one name get their place in front.
async fn copy(chosen: &[Chosen], folder: &Path) -> anyhow::Result<()> {
    make_folder(folder)?;
    let mut names = HashSet::new();
    for (place, chosen) in chosen.iter().enumerate() {
        let ImagePlace::File(path) = &chosen.place else { continue };
        let mut name = path.file_name().unwrap_or_default().to_os_string();
        if !names.insert(name.clone()) {
            name = format!("{:03}-{}", place + 1, name.to_string_lossy()).into();
        }
        let bytes = tokio::fs::read(path)
            .await
            .with_context(|| format!("image `{}` can't be read", path.display()))?;
        write_whole(&folder.join(name), &bytes)?;
    }
    eprintln!("{} images copied to {}", chosen.len(), folder.display());
    Ok(())
}

pub(super) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("folder `{}` can't be made", folder.display()))
}
