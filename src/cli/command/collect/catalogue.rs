//! Tables of a folder of collected images: `metadata.csv` and `skipped.csv`.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::civil::DateTime;

use super::fetch::{FetchedImage, MAX_PIXELS};
use super::plan::{FILE_TIME, Frame};
use crate::cli::dataset::{METADATA, SKIPPED};
use crate::cli::files::write_whole;
use crate::vision::{self, Limits};

const COLUMNS: &str = "file,time,days_from_start,sha,source";
const SKIPPED_COLUMNS: &str = "source,reason";

/// Tables of a folder. Rows are appended once their image is there.
pub struct Catalogue {
    folder: PathBuf,
    metadata: File,
    skipped: File,
    /// Sources that need not be asked again
    known: HashSet<String>,
    /// File of each image, by its SHA-256
    files: HashMap<String, String>,
    /// Files by their name without extension
    stems: HashMap<String, String>,
    /// The first frame's time, from which days are counted
    start: Option<DateTime>,
}

impl Catalogue {
    /// Opens a folder's tables, or makes both, and keeps other runs out of them. A last line that was cut off by a crash
    /// is taken away.
    ///
    /// # Errors
    /// The folder can't be made, a table is not one of ours, or another run writes here.
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("folder `{}` can't be made", folder.display()))?;
        let (metadata, images) = table(&folder.join(METADATA), COLUMNS)?;
        let (skipped, absent) = table(&folder.join(SKIPPED), SKIPPED_COLUMNS)?;
        let mut catalogue = Self {
            folder: folder.to_owned(),
            metadata,
            skipped,
            known: HashSet::new(),
            files: HashMap::new(),
            stems: HashMap::new(),
            start: None,
        };
        catalogue.read(&images, &absent)?;
        Ok(catalogue)
    }

    /// Takes over the rows of both tables from their texts.
    fn read(&mut self, images: &str, skipped: &str) -> anyhow::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some((stem, _)) =
                name.rsplit_once('.').filter(|(_, extension)| !matches!(*extension, "csv" | "part"))
            {
                self.stems.insert(stem.to_owned(), name);
            }
        }
        let path = self.folder.join(METADATA);
        for record in csv::Reader::from_reader(images.as_bytes()).records() {
            let record = record.with_context(|| format!("`{}`", path.display()))?;
            let field = |column: usize| record.get(column).unwrap_or_default().to_owned();
            // A file that somebody deleted is fetched again.
            if self.folder.join(field(0)).is_file() {
                self.files.insert(field(3), field(0));
                self.known.insert(field(4));
            }
            let time = field(1).parse::<DateTime>().ok();
            self.start = self.start.into_iter().chain(time).min();
        }
        let path = self.folder.join(SKIPPED);
        for record in csv::Reader::from_reader(skipped.as_bytes()).records() {
            let record = record.with_context(|| format!("`{}`", path.display()))?;
            self.known.extend(record.get(0).map(str::to_owned));
        }
        Ok(())
    }

    /// Returns `true` if a frame is here or need not be requested. An image whose row was lost to a crash gets it now;
    /// another program's file of that name is left alone.
    ///
    /// # Errors
    /// The image or a table can't be used.
    pub fn knows(&mut self, frame: &Frame) -> anyhow::Result<bool> {
        if self.known.contains(&frame.source) {
            return Ok(true);
        }
        let orphan = frame.stem.as_ref().and_then(|stem| self.stems.get(stem)).cloned();
        let Some(name) = orphan.filter(|name| !self.files.values().any(|file| file == name)) else {
            return Ok(false);
        };
        let bytes = fs::read(self.folder.join(&name)).with_context(|| format!("`{name}`"))?;
        if vision::verify(&bytes, &Limits { max_bytes: usize::MAX, max_pixels: MAX_PIXELS }).is_err() {
            return Ok(false);
        }
        self.row(frame, frame.time, name, FetchedImage::sha(&bytes))?;
        Ok(true)
    }

    /// The file with the same bytes, if there is one.
    pub fn twin(&self, image: &FetchedImage) -> Option<String> {
        self.files.get(&image.sha).cloned()
    }

    /// Keeps an image: the whole file, then its row.
    ///
    /// # Errors
    /// The disk is full or read-only; what was there before stays as it was.
    pub fn add(&mut self, frame: &Frame, image: &FetchedImage) -> anyhow::Result<()> {
        let time = frame.time.or((!frame.is_fixed()).then_some(image.fetched));
        let stem = match (&frame.stem, time) {
            (Some(stem), _) => stem.clone(),
            (None, Some(time)) => jiff::fmt::strtime::format(FILE_TIME, time)?,
            (None, None) => image.sha.clone(),
        };
        let mut name = format!("{stem}.{}", image.extension);
        if self.folder.join(&name).exists() {
            name = format!("{stem}-{}.{}", &image.sha[..8], image.extension);
        }
        write_whole(&self.folder.join(&name), &image.bytes).with_context(|| self.unwritable(&name))?;
        self.row(frame, time, name, image.sha.clone())
    }

    /// Remembers not to ask for a frame again.
    ///
    /// # Errors
    /// The table can't be written.
    pub fn skip(&mut self, frame: &Frame, reason: &str) -> anyhow::Result<()> {
        if frame.is_fixed() && self.known.insert(frame.source.clone()) {
            append(&mut self.skipped, &[&frame.source, reason]).with_context(|| self.unwritable(SKIPPED))?;
        }
        Ok(())
    }

    fn row(
        &mut self,
        frame: &Frame,
        time: Option<DateTime>,
        name: String,
        sha: String,
    ) -> anyhow::Result<()> {
        let days = time.map(|time| {
            let start = *self.start.get_or_insert(time);
            start.date().until(time.date()).map(|span| span.get_days())
        });
        let days = days.transpose()?.map_or(String::new(), |days| days.to_string());
        let time = time.map_or(String::new(), |time| time.to_string());
        append(&mut self.metadata, &[&name, &time, &days, &sha, &frame.source])
            .with_context(|| self.unwritable(METADATA))?;
        self.known.insert(frame.source.clone());
        self.files.insert(sha, name);
        Ok(())
    }

    fn unwritable(&self, name: &str) -> String {
        format!(
            "`{}` can't be written; make room or choose another --out, then run the same command again",
            self.folder.join(name).display()
        )
    }
}

