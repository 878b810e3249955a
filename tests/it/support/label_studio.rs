//! A fake Label Studio: uploads behind a token, the export, and a refresh of personal access tokens.

use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, path_regex};
use wiremock::{Mock, MockServer, ResponseTemplate};

pub const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";

/// Starts one that knows its token and serves what is mounted.
pub async fn start() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path_regex("^/data/.*"))
        .respond_with(
            ResponseTemplate::new(401)
                .set_body_json(json!({"detail": "Authentication credentials were not provided."})),
        )
        .with_priority(200)
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/api/current-user/whoami"))
        .and(header("Authorization", format!("Token {TOKEN}").as_str()))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"id": 1, "email": "a@example.org"})))
        .mount(&server)
        .await;
    server
}

/// Arguments of a server beside it; nothing is compared unless asked for.
pub fn beside(address: &str) -> [&str; 6] {
    ["--label-studio-url", address, "--label-studio-api-key", TOKEN, "--reconcile-seconds", "0"]
}

/// Serves a file below `/data/upload/`, with the token only.
pub async fn upload(server: &MockServer, at: &str, bytes: Vec<u8>) {
    Mock::given(method("GET"))
        .and(path(at))
        .and(header("Authorization", format!("Token {TOKEN}").as_str()))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(bytes))
        .mount(server)
        .await;
}

/// Answers the project's export.
pub async fn export(server: &MockServer, project: i64, tasks: Value) {
    exports(project, tasks).mount(server).await;
}

/// Answers the project's export the next time it is asked for.
pub async fn export_once(server: &MockServer, project: i64, tasks: Value) {
    exports(project, tasks).up_to_n_times(1).with_priority(1).mount(server).await;
}

fn exports(project: i64, tasks: Value) -> Mock {
    Mock::given(method("GET"))
        .and(path(format!("/api/projects/{project}/export")))
        .and(header("Authorization", format!("Token {TOKEN}").as_str()))
        .respond_with(ResponseTemplate::new(200).set_body_json(tasks))
}
