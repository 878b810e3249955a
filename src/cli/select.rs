//! `weathervane select`.

mod pictures;

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::json;

use super::HouseArgs;
use super::files::write_whole;
use super::format::Format;
use super::simulate::strategies;
use crate::app;
use crate::domain::ids::ContentHash;
use crate::model::Features;
use crate::ranking::{Options, Pick, Points, Pool, Space, Strategy, rank};
use crate::storage::Storage;
use pictures::{Picture, look_at_all};

/// Choose the images of a folder that are worth labelling first
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane select frames -n 30 --tag coreset_30 --copy-to to-label
  weathervane select frames -n 15 --tag next_15 --strategy k-center
  weathervane select frames -n 15 --tag coreset_30 --extend --format json

Images that bear any tag are known: they are not chosen again, and what is chosen differs from them. Tags and embeddings
are kept in the data directory (or DATABASE_URL) by the images' content, so that a folder may move, an interrupted look
at it goes on, and a server that uses the same directory need not look at an image again.")]
pub struct Select {
    /// Folder with images; folders below it count too
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// How many to choose
    #[arg(short = 'n', long, default_value_t = 30, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    number: u32,

    /// How to choose, without a model; max-herding by default
    #[arg(long, value_name = "NAME", value_parser = strategies())]
    strategy: Option<Strategy>,

    /// Name of this selection
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,

    /// Add to a selection of that name
    #[arg(long, requires = "tag")]
    extend: bool,

    /// Choose as if no image bore a tag
    #[arg(long)]
    again: bool,

    /// Folder that gets copies of the chosen images
    #[arg(long, value_name = "DIR")]
    copy_to: Option<PathBuf>,

    /// Another number gives other choices by chance
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// How to print
    #[arg(long, default_value = "table")]
    format: Format,

    #[command(flatten)]
    house: HouseArgs,
}

impl Select {
    pub async fn run(self) -> anyhow::Result<()> {
        self.house.settings.validate()?;
        let strategy = self.strategy.unwrap_or(Strategy::COLD);
        if strategy.needs_model() {
            bail!(
                "`{strategy}` needs a trained head, which a folder has not; choose max-herding, medoids, k-center, typiclust or random"
            );
        }
        let data_dir = &self.house.settings.storage.data_dir;
        std::fs::create_dir_all(data_dir)
            .with_context(|| format!("data directory `{}` can't be made", data_dir.display()))?;
        let storage = app::open_storage(&self.house.settings).await?;
        let tags = self.tags(&storage).await?;

        let model = self.house.settings.model.clone();
        let backbone = tokio::task::spawn_blocking(move || app::backbone(&model)).await??;
        let groups = backbone.spec().groups.clone();
        let pictures = look_at_all(&self.folder, backbone, &storage, self.limits()).await?;

        let known: HashSet<ContentHash> =
            if self.again { HashSet::new() } else { tags.values().flatten().copied().collect() };
        let (number, seed) = (self.number as usize, self.seed);
        let (chosen, pictures) = tokio::task::spawn_blocking(move || {
            let dim = pictures.first().map_or(0, |picture| picture.vector.len());
            let values = pictures.iter().flat_map(|picture| picture.vector.iter().copied()).collect();
            let features = Features { dim, values };
            let points = Space::fit(&features, &groups).project(&features);
            (choose(&pictures, &points, &known, strategy, number, seed), pictures)
        })
        .await?;
        if chosen.is_empty() {
            bail!(
                "every image of `{}` bears a tag already; --again chooses among all",
                self.folder.display()
            );
        }
        let chosen: Vec<(&Picture, &Pick)> =
            chosen.iter().map(|(row, pick)| (&pictures[*row], pick)).collect();
        if let Some(folder) = &self.copy_to {
            copy(&chosen, folder).await?;
        }
        if let Some(tag) = &self.tag {
            let hashes: Vec<ContentHash> = chosen.iter().map(|(picture, _)| picture.hash).collect();
            storage.tag_images(tag, &hashes, jiff::Timestamp::now().as_microsecond()).await?;
        }
        self.print(&chosen, pictures.len(), strategy)
    }