/// A table with these columns, open for appending after its last whole line, and its text up to there. As long as it is
/// open, no other run can have it: the operating system forgets the lock with the process.
fn table(path: &Path, columns: &str) -> anyhow::Result<(File, String)> {
    let shown = path.display();
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .with_context(|| format!("`{shown}` can't be written"))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            bail!(
                "`{shown}` is in use: another run collects into this folder; wait for it or choose another --out"
            )
        }
        // Some network file systems have no locks.
        Err(TryLockError::Error(error)) if error.kind() != ErrorKind::Unsupported => {
            return Err(error).with_context(|| format!("`{shown}` can't be locked"));
        }
        _ => {}
    }
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(|| format!("`{shown}` can't be read"))?;
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    // A crash may have cut off the first line too.
    let ours = if whole > 0 { text.lines().next() == Some(columns) } else { columns.starts_with(&text) };
    if !ours {
        bail!("`{shown}` is another program's: its first line is not `{columns}`; choose another --out");
    }
    file.set_len(whole as u64)?;
    text.truncate(whole);
    if whole == 0 {
        writeln!(file, "{columns}").with_context(|| format!("`{shown}` can't be written"))?;
    }
    Ok((file, text))
}

fn append(file: &mut File, fields: &[&str]) -> anyhow::Result<()> {
    let mut line = csv::Writer::from_writer(Vec::new());
    line.write_record(fields)?;
    // In one piece: a crash cuts it off at most.
    file.write_all(&line.into_inner()?)?;
    Ok(())
}
