//! Files that are written whole or not at all, and the files of a folder.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// Writes a file whole or not at all: one beside it is renamed once it is complete.
///
/// # Errors
/// The folder can't be written, or the disk is full; the message names the file.
pub fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let unfinished = beside(path, ".part");
    std::fs::write(&unfinished, bytes)
        .and_then(|()| std::fs::rename(&unfinished, path))
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&unfinished);
        })
        .with_context(|| format!("`{}` can't be written", path.display()))
}

/// Checks that a file can have its place, before hours of work for it.
///
/// # Errors
/// Its folder does not exist, or a folder stands there.
pub fn check_place(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let shown = path.display();
    ensure!(
        folder.is_dir(),
        "`{shown}` can't be written: folder `{}` does not exist; make it first",
        folder.display()
    );
    ensure!(!path.is_dir(), "`{shown}` can't be written: it is a folder; name a file in it");
    Ok(())
}

/// The path with something added to its name.
pub fn beside(path: &Path, added: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(added);
    name.into()
}

/// Files in a folder and below it, in order of their paths; hidden ones are left out.
///
/// # Errors
/// A folder can't be read.
pub fn below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let unreadable = || format!("folder `{}` can't be read", folder.display());
        for entry in std::fs::read_dir(&folder).with_context(unreadable)? {
            let entry = entry.with_context(unreadable)?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            // A link to a folder is not followed: it may lead back up.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A file's name without its extension, of letters that every file system takes.
pub fn stem(name: &str) -> String {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let safe = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let stem: String = stem.chars().take(100).map(safe).collect();
    if stem.is_empty() { "image".to_owned() } else { stem }
}

/// File name extension of this image format.
pub fn extension(format: &str) -> String {
    match format {
        "JPEG" => "jpg".to_owned(),
        other => other.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_at_once_and_nothing_unfinished_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write_whole(&path, b"old").unwrap();
        write_whole(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        let error = write_whole(&folder.path().join("no/a.json"), b"x").unwrap_err().to_string();
        assert!(error.contains("no/a.json` can't be written"), "{error}");
        let said = |path: &Path| check_place(path).unwrap_err().to_string();
        assert!(said(&folder.path().join("no/a.json")).contains("does not exist"));
        assert!(said(folder.path()).contains("it is a folder"));
        check_place(Path::new("a.json")).unwrap();
        assert_eq!(below(folder.path()).unwrap(), [path]);
    }

    #[test]
    fn folders_are_walked_in_order_without_hidden_files() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("b/c")).unwrap();
        for name in ["b/c/1.png", "a.png", ".hidden", "b/2.png"] {
            std::fs::write(folder.path().join(name), b"").unwrap();
        }
        let found = below(folder.path()).unwrap();
        let found: Vec<_> = found.iter().map(|path| path.strip_prefix(folder.path()).unwrap()).collect();
        assert_eq!(found, ["a.png", "b/2.png", "b/c/1.png"].map(Path::new));
    }
}
