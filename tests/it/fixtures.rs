//! Replays every recorded request of a real Label Studio 1.23.2: each is answered as Label Studio needs it.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::Server;

/// What Label Studio reads from an answer; the rest is ours to choose.
fn check(name: &str, path: &str, request: &Value, status: u16, answer: &Value) {
    assert!((200..300).contains(&status), "{name}: {status} {answer}");
    match path {
        "/health" => assert_eq!(answer["status"], "UP", "{name}"),
        "/setup" => assert!(answer["model_version"].is_string(), "{name}: {answer}"),
        "/predict" => {
            let tasks = request["tasks"].as_array().map_or(1, Vec::len);
            assert_eq!(answer["results"].as_array().map(Vec::len), Some(tasks), "{name}: {answer}");
        }
        "/versions" => assert!(answer["versions"].is_array(), "{name}: {answer}"),
        "/webhook" => assert!(answer.is_object(), "{name}: {answer}"),
        _ => panic!("{name}: unexpected path {path}"),
    }
}

#[tokio::test]
async fn every_recorded_request_is_answered_as_label_studio_needs_it() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/label-studio");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the recordings")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(|c: char| c.is_ascii_digit()))
        })
        .collect();
    files.sort();
    assert_eq!(files.len(), 78);
    let server = Server::start(&[]).await;
    for file in files {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let recording: Value =
            serde_json::from_slice(&std::fs::read(&file).expect("a readable file")).expect("JSON");
        let request = &recording["request"];
        let path = request["path"].as_str().expect("a path");
        // Some recordings were taken behind a prefix; the server sees what follows it.
        let path = format!("/{}", path.rsplit('/').next().unwrap_or_default());
        let body = &request["body_json"];
        let answer = match request["method"].as_str() {
            Some("GET") => server.get(&path).await,
            _ => server.post(&path, body).await,
        };
        let status = answer.status().as_u16();
        check(&name, &path, body, status, &answer.json().await.expect("JSON"));
    }
    let events = server.get("/metrics").await.text().await.expect("text");
    assert!(events.contains("weathervane_events_total"), "{events}");
    server.stop().await;
}
