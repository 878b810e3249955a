//! Frames to collect: their addresses and times.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;

use crate::cli::dataset::is_table;
use crate::cli::files::below;
use crate::cli::files::stem;

/// Frames of one run at most: a year of minutes.
const MAX_FRAMES: usize = 600_000;

/// Format of a frame's file name: its time, in a form that every file system takes.
pub const FILE_TIME: &str = "%Y-%m-%dT%H-%M-%S";

/// A webcam that is known by name.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Panorama of the Jungfraujoch, Switzerland, a frame a day at 13:00
    Jungfraujoch,
}

/// One image to collect.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Address or path
    pub source: String,
    /// Time at which it was taken, as the address gives it
    pub time: Option<DateTime>,
    /// Name of its file, without extension; none for an address that shows another image each time
    pub stem: Option<String>,
}

impl Preset {
    /// Template of its archive's addresses.
    pub fn archive(self) -> &'static str {
        match self {
            Self::Jungfraujoch => {
                "https://webcam.switch.ch/jungfraujoch/pano/%Y/%m%d/Jungfraujoch_m%Y%m%d%H%M.jpg"
            }
        }
    }

    /// Address of its newest frame.
    pub fn newest(self) -> &'static str {
        match self {
            Self::Jungfraujoch => "http://webcam.switch.ch/jungfraujoch/pano/Jungfraujoch_pano.jpg",
        }
    }
}

impl Frame {
    /// Returns `true` if its source always shows the same image.
    pub fn is_fixed(&self) -> bool {
        self.stem.is_some()
    }
}

