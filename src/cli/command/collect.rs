//! `weathervane collect`.

mod catalogue;
mod fetch;
mod plan;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use jiff::civil::{Date, Time};

use crate::cli::dataset::METADATA;
use crate::cli::output::format::print;
use crate::cli::output::progress::progress;
use catalogue::Catalogue;
use fetch::{FetchOutcome, Fetcher};
use plan::{Frame, Preset};

/// Frames younger than this may still appear: their absence is not remembered.
const SETTLED: jiff::SignedDuration = jiff::SignedDuration::from_hours(48);

/// Addresses in a row that can't be reached, after which the rest is not tried: each costs some 15 seconds.
const UNREACHABLE: usize = 3;

/// Files that are no images and are named on stderr; the rest is counted.
const NAMED: usize = 5;

/// Collect images from a webcam's archive, a list of addresses, or a folder
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  weathervane collect --preset jungfraujoch --from 2020-01-01 --to 2020-12-31 --out frames
  weathervane collect 'https://cam.example.org/%Y/%m/%d/%H%M.jpg' --from 2024-05-01 --to 2024-05-31 --every 1h --out frames
  weathervane collect --preset jungfraujoch --latest --watch 10m --out frames
  weathervane collect --list addresses.txt --out frames
  weathervane collect pictures/ --out frames

DIR gets the images and metadata.csv (file, time, days_from_start, sha, source); times are as the address says them, those of
--latest in UTC. What is there is not fetched again, so a collection can be stopped and started at any time. Repeats of an image byte for
byte, and frames older than two days that the server does not have, are remembered in skipped.csv; delete it to ask for
them again. A server that answers 429 or 503 is waited for as its Retry-After asks, at most two minutes; one that asks for more
ends the run. Only one run at a time writes into a folder. Exit code 1 if nothing could be collected, if a server asks for a
longer wait, or if three frames in a row can't be reached.")]
pub struct Collect {
    /// Address with strftime fields such as %Y%m%d, an address without fields (with --latest), or a folder
    #[arg(value_name = "URL_TEMPLATE|DIR", required_unless_present_any = ["preset", "list"])]
    source: Option<String>,

    /// A webcam that is known by name
    #[arg(long, value_name = "NAME", conflicts_with_all = ["source", "list"])]
    preset: Option<Preset>,

    /// File with one address a line
    #[arg(long, value_name = "FILE", conflicts_with = "source")]
    list: Option<PathBuf>,

    /// First day
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<Date>,

    /// Last day
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<Date>,

    /// Time between frames: 1d, 6h, 10m
    #[arg(long, default_value = "1d", value_name = "SPAN", value_parser = plan::span)]
    every: Duration,

    /// Time of day of the first frame
    #[arg(long, default_value = "13:00", value_name = "HH:MM")]
    at: Time,

    /// The newest frame only
    #[arg(long, conflicts_with_all = ["list", "from", "to"])]
    latest: bool,

    /// With --latest: look again after this time, until Ctrl-C
    #[arg(long, value_name = "SPAN", requires = "latest", value_parser = plan::span)]
    watch: Option<Duration>,

    /// Pause between two requests, in milliseconds; by default 500, and none on this machine
    #[arg(long, value_name = "MS")]
    delay_ms: Option<u64>,

    /// Largest file, in bytes
    #[arg(long, default_value_t = 50_000_000, value_name = "BYTES")]
    max_image_bytes: usize,

