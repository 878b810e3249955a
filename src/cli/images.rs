//! Images by what a person types: files, folders, addresses.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use futures_util::StreamExt;
use url::Url;

use crate::app;
use crate::cli::args::model::Model;
use crate::cli::files;
use crate::cli::output::predictions::Row;
use crate::cli::output::progress::{close_naming_damaged, progress};
use crate::config::Settings;
use crate::embed::{EmbeddedImage, LocalEmbedder};
use crate::media::Media;
use crate::media::networks;

/// Where one image is.
pub enum ImageLocation {
    File(PathBuf),
    Address(Url),
}

/// Predictions for images.
pub struct Predicted {
    /// In the order they were named.
    pub rows: Vec<Row>,
    /// Why the others have no prediction; the text names the image.
    pub skipped: Vec<String>,
}

/// Every image that the words mean.
///
/// # Errors
/// A word is not a file, folder or address, or a folder holds nothing.
pub fn list(words: &[String]) -> anyhow::Result<Vec<ImageLocation>> {
    let mut images = Vec::new();
    for word in words {
        if word.starts_with("http://") || word.starts_with("https://") {
            let url = Url::parse(word).with_context(|| format!("`{word}` is not a valid address"))?;
            images.push(ImageLocation::Address(url));
            continue;
        }
        let path = PathBuf::from(word);
        if path.is_dir() {
            let found = files::below(&path)?;
            if found.is_empty() {
                bail!("folder `{word}` holds no files");
            }
            images.extend(found.into_iter().map(ImageLocation::File));
        } else if path.is_file() {
            images.push(ImageLocation::File(path));
        } else {
            bail!("`{word}` is not a file, folder or http(s) address");
        }
    }
    Ok(images)
}

/// Predicts images on every core, with a progress bar on a terminal.
///
/// # Errors
/// None can be predicted, for a reason that is of no image; a bad image is skipped instead.
pub async fn predict_all(
    model: &Model,
    images: Vec<ImageLocation>,
    settings: &Settings,
) -> anyhow::Result<Predicted> {
    let limits = app::limits(settings);
    let media = match images.iter().any(|image| matches!(image, ImageLocation::Address(_))) {
        true => Some(media(&images, settings).await?),
        false => None,
    };
    let embedder = LocalEmbedder::open(Arc::clone(&model.backbone), limits)?;
    let bar = progress("predicting", images.len())?;
    let mut predicted = Predicted { rows: Vec::with_capacity(images.len()), skipped: Vec::new() };
    let rows: Vec<anyhow::Result<Row>> = embedder
        .embed_each(images, async |image: ImageLocation| {
            let embedded = embed(&embedder, media.as_ref(), &image).await;
            bar.inc(1);
            let (name, embedded) = embedded?;
            Row::new(model, name.clone(), embedded.vector).with_context(|| format!("image `{name}`"))
        })
        .collect()
        .await;
    for row in rows {
        match row {
            Ok(row) => predicted.rows.push(row),
            Err(error) => predicted.skipped.push(format!("{error:#}")),
        }
    }
    bar.finish_and_clear();
    close_naming_damaged(embedder).await?;
    Ok(predicted)
}

async fn embed(
    embedder: &LocalEmbedder,
    media: Option<&Media>,
    image: &ImageLocation,
) -> anyhow::Result<(String, EmbeddedImage)> {
    match (image, media) {
        (ImageLocation::File(path), _) => Ok((path.display().to_string(), embedder.embed_file(path).await?)),
        (ImageLocation::Address(url), Some(media)) => {
            let name = url.as_str().to_owned();
            let bytes = media.fetch(None, url.as_str(), None).await?;
            let seen = embedder.embed(&name, bytes).await.with_context(|| format!("image `{name}`"))?;
            Ok((name, seen))
        }
        (ImageLocation::Address(url), None) => bail!("image `{url}` can't be fetched"),
    }
}

/// Image fetcher for the addresses: the server's policy, and the hosts that were typed.
async fn media(images: &[ImageLocation], settings: &Settings) -> anyhow::Result<Media> {
    let mut settings = settings.clone();
    for image in images {
        if let ImageLocation::Address(url) = image {
            settings.images.fetch_allow_cidr.extend(networks(url).await);
        }
    }
    app::media(&settings)
}
