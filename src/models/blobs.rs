//! Model files in an object store: typed keys, written once, never changed.
//!
//! A blob is whole or absent: it is written beside its place, synced to disk, and linked there only if the key is
//! free. What a crash leaves behind is never listed and never in the way.

mod key;

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::local::LocalFileSystem;
use object_store::{Error as StoreError, GetOptions, ObjectStore, ObjectStoreExt, PutMode};

use crate::domain::ids::ProjectId;

pub use key::BlobKey;

/// Failure to write, read, list or delete a blob.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("model folder `{folder}` can't be opened: {source}; {}", advice(source.kind()))]
    Open { folder: String, source: std::io::Error },
    #[error("`{text}` is not a valid key of a model file, e.g. `project-2/v0007-00c0ffee1234.safetensors`")]
    Key { text: String },
    #[error("model file `{key}` is not in {place}; restore it from a backup or train again")]
    Missing { key: BlobKey, place: String },
    #[error("model file `{key}` is in {place} with other content; a published file never changes")]
    Taken { key: BlobKey, place: String },
    #[error("model file `{key}` in {place} is {:.1} MB, limit is {:.1} MB; it is not of this program", *bytes as f64 / 1e6, *limit as f64 / 1e6)]
    TooLarge { key: BlobKey, place: String, bytes: u64, limit: u64 },
    #[error("can't {doing} in {place}: {source}; {}", advice(cause(source)))]
    Store { doing: String, place: String, source: StoreError },
}

/// Store of the model files. Cloning shares it.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
}

impl Blobs {
    /// Keeps the files under a local folder, which is made if it is missing.
    ///
    /// # Errors
    /// The folder can't be made or read.
    pub fn open(folder: &Path) -> Result<Self, BlobError> {
        let failed = |source| BlobError::Open { folder: folder.display().to_string(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let store = LocalFileSystem::new_with_prefix(folder)
            .map_err(|error| failed(std::io::Error::new(cause(&error), error)))?;
        Ok(Self::new(Arc::new(store.with_fsync(true))))
    }

    /// Keeps the files in any object store that can create without overwriting.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Writes a blob under a free key; returns once it is durable. The same content again changes nothing.
    ///
    /// # Errors
    /// The key holds other content, or the store fails (disk full, no permission); nothing is left at the key then.
    pub async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), BlobError> {
        match self.store.put_opts(&key.path(), bytes.clone().into(), PutMode::Create.into()).await {
            Ok(_) => Ok(()),
            Err(StoreError::AlreadyExists { .. }) => match self.get(key, bytes.len() as u64).await {
                Ok(stored) if stored == bytes => Ok(()),
                Ok(_) | Err(BlobError::TooLarge { .. }) => {
                    Err(BlobError::Taken { key: *key, place: self.place() })
                }
                Err(error) => Err(error),
            },
            Err(source) => Err(self.failed(format!("write `{key}`"), source)),
        }
    }

    /// Reads a blob of at most `max_bytes`.
    ///
    /// # Errors
    /// The blob is missing or larger, or the store fails.
    pub async fn get(&self, key: &BlobKey, max_bytes: u64) -> Result<Bytes, BlobError> {
        let failed = |source| match source {
            StoreError::NotFound { .. } => BlobError::Missing { key: *key, place: self.place() },
            source => self.failed(format!("read `{key}`"), source),
        };
        let found = self.store.get_opts(&key.path(), GetOptions::default()).await.map_err(failed)?;
        let bytes = found.meta.size;
        if bytes > max_bytes {
            return Err(BlobError::TooLarge { key: *key, place: self.place(), bytes, limit: max_bytes });
        }
        found.bytes().await.map_err(failed)
    }

    /// The project's blobs, by number. Files that are no model files are left out.
    ///
    /// # Errors
    /// The store fails.
    pub async fn list(&self, project: ProjectId) -> Result<Vec<BlobKey>, BlobError> {
        let folder = key::folder(project);
        let found: Result<Vec<_>, _> = self.store.list(Some(&folder.as_str().into())).try_collect().await;
        let found = found.map_err(|source| self.failed(format!("list `{folder}`"), source))?;
        let mut keys: Vec<_> =
            found.iter().filter_map(|object| BlobKey::from_stored(object.location.as_ref()).ok()).collect();
        keys.sort_unstable();
        Ok(keys)
    }

    /// Deletes a blob; one that is not there is no error.
    ///
    /// # Errors
    /// The store fails.
    pub async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        match self.store.delete(&key.path()).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.failed(format!("delete `{key}`"), source)),
        }
    }

    fn place(&self) -> String {
        self.store.to_string()
    }

    fn failed(&self, doing: String, source: StoreError) -> BlobError {
        BlobError::Store { doing, place: self.place(), source }
    }
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blobs({})", self.store)
    }
}

