//! Requests per second at 8 connections, by `wrk` on the same machine.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::Photographs;
use crate::figures::Figures;
use crate::label_studio::Project;
use crate::pictures::Pictures;
use crate::server::Server;

/// Runs of each kind after one that does not count.
const RUNS: usize = 5;

/// Length of a run.
const RUN: &str = "-d8s";

/// Labelled photographs behind the version that serves.
const LABELS: usize = 200;

pub async fn measure(photographs: &Photographs) -> anyhow::Result<()> {
    let pictures = Pictures::of(photographs, LABELS)?;
    let project = Project::new(1)?;
    let data = project.learnt(&pictures).await?;
    let server = Server::start(data.path(), pictures.root.path(), &[])?;
    let body = project.predict(0, &pictures.pictures[..1]);
    let answer = server.post("/predict", &body).await?;
    let version = project.version(&server).await?;
    let served = answer["results"][0]["model_version"] == version.as_str() && version.starts_with('v');
    ensure!(served, "no version of the project serves: {answer}");

    let script = data.path().join("predict.lua");
    std::fs::write(
        &script,
        format!(
            "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'application/json'\nwrk.body = [==[{body}]==]\n"
        ),
    )?;
    tell("/health", &server, None)?;
    tell("/predict", &server, Some(&script))
}

fn tell(path: &str, server: &Server, script: Option<&Path>) -> anyhow::Result<()> {
    let mut command = Command::new("wrk");
    command.args(["-t2", "-c8", RUN, "--latency"]);
    if let Some(script) = script {
        command.arg("-s").arg(script);
    }
    command.arg(format!("{}{path}", server.url));
    let (mut rate, mut half, mut most) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..=RUNS {
        let output = match command.output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!("`wrk` is not installed; on Debian: apt-get install wrk")
            }
            output => output?,
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success() && !text.contains("Non-2xx") && !text.contains("Socket errors"),
            "{text}"
        );
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
            line.map(str::trim).with_context(|| format!("`wrk` printed no `{name}`: {text}"))
        };
        if run > 0 {
            rate.push(field("Requests/sec:")?.parse()?);
            half.push(milliseconds(field("50%")?)?);
            most.push(milliseconds(field("99%")?)?);
        }
    }
    println!("{path} at 8 connections: {}", Figures::new("requests/s", rate));
    println!("  latency of the runs, p50: {}", Figures::new("ms", half));
    println!("  latency of the runs, p99: {}", Figures::new("ms", most));
    Ok(())
}

/// `wrk` writes `812.00us`, `1.20ms`, `1.02s`.
fn milliseconds(text: &str) -> anyhow::Result<f64> {
    let (number, factor) = match text {
        _ if text.ends_with("us") => (text.trim_end_matches("us"), 1e-3),
        _ if text.ends_with("ms") => (text.trim_end_matches("ms"), 1.0),
        _ => (text.trim_end_matches('s'), 1e3),
    };
    Ok(number.parse::<f64>().with_context(|| format!("time `{text}`"))? * factor)
}
