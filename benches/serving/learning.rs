//! From one submit to the version that learnt it.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::Photographs;
use crate::figures::{Figures, aim};
use crate::label_studio::Project;
use crate::pictures::{Picture, Pictures};
use crate::server::Server;

/// Labels the project has before the submits that are timed.
const LABELS: [usize; 3] = [50, 500, 5_000];

/// Submits that are timed, one after the other; each adds a label.
const SUBMITS: usize = 40;

/// The server's default wait for quiet, milliseconds.
const QUIET_MS: f64 = 500.0;

/// Aim beyond it, milliseconds, and the most labels it is set for.
const AIM_MS: f64 = 300.0;
const AIM_LABELS: usize = 500;

/// Between looks at the version that serves.
const LOOK: Duration = Duration::from_millis(2);

/// A training that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

pub async fn measure(photographs: &Photographs) -> anyhow::Result<()> {
    let most = LABELS.iter().max().copied().unwrap_or_default() + SUBMITS;
    let pictures = Pictures::of(photographs, most)?;
    let data = tempfile::tempdir()?;
    // The starter makes `/predict` look at the images; without it the project's own head is published each time.
    let server = Server::start(data.path(), pictures.root.path(), &[])?;
    for (index, labels) in LABELS.into_iter().enumerate() {
        Project::new(index as i64 + 1)?.embed(&server, &pictures.pictures[..labels + SUBMITS]).await?;
    }
    server.stop()?;
    let server = Server::start(data.path(), pictures.root.path(), &["--no-starter"])?;
    for (index, labels) in LABELS.into_iter().enumerate() {
        let project = Project::new(index as i64 + 1)?;
        project.label(&server, &pictures.pictures[..labels]).await?;
        let (mut answered, mut serves) = (Vec::new(), Vec::new());
        for next in labels..labels + SUBMITS {
            let (answer, version) = submit(&server, &project, next, &pictures.pictures[next]).await?;
            answered.push(answer.as_secs_f64() * 1e3);
            serves.push(version.as_secs_f64() * 1e3);
        }
        let serves = Figures::new("ms", serves);
        let beyond = serves.less(QUIET_MS);
        println!("submit to new version, {labels} labels: {serves}");
        let word = aim(beyond.quantile(0.95), AIM_MS, "ms at p95");
        let word = if labels > AIM_LABELS { "no aim" } else { word.as_str() };
        println!("  beyond the quiet time: {beyond}; {word}");
        println!("  /webhook answered: {}", Figures::new("ms", answered));
    }
    server.stop()
}

/// Sends one annotation; gives the time to its answer and the time to the version that learnt it.
async fn submit(
    server: &Server,
    project: &Project,
    index: usize,
    picture: &Picture,
) -> anyhow::Result<(Duration, Duration)> {
    let body = project.annotate(index, picture);
    let before = project.version(server).await?;
    let start = Instant::now();
    server.post("/webhook", &body).await?;
    let answered = start.elapsed();
    while project.version(server).await? == before {
        ensure!(start.elapsed() < PATIENCE, "no new version after {} s", PATIENCE.as_secs());
        tokio::time::sleep(LOOK).await;
    }
    let serves = start.elapsed();
    project.settled(server).await?;
    Ok((answered, serves))
}
