//! Brings the tables of a database up to date. The texts lie in `migrations/`, one folder per engine.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AnyConnection, Connection, Executor, SqlSafeStr};

use super::engine::{Engine, SQLITE_PRAGMAS};
use super::{Result, StorageError};

/// Waits between attempts to make a fresh SQLite file a WAL file, milliseconds: 4 s in all.
/// SQLite's busy timeout does not cover this step.
const WAL_RETRY_MS: [u64; 10] = [10, 20, 50, 100, 200, 400, 600, 800, 900, 900];

/// Name and texts of each migration, in order; a published one never changes.
const MIGRATIONS: [(&str, &str, &str); 10] = [
    (
        "initial",
        include_str!("../../migrations/sqlite/0001_initial.sql"),
        include_str!("../../migrations/postgres/0001_initial.sql"),
    ),
    (
        "queue",
        include_str!("../../migrations/sqlite/0002_queue.sql"),
        include_str!("../../migrations/postgres/0002_queue.sql"),
    ),
    (
        "tags",
        include_str!("../../migrations/sqlite/0003_tags.sql"),
        include_str!("../../migrations/postgres/0003_tags.sql"),
    ),
    (
        "pushes",
        include_str!("../../migrations/sqlite/0004_pushes.sql"),
        include_str!("../../migrations/postgres/0004_pushes.sql"),
    ),
    (
        "dashboard",
        include_str!("../../migrations/sqlite/0005_dashboard.sql"),
        include_str!("../../migrations/postgres/0005_dashboard.sql"),
    ),
    (
        "tags by time",
        include_str!("../../migrations/sqlite/0006_tags_by_time.sql"),
        include_str!("../../migrations/postgres/0006_tags_by_time.sql"),
    ),
    (
        "order",
        include_str!("../../migrations/sqlite/0007_order.sql"),
        include_str!("../../migrations/postgres/0007_order.sql"),
    ),
    (
        "empty answers",
        include_str!("../../migrations/sqlite/0008_empty_answers.sql"),
        include_str!("../../migrations/postgres/0008_empty_answers.sql"),
    ),
    (
        "ready",
        include_str!("../../migrations/sqlite/0009_ready.sql"),
        include_str!("../../migrations/postgres/0009_ready.sql"),
    ),
    (
        "damaged",
        include_str!("../../migrations/sqlite/0010_damaged.sql"),
        include_str!("../../migrations/postgres/0010_damaged.sql"),
    ),
];

fn migrator(engine: Engine) -> Migrator {
    let migrations = (1..).zip(MIGRATIONS).map(|(version, (name, sqlite, postgres))| {
        let text = match engine {
            Engine::Sqlite => sqlite,
            Engine::Postgres => postgres,
        };
        Migration::new(version, name.into(), MigrationType::Simple, text.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// The whole migration is one write transaction, so a second process waits and then finds it done.
pub(super) async fn sqlite(connection: &mut AnyConnection) -> Result<()> {
    connection.execute(SQLITE_PRAGMAS).await?;
    use_write_ahead_log(connection).await?;
    let mut transaction = connection.begin_with(Engine::Sqlite.begin()).await?;
    run(Engine::Sqlite, &mut transaction).await?;
    Ok(transaction.commit().await?)
}

/// The migrator holds an advisory lock of the session while it works.
pub(super) async fn postgres(connection: &mut AnyConnection) -> Result<()> {
    run(Engine::Postgres, connection).await
}

async fn run(engine: Engine, connection: &mut AnyConnection) -> Result<()> {
    let migrator = migrator(engine);
    let known = migrator.iter().map(|migration| migration.version).max();
    match migrator.run_direct(None, connection, false).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) => {
            Err(StorageError::NewerSchema { found, known: known.unwrap_or_default() })
        }
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => Err(error.into()),
        Err(other) => Err(StorageError::damaged(other)),
    }
}

/// The journal mode is kept in the file. Changing it needs the file alone, and fails at once where another process that
/// starts at the same time has it open: hence the retries.
async fn use_write_ahead_log(connection: &mut AnyConnection) -> Result<()> {
    let mut waits = WAL_RETRY_MS.iter();
    loop {
        let mode = sqlx::query_scalar::<_, String>("PRAGMA journal_mode = WAL")
            .fetch_one(&mut *connection)
            .await
            .map_err(StorageError::from);
        match (mode, waits.next()) {
            (Err(error), Some(&wait)) if error.is_transient() => {
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            (Err(error), _) => return Err(error),
            (Ok(mode), _) if mode.eq_ignore_ascii_case("wal") => return Ok(()),
            (Ok(mode), _) => {
                return Err(StorageError::unavailable(
                    format!("SQLite stays in journal mode `{mode}`"),
                    "put the data directory on a local file system, or use PostgreSQL",
                ));
            }
        }
    }
}
