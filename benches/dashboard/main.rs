//! How long the dashboard's pages take on a project of 100,000 tasks.
//!
//! `cargo bench --bench dashboard [-- --tasks 100000]`; embeddings are made up, so nothing is fetched.

mod project;

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use weathervane::app::Application;
use weathervane::config::Settings;

/// Requests for each page.
const REQUESTS: usize = 50;

/// Filling, training and ranking must have ended by then.
const PATIENCE: Duration = Duration::from_secs(1_800);

const PAGES: [&str; 14] = [
    "/ui",
    "/ui/projects/1",
    "/ui/projects/1/map",
    "/ui/projects/1/map?projection=neighbours&colour=certainty",
    "/ui/projects/1/map/points?projection=pca",
    "/ui/projects/1/map/points?projection=neighbours",
    "/ui/projects/1/queue",
    "/ui/projects/1/queue?strategy=margin",
    "/ui/projects/1/suspects",
    "/ui/projects/1/versions",
    "/ui/projects/1/versions/compare?a=1&b=2",
    "/ui/health",
    "/ui/projects/1/thumbnails/1",
    "/ui/login",
];

/// Measure the dashboard's pages
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    settings: Settings,

    /// Tasks of the project
    #[arg(long, default_value_t = 100_000)]
    tasks: usize,

    /// Labels at each of the trainings that make the versions
    #[arg(long, value_delimiter = ',', default_value = "100,300,1000,2000")]
    labels: Vec<usize>,

    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let mut line = Line::parse();
    if !line.bench {
        // `cargo test --all-targets` runs benches too.
        println!("nothing measured: run it with cargo bench");
        return Ok(());
    }
    let data = tempfile::tempdir()?;
    line.settings.storage.data_dir = data.path().to_owned();
    line.settings.server.address.port = 0;
    line.settings.model.no_starter = true;
    weathervane::labelstudio::install_tls();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(line.settings, line.tasks, &line.labels))
}

async fn measure(settings: Settings, tasks: usize, trainings: &[usize]) -> anyhow::Result<()> {
    let began = Instant::now();
    let project = project::fill(&settings, tasks).await?;
    println!("{tasks} tasks with embeddings written in {:.0} s", began.elapsed().as_secs_f64());
    let application = Application::build(settings).await?;
    let url = format!("http://127.0.0.1:{}", application.port());
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(application.run_until(async move { drop(stopped.await) }));
    let asked = Asked { url, http: reqwest::Client::builder().no_gzip().build()? };

    let began = Instant::now();
    for labels in trainings {
        project.label(*labels).await?;
        asked.train().await?;
    }
    println!("{} trainings in {:.0} s", trainings.len(), began.elapsed().as_secs_f64());
    let began = Instant::now();
    while asked.json("/api/projects/1").await?["queue"]["pool"]["embedded"] != tasks {
        ensure!(began.elapsed() < PATIENCE, "the pool is not filled");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("pool filled {:.0} s later", began.elapsed().as_secs_f64());

    println!("{:<44}{:>10}{:>10}{:>10}{:>12}", "page, ms", "first", "median", "worst", "ready after");
    for page in PAGES {
        asked.page(page).await?;
    }
    drop(stop);
    server.await?
}

struct Asked {
    url: String,
    http: reqwest::Client,
}

impl Asked {
    async fn json(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.http.get(format!("{}{path}", self.url)).send().await?.error_for_status()?.json().await?)
    }

    async fn train(&self) -> anyhow::Result<()> {
        let post = |path: &str, body: Value| self.http.post(format!("{}{path}", self.url)).json(&body).send();
        let job: Value = post("/train", json!({"project": "1"})).await?.error_for_status()?.json().await?;
        let began = Instant::now();
        loop {
            let job: Value = post("/job_status", job.clone()).await?.json().await?;
            match job["state"].as_str().context("a state")? {
                "done" => return Ok(()),
                "queued" | "running" => ensure!(began.elapsed() < PATIENCE, "{job:#}"),
                _ => anyhow::bail!("{job:#}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The first load, how long until what the background makes is there, and then many loads.
    async fn page(&self, path: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        let (mut text, first) = self.load(path).await?;
        while text.contains("being ranked")
            || text.contains("being compared")
            || text.contains("being looked over")
            || text.contains("being replayed")
            || text.contains("being drawn")
            || text.contains("being gathered")
        {
            ensure!(began.elapsed() < PATIENCE, "{path} is not ready");
            tokio::time::sleep(Duration::from_millis(100)).await;
            text = self.load(path).await?.0;
        }
        let ready = began.elapsed().as_secs_f64();
        let mut took = Vec::with_capacity(REQUESTS);
        for _ in 0..REQUESTS {
            took.push(self.load(path).await?.1);
        }
        took.sort_by(f64::total_cmp);
        println!(
            "{path:<44}{first:>10.1}{:>10.1}{:>10.1}{ready:>10.1} s",
            took[REQUESTS / 2],
            took[REQUESTS - 1]
        );
        Ok(())
    }

    /// A page, and the milliseconds it took.
    async fn load(&self, path: &str) -> anyhow::Result<(String, f64)> {
        let began = Instant::now();
        let answer = self.http.get(format!("{}{path}", self.url)).send().await?.error_for_status()?;
        let bytes = answer.bytes().await?;
        let took = began.elapsed().as_secs_f64() * 1e3;
        Ok((String::from_utf8_lossy(&bytes).into_owned(), took))
    }
}
