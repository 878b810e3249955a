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

/// Any web page that a person has open can send requests to 127.0.0.1.
#[tokio::test]
async fn no_web_page_of_another_site_reaches_the_protocol() {
    let server = Server::start(&[]).await;
    let setup = json!({"project": "1.1", "schema": WEATHER}).to_string();
    let ask = async |server: &Server, method: reqwest::Method, path: &str, headers: &[(&str, &str)]| {
        let mut request = server.http.request(method, format!("{}{path}", server.url)).body(setup.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        (
            answer.status().as_u16(),
            answer.json::<serde_json::Value>().await.unwrap_or_default()["code"].clone(),
        )
    };
    let post = reqwest::Method::POST;
    for path in ["/setup", "/predict", "/webhook", "/train", "/job_status"] {
        for headers in [
            [("origin", "http://evil.example"), ("content-type", "application/json")],
            [("sec-fetch-site", "cross-site"), ("content-type", "application/json")],
        ] {
            assert_eq!(ask(&server, post.clone(), path, &headers).await, (403, json!("foreign")), "{path}");
        }
        let rebound = [("host", "evil.example:9090"), ("content-type", "application/json")];
        assert_eq!(ask(&server, post.clone(), path, &rebound).await, (403, json!("other_host")), "{path}");
        let form = [("content-type", "text/plain")];
        assert_eq!(ask(&server, post.clone(), path, &form).await, (415, json!("content_type")), "{path}");
    }
    for path in ["/health", "/versions", "/metrics", "/heard"] {
        let rebound = [("host", "evil.example:9090")];
        assert_eq!(
            ask(&server, reqwest::Method::GET, path, &rebound).await,
            (403, json!("other_host")),
            "{path}"
        );
    }
    for headers in [
        &[][..],
        &[("content-type", "application/json; charset=utf-8")],
        &[("host", "host.docker.internal:9090"), ("content-type", "application/json")],
        &[("sec-fetch-site", "none")],
    ] {
        assert_eq!(ask(&server, post.clone(), "/setup", headers).await.0, 200, "{headers:?}");
    }
    server.stop().await;
    let named = Server::start(&["--allowed-host", "labels.intranet,other"]).await;
    let by_name = [("host", "labels.intranet")];
    assert_eq!(ask(&named, post, "/setup", &by_name).await.0, 200);
    named.stop().await;
}

#[tokio::test]
async fn whether_the_server_can_store_is_told_on_demand() {
    let server = Server::start(&[]).await;
    for path in ["/health?ready", "/health?ready=1"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
    }
    server.stop().await;
}

/// The operator's right password opens at once, whoever guesses elsewhere; guesses of one client are answered slowly, and too
/// many at once not at all.
#[tokio::test]
async fn wrong_passwords_are_answered_slowly_and_too_many_at_once_not_at_all() {
    let server = Server::start(&BASIC).await;
    let ask = |path: &'static str, password: &'static str| {
        let request = server.http.get(format!("{}{path}", server.url)).basic_auth("me", Some(password));
        async move { request.send().await.expect("an answer").status().as_u16() }
    };
    let flood = futures_util::future::join_all(
        (0..24).map(|number| ask(["/health", "/api/projects", "/versions"][number % 3], "hus")),
    );
    let told = flood.await;
    let (wrong, unheard) = (
        told.iter().filter(|status| **status == 401).count(),
        told.iter().filter(|status| **status == 429).count(),
    );
    assert!(wrong >= 4 && unheard >= 4 && wrong + unheard == 24, "{told:?}");
    assert_eq!(ask("/api/projects", "hush").await, 200);
    // From then on this client is known: a flood does not lock it out.
    let flood = (0..24).map(|_| ask("/health", "hus"));
    let (told, right) = tokio::join!(futures_util::future::join_all(flood), ask("/health", "hush"));
    assert_eq!(right, 200, "{told:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_body_of_which_nothing_comes_is_not_waited_for() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let server = Server::start(&[]).await;
    let address = server.url.trim_start_matches("http://").to_owned();
    let mut slow = tokio::net::TcpStream::connect(&address).await.expect("a connection");
    let head = format!("POST /webhook HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1000\r\n\r\n{{");
    slow.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 64];
    let read = tokio::time::timeout(std::time::Duration::from_secs(20), slow.read(&mut answer)).await;
    let read = read.expect("an answer in time").expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert_eq!(server.get("/health").await.status(), 200);
    server.stop().await;
}
