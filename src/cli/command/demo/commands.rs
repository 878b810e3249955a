//! The program's own commands, run as a person would type them.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::process::Command;

use super::child::kept;
use crate::domain::shell::quoted;

/// Runs commands of this program in the demo's world: no setting of the person's own environment reaches them.
pub struct Commands {
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
}

impl Commands {
    /// # Errors
    /// The operating system does not say where this program is.
    pub fn new(environment: Vec<(&'static str, String)>) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program's own file is not found")?;
        Ok(Self { program, environment })
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Shows a command and runs it; what it prints goes to stderr.
    ///
    /// # Errors
    /// It failed; its last line said why.
    pub async fn show(&self, arguments: &[&str]) -> anyhow::Result<()> {
        eprintln!(
            "$ weathervane {}",
            arguments.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
        );
        let stderr = std::io::stderr().as_fd().try_clone_to_owned()?;
        let status = self.command(arguments).stdout(stderr).status().await?;
        eprintln!();
        if !status.success() {
            bail!("`weathervane {}` failed; see above", arguments.first().unwrap_or(&""));
        }
        Ok(())
    }

    /// Runs a command quietly and reads the JSON it prints.
    ///
    /// # Errors
    /// It failed, or printed something else.
    pub async fn ask(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let output = self.command(arguments).args(["--format", "json"]).output().await?;
        let name = arguments.first().unwrap_or(&"");
        if !output.status.success() {
            bail!("`weathervane {name}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("`weathervane {name}` printed no JSON"))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .envs(kept())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("LOG_LEVEL", "warn")
            .stdin(Stdio::null())
            // Ctrl-C is the demo's to hear; a command it drops is killed, and every command bears that.
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}