/// Returns `true` if a source is an address, not a folder.
pub fn is_address(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// A time span such as `1d`, `6h` or `10m`, longer than zero; a day has 24 hours.
pub fn span(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.trim().split_at(text.trim().find(|c: char| !c.is_ascii_digit()).unwrap_or(0));
    let seconds = match unit.trim() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err(format!("`{text}` is not a valid time span; write 10m, 6h or 1d")),
    };
    let number: u64 =
        number.parse().map_err(|_| format!("`{text}` is not a valid time span; write 10m, 6h or 1d"))?;
    number
        .checked_mul(seconds)
        .filter(|seconds| (1..=315_360_000).contains(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| format!("`{text}` is not between a second and ten years"))
}

/// A frame for each step from `first` to the end of day `last`.
pub fn range(template: &str, first: DateTime, last: Date, every: Duration) -> anyhow::Result<Vec<Frame>> {
    if last < first.date() {
        bail!("the range ends before it starts: --from {} --to {last}", first.date());
    }
    if !template.contains('%') {
        bail!(
            "`{template}` has no date in it; put strftime fields where the date stands, such as %Y/%m%d, or use --latest"
        );
    }
    let fields = fields(template);
    let step = SignedDuration::try_from(every)?;
    let mut frames = Vec::new();
    let mut time = first;
    while time.date() <= last {
        let source = strtime::format(&fields, time).with_context(|| {
            format!("`{template}` can't be filled in; a % that is not a field is written %%")
        })?;
        if frames.last().is_some_and(|before: &Frame| before.source == source) {
            bail!(
                "`{template}` gives the same address for {time} as for the frame before; add a field, or a longer --every"
            );
        }
        let stem = Some(strtime::format(FILE_TIME, time)?);
        frames.push(Frame { source, time: Some(time), stem });
        if frames.len() > MAX_FRAMES {
            bail!("more than {MAX_FRAMES} frames; choose a shorter range or a longer --every");
        }
        time = time.checked_add(step)?;
    }
    if frames.is_empty() {
        bail!("no frame between {first} and the end of {last}; choose an earlier --at");
    }
    Ok(frames)
}

/// The template with percent-encoded letters, such as `%20`, protected: strftime would take the digits as a width.
fn fields(template: &str) -> String {
    let mut protected = String::with_capacity(template.len());
    for (at, c) in template.char_indices() {
        let encoded = |next: &str| {
            let mut next = next.chars();
            next.next().is_some_and(|c| c.is_ascii_digit())
                && next.next().is_some_and(|c| c.is_ascii_hexdigit())
        };
        if c == '%' && encoded(&template[at + 1..]) {
            protected.push('%');
        }
        protected.push(c);
    }
    protected
}

/// The frame that an address shows now.
pub fn latest(preset: Option<Preset>, source: Option<&str>) -> anyhow::Result<Vec<Frame>> {
    let source = match (preset, source) {
        (Some(preset), _) => preset.newest(),
        (None, Some(source)) if is_address(source) => source,
        (None, _) => bail!("--latest needs an address or a --preset"),
    };
    Ok(vec![Frame { source: source.to_owned(), time: None, stem: None }])
}

/// The addresses of a file, one a line; empty lines and those that start with `#` don't count.
pub fn listed(list: &Path) -> anyhow::Result<Vec<Frame>> {
    let text =
        fs::read_to_string(list).with_context(|| format!("list `{}` can't be read", list.display()))?;
    let mut frames = Vec::new();
    for (number, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !is_address(line) {
            bail!("list `{}`, line {}: `{line}` is not a valid http(s) address", list.display(), number + 1);
        }
        let last = line.split(['?', '#']).next().unwrap_or(line).rsplit('/').next().unwrap_or_default();
        let name = stem(last);
        frames.push(Frame {
            source: line.to_owned(),
            time: None,
            stem: Some(format!("{:05}-{name}", number + 1)),
        });
    }
    if frames.is_empty() {
        bail!("list `{}` has no address", list.display());
    }
    Ok(frames)
}

/// The files of a folder and below it, in order of their paths.
pub fn folder(folder: &Path) -> anyhow::Result<Vec<Frame>> {
    let shown = folder.display();
    if !folder.is_dir() {
        bail!("`{shown}` is neither an http(s) address nor a folder");
    }
    let frame = |path: PathBuf| {
        let within = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        Frame { source: path.display().to_string(), time: None, stem: Some(stem(&within)) }
    };
    let frames: Vec<Frame> = below(folder)?.into_iter().filter(|path| !is_table(path)).map(frame).collect();
    if frames.is_empty() {
        bail!("folder `{shown}` has no files");
    }
    Ok(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_year_of_the_webcam_has_its_pattern() {
        let day_long = span("1d").unwrap();
        let first = day("2020-01-01").at(13, 0, 0, 0);
        let frames = range(Preset::Jungfraujoch.archive(), first, day("2020-12-31"), day_long).unwrap();
        assert_eq!(frames.len(), 366);
        assert_eq!(
            frames[31].source,
            "https://webcam.switch.ch/jungfraujoch/pano/2020/0201/Jungfraujoch_m202002011300.jpg"
        );
        assert_eq!(frames[31].stem.as_deref(), Some("2020-02-01T13-00-00"));
    }

    #[test]
    fn wrong_ranges_say_what_to_do() {
        let first = day("2020-01-02").at(13, 0, 0, 0);
        let error = |template: &str, last: &str, every: &str| {
            range(template, first, day(last), span(every).unwrap()).unwrap_err().to_string()
        };
        assert!(error("http://a/%Y.jpg", "2020-01-01", "1d").contains("ends before it starts"));
        assert!(error("http://a/b.jpg", "2020-02-01", "1d").contains("no date"));
        assert!(error("http://a/%Y%m%d.jpg", "2020-02-01", "1h").contains("same address"));
        assert!(error("http://a/%Y%!", "2020-02-01", "1d").contains("%%"));
        let frames = range("http://a/%20%Y%2F%m%d", first, day("2020-01-02"), span("1d").unwrap()).unwrap();
        assert_eq!(frames[0].source, "http://a/%202020%2F0102");
    }

    #[test]
    fn spans_are_read_and_nonsense_is_not() {
        assert_eq!(span("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(span("2w"), Ok(Duration::from_secs(1_209_600)));
        for wrong in ["", "d", "0d", "-1h", "5", "1 fortnight", "99999999999999999999d", "11000d"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn file_names_keep_no_path() {
        assert_eq!(stem("../../etc/pass wd.jpg"), ".._.._etc_pass_wd");
        assert_eq!(stem(".jpg"), "image");
    }
}
