//! `weathervane completions`.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;

/// Print the completion script of a shell, so that the tab key completes commands and flags
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane completions bash > ~/.local/share/bash-completion/completions/weathervane
  weathervane completions zsh > ~/.zfunc/_weathervane      # with fpath+=(~/.zfunc) before compinit in ~/.zshrc
  weathervane completions fish > ~/.config/fish/completions/weathervane.fish")]
pub struct Completions {
    /// Shell to write for
    shell: Shell,
}

impl Completions {
    pub fn run(self) -> anyhow::Result<()> {
        // Into memory first: the generator panics where stdout is a pipe that nobody reads any more.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "weathervane", &mut script);
        Ok(io::stdout().write_all(&script)?)
    }
}
