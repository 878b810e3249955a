//! Model of a command: a project's, a file's, or the built-in starter.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use bytes::Bytes;

use crate::cli::args::services;
use crate::config::Settings;
use crate::domain::ids::ProjectId;
use crate::domain::label_config::{HeadSpec, LabelConfig};
use crate::model::{Backbone, BackboneChoice, DeviceChoice, load_backbone};
use crate::models::{Card, Published, Serving, VersionFile, starter::Starter};

/// Largest model file read, in bytes, as the server's.
const MAX_MODEL_BYTES: u64 = 1024 * 1024 * 1024;

/// `--project` or `--model`.
#[derive(clap::Args, Clone, Debug)]
pub struct ModelArgs {
    /// Label Studio's id of a project in the server's data directory: its current model is used
    #[arg(long, value_name = "ID", conflicts_with = "model")]
    pub project: Option<i64>,

    /// A model file, as `train --export`, `versions export` or the server write it
    #[arg(long, value_name = "FILE.safetensors")]
    pub model: Option<PathBuf>,
}

/// A model ready to predict, with the backbone it stands on.
pub struct Model {
    /// The heads of whole images it answers for; of a file, as its card says.
    pub config: LabelConfig,
    pub serving: Serving,
    /// `None` where only the built-in starter answers for a project.
    pub published: Option<Arc<Published>>,
    /// The published model's file; empty without one.
    pub bytes: Bytes,
    pub backbone: Arc<dyn Backbone>,
}

impl ModelArgs {
    /// Opens what is named; the starter if nothing is.
    ///
    /// # Errors
    /// The file or the project's model is missing, damaged, or of another backbone.
    pub async fn open(&self, settings: &Settings) -> anyhow::Result<Model> {
        match (self.project, &self.model) {
            (Some(project), _) => of_project(ProjectId(project), settings).await,
            (None, Some(path)) => {
                let (published, bytes) = read_file(path)?;
                of_file(published, bytes, settings).await
            }
            (None, None) => {
                let (name, bytes) = Starter::built_in_file();
                let file = VersionFile::from_bytes(bytes)?;
                of_file(Published { number: 0, name, file }, Bytes::from_static(bytes), settings).await
            }
        }
    }

    /// Returns `true` if neither is named.
    pub fn is_starter(&self) -> bool {
        self.project.is_none() && self.model.is_none()
    }
}

async fn of_project(id: ProjectId, settings: &Settings) -> anyhow::Result<Model> {
    let services = services::open(settings).await?;
    let model = async {
        let project = services::project(&services.storage, id).await?;
        let xml = project.label_config.with_context(|| {
            format!("project {id} has no label config yet; open one of its tasks in Label Studio")
        })?;
        let config = LabelConfig::parse(&xml).with_context(|| format!("project {id}"))?;
        services.models.follow(id).await?;
        let serving = services.models.serving(id, &config);
        if serving.heads.iter().all(Option::is_none) {
            bail!(
                "project {id} has no model yet; label images of at least two classes, then `weathervane train`"
            );
        }
        let published = services.models.current(id);
        let backbone = Arc::clone(&services.backbone);
        let bytes = match &published {
            Some(published) => services.models.file(id, published.number).await?,
            None => Bytes::new(),
        };
        let (config, serving) = of_images(config, serving)?;
        Ok(Model { config, serving, published, bytes, backbone })
    };
    let model = model.await;
    services::close(services).await?;
    model
}

/// Reads a model file; its name and digest are its version.
///
/// # Errors
/// It is missing, too large, or no model file.
fn read_file(path: &Path) -> anyhow::Result<(Published, Bytes)> {
    let shown = path.display();
    let read = || -> anyhow::Result<Vec<u8>> {
        let bytes = std::fs::metadata(path)?.len();
        if bytes > MAX_MODEL_BYTES {
            bail!("it is {:.1} MB, no model file is that large", bytes as f64 / 1e6);
        }
        Ok(std::fs::read(path)?)
    };
    let bytes = read().with_context(|| format!("model `{shown}` can't be read"))?;
    let file = VersionFile::from_bytes(&bytes).with_context(|| {
        format!("model `{shown}` is not a model file; `train --export` and `versions export` write some")
    })?;
    Ok((Published { number: 0, name: name_of(path, &bytes), file }, bytes.into()))
}

/// A model file's version: its name and the digest of its bytes.
pub fn name_of(path: &Path, bytes: &[u8]) -> String {
    let digest = &blake3::hash(bytes).to_hex()[..12];
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    // A file taken from the server's folder bears the digest already.
    if stem.ends_with(digest) { stem } else { format!("{stem}-{digest}") }
}

async fn of_file(published: Published, bytes: Bytes, settings: &Settings) -> anyhow::Result<Model> {
    let card = &published.file.card;
    let choice = backbone_of(card, settings);
    let backbone = tokio::task::spawn_blocking(move || load_backbone(&choice, DeviceChoice::Flex)).await??;
    if backbone.spec().fingerprint != card.fingerprint {
        bail!(
            "model `{}` was trained on backbone `{}` ({}), `{}` is {}; name the right one with --backbone, or train \
             again",
            published.name,
            card.backbone,
            card.fingerprint,
            backbone.spec().name,
            backbone.spec().fingerprint
        );
    }
    let heads = card.heads.iter().map(|head| head.spec()).collect();
    let config = LabelConfig { heads, ignored: Vec::new() };
    let published = Arc::new(published);
    let serving = Serving::of(Arc::clone(&published), &config);
    let (config, serving) = of_images(config, serving)?;
    Ok(Model { config, serving, published: Some(published), bytes, backbone })
}

/// Leaves out the heads of regions and names them on stderr: commands predict whole images.
fn of_images(config: LabelConfig, mut serving: Serving) -> anyhow::Result<(LabelConfig, Serving)> {
    let mut is_kept = config.heads.iter().map(HeadSpec::is_of_image);
    serving.heads.retain(|_| is_kept.next() == Some(true));
    let (config, left_out) = config.of_images();
    if config.heads.is_empty() {
        bail!("the model only answers about regions of images, which only the server does");
    }
    for name in left_out {
        eprintln!("left out: `{name}` answers about regions of images, which only the server does");
    }
    Ok((config, serving))
}

/// The built-in backbone a file names, else the one of the settings, which may be a file.
pub fn backbone_of(card: &Card, settings: &Settings) -> BackboneChoice {
    match BackboneChoice::from(card.backbone.as_str()) {
        BackboneChoice::File(_) => BackboneChoice::from(settings.model.backbone.as_str()),
        built_in => built_in,
    }
}
