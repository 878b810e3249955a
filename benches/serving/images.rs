//! New images per second: read, decoded, run through the backbone and stored.

use std::time::Instant;

use crate::Photographs;
use crate::figures::Figures;
use crate::label_studio::{BATCH, Project};
use crate::pictures::Pictures;
use crate::server::Server;

/// Photographs of a run, each new to the server.
const IMAGES: usize = 512;

/// Runs of each kind, each with a new data directory.
const RUNS: usize = 5;

pub async fn measure(photographs: &Photographs) -> anyhow::Result<()> {
    let pictures = Pictures::of(photographs, IMAGES)?;
    for (cores, launcher) in [(1, &["taskset", "-c", "0"][..]), (2, &[])] {
        for batch in [1, BATCH] {
            let mut rates = Vec::new();
            for _ in 0..RUNS {
                rates.push(rate(&pictures, launcher, cores, batch).await?);
            }
            println!("new images, {cores} core(s), {batch} a request: {}", Figures::new("images/s", rates));
        }
    }
    Ok(())
}

/// One request at a time, so that a batch of one waits for each image: what an annotator's clicks meet.
async fn rate(pictures: &Pictures, launcher: &[&str], cores: usize, batch: usize) -> anyhow::Result<f64> {
    let data = tempfile::tempdir()?;
    let threads = cores.to_string();
    let more = ["--inference-threads", threads.as_str()];
    let server = Server::start_by(launcher, data.path(), pictures.root.path(), &more)?;
    let project = Project::new(1)?;
    let (warm, rest) = pictures.pictures.split_at(BATCH);
    project.embed(&server, warm).await?;
    let start = Instant::now();
    for (round, chunk) in rest.chunks(batch).enumerate() {
        server.post("/predict", &project.predict(BATCH + round * batch, chunk)).await?;
    }
    let seconds = start.elapsed().as_secs_f64();
    server.stop()?;
    Ok(rest.len() as f64 / seconds)
}
