//! Images by what a person types: files, folders, addresses.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use futures_util::stream::{self, StreamExt};
use url::Url;

use crate::app;
use crate::cli::eye::{Eye, Seen, progress};
use crate::cli::files;
use crate::cli::models::Model;
use crate::cli::predictions::Row;
use crate::cli::typed_host::networks;
use crate::config::Settings;
use crate::labelstudio::Media;
use crate::vision::Limits;

/// Files that could not be predicted which are named; the others are counted.
const NAMED: usize = 10;

/// Where one image is.
pub enum Image {
    File(PathBuf),
    Address(Url),
}

/// What came of looking at images.
pub struct Looked {
    /// In the order they were named.
    pub rows: Vec<Row>,
    /// Why the others have no prediction; the text names the image.
    pub skipped: Vec<String>,
}

/// Every image that the words mean.
///
/// # Errors
/// A word is no file, folder or address, or a folder holds nothing.
pub fn list(words: &[String]) -> anyhow::Result<Vec<Image>> {
    let mut images = Vec::new();
    for word in words {
        if word.starts_with("http://") || word.starts_with("https://") {
            let url = Url::parse(word).with_context(|| format!("`{word}` is no address"))?;
            images.push(Image::Address(url));
            continue;
        }
        let path = PathBuf::from(word);
        if path.is_dir() {
            let found = files::below(&path)?;
            if found.is_empty() {
                bail!("folder `{word}` holds no files");
            }
            images.extend(found.into_iter().map(Image::File));
        } else if path.is_file() {
            images.push(Image::File(path));
        } else {
            bail!("`{word}` is no file, folder or http(s) address");
        }
    }
    Ok(images)
}

/// Predicts images on every core, with a progress bar on a terminal.
///
/// # Errors
/// No image can be looked at whatever it is; a bad image is skipped instead.
pub async fn look_at_all(model: &Model, images: Vec<Image>, settings: &Settings) -> anyhow::Result<Looked> {
    let limits =
        Limits { max_bytes: settings.images.max_image_bytes, max_pixels: settings.images.max_image_pixels };
    let media = match images.iter().any(|image| matches!(image, Image::Address(_))) {
        true => Some(media(&images, settings).await?),
        false => None,
    };
    let eye = Eye::open(Arc::clone(&model.backbone), limits)?;
    let bar = progress("predicting", images.len())?;
    let (of_images, eye_ref) = (images.len(), &eye);
    let looks = stream::iter(images).map(|image| {
        let (media, bar) = (media.as_ref(), &bar);
        async move {
            let looked = look(eye_ref, media, &image).await;
            bar.inc(1);
            let (name, seen) = looked?;
            Row::new(model, name.clone(), seen.vector).with_context(|| format!("image `{name}`"))
        }
    });
    let mut looked = Looked { rows: Vec::with_capacity(of_images), skipped: Vec::new() };
    let mut looks = looks.buffered(eye.abreast());
    while let Some(row) = looks.next().await {
        match row {
            Ok(row) => looked.rows.push(row),
            Err(error) => looked.skipped.push(format!("{error:#}")),
        }
    }
    drop(looks);
    bar.finish_and_clear();
    eye.close().await?;
    Ok(looked)
}

async fn look(eye: &Eye, media: Option<&Media>, image: &Image) -> anyhow::Result<(String, Seen)> {
    match (image, media) {
        (Image::File(path), _) => Ok((path.display().to_string(), eye.look_at_file(path).await?)),
        (Image::Address(url), Some(media)) => {
            let name = url.as_str().to_owned();
            let bytes = media.fetch(None, url.as_str(), None).await?;
            let seen = eye.look_at(&name, bytes).await.with_context(|| format!("image `{name}`"))?;
            Ok((name, seen))
        }
        (Image::Address(url), None) => bail!("image `{url}` can't be fetched"),
    }
}

/// What fetches the addresses: the server's policy, and the hosts that were typed.
async fn media(images: &[Image], settings: &Settings) -> anyhow::Result<Media> {
    let mut settings = settings.clone();
    for image in images {
        if let Image::Address(url) = image {
            settings.images.fetch_allow_cidr.extend(networks(url).await);
        }
    }
    app::media(&settings)
}

/// Counts and names on stderr what could not be predicted.
pub fn name_skipped(skipped: &[String]) {
    if skipped.is_empty() {
        return;
    }
    eprintln!("{} skipped:", skipped.len());
    skipped.iter().take(NAMED).for_each(|why| eprintln!("  {why}"));
    if skipped.len() > NAMED {
        eprintln!("  and {} more", skipped.len() - NAMED);
    }
}
