//! `weathervane export`.

use std::path::PathBuf;

use super::folder::{BackboneName, LabelledFolder, SPLIT};
use super::npy;

/// Write what the backbone sees in a labelled folder, for other programs
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane export --images weather4 --labels weather4-split.csv --embeddings weather4.npy
  weathervane simulate --features weather4.npy --labels weather4-split.csv

The file is a NumPy matrix of 32-bit floats, one row for each line of the CSV file, in its order: numpy.load reads it.
The widths of the columns' groups (depths of the network) are printed.")]
pub struct Export {
    /// File to write; it appears once it is complete
    #[arg(long, value_name = "FILE.npy")]
    embeddings: PathBuf,

    /// Folder with the images
    #[arg(long, value_name = "DIR")]
    images: PathBuf,

    /// CSV file with columns filename,label
    #[arg(long, value_name = "FILE.csv")]
    labels: PathBuf,

    #[command(flatten)]
    backbone: BackboneName,
}

impl Export {
    pub async fn run(self) -> anyhow::Result<()> {
        let folder = LabelledFolder::read(&self.images, &self.labels, SPLIT)?;
        let backbone = self.backbone.load().await?;
        let widths: Vec<String> =
            backbone.spec().groups.iter().map(|group| group.width.to_string()).collect();
        let (features, _) = folder.embed(backbone).await?;
        npy::write(&self.embeddings, &features)?;
        println!(
            "{}: {} x {}, groups {}",
            self.embeddings.display(),
            features.len(),
            features.dim,
            widths.join(",")
        );
        Ok(())
    }
}
