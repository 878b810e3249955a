//! Parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use weathervane::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line a person can act on; the chain goes from what failed to why.
            eprintln!("weathervane: {error:#}");
            ExitCode::FAILURE
        }
    }
}
