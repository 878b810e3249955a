//! Fresh databases for tests, and short ways to write rows.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, json};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;
use weathervane::domain::annotation::Annotation;
use weathervane::domain::ids::{AnnotationId, ProjectId, TaskId};
use weathervane::storage::{EventRecord, JobKind, JobRequest, ProjectInfo, Storage, TaskRecord};

pub const PROJECT: ProjectId = ProjectId(7);

/// One second in microseconds.
pub const SECOND: i64 = 1_000_000;

/// An empty database of its own for one test.
pub struct Database {
    pub url: String,
    _folder: Option<TempDir>,
}

impl Database {
    pub async fn open(&self) -> Storage {
        Storage::connect(&self.url).await.unwrap()
    }
}

pub fn sqlite() -> Database {
    let folder = tempfile::Builder::new().prefix("a folder %?#").tempdir().unwrap();
    let path = folder.path().join("new/data.db");
    let escaped = path.to_str().unwrap().replace('%', "%25").replace('?', "%3F");
    Database { url: format!("sqlite:{escaped}"), _folder: Some(folder) }
}

/// A schema of its own on the test server; `None` where there is no server.
pub async fn postgres() -> Option<Database> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let server = server()?;
    let schema = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut connection = sqlx::PgConnection::connect(server).await.unwrap();
    connection.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
    connection.close().await.unwrap();
    let separator = if server.contains('?') { '&' } else { '?' };
    Some(Database { url: format!("{server}{separator}options[search_path]={schema}"), _folder: None })
}

fn server() -> Option<&'static str> {
    static SERVER: OnceLock<Option<(String, Option<Child>)>> = OnceLock::new();
    let server = SERVER.get_or_init(|| match std::env::var("WEATHERVANE_TEST_POSTGRES") {
        Ok(url) => Some((url, None)),
        Err(_) => start_server().map(|(url, child)| (url, Some(child))),
    });
    if server.is_none() {
        let why = "no PostgreSQL: set WEATHERVANE_TEST_POSTGRES to a URL, or install it (apt-get install postgresql)";
        let required = std::env::var("WEATHERVANE_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
        assert!(!required, "{why}");
        eprintln!("skipped on PostgreSQL: {why}");
    }
    server.as_ref().map(|(url, _)| url.as_str())
}

/// The script stops the server when its input ends, that is when this process does.
fn start_server() -> Option<(String, Child)> {
    let mut child = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/postgres-for-tests.sh"))
        .arg("run")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut url = String::new();
    BufReader::new(child.stdout.take()?).read_line(&mut url).ok()?;
    let url = url.trim().to_owned();
    (!url.is_empty()).then_some((url, child))
}

pub fn info() -> ProjectInfo {
    ProjectInfo::new(PROJECT)
}

pub fn task(id: i64, image: &str) -> TaskRecord {
    TaskRecord {
        id: TaskId(id),
        data: Map::from_iter([("image".to_owned(), json!(image))]),
        created_at: 1,
        updated_at: 1,
    }
}

/// Annotation `id` of task `id`, last changed at `updated_at`.
pub fn annotation(id: i64, choice: &str, updated_at: i64) -> Annotation {
    Annotation {
        id: AnnotationId(id),
        task: TaskId(id),
        result: vec![json!({"type": "choices", "from_name": "weather", "value": {"choices": [choice]}})],
        was_cancelled: false,
        ground_truth: false,
        completed_by: Some(1),
        created_at: 0,
        updated_at,
    }
}

pub fn created(annotations: Vec<Annotation>) -> EventRecord {
    EventRecord { annotations, ..EventRecord::new(info(), "ANNOTATION_CREATED") }
}

/// A training of the project after half a second of quiet, at most five seconds of waiting.
pub fn training() -> JobRequest {
    JobRequest {
        kind: JobKind::Train,
        reason: "annotation".to_owned(),
        quiet_us: SECOND / 2,
        max_wait_us: 5 * SECOND,
        min_updates: 1,
        force: false,
    }
}
