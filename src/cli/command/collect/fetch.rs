//! Getting one frame: politely, checked, in one piece.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Context;
use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use jiff::civil::DateTime;
use sha2::{Digest, Sha256};
use tokio::time::Instant;
use url::Url;

use super::plan::{Frame, is_address};
use crate::cli::files::extension;
use crate::media::networks;
use crate::media::{ImageProblem, Media, MediaConfig, MediaError};
use crate::vision::{self, Limits};

/// Between two requests to somebody else's server, unless told otherwise.
const DELAY: Duration = Duration::from_millis(500);

/// For one frame with its redirects.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Pauses before a request is tried again: 1, 2, 4 and 8 seconds.
const RETRIES: usize = 4;

/// Longest wait that a server may ask for with `Retry-After`; one that wants more is left in peace.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Largest picture, in pixels.
pub const MAX_PIXELS: u64 = 400_000_000;

/// An image file, whole and decodable.
pub struct FetchedImage {
    pub bytes: Bytes,
    /// SHA-256, hexadecimal
    pub sha: String,
    /// By its content, e.g. `jpg`
    pub extension: String,
    /// UTC
    pub fetched: DateTime,
}

/// Outcome of a fetch.
pub enum FetchOutcome {
    FetchedImage(FetchedImage),
    /// The server says that there is none.
    Absent,
    /// There is no answer, also after some tries.
    Unreachable(String),
    /// The server wants to be left in peace for longer than this program waits.
    Busy(String),
    Failed(String),
}

/// Gets frames one after the other.
pub struct Fetcher {
    media: Media,
    delay: Duration,
    limits: Limits,
    next: tokio::sync::Mutex<Instant>,
}

impl FetchedImage {
    /// SHA-256, hexadecimal.
    pub fn sha(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Fetcher {
    /// The hosts of the frames are the user's choice, so their addresses are allowed even if they are not public; all
    /// others, which redirects lead to, have to be.
    ///
    /// # Errors
    /// An address is none, or the HTTP client can't be built.
    pub async fn new(frames: &[Frame], max_bytes: usize, delay_ms: Option<u64>) -> anyhow::Result<Self> {
        let mut hosts = HashSet::new();
        let mut allow = Vec::new();
        for frame in frames.iter().filter(|frame| is_address(&frame.source)) {
            let url = Url::parse(&frame.source)
                .with_context(|| format!("`{}` is not a valid address", frame.source))?;
            if hosts.insert((url.host_str().map(str::to_owned), url.port())) {
                allow.extend(networks(&url).await);
            }
        }
        let here = !allow.is_empty() && allow.iter().all(|net| net.addr().is_loopback());
        let config = MediaConfig {
            local_files_root: None,
            allow,
            max_image_bytes: max_bytes,
            image_timeout: TIMEOUT,
            max_downloads: 1,
        };
        Ok(Self {
            media: Media::new(config, None)?,
            delay: delay_ms.map_or(if here { Duration::ZERO } else { DELAY }, Duration::from_millis),
            limits: Limits { max_bytes, max_pixels: MAX_PIXELS },
            next: tokio::sync::Mutex::new(Instant::now()),
        })
    }

    /// Fetches a frame and checks that it is an image.
    pub async fn fetch(&self, frame: &Frame) -> FetchOutcome {
        let bytes = if is_address(&frame.source) {
            let get = || self.get(&frame.source);
            let again = ExponentialBuilder::default().with_max_times(RETRIES);
            match get.retry(again).when(may_pass).adjust(as_asked).await {
                Ok(bytes) => bytes,
                Err(ImageProblem::Status { status: 404 | 410, .. }) => return FetchOutcome::Absent,
                Err(problem) if asked_wait(&problem).is_some_and(|wait| wait > LONGEST_WAIT) => {
                    return FetchOutcome::Busy(problem.to_string());
                }
                Err(problem @ (ImageProblem::Unreachable { .. } | ImageProblem::TimedOut { .. })) => {
                    return FetchOutcome::Unreachable(problem.to_string());
                }
                Err(ImageProblem::NotPublic { url, address }) => {
                    return FetchOutcome::Failed(format!(
                        "it redirects to {url}, and that {address} is not public; name the address it ends at"
                    ));
                }
                Err(problem) => return FetchOutcome::Failed(problem.to_string()),
            }
        } else {
            match tokio::fs::read(&frame.source).await {
                Ok(bytes) => bytes.into(),
                Err(error) => return FetchOutcome::Failed(error.to_string()),
            }
        };
        let limits = self.limits;
        let fetched = tokio::task::spawn_blocking(move || image(bytes, &limits)).await;
        match fetched {
            Ok(Ok(image)) => FetchOutcome::FetchedImage(image),
            Ok(Err(error)) => FetchOutcome::Failed(error.to_string()),
            Err(error) => FetchOutcome::Failed(error.to_string()),
        }
    }

    async fn get(&self, source: &str) -> Result<Bytes, ImageProblem> {
        let mut next = self.next.lock().await;
        tokio::time::sleep_until(*next).await;
        let answer = self.media.fetch(None, source, None).await;
        *next = Instant::now() + self.delay;
        answer.map_err(|error| match error {
            MediaError::Image { problem, .. } => problem,
            other => ImageProblem::Unreachable { url: source.to_owned(), reason: other.to_string() },
        })
    }
}

/// UTC, to the second.
pub fn now() -> DateTime {
    let now = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now());
    now.with().subsec_nanosecond(0).build().unwrap_or(now)
}

/// Returns `true` if another attempt may succeed.
fn may_pass(problem: &ImageProblem) -> bool {
    match problem {
        ImageProblem::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
        ImageProblem::Unreachable { .. } | ImageProblem::TimedOut { .. } => true,
        _ => false,
    }
}

/// The wait that a server asks for.
fn asked_wait(problem: &ImageProblem) -> Option<Duration> {
    match problem {
        ImageProblem::Status { status: 429 | 503, retry_after, .. } => *retry_after,
        _ => None,
    }
}

/// The pause before the next try: ours, or the longer one that the server asks for; none where that is too long.
fn as_asked(problem: &ImageProblem, ours: Option<Duration>) -> Option<Duration> {
    let Some(asked) = asked_wait(problem) else { return ours };
    let ours = ours?;
    if asked > LONGEST_WAIT {
        return None;
    }
    eprintln!("the server asks to wait {} s", asked.as_secs());
    Some(asked.max(ours))
}

fn image(bytes: Bytes, limits: &Limits) -> Result<FetchedImage, vision::VisionError> {
    let extension = extension(vision::verify(&bytes, limits)?.format);
    let sha = FetchedImage::sha(&bytes);
    Ok(FetchedImage { bytes, sha, extension, fetched: now() })
}
