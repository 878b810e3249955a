//! What the server as a whole reaches, measured from outside on its release binary. One question a file.
//!
//! `cargo bench --bench serving -- --images DIR --labels FILE.csv [QUESTION ...]`

mod cold_start;
mod figures;
mod images;
mod label_studio;
mod learning;
mod memory;
mod pictures;
mod requests;
mod server;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use weathervane::cli::dataset::LabelledFolder;

/// Measure the server as a whole
#[derive(Parser)]
struct Line {
    /// What to measure; everything if nothing is named
    questions: Vec<Question>,

    /// Folder with photographs
    #[arg(long, env = "BENCH_IMAGES", value_name = "DIR")]
    images: Option<PathBuf>,

    /// CSV file with columns filename,label and, if wanted, split
    #[arg(long, env = "BENCH_LABELS", value_name = "FILE.csv")]
    labels: Option<PathBuf>,

    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Question {
    /// Time from start to the first answer
    ColdStart,
    /// Requests per second, with `wrk`
    Requests,
    /// New images per second
    Images,
    /// Time from a submit to the version that learnt it
    Learning,
    /// Memory over 10,000 new images
    Memory,
}

/// Photographs of a labelled folder.
pub struct Photographs {
    pub images: PathBuf,
    pub folder: LabelledFolder,
}

fn main() -> anyhow::Result<()> {
    let line = Line::parse();
    let (Some(images), Some(labels)) = (line.images, line.labels) else {
        // `cargo test --all-targets` runs benches too, without data.
        anyhow::ensure!(!line.bench, "give the photographs: -- --images DIR --labels FILE.csv");
        println!("nothing measured: no photographs were given");
        return Ok(());
    };
    let images = images.canonicalize()?;
    let photographs = Photographs { folder: LabelledFolder::read(&images, &labels, "split")?, images };
    weathervane::labelstudio::install_tls();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for question in Question::value_variants() {
        if line.questions.is_empty() || line.questions.contains(question) {
            runtime.block_on(answer(*question, &photographs))?;
        }
    }
    Ok(())
}

async fn answer(question: Question, photographs: &Photographs) -> anyhow::Result<()> {
    match question {
        Question::ColdStart => cold_start::measure(photographs).await,
        Question::Requests => requests::measure(photographs).await,
        Question::Images => images::measure(photographs).await,
        Question::Learning => learning::measure(photographs).await,
        Question::Memory => memory::measure(photographs).await,
    }
}
