use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use sqlx::{AnyConnection, Connection, Executor};
use weathervane::domain::ids::TaskId;
use weathervane::storage::{Storage, StorageError};

use super::support::{Database, PROJECT, annotation, created, info};

/// Tells the child process of a test which database to write to.
const CHILD_DATABASE: &str = "WEATHERVANE_TEST_CHILD_DATABASE";

pub async fn a_database_of_a_newer_program_is_refused(database: &Database) {
    database.open().await.close().await;
    let mut connection = AnyConnection::connect(&raw_url(database)).await.unwrap();
    connection
        .execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             SELECT 99, 'of the future', success, checksum, 1 FROM _sqlx_migrations WHERE version = 1",
        )
        .await
        .unwrap();
    connection.close().await.unwrap();
    let error = Storage::connect(&database.url).await.unwrap_err();
    assert!(matches!(error, StorageError::NewerSchema { found: 99, known: 10 }), "{error}");
    assert!(error.to_string().contains("database has schema 99, this program knows 10"), "{error}");
}

/// The path of a SQLite test database holds characters that this raw URL must keep escaped.
fn raw_url(database: &Database) -> String {
    database.url.replace("sqlite:", "sqlite://").replace(' ', "%20").replace('#', "%23")
}

/// Takes a database back to the time before the column, and opens it again.
pub async fn what_was_answered_with_nothing_before_the_upgrade_is_known_after_it(database: &Database) {
    let storage = database.open().await;
    let mut answers: Vec<_> = (1..=5).map(|id| annotation(id, "rain", 1)).collect();
    answers[1].result.clear();
    answers[2].result[0]["value"]["choices"] = serde_json::json!([]);
    answers[3].result.clear();
    answers[3].was_cancelled = true;
    answers[4].result[0]["value"]["choices"] = serde_json::json!([["Dry", "shine"]]);
    storage.record_event(&created(answers), None, 1).await.unwrap();
    storage.close().await;
    let mut connection = AnyConnection::connect(&raw_url(database)).await.unwrap();
    connection
        .execute(
            "DROP INDEX annotations_empty; DROP INDEX annotations_live; ALTER TABLE annotations DROP COLUMN empty;
             CREATE INDEX annotations_live ON annotations (project_id, task_id, was_cancelled, annotation_id)
                 WHERE deleted_at IS NULL;
             DROP TABLE ready;
             ALTER TABLE embeddings DROP COLUMN damaged;
             DELETE FROM _sqlx_migrations WHERE version >= 8",
        )
        .await
        .unwrap();
    connection.close().await.unwrap();
    let nothing = database.open().await.empty_answers(PROJECT, 10).await.unwrap();
    assert_eq!(nothing, (2, vec![TaskId(2), TaskId(3)]));
}

pub async fn four_programs_may_start_on_a_fresh_database_at_once(database: &Database) {
    let starts = (0..4).map(|_| {
        let url = database.url.clone();
        tokio::spawn(async move { Storage::connect(&url).await })
    });
    for (number, start) in Vec::from_iter(starts).into_iter().enumerate() {
        let storage = start.await.unwrap().unwrap();
        let event = created(vec![annotation(number as i64, "rain", 1)]);
        storage.record_event(&event, None, 1).await.unwrap();
    }
    let storage = database.open().await;
    assert_eq!(storage.annotations(PROJECT).await.unwrap().len(), 4);
}

pub async fn what_was_acknowledged_survives_sigkill(database: &Database) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["connect::writes_until_killed", "--exact", "--ignored", "--nocapture"])
        .env(CHILD_DATABASE, &database.url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        if let Some(id) = line.unwrap().strip_prefix("acknowledged ") {
            acknowledged.push(id.parse::<i64>().unwrap());
        }
        if acknowledged.len() == 50 {
            child.kill().unwrap();
            break;
        }
    }
    child.wait().unwrap();
    assert_eq!(acknowledged.len(), 50);

    let storage = database.open().await;
    let kept: Vec<i64> = storage.annotations(PROJECT).await.unwrap().iter().map(|kept| kept.id.0).collect();
    assert!(acknowledged.iter().all(|id| kept.contains(id)), "{kept:?}");
    let project = storage.project(PROJECT).await.unwrap().unwrap();
    assert_eq!(project.updates_seen, kept.len() as i64);
    storage.upsert_project(&info(), 1).await.unwrap();
}

/// Not a test of its own: the process that `what_was_acknowledged_survives_sigkill` kills.
#[tokio::test]
#[ignore = "started and killed by another test"]
async fn writes_until_killed() {
    let Ok(url) = std::env::var(CHILD_DATABASE) else {
        return;
    };
    let storage = Storage::connect(&url).await.unwrap();
    for id in 0..100_000 {
        let event = created(vec![annotation(id, "rain", 1)]);
        let outcome = storage.record_event(&event, None, 1).await.unwrap();
        assert_eq!(outcome.changed, 1);
        writeln!(std::io::stdout(), "acknowledged {id}").unwrap();
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("weathervane.db"), "no database ".repeat(1_000)).unwrap();
    let error = Storage::open_dir(folder.path()).await.unwrap_err();
    assert!(matches!(error, StorageError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("weathervane.db"), "{error}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = Storage::open_dir(&folder.path().join("file/data")).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains("file/data"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_the_password() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("postgres://me:hunter2@127.0.0.1:{port}/weather?password=hunter2");
    let error = Storage::connect(&url).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains(&format!("postgres://me@127.0.0.1:{port}/weather")), "{error}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

pub async fn a_database_that_takes_writes_is_ready(database: &Database) {
    let storage = database.open().await;
    for now in [1, 2] {
        storage.check_writable(now).await.unwrap();
    }
    storage.close().await;
    assert!(storage.check_writable(3).await.is_err());
}
