//! Progress bars, and the end of what they show.

use indicatif::{ProgressBar, ProgressStyle};

use crate::embed::LocalEmbedder;

/// Damaged images that are named; the rest is counted.
const NAMED: usize = 5;

/// Images that could not be embedded which are named; the others are counted.
const NAMED_SKIPPED: usize = 10;

/// A progress bar on stderr, which shows only on a terminal.
///
/// # Errors
/// Never: the template is fixed.
pub fn progress(doing: &'static str, of: usize) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {eta}")?;
    Ok(ProgressBar::new(of as u64).with_style(style).with_message(doing))
}

/// Ends an embedder, and names on stderr the images that are damaged.
///
/// # Errors
/// The wait was interrupted.
pub async fn close_naming_damaged(embedder: LocalEmbedder) -> anyhow::Result<()> {
    let damaged = embedder.close().await?;
    if damaged.is_empty() {
        return Ok(());
    }
    eprintln!("{} damaged, taken as far as decoded:", damaged.len());
    damaged.iter().take(NAMED).for_each(|name| eprintln!("  {name}"));
    if damaged.len() > NAMED {
        eprintln!("  and {} more", damaged.len() - NAMED);
    }
    Ok(())
}

/// Counts and names on stderr what could not be predicted.
pub fn name_skipped(skipped: &[String]) {
    if skipped.is_empty() {
        return;
    }
    eprintln!("{} skipped:", skipped.len());
    skipped.iter().take(NAMED_SKIPPED).for_each(|why| eprintln!("  {why}"));
    if skipped.len() > NAMED_SKIPPED {
        eprintln!("  and {} more", skipped.len() - NAMED_SKIPPED);
    }
}
