//! `weathervane export --embeddings`.

use std::path::PathBuf;

use crate::cli::dataset::{BackboneName, LabelledFolder, SPLIT};
use crate::cli::npy;
use crate::cli::output::format::print;

/// Embeddings of a labelled folder's images
#[derive(clap::Args)]
pub struct Embeddings {
    /// File to write; it appears once it is complete
    #[arg(long, value_name = "FILE.npy")]
    embeddings: PathBuf,

    /// Folder with the images
    #[arg(long, value_name = "DIR")]
    images: PathBuf,

    /// CSV file with columns filename,label
    #[arg(long, value_name = "FILE.csv")]
    labels: PathBuf,
}

impl Embeddings {
    pub async fn run(self, backbone: BackboneName) -> anyhow::Result<()> {
        let folder = LabelledFolder::read(&self.images, &self.labels, SPLIT)?;
        let backbone = backbone.load().await?;
        let widths: Vec<String> =
            backbone.spec().groups.iter().map(|group| group.width.to_string()).collect();
        let (features, _) = folder.embed(backbone).await?;
        npy::write(&self.embeddings, &features)?;
        print(&format!(
            "{}: {} x {}, groups {}",
            self.embeddings.display(),
            features.len(),
            features.dim,
            widths.join(",")
        ))?;
        Ok(())
    }
}
