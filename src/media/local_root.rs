//! The folder that Label Studio serves as local files, mounted here: read directly, and never left.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::{ImageProblem, MediaError};
use crate::labelstudio::http::one_line;

/// Most of a path that a message repeats, in characters.
const MAX_SHOWN_CHARS: usize = 120;

/// The folder, by its canonical path.
#[derive(Clone, Debug)]
pub(super) struct LocalRoot(Arc<Path>);

impl LocalRoot {
    /// Opens the folder.
    pub(super) fn open(root: &Path) -> Result<Self, MediaError> {
        let failed = |reason: String| MediaError::LocalFilesRoot { root: root.display().to_string(), reason };
        let canonical = root.canonicalize().map_err(|error| failed(error.to_string()))?;
        if !canonical.is_dir() {
            return Err(failed("it is not a directory".to_owned()));
        }
        Ok(Self(canonical.into()))
    }

    /// Reads a file of at most `limit` bytes on the blocking pool; `None` if there is none.
    pub(super) async fn read(&self, file: &str, limit: usize) -> Result<Option<Bytes>, ImageProblem> {
        let root = self.clone();
        let file = file.to_owned();
        let read = tokio::task::spawn_blocking(move || root.read_blocking(&file, limit)).await;
        read.unwrap_or(Err(ImageProblem::Interrupted))
    }

    fn read_blocking(&self, file: &str, limit: usize) -> Result<Option<Bytes>, ImageProblem> {
        let Some(path) = self.locate(file)? else { return Ok(None) };
        let failed = |error: std::io::Error| unreadable(file, &error);
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let too_large = |bytes| ImageProblem::TooLarge { bytes, limit };
        if bytes > limit as u64 {
            return Err(too_large(Some(bytes)));
        }
        let mut body = Vec::with_capacity(bytes as usize + 1);
        // One byte more shows a file that grew meanwhile.
        file.take(limit as u64 + 1).read_to_end(&mut body).map_err(failed)?;
        match body.len() {
            0 => Err(ImageProblem::Empty),
            length if length > limit => Err(too_large(None)),
            _ => Ok(Some(body.into())),
        }
    }

    /// Where a file really is. Links are followed before the check, so none leads out; a pipe or a device
    /// would block or never end.
    fn locate(&self, file: &str) -> Result<Option<PathBuf>, ImageProblem> {
        let shown = || one_line(file, MAX_SHOWN_CHARS);
        let path = match self.0.join(file).canonicalize() {
            Ok(path) => path,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(unreadable(file, &error)),
        };
        if !path.starts_with(&self.0) {
            return Err(ImageProblem::OutsideRoot { path: shown() });
        }
        let metadata = path.metadata().map_err(|error| unreadable(file, &error))?;
        if metadata.is_file() { Ok(Some(path)) } else { Err(ImageProblem::NotAFile { path: shown() }) }
    }
}

fn unreadable(file: &str, error: &std::io::Error) -> ImageProblem {
    ImageProblem::Unreadable { path: one_line(file, MAX_SHOWN_CHARS), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    struct Folders {
        _parent: tempfile::TempDir,
        outside: PathBuf,
        root: LocalRoot,
    }

    /// `root/sub/a b.png`, links in and out of the root, a folder, a socket, an empty file;
    /// `outside/secret.png`.
    fn folders() -> Folders {
        let parent = tempfile::tempdir().unwrap();
        let root = parent.path().join("root");
        let outside = parent.path().join("outside");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(root.join("sub/a b.png"), "inside").unwrap();
        fs::write(root.join("empty.png"), "").unwrap();
        fs::write(outside.join("secret.png"), "secret").unwrap();
        fs::create_dir(parent.path().join("root-two")).unwrap();
        fs::write(parent.path().join("root-two/near.png"), "near").unwrap();
        symlink(&outside, root.join("out")).unwrap();
        symlink(root.join("sub/a b.png"), root.join("in.png")).unwrap();
        UnixListener::bind(root.join("socket.png")).unwrap();
        Folders { root: LocalRoot::open(&root).unwrap(), outside, _parent: parent }
    }

    #[tokio::test]
    async fn files_below_the_root_are_read_and_missing_ones_are_nothing() {
        let folders = folders();
        for file in ["sub/a b.png", "in.png", "sub/../sub/a b.png", "./in.png"] {
            assert_eq!(folders.root.read(file, 6).await.unwrap().as_deref(), Some(&b"inside"[..]), "{file}");
        }
        for file in ["none.png", "in.png/x", "../nowhere/x.png"] {
            assert_eq!(folders.root.read(file, 6).await.unwrap(), None, "{file}");
        }
    }

    #[tokio::test]
    async fn nothing_outside_of_the_root_and_nothing_but_files_is_read() {
        let folders = folders();
        let secret = folders.outside.join("secret.png").display().to_string();
        for (file, problem) in [
            ("../outside/secret.png", "is outside"),
            ("out/secret.png", "is outside"),
            ("../root-two/near.png", "is outside"),
            (secret.as_str(), "is outside"),
            ("/dev/zero", "is outside"),
            ("sub", "is not a regular file"),
            ("", "is not a regular file"),
            ("socket.png", "is not a regular file"),
            ("empty.png", "is empty"),
            ("a\0b", "can't be read"),
        ] {
            let error = folders.root.read(file, 100).await.expect_err(file).to_string();
            assert!(error.contains(problem), "{file}: {error}");
        }
        let error = folders.root.read("in.png", 5).await.expect_err("too large").to_string();
        assert!(error.contains("is 6 bytes, limit is 5 bytes"), "{error}");
    }
}
