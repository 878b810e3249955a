//! The images of a folder, each embedded once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use futures_util::stream::StreamExt;

use crate::cli::dataset::is_table;
use crate::cli::files::below;
use crate::cli::output::progress::name_skipped;
use crate::cli::output::progress::{close_naming_damaged, progress};
use crate::domain::ids::ContentHash;
use crate::embed::{EmbeddedImage, LocalEmbedder};
use crate::model::Backbone;
use crate::storage::{Embedding, NewEmbedding, Storage};
use crate::vision::Limits;

/// Embeddings that are stored together: what an interruption can cost.
const STORED_TOGETHER: usize = 64;

/// Files whose content is embedded up together.
const FILES_PER_QUERY: usize = 256;

/// An image and its embedding.
pub struct EmbeddedFile {
    pub path: PathBuf,
    pub hash: ContentHash,
    pub vector: Vec<f32>,
    /// `true` if only a part of it could be decoded.
    pub damaged: bool,
}

impl EmbeddedFile {
    fn embedding(&self) -> NewEmbedding<'_> {
        NewEmbedding { hash: self.hash, vector: &self.vector, damaged: self.damaged }
    }
}

/// Embeds every image below a folder, or takes its embedding from storage. Files that are no images are counted and
/// named on stderr.
///
/// # Errors
/// The folder can't be read or has no image, or storage fails.
pub async fn embed_all(
    folder: &Path,
    backbone: Arc<dyn Backbone>,
    storage: &Storage,
    limits: Limits,
) -> anyhow::Result<Vec<EmbeddedFile>> {
    if !folder.is_dir() {
        bail!("`{}` is not a folder", folder.display());
    }
    let mut files = below(folder)?;
    files.retain(|file| !is_table(file));
    let fingerprint = backbone.spec().fingerprint.clone();
    let embedder = LocalEmbedder::open(backbone, limits)?;
    let bar = progress("looking", files.len())?;
    let mut pictures = Vec::with_capacity(files.len());
    let mut skipped = Vec::new();
    for files in files.chunks(FILES_PER_QUERY) {
        let hashed = hash_all(files).await;
        let hashes: Vec<ContentHash> =
            hashed.iter().filter_map(|(_, hash)| hash.as_ref().ok()).copied().collect();
        let mut stored = storage.embeddings(&hashes, &fingerprint).await?.into_iter();
        let mut missing = Vec::new();
        for (path, hash) in hashed {
            match hash {
                Err(error) => skipped.push(format!("{}: {error}", path.display())),
                Ok(hash) => match stored.next().flatten() {
                    Some(Embedding { vector, damaged }) => {
                        pictures.push(EmbeddedFile { path, hash, vector, damaged });
                    }
                    None => missing.push(path),
                },
            }
        }
        bar.inc((files.len() - missing.len()) as u64);
        let mut images = embedder
            .embed_each(missing, async |path: PathBuf| (embedder.embed_file(&path).await, path))
            .inspect(|_| bar.inc(1))
            .chunks(STORED_TOGETHER)
            .boxed_local();
        while let Some(embedded) = images.next().await {
            let first = pictures.len();
            for (seen, path) in embedded {
                match seen {
                    Ok(EmbeddedImage { hash, vector, damaged }) => {
                        pictures.push(EmbeddedFile { path, hash, vector, damaged })
                    }
                    Err(error) => skipped.push(format!("{:#}", anyhow::Error::from(error))),
                }
            }
            let new: Vec<NewEmbedding<'_>> = pictures[first..].iter().map(EmbeddedFile::embedding).collect();
            let now = jiff::Timestamp::now().as_microsecond();
            storage.put_embeddings(&fingerprint, &new, now).await.context("embeddings can't be stored")?;
        }
    }
    bar.finish_and_clear();
    close_naming_damaged(embedder).await?;
    name_skipped(&skipped);
    if pictures.is_empty() {
        bail!("no image in `{}` could be read", folder.display());
    }
    pictures.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(pictures)
}

/// The content of each file, hashed off the async threads.
async fn hash_all(files: &[PathBuf]) -> Vec<(PathBuf, std::io::Result<ContentHash>)> {
    let files = files.to_vec();
    let hashed = tokio::task::spawn_blocking(move || {
        let hash = |path: &PathBuf| Ok(ContentHash::new(*blake3::hash(&std::fs::read(path)?).as_bytes()));
        files.into_iter().map(|path| (path.clone(), hash(&path))).collect()
    });
    hashed.await.unwrap_or_default()
}
