//! The SQLite file behind open connections: whoever deletes or replaces it leaves the program writing into nothing.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Result, StorageError};

/// The file that was opened.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    path: PathBuf,
    opened: Option<Identity>,
    /// `true` if it is another file, or none, now.
    gone: AtomicBool,
}

/// Identity of a file, whatever its name: device and inode.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Elsewhere an open file can't be deleted.
#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    path.exists().then_some(())
}

impl DatabaseFile {
    /// The file at `path`, which is there.
    pub fn opened(path: PathBuf) -> Self {
        let opened = identity(&path);
        Self { path, opened, gone: AtomicBool::new(false) }
    }

    #[cfg(test)]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Compares the file with the one that was opened.
    pub fn compare(&self) -> Result<()> {
        self.gone.store(identity(&self.path) != self.opened, Ordering::Release);
        self.check()
    }

    /// Result of the last comparison.
    pub fn check(&self) -> Result<()> {
        if !self.gone.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(StorageError::unavailable(
            format!("`{}` was deleted or replaced while the program runs", self.path.display()),
            "restart the program: what it learnt since is lost, annotations come back from Label Studio's export",
        ))
    }
}
