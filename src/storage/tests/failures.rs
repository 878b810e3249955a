//! SQLite fails in the middle of a write, for each of its reasons: what was acknowledged is there, and once the reason is gone the
//! same handle takes writes again.

use std::process::Command;

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};

use super::super::*;
use crate::domain::annotation::Annotation;
use crate::domain::ids::{AnnotationId, ProjectId, TaskId};

const PROJECT: ProjectId = ProjectId(7);

/// Bytes of an answer that needs many pages.
const LARGE: usize = 4_000_000;

/// Set for the process that a test starts because what it does to itself would hit other tests.
const ALONE: &str = "WEATHERVANE_TEST_ALONE";

/// An event of one annotation whose text has so many bytes.
fn answer(id: i64, bytes: usize) -> EventRecord {
    let annotation = Annotation {
        id: AnnotationId(id),
        task: TaskId(id),
        result: vec![json!({"from_name": "weather", "value": {"choices": ["x".repeat(bytes)]}})],
        was_cancelled: false,
        ground_truth: false,
        completed_by: None,
        created_at: 1,
        updated_at: 1,
    };
    EventRecord {
        annotations: vec![annotation],
        ..EventRecord::new(ProjectInfo::new(PROJECT), "ANNOTATION_CREATED")
    }
}

/// Writes before, during and after a failure, and looks what is there then; says what the failure was.
async fn survives(begin: impl AsyncFnOnce(&Storage), end: impl AsyncFnOnce(&Storage)) -> StorageError {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open_dir(folder.path()).await.unwrap();
    let ids = async |storage: &Storage| {
        let kept = storage.annotations(PROJECT).await.unwrap();
        kept.iter().map(|annotation| annotation.id.0).collect::<Vec<_>>()
    };
    storage.record_event(&answer(1, 10), None, 1).await.unwrap();
    begin(&storage).await;
    let error = storage.record_event(&answer(2, LARGE), None, 2).await.unwrap_err();
    assert_eq!(ids(&storage).await, [1], "{error}");
    assert!(error.is_transient(), "{error:?}");
    end(&storage).await;
    let outcome = storage.record_event(&answer(3, 10), None, 3).await.unwrap();
    assert_eq!((outcome.changed, outcome.pending), (1, 2), "what failed counts for nothing");
    storage.check_writable(4).await.unwrap();
    storage.close().await;
    let storage = Storage::open_dir(folder.path()).await.unwrap();
    assert_eq!(ids(&storage).await, [1, 3]);
    error
}

/// Runs a statement on the connection that writes.
async fn set(storage: &Storage, pragma: &str) {
    sqlx::query(AssertSqlSafe(format!("PRAGMA {pragma}"))).fetch_all(&storage.write).await.unwrap();
}

#[tokio::test]
async fn full() {
    let begin = async |storage: &Storage| set(storage, "max_page_count = 1").await;
    let end = async |storage: &Storage| set(storage, "max_page_count = 1000000").await;
    let error = survives(begin, end).await;
    assert!(error.to_string().contains("free space on the disk"), "{error}");
}

#[tokio::test]
async fn busy() {
    let holder = std::sync::Mutex::new(None);
    let begin = async |storage: &Storage| {
        set(storage, "busy_timeout = 20").await;
        let path = storage.file.as_ref().unwrap().path().to_owned();
        let url = format!("sqlite://{}", path.display());
        let mut other = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        *holder.lock().unwrap() = Some(other);
    };
    let end = async |_: &Storage| {
        let other = holder.lock().unwrap().take().unwrap();
        other.close().await.unwrap();
    };
    let error = survives(begin, end).await;
    assert!(error.to_string().contains("another process holds it locked"), "{error}");
}

#[tokio::test]
async fn out_of_memory() {
    if !alone("out_of_memory") {
        return;
    }
    // The limit is never lifted: small writes go on below it.
    let begin = async |storage: &Storage| set(storage, "hard_heap_limit = 3000000").await;
    let error = survives(begin, async |_| {}).await;
    assert!(error.to_string().contains("memory"), "{error}");
}

/// The system refuses to let a file grow, which is an error of input and output to SQLite.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn input_and_output() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    if !alone("input_and_output") {
        return;
    }
    let before = getrlimit(Resource::Fsize);
    let limited =
        |bytes| setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum: before.maximum }).unwrap();
    let begin = async |_: &Storage| limited(Some(1_000_000));
    let end = async |_: &Storage| limited(before.current);
    let error = survives(begin, end).await;
    assert!(error.to_string().contains("check the disk"), "{error}");
}

/// Returns `true` if this process runs the test alone; else starts one that does, which has to succeed.
fn alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    // A file that may not grow comes with a signal that ends the process unless it is ignored.
    let status = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("storage::tests::failures::{test}"), "--nocapture"])
        .env(ALONE, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{test}: {status}");
    false
}
