//! Persistent state of the program: projects, tasks, annotations, events, jobs, cached embeddings, versions.
//!
//! One struct over two engines. SQLite (a file in the data directory) is the default, PostgreSQL is taken by its URL, and
//! every query is one text for both. Times are Unix microseconds and come in as arguments.
//!
//! **Concurrency.** Every transaction first writes the row of its project, so what it reads afterwards stays true until
//! it commits, on both engines. On SQLite all writers of a process share one connection and queue for it fairly; another
//! process is waited for, up to [`connect::BUSY_TIMEOUT_MS`].
//!
//! **Durability.** SQLite runs in WAL mode with `synchronous=NORMAL`: what was committed survives a crash or SIGKILL of
//! the program; after a power cut or a kernel panic the last commits may be missing, but the file stays consistent, and
//! Label Studio's export brings the annotations back. WAL needs shared memory, so the data directory must not lie on a
//! network file system; use PostgreSQL there.

use std::path::Path;
use std::sync::Arc;

use sqlx::{Any, AnyPool, Transaction};

pub mod annotations;
mod clock;
pub mod connect;
pub mod embeddings;
mod engine;
mod error;
pub mod events;
mod file;
pub mod images;
pub mod jobs;
mod migrate;
pub mod projects;
pub mod queue;
mod sql;
pub mod tags;
pub mod tasks;
pub mod versions;

pub use annotations::{AnnotationCounts, Export, Reconciled};
pub use connect::FILE_NAME;
pub use embeddings::{Embedding, NewEmbedding};
pub use error::StorageError;
pub use events::{EventOutcome, EventRecord, EventRow};
pub use images::ImageRecord;
pub use jobs::{Job, JobKind, JobProgress, JobRequest, JobState, MAX_ATTEMPTS};
pub use projects::{Project, ProjectConfig, ProjectInfo};
pub use queue::TaskState;
pub use tags::{Renamed, TagCount, TaggedImage};
pub use tasks::{TaskCounts, TaskRecord};
pub use versions::{NewVersion, Version, VersionOutline};

/// Result of every storage operation.
pub type Result<T> = std::result::Result<T, StorageError>;

/// A transaction on either engine.
type Tx = Transaction<'static, Any>;

/// Handle to the database; clones share the connections.
#[derive(Clone, Debug)]
pub struct Storage {
    read: AnyPool,
    write: AnyPool,
    engine: engine::Engine,
    /// The SQLite file.
    file: Option<Arc<file::DatabaseFile>>,
}

impl Storage {
    /// Opens the database at `url`, creates or migrates its tables, and returns once it is usable.
    ///
    /// `url` is `sqlite:PATH`, `sqlite://PATH` (missing folders and the file are made) or `postgres://...`.
    ///
    /// # Errors
    /// [`StorageError::Invalid`] for a URL it can't read, [`StorageError::Unavailable`] when nothing answers there,
    /// [`StorageError::NewerSchema`] for a database of a newer program, [`StorageError::Damaged`] for a file that is no
    /// database. No message holds a password.
    pub async fn connect(url: &str) -> Result<Self> {
        connect::Target::parse(url)?.open().await
    }

    /// Opens [`FILE_NAME`] (SQLite) in the folder `dir`; both are made where missing.
    ///
    /// # Errors
    /// As [`Storage::connect`].
    pub async fn open_dir(dir: &Path) -> Result<Self> {
        connect::Target::file(&dir.join(FILE_NAME))?.open().await
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(&self.read).await?;
        Ok(())
    }

    /// Writes one row to check that the database takes writes. `now` in Unix microseconds.
    ///
    /// # Errors
    /// It takes none: it is gone, full, read-only or busy.
    pub async fn check_writable(&self, now: i64) -> Result<()> {
        self.check_file().await?;
        let mut tx = self.begin().await?;
        sqlx::query(
            "INSERT INTO ready (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at",
        )
        .bind(now)
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Checks that the SQLite file is still the one that was opened; no transaction begins while it is not.
    ///
    /// # Errors
    /// It was deleted or replaced.
    pub async fn check_file(&self) -> Result<()> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        let compared = tokio::task::spawn_blocking(move || file.compare()).await;
        compared.unwrap_or_else(|_| Err(StorageError::unavailable("it could not be looked at", "try again")))
    }

    /// Waits for running statements and closes all connections of all clones.
    pub async fn close(&self) {
        self.write.close().await;
        self.read.close().await;
    }

    async fn begin(&self) -> Result<Tx> {
        if let Some(file) = &self.file {
            file.check()?;
        }
        Ok(self.write.begin_with(self.engine.begin()).await?)
    }
}

#[cfg(test)]
mod tests;