    /// Folder for images and metadata.csv; it is made
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Counts of the frames by outcome.
#[derive(Default)]
struct Tally {
    new: usize,
    known: usize,
    absent: usize,
    repeats: usize,
    failures: Vec<String>,
    /// Why the last frames were not tried, if they were not.
    gave_up: Option<String>,
}

impl Collect {
    pub async fn run(self) -> anyhow::Result<()> {
        let frames = self.plan()?;
        let mut catalogue = Catalogue::open(&self.out)?;
        let fetcher = Fetcher::new(&frames, self.max_image_bytes, self.delay_ms).await?;
        let collecting = async {
            loop {
                let tally = self.collect(&frames, &fetcher, &mut catalogue).await?;
                let Some(pause) = self.watch else { return anyhow::Ok(tally) };
                tally.report(&self.out);
                tokio::time::sleep(pause).await;
            }
        };
        let tally: Tally = tokio::select! {
            ended = collecting => ended?,
            _ = tokio::signal::ctrl_c() => {
                eprintln!("stopped; the same command goes on from here");
                return Ok(());
            }
        };
        tally.report(&self.out);
        if let Some(why) = tally.gave_up {
            bail!("{why}; the others were not tried: run the same command again later");
        }
        if tally.new + tally.known + tally.repeats == 0 && !frames.is_empty() {
            bail!(
                "nothing could be collected{}",
                tally.failures.first().map_or(String::new(), |first| format!(": {first}"))
            );
        }
        print(&self.out.join(METADATA).display().to_string())
    }

    fn plan(&self) -> anyhow::Result<Vec<Frame>> {
        if let Some(list) = &self.list {
            return plan::listed(list);
        }
        if self.latest {
            return plan::latest(self.preset, self.source.as_deref());
        }
        let template = match (self.preset, &self.source) {
            (Some(preset), _) => preset.archive(),
            (None, Some(source)) if plan::is_address(source) => source,
            (None, Some(folder)) => return plan::folder(folder.as_ref()),
            (None, None) => bail!("name an address, a folder, a --preset or a --list"),
        };
        let (Some(from), Some(to)) = (self.from, self.to) else {
            bail!("which days? give --from and --to, or --latest for the newest frame");
        };
        plan::range(template, from.to_datetime(self.at), to, self.every)
    }

    async fn collect(
        &self,
        frames: &[Frame],
        fetcher: &Fetcher,
        catalogue: &mut Catalogue,
    ) -> anyhow::Result<Tally> {
        let bar = progress("collecting", frames.len())?;
        let mut tally = Tally::default();
        let mut unreachable = 0;
        let settled = fetch::now().checked_sub(SETTLED)?;
        for frame in frames {
            bar.inc(1);
            if frame.is_fixed() && catalogue.knows(frame)? {
                tally.known += 1;
                continue;
            }
            let outcome = fetcher.fetch(frame).await;
            unreachable = if matches!(outcome, FetchOutcome::Unreachable(_)) { unreachable + 1 } else { 0 };
            match outcome {
                FetchOutcome::Unreachable(why) => {
                    tally.failures.push(why);
                    if unreachable == UNREACHABLE {
                        tally.gave_up = Some(format!("{UNREACHABLE} frames in a row can't be reached"));
                        break;
                    }
                }
                FetchOutcome::Busy(why) => {
                    tally.gave_up = Some(why.clone());
                    tally.failures.push(why);
                    break;
                }
                FetchOutcome::Failed(why) => tally.failures.push(format!("{}: {why}", frame.source)),
                FetchOutcome::Absent => {
                    tally.absent += 1;
                    if frame.time.is_none_or(|time| time < settled) {
                        catalogue.skip(frame, "absent")?;
                    }
                }
                FetchOutcome::FetchedImage(image) => match catalogue.twin(&image) {
                    Some(twin) => {
                        tally.repeats += 1;
                        catalogue.skip(frame, &format!("same as {twin}"))?;
                    }
                    None => {
                        catalogue.add(frame, &image)?;
                        tally.new += 1;
                    }
                },
            }
        }
        bar.finish_and_clear();
        Ok(tally)
    }
}

impl Tally {
    fn report(&self, out: &std::path::Path) {
        eprintln!(
            "{}: {} new, {} there already, {} not on the server, {} repeats, {} failed",
            out.display(),
            self.new,
            self.known,
            self.absent,
            self.repeats,
            self.failures.len()
        );
        self.failures.iter().take(NAMED).for_each(|failure| eprintln!("  {failure}"));
        if self.failures.len() > NAMED {
            eprintln!("  ... and {} more", self.failures.len() - NAMED);
        }
    }
}
