use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use wiremock::matchers::{body_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

const LEGACY: &str = "0123456789abcdef0123456789abcdef01234567";

fn client(base: &str, token: &str) -> Client {
    client_with_timeout(base, token, Duration::from_secs(30))
}

fn client_with_timeout(base: &str, token: &str, timeout: Duration) -> Client {
    Client::new(ClientConfig {
        base_url: Some(Url::parse(base).unwrap()),
        token: Some(SecretString::from(token)),
        verify_tls: true,
        connect_timeout: Duration::from_secs(5),
        timeout,
        proxy: None,
    })
    .unwrap()
}

fn jwt(payload: &Value) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload.to_string()))
}

fn personal() -> String {
    jwt(&json!({"token_type": "refresh", "exp": 8_000_000_000_i64, "iat": 1_700_000_000}))
}

/// An access token that lives for 300 s; `number` tells it from others.
fn access(number: u32) -> String {
    jwt(&json!({"token_type": "access", "exp": 1_700_000_300, "iat": 1_700_000_000, "jti": number}))
}

/// Answers refreshes of [`personal`] with `tokens` in turn, and expects just as many.
async fn mount_refreshes(server: &MockServer, tokens: &[String]) {
    for (index, token) in tokens.iter().enumerate() {
        Mock::given(method("POST"))
            .and(path("/api/token/refresh/"))
            .and(body_json(json!({"refresh": personal()})))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"access": token})))
            .up_to_n_times(1)
            .with_priority(index as u8 + 1)
            .expect(1)
            .mount(server)
            .await;
    }
}

/// Answers `whoami` to this `Authorization` header; all others get 401.
async fn mount_whoami(server: &MockServer, authorization: &str) {
    Mock::given(path("/api/current-user/whoami"))
        .and(header("Authorization", authorization))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"id": 7, "email": "a@example.org"})))
        .mount(server)
        .await;
    Mock::given(path("/api/current-user/whoami"))
        .respond_with(ResponseTemplate::new(401).set_body_json(json!({"detail": "Invalid token."})))
        .with_priority(100)
        .mount(server)
        .await;
}

#[tokio::test]
async fn a_legacy_token_goes_as_it_is_below_a_sub_path_too() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/label-studio/api/current-user/whoami"))
        .and(header("Authorization", format!("Token {LEGACY}")))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"id": 7})))
        .mount(&server)
        .await;
    for base in ["/label-studio", "/label-studio/"] {
        let client = client(&format!("{}{base}", server.uri()), LEGACY);
        assert!(client.is_configured());
        let account = client.verify().await.unwrap();
        assert_eq!((account.kind.to_string().as_str(), account.id), ("legacy token", 7));
    }
}

#[tokio::test]
async fn callers_at_once_share_one_refresh_of_a_personal_token() {
    let server = MockServer::start().await;
    mount_refreshes(&server, &[access(1)]).await;
    mount_whoami(&server, &format!("Bearer {}", access(1))).await;
    let client = client(&server.uri(), &personal());
    let all = futures_util::future::join_all((0..20).map(|_| client.verify())).await;
    assert!(
        all.iter().all(|account| account.as_ref().is_ok_and(|account| account.kind == TokenKind::Personal))
    );
    assert!(client.verify().await.is_ok());
    server.verify().await;
}

#[tokio::test]
async fn a_refused_access_token_is_replaced_once() {
    let server = MockServer::start().await;
    mount_refreshes(&server, &[access(1), access(2)]).await;
    mount_whoami(&server, &format!("Bearer {}", access(2))).await;
    let client = client(&server.uri(), &personal());
    let all = futures_util::future::join_all((0..10).map(|_| client.verify())).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    server.verify().await;
}

#[tokio::test]
async fn an_access_token_at_its_end_is_replaced_before_it_is_used() {
    let server = MockServer::start().await;
    let expired = jwt(&json!({"token_type": "access", "exp": 1_000, "iat": 1_000}));
    mount_refreshes(&server, &[expired.clone(), access(2)]).await;
    mount_whoami(&server, &format!("Bearer {expired}")).await;
    Mock::given(path("/api/current-user/whoami"))
        .and(header("Authorization", format!("Bearer {}", access(2))))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"id": 7})))
        .expect(1)
        .mount(&server)
        .await;
    let client = client(&server.uri(), &personal());
    assert!(client.verify().await.is_ok());
    assert!(client.verify().await.is_ok());
    server.verify().await;
}

#[tokio::test]
async fn a_refused_token_is_named_by_its_kind_with_label_studios_words_and_advice() {
    let disabled = "Authentication token no longer valid: legacy token authentication has been disabled";
    let server = MockServer::start().await;
    for at in ["/api/current-user/whoami", "/api/token/refresh/"] {
        Mock::given(path(at))
            .respond_with(ResponseTemplate::new(401).set_body_json(json!({"detail": disabled})))
            .mount(&server)
            .await;
    }
    for (token, kind) in [(LEGACY.to_owned(), "legacy token"), (personal(), "personal access token")] {
        let error = client(&server.uri(), &token).verify().await.expect_err("refused").to_string();
        assert!(
            error.starts_with(&format!("Label Studio refused the {kind} (401: `{disabled}`)")),
            "{error}"
        );
        assert!(error.contains("make a personal access token under Account & Settings"), "{error}");
        assert!(!error.contains(&token), "{error}");
    }
}

