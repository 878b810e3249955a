//! The release binary as a process of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// A start takes well below a second; a server that has not come by then never will.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between attempts to connect to a server that does not listen yet.
const KNOCK: Duration = Duration::from_micros(200);

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    pub url: String,
    pub http: reqwest::Client,
    /// From the start of the process to the first `/health` 200.
    pub started_in: Duration,
}

/// Resident memory in MiB.
#[derive(Clone, Copy)]
pub struct Memory {
    pub now: f64,
    pub peak: f64,
}

impl Server {
    /// Starts `weathervane serve` on a data directory, with images from a folder.
    pub fn start(data: &Path, images: &Path, more: &[&str]) -> anyhow::Result<Self> {
        Self::start_by(&[], data, images, more)
    }

    /// The same by way of another program, such as `taskset -c 0`.
    pub fn start_by(launcher: &[&str], data: &Path, images: &Path, more: &[&str]) -> anyhow::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let words = [launcher, &[env!("CARGO_BIN_EXE_weathervane"), "serve"]].concat();
        let mut command = Command::new(words[0]);
        // Settings of the shell's environment must not change what is measured.
        for name in ["HOST", "LABEL_STUDIO_URL", "DATABASE_URL", "BACKBONE", "INFERENCE_THREADS", "LOG_LEVEL"]
        {
            command.env_remove(name);
        }
        command.args(&words[1..]).args(["--port", &port.to_string(), "--data-dir"]).arg(data);
        command.arg("--local-files-root").arg(images).args(more);
        command.stderr(File::options().create(true).append(true).open(data.join("server.log"))?);
        let start = Instant::now();
        let child = command.spawn().with_context(|| format!("`{}` can't be started", words[0]))?;
        let http = reqwest::Client::builder().no_gzip().build()?;
        let mut server = Self { child, url: format!("http://127.0.0.1:{port}"), http, started_in: PATIENCE };
        server.wait(port, start)?;
        server.started_in = start.elapsed();
        Ok(server)
    }

    /// Connects as soon as the port is open, and reads the answer to `/health`.
    fn wait(&mut self, port: u16, start: Instant) -> anyhow::Result<()> {
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(stream) => break stream,
                Err(error) if start.elapsed() > PATIENCE => return Err(error.into()),
                Err(_) => std::thread::sleep(KNOCK),
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status}");
            }
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        ensure!(&head == b"HTTP/1.1 200", "/health answered `{}`", String::from_utf8_lossy(&head));
        Ok(())
    }

    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.http.post(format!("{}{path}", self.url)).json(body).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        Ok(self.http.get(format!("{}{path}", self.url)).send().await?.error_for_status()?.json().await?)
    }

    /// Resident memory as the kernel counts it.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .context("memory is read from /proc, which only Linux has")?;
        let mib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kib =
                line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok());
            kib.map(|kib| kib / 1024.0).with_context(|| format!("no `{name}` in /proc/PID/status"))
        };
        Ok(Memory { now: mib("VmRSS:")?, peak: mib("VmHWM:")? })
    }

    /// Stops it as a service manager does, so that its data is whole.
    pub fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the server stopped with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
