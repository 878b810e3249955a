//! `weathervane man`.

use std::fs;
use std::io;
use std::path::PathBuf;

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::Cli;

/// Print the manual page, or write one for each command
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane man | man -l -
  weathervane man --out ~/.local/share/man/man1 && man weathervane-serve")]
pub struct Man {
    /// Folder for the pages of all commands, made if it is not there; without it the first page goes to stdout
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Man {
    pub fn run(self) -> anyhow::Result<()> {
        let Some(folder) = self.out else {
            return Ok(clap_mangen::Man::new(Cli::command()).render(&mut io::stdout())?);
        };
        fs::create_dir_all(&folder)
            .and_then(|()| clap_mangen::generate_to(Cli::command(), &folder))
            .with_context(|| format!("manual pages can't be written to `{}`", folder.display()))
    }
}
