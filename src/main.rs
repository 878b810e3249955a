//! Parse, run, exit code.

use std::process::ExitCode;

use clap::Parser;
use weathervane::cli::Cli;

fn main() -> ExitCode {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    keep_freed_memory();
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line a person can act on; the chain goes from what failed to why.
            eprintln!("weathervane: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Has glibc keep what one image was decoded into for the next one (mallopt(3)). By itself it hands such pieces back to the
/// kernel and takes them anew, page by page: a sixth of the time of an embedding, for some 20 MiB.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn keep_freed_memory() {
    /// Larger pieces go back at once, bytes: a large picture's.
    const MMAP_THRESHOLD: libc::c_int = 4 << 20;
    /// Free memory at the end of a heap that goes back, bytes.
    const TRIM_THRESHOLD: libc::c_int = 16 << 20;
    // SAFETY: it sets two numbers, before any thread is started.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD);
    }
}
