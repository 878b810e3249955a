//! From a URL to open, migrated pools of connections.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions, install_default_drivers};
use sqlx::{AnyConnection, AnyPool, Connection, Executor};
use url::Url;

use super::engine::{Engine, SQLITE_PRAGMAS};
use super::error::{CHECK_SERVER, StorageError};
use super::file::DatabaseFile;
use super::{Result, Storage, migrate};

/// Name of the SQLite file in the data directory.
pub const FILE_NAME: &str = "weathervane.db";

/// Timeout of a statement while another process writes to the SQLite file, milliseconds.
pub const BUSY_TIMEOUT_MS: u64 = 10_000;

/// Timeout of an operation that waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(15);

/// Connections that read SQLite side by side; WAL lets them go on while one writes.
const SQLITE_READERS: u32 = 4;

/// Connections to PostgreSQL; its default limit for all clients is 100.
const POSTGRES_CONNECTIONS: u32 = 10;

/// Connection parameters that PostgreSQL URLs may carry (those of sqlx 0.9).
const POSTGRES_PARAMETERS: [&str; 16] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-client-cert",
    "sslkey",
    "ssl-client-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "application_name",
];

/// Bytes of a path that may stand in a `sqlite:` URL as they are.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');

/// A database that can be opened.
#[derive(Debug)]
pub(super) struct Target {
    engine: Engine,
    options: AnyConnectOptions,
    /// Name in messages: never with a password.
    shown: String,
    /// Folder to make first.
    folder: Option<PathBuf>,
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self> {
        if let Some(rest) = url.strip_prefix("sqlite:") {
            return Self::sqlite(rest.strip_prefix("//").unwrap_or(rest));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Self::postgres(url);
        }
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
        let found = if scheme.is_empty() || !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            "it has no scheme".to_owned()
        } else {
            format!("found `{scheme}:`")
        };
        Err(StorageError::invalid(format!(
            "`DATABASE_URL` must start with `sqlite:` or `postgres://`: {found}"
        )))
    }

    fn sqlite(rest: &str) -> Result<Self> {
        let invalid = |why: &str| {
            StorageError::invalid(format!(
                "`DATABASE_URL` `sqlite:{rest}` can't be used: {why}; give the path of a file, like `sqlite:data/{FILE_NAME}`"
            ))
        };
        if rest.contains('?') {
            return Err(invalid(
                "it has parameters, and none are understood (write `?` in a file name as `%3F`)",
            ));
        }
        if rest.contains(":memory:") {
            return Err(invalid("a database in memory would forget everything"));
        }
        let path = percent_decode_str(rest).decode_utf8().map_err(|_| invalid("the path is not UTF-8"))?;
        if path.is_empty() || path.ends_with('/') || path.contains('\0') {
            return Err(invalid("it names no file"));
        }
        Self::file(Path::new(&*path))
    }

    /// A SQLite file at `path`.
    pub(super) fn file(path: &Path) -> Result<Self> {
        let unusable =
            |why: &str| StorageError::invalid(format!("database file `{}`: {why}", path.display()));
        // An absolute path has one meaning in a URL; a relative one may look like a host.
        let absolute = std::path::absolute(path).map_err(|error| unusable(&error.to_string()))?;
        let text = absolute
            .to_str()
            .ok_or_else(|| unusable("the path is not UTF-8; use a folder with a UTF-8 name"))?;
        let url = format!("sqlite://{}?mode=rwc", utf8_percent_encode(text, PATH));
        Ok(Self {
            engine: Engine::Sqlite,
            options: AnyConnectOptions::from_str(&url)?,
            shown: text.to_owned(),
            folder: absolute.parent().map(Path::to_owned),
        })
    }

    fn postgres(text: &str) -> Result<Self> {
        let url = Url::parse(text).map_err(|error| {
            StorageError::invalid(format!(
                "`DATABASE_URL` can't be read: {error}; special characters of the password must be percent-encoded"
            ))
        })?;
        for (key, _) in url.query_pairs() {
            let known = POSTGRES_PARAMETERS.contains(&&*key) || ["password", "options"].contains(&&*key);
            if !known && !key.starts_with("options[") {
                return Err(StorageError::invalid(format!(
                    "`DATABASE_URL` has the unknown parameter `{key}`; remove it"
                )));
            }
        }
        let mut shown = url.clone();
        shown.set_query(None);
        shown.set_fragment(None);
        // Fails only where there is no host, and then there is no password either.
        let _ = shown.set_password(None);
        Ok(Self {
            engine: Engine::Postgres,
            options: AnyConnectOptions::from_str(text)?,
            shown: shown.to_string(),
            folder: None,
        })
    }

    /// Connects and migrates.
    pub(super) async fn open(self) -> Result<Storage> {
        install_default_drivers();
        let named = |error| name(error, &self.shown);
        self.prepare().await.map_err(named)?;
        let storage = match self.engine {
            Engine::Sqlite => {
                let file = Some(Arc::new(DatabaseFile::opened(PathBuf::from(&self.shown))));
                Storage { write: self.pool(1), read: self.pool(SQLITE_READERS), engine: self.engine, file }
            }
            Engine::Postgres => {
                let pool = self.pool(POSTGRES_CONNECTIONS);
                Storage { write: pool.clone(), read: pool, engine: self.engine, file: None }
            }
        };
        storage.ping().await.map_err(named)?;
        Ok(storage)
    }

    /// Makes folder and file, and brings the tables up to date.
    async fn prepare(&self) -> Result<()> {
        if let Some(folder) = &self.folder {
            tokio::fs::create_dir_all(folder).await.map_err(|error| {
                StorageError::unavailable(error, "check that this user may write to the data directory")
            })?;
        }
        let mut connection =
            tokio::time::timeout(ACQUIRE_TIMEOUT, AnyConnection::connect_with(&self.options))
                .await
                .map_err(|_| StorageError::unavailable("no answer in 15 s", CHECK_SERVER))??;
        let migrated = match self.engine {
            Engine::Sqlite => migrate::sqlite(&mut connection).await,
            Engine::Postgres => migrate::postgres(&mut connection).await,
        };
        // Closing also frees the lock of a migration that failed.
        let closed = connection.close().await;
        migrated?;
        Ok(closed?)
    }

    fn pool(&self, connections: u32) -> AnyPool {
        let engine = self.engine;
        AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A local file needs no test whether it is still there; a server may have been restarted.
            .test_before_acquire(engine == Engine::Postgres)
            // SQLite ends a transaction by itself where the disk is full, which sqlx does not learn: its own ROLLBACK fails then,
            // and it would refuse every later transaction on this connection.
            .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    if engine == Engine::Sqlite {
                        connection.execute(SQLITE_PRAGMAS).await?;
                    }
                    Ok(())
                })
            })
            .connect_lazy_with(self.options.clone())
    }
}

