//! Output format of a command's result.

use std::io::Write;

use anyhow::Context;

/// `--format` of commands that print one thing.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// For people
    Table,
    /// For programs
    Json,
}

/// Writes what a command found to stdout, whole, with a line's end.
///
/// # Errors
/// It can't be written, as on a full disk.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush());
    written.context("the result can't be written to stdout")
}