/// The operating system's reason somewhere below the store's words.
fn cause(error: &StoreError) -> ErrorKind {
    let below = std::iter::successors(Some(error as &(dyn Error + 'static)), |error| (*error).source());
    below
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .map(std::io::Error::kind)
        .last()
        .unwrap_or(ErrorKind::Other)
}

/// Advice for the reader, by the kind of the error.
fn advice(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free space on that disk",
        ErrorKind::PermissionDenied => "give this program's user the right to read and write there",
        ErrorKind::ReadOnlyFilesystem => "mount the disk writable or choose another --data-dir",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "move the file that is in the folder's place",
        _ => "check the disk, then try again",
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;

    const PROJECT: ProjectId = ProjectId(2);
    const CAP: u64 = 1_000_000;

    fn key(number: i64) -> BlobKey {
        BlobKey::model(PROJECT, number, "00c0ffee1234")
    }

    fn stores() -> (tempfile::TempDir, [Blobs; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let local = Blobs::open(&folder.path().join("a/b")).unwrap();
        (folder, [local, Blobs::new(Arc::new(InMemory::new()))])
    }

    #[tokio::test]
    async fn a_blob_comes_back_as_it_was_written_and_never_changes() {
        let (_folder, stores) = stores();
        for blobs in stores {
            blobs.put(&key(1), Bytes::from_static(b"first")).await.unwrap();
            blobs.put(&key(1), Bytes::from_static(b"first")).await.unwrap();
            for other in [&b"other"[..], b"", b"longer than the first"] {
                let error = blobs.put(&key(1), Bytes::from_static(other)).await.unwrap_err();
                assert!(matches!(error, BlobError::Taken { .. }), "{error}");
            }
            assert_eq!(blobs.get(&key(1), CAP).await.unwrap(), &b"first"[..]);
        }
    }

    #[tokio::test]
    async fn reading_is_capped_and_a_missing_blob_is_named() {
        let (_folder, stores) = stores();
        for blobs in stores {
            let error = blobs.get(&key(1), CAP).await.unwrap_err();
            assert!(matches!(error, BlobError::Missing { .. }), "{error}");
            assert!(
                error
                    .to_string()
                    .starts_with("model file `project-2/v0001-00c0ffee1234.safetensors` is not in ")
            );
            blobs.put(&key(1), Bytes::from_static(b"12345")).await.unwrap();
            assert!(blobs.get(&key(1), 5).await.is_ok());
            assert!(matches!(
                blobs.get(&key(1), 4).await,
                Err(BlobError::TooLarge { bytes: 5, limit: 4, .. })
            ));
        }
    }

    #[tokio::test]
    async fn a_project_lists_its_own_blobs_by_number() {
        let (_folder, stores) = stores();
        for blobs in stores {
            assert_eq!(blobs.list(PROJECT).await.unwrap(), []);
            for number in [10_000, 2, 9] {
                blobs.put(&key(number), Bytes::from_static(b"x")).await.unwrap();
            }
            blobs.put(&BlobKey::model(ProjectId(22), 1, "ab"), Bytes::from_static(b"x")).await.unwrap();
            assert_eq!(blobs.list(PROJECT).await.unwrap(), [key(2), key(9), key(10_000)]);
            blobs.delete(&key(9)).await.unwrap();
            blobs.delete(&key(9)).await.unwrap();
            assert_eq!(blobs.list(PROJECT).await.unwrap(), [key(2), key(10_000)]);
        }
    }

    #[tokio::test]
    async fn what_a_crash_leaves_behind_is_ignored_and_not_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        let place = folder.path().join("project-2");
        std::fs::create_dir(&place).unwrap();
        let name = "v0001-00c0ffee1234.safetensors";
        for stray in [&format!("{name}#1"), &format!("{name}#2"), "notes.txt", ".hidden"] {
            std::fs::write(place.join(stray), b"half a mod").unwrap();
        }
        assert_eq!(blobs.list(PROJECT).await.unwrap(), []);
        assert!(matches!(blobs.get(&key(1), CAP).await, Err(BlobError::Missing { .. })));
        blobs.put(&key(1), Bytes::from_static(b"a whole model")).await.unwrap();
        assert_eq!(std::fs::read(place.join(name)).unwrap(), b"a whole model");
        assert_eq!(blobs.list(PROJECT).await.unwrap(), [key(1)]);
        assert!(!place.join(format!("{name}#3")).exists(), "the file written beside its place is gone");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_many_writers_of_one_key_one_content_wins() {
        let (_folder, stores) = stores();
        for blobs in stores {
            let writers = (0..16_u8).map(|writer| {
                let blobs = blobs.clone();
                tokio::spawn(
                    async move { blobs.put(&key(1), vec![writer % 2; 100_000].into()).await.is_ok() },
                )
            });
            let mut won = Vec::new();
            for (index, writer) in writers.collect::<Vec<_>>().into_iter().enumerate() {
                if writer.await.unwrap() {
                    won.push(index % 2);
                }
            }
            let stored = blobs.get(&key(1), CAP).await.unwrap();
            assert_eq!(stored.len(), 100_000);
            assert!(stored.iter().all(|byte| *byte == stored[0]));
            assert_eq!(won, [usize::from(stored[0]); 8]);
        }
    }

    #[tokio::test]
    async fn a_folder_that_can_t_be_used_is_named_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("models");
        std::fs::write(&file, b"").unwrap();
        let error = Blobs::open(&file).unwrap_err().to_string();
        assert!(error.contains("models` can't be opened") && error.contains("move the file"), "{error}");
        std::fs::remove_file(&file).unwrap();

        let blobs = Blobs::open(&file).unwrap();
        std::fs::write(file.join("project-2"), b"a file where a folder belongs").unwrap();
        let error = blobs.put(&key(1), Bytes::from_static(b"x")).await.unwrap_err().to_string();
        assert!(error.starts_with("can't write `project-2/v0001-00c0ffee1234.safetensors` in "), "{error}");
        assert!(error.ends_with("move the file that is in the folder's place"), "{error}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_read_only_folder_is_an_error_with_advice() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(folder.path()).unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
        if std::fs::write(folder.path().join("probe"), b"").is_ok() {
            eprintln!("skipped: this user (root?) may write in a read-only folder");
            return;
        }
        let error = blobs.put(&key(1), Bytes::from_static(b"x")).await.unwrap_err().to_string();
        assert!(error.ends_with("give this program's user the right to read and write there"), "{error}");
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn advice_follows_the_operating_system_s_reason() {
        let full = std::io::Error::from(ErrorKind::StorageFull);
        let error = BlobError::Store {
            doing: "write `x`".to_owned(),
            place: "there".to_owned(),
            source: StoreError::Generic { store: "LocalFileSystem", source: Box::new(full) },
        };
        assert!(error.to_string().ends_with("free space on that disk"), "{error}");
    }
}