/// Says which database an error is about.
fn name(error: StorageError, shown: &str) -> StorageError {
    match error {
        StorageError::Unavailable { problem, advice } => {
            StorageError::Unavailable { problem: format!("`{shown}`: {problem}"), advice }
        }
        StorageError::Damaged { problem } => StorageError::damaged(format!("`{shown}`: {problem}")),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_file_is_understood() {
        for (url, end) in [
            ("sqlite:a.db", "/a.db"),
            ("sqlite://a.db", "/a.db"),
            ("sqlite:///tmp/a.db", "/tmp/a.db"),
            ("sqlite:/tmp/with%20space%3F.db", "/tmp/with space?.db"),
        ] {
            let target = Target::parse(url).unwrap();
            assert_eq!(target.engine, Engine::Sqlite);
            assert!(target.shown.ends_with(end), "{url}: {}", target.shown);
        }
    }

    #[test]
    fn a_url_that_names_no_database_is_refused_with_advice() {
        for url in [
            "",
            "a.db",
            "mysql://x",
            "sqlite:",
            "sqlite:dir/",
            "sqlite::memory:",
            "sqlite:a.db?mode=ro",
            "postgres://h:port/x",
            "postgres://h/x?sslmod=1",
        ] {
            let error = Target::parse(url).unwrap_err();
            assert!(matches!(error, StorageError::Invalid { .. }), "{url}: {error}");
            assert!(error.to_string().contains("DATABASE_URL"), "{error}");
        }
    }

    #[test]
    fn no_message_holds_the_password() {
        let target =
            Target::parse("postgres://me:hunter2@db:5432/w?password=hunter2&sslmode=disable").unwrap();
        assert_eq!(target.shown, "postgres://me@db:5432/w");
        for url in [
            "postgres://me:hunter2@db:x/w",
            "postgress://me:hunter2@db/w",
            "postgres://me:hunter2@db/w?pass=hunter2",
        ] {
            assert!(!Target::parse(url).unwrap_err().to_string().contains("hunter2"), "{url}");
        }
    }
}