#[tokio::test]
async fn a_personal_token_whose_access_tokens_are_all_refused_is_given_up() {
    let server = MockServer::start().await;
    mount_refreshes(&server, &[access(1), access(2)]).await;
    mount_whoami(&server, "Bearer none").await;
    let error = client(&server.uri(), &personal()).verify().await.expect_err("refused");
    assert!(matches!(error, LabelStudioError::Refused { kind: TokenKind::Personal, .. }), "{error}");
    server.verify().await;
}

#[tokio::test]
async fn an_export_gives_the_tasks_and_a_missing_project_is_told_apart() {
    let server = MockServer::start().await;
    let tasks = json!([{"id": 1, "annotations": [{"id": 5}]}, {"id": 2, "annotations": []}]);
    Mock::given(method("GET"))
        .and(path("/api/projects/3/export"))
        .and(query_param("exportType", "JSON"))
        .and(header("Authorization", format!("Token {LEGACY}")))
        .respond_with(ResponseTemplate::new(200).set_body_json(&tasks))
        .mount(&server)
        .await;
    Mock::given(path("/api/projects/4/export"))
        .respond_with(ResponseTemplate::new(404).set_body_json(json!({"detail": "Not found."})))
        .mount(&server)
        .await;
    let client = client(&server.uri(), LEGACY);
    assert_eq!(Value::Array(client.export(ProjectId(3)).await.unwrap()), tasks);
    let error = client.export(ProjectId(4)).await.expect_err("missing");
    assert!(matches!(error, LabelStudioError::NotFound { .. }), "{error}");
    assert!(error.to_string().starts_with("can't export project 4: "), "{error}");
}

#[tokio::test]
async fn a_server_that_stumbles_is_asked_again_and_one_that_refuses_is_not() {
    for (status, requests) in [(503, 2), (429, 2), (400, 1), (403, 1)] {
        let server = MockServer::start().await;
        Mock::given(path("/api/projects/3/export"))
            .respond_with(ResponseTemplate::new(status).set_body_string("busy"))
            .up_to_n_times(1)
            .mount(&server)
            .await;
        Mock::given(path("/api/projects/3/export"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!([])))
            .mount(&server)
            .await;
        let exported = client(&server.uri(), LEGACY).export(ProjectId(3)).await;
        assert_eq!(exported.is_ok(), requests == 2, "{status}");
        assert_eq!(server.received_requests().await.unwrap().len(), requests, "{status}");
    }
}

#[tokio::test]
async fn a_call_that_creates_is_sent_once() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).expect(1).mount(&server).await;
    let call = Call::new("create", Method::POST, "api/things").body(json!({}));
    let error = client(&server.uri(), LEGACY).json::<Value>(&call, 100).await.expect_err("busy");
    assert!(matches!(error, LabelStudioError::Status { status: 503, .. }), "{error}");
    server.verify().await;
}

#[tokio::test]
async fn answers_that_are_not_label_studios_are_explained() {
    for (answer, explained) in [
        (ResponseTemplate::new(200).set_body_string("<html>"), "did not answer as Label Studio does"),
        (ResponseTemplate::new(302).insert_header("Location", "/user/login/?next=/x"), "its login page"),
        (
            ResponseTemplate::new(301).insert_header("Location", "https://ls.example/api/x?sig=hush"),
            "LABEL_STUDIO_URL",
        ),
        (ResponseTemplate::new(200).set_body_string(" ".repeat(MAX_SMALL_BYTES + 1)), "larger than 1 MB"),
        (ResponseTemplate::new(200).set_delay(Duration::from_secs(30)), "did not answer within"),
    ] {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(answer).expect(1).mount(&server).await;
        let client = client_with_timeout(&server.uri(), LEGACY, Duration::from_millis(500));
        let error = client.verify().await.expect_err(explained).to_string();
        assert!(error.contains(explained) && !error.contains("hush"), "{error}");
    }
}

#[tokio::test]
async fn without_an_address_or_a_token_the_missing_setting_is_named() {
    for (base, token, missing) in [
        (None, Some(LEGACY), "LABEL_STUDIO_URL"),
        (Some("http://127.0.0.1:1"), None, "LABEL_STUDIO_API_KEY"),
        (Some("http://127.0.0.1:1"), Some(" "), "LABEL_STUDIO_API_KEY"),
    ] {
        let client = Client::new(ClientConfig {
            base_url: base.map(|base| Url::parse(base).unwrap()),
            token: token.map(SecretString::from),
            verify_tls: true,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(5),
            proxy: None,
        })
        .unwrap();
        assert!(!client.is_configured());
        for error in [client.verify().await.err(), client.export(ProjectId(1)).await.err()] {
            let error = error.expect("not configured").to_string();
            assert!(error.starts_with(&format!("{missing} is not set")), "{error}");
        }
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_the_reason() {
    let error = client("http://127.0.0.1:1/ls", LEGACY).verify().await.expect_err("nobody").to_string();
    assert!(error.contains("http://127.0.0.1:1/ls/api/current-user/whoami can't be reached"), "{error}");
    assert!(error.contains("refused"), "{error}");
}
