//! Who is let in.

use serde_json::json;

use crate::support::{Server, WEATHER};

const BASIC: [&str; 4] = ["--basic-auth-user", "me", "--basic-auth-pass", "hush"];

#[tokio::test]
async fn with_a_password_every_route_wants_it() {
    let server = Server::start(&BASIC).await;
    for path in ["/health", "/metrics", "/api/projects", "/api/openapi.json", "/versions", "/nothing"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 401, "{path}");
        assert!(answer.headers().contains_key("www-authenticate"), "{path}");
    }
    for path in ["/setup", "/predict", "/webhook", "/train", "/job_status"] {
        assert_eq!(server.post(path, &json!({})).await.status(), 401, "{path}");
    }
    let wrong = server.http.get(format!("{}/health", server.url)).basic_auth("me", Some("hus")).send().await;
    assert_eq!(wrong.expect("an answer").status(), 401);
    server.stop().await;
}

#[tokio::test]
async fn credentials_in_the_url_open_every_route_and_the_webhook_too() {
    let server = Server::start(&BASIC).await;
    let inside = server.url.replace("http://", "http://me:hush@");
    let health = server.http.get(format!("{inside}/health")).send().await.expect("an answer");
    assert_eq!(health.status(), 200);
    let event = json!({"action": "PROJECT_UPDATED", "project": {"id": 1, "label_config": WEATHER}});
    let webhook = server.http.post(format!("{inside}/webhook")).json(&event).send().await.expect("an answer");
    assert_eq!(webhook.status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn the_secret_path_opens_what_the_root_refuses() {
    let secret = "0123456789abcdef";
    let server = Server::start(&["--secret-path", secret]).await;
    assert_eq!(server.get("/health").await.status(), 401);
    assert_eq!(server.get("/0123456789abcdee/health").await.status(), 401);
    for path in ["/health", "/versions", "/metrics", "", "/"] {
        assert_eq!(server.get(&format!("/{secret}{path}")).await.status(), 200, "{path}");
    }
    let setup = json!({"project": "1.1", "schema": WEATHER});
    assert_eq!(server.post(&format!("/{secret}/setup"), &setup).await.status(), 200);
    // Below the secret path a route has one more segment to match than at the root.
    let event = json!({"action": "PROJECT_UPDATED", "project": {"id": 1, "label_config": WEATHER}});
    assert_eq!(server.post(&format!("/{secret}/webhook"), &event).await.status(), 200);
    assert_eq!(server.get_json(&format!("/{secret}/heard")).await["projects"][0]["id"], 1);
    assert_eq!(server.get_json(&format!("/{secret}/api/jobs/99")).await["code"], "closed");
    let missing = server.get(&format!("/{secret}/{secret}")).await;
    assert_eq!(missing.status(), 404);
    server.stop().await;
}