    /// Images of each tag; a tag that exists is only extended when asked to.
    async fn tags(&self, storage: &Storage) -> anyhow::Result<BTreeMap<String, Vec<ContentHash>>> {
        let mut tags: BTreeMap<String, Vec<ContentHash>> = BTreeMap::new();
        for image in storage.tagged_images().await? {
            tags.entry(image.tag).or_default().push(image.content_hash);
        }
        let Some(tag) = &self.tag else { return Ok(tags) };
        match (tags.get(tag), self.extend) {
            (Some(images), false) => {
                bail!(
                    "tag `{tag}` has {} images already; --extend adds to it, or choose another name",
                    images.len()
                )
            }
            (None, true) => {
                let names: Vec<&str> = tags.keys().map(String::as_str).collect();
                bail!("there is no tag `{tag}` to extend; there are: {}", names.join(", "))
            }
            _ => Ok(tags),
        }
    }

    fn limits(&self) -> crate::vision::Limits {
        let images = &self.house.settings.images;
        crate::vision::Limits { max_bytes: images.max_image_bytes, max_pixels: images.max_image_pixels }
    }

    fn print(&self, chosen: &[(&Picture, &Pick)], of: usize, strategy: Strategy) -> anyhow::Result<()> {
        let reason = |pick: &Pick| pick.why.with_names::<&str>(&[]);
        match self.format {
            Format::Json => {
                let images = chosen.iter().map(|(picture, pick)| {
                    json!({
                        "file": picture.path,
                        "content_hash": picture.hash.to_hex(),
                        "score": pick.score,
                        "reason": reason(pick),
                    })
                });
                let images: Vec<_> = images.collect();
                let whole =
                    json!({ "strategy": strategy.name(), "of": of, "tag": self.tag, "images": images });
                println!("{}", serde_json::to_string_pretty(&whole)?);
            }
            Format::Table => {
                eprintln!("{} of {of} images, {}", chosen.len(), strategy.name());
                println!("{:>5}  {:>8}  {:<40}  reason", "place", "score", "file");
                for (place, (picture, pick)) in chosen.iter().enumerate() {
                    let file = picture.path.display().to_string();
                    println!("{:>5}  {:>8.4}  {file:<40}  {}", place + 1, pick.score, reason(pick));
                }
            }
        }
        Ok(())
    }
}

/// Rows of the pictures that are chosen, each with why. A picture that lies there twice counts once.
fn choose(
    pictures: &[Picture],
    points: &Points,
    known: &HashSet<ContentHash>,
    strategy: Strategy,
    count: usize,
    seed: u64,
) -> Vec<(usize, Pick)> {
    let mut seen = HashSet::new();
    let single: Vec<usize> = (0..pictures.len()).filter(|row| seen.insert(pictures[*row].hash)).collect();
    let (labelled, open): (Vec<usize>, Vec<usize>) =
        single.into_iter().partition(|row| known.contains(&pictures[*row].hash));
    let (labelled, unlabelled) = (points.select(&labelled), points.select(&open));
    let pool = Pool { unlabelled: &unlabelled, labelled: &labelled, heads: &[] };
    rank(&pool, strategy, &Options::new(count, seed)).into_iter().map(|pick| (open[pick.row], pick)).collect()
}

/// Copies the chosen images, each whole or not at all; two of one name get their place in front.
async fn copy(chosen: &[(&Picture, &Pick)], folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("folder `{}` can't be made", folder.display()))?;
    let mut names = HashSet::new();
    for (place, (picture, _)) in chosen.iter().enumerate() {
        let mut name = picture.path.file_name().unwrap_or_default().to_os_string();
        if !names.insert(name.clone()) {
            name = format!("{:03}-{}", place + 1, name.to_string_lossy()).into();
        }
        let bytes = tokio::fs::read(&picture.path)
            .await
            .with_context(|| format!("image `{}` can't be read", picture.path.display()))?;
        write_whole(&folder.join(name), &bytes)?;
    }
    eprintln!("{} images copied to {}", chosen.len(), folder.display());
    Ok(())
}
