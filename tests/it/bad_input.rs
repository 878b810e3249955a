//! Broken, hostile and absurd requests: a clear error, the right status, and the server goes on.

use serde_json::{Value, json};

use crate::support::pictures::data_uri;
use crate::support::{Server, WEATHER};

async fn post_text(server: &Server, path: &str, body: String) -> (u16, Value) {
    let request =
        server.http.post(format!("{}{path}", server.url)).header("content-type", "application/json");
    let answer = request.body(body).send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, answer.json().await.expect("errors are JSON"))
}

#[tokio::test]
async fn broken_json_is_400_with_code_and_hint_on_every_route() {
    let server = Server::start(&[]).await;
    for path in ["/setup", "/predict", "/webhook", "/train", "/job_status"] {
        let (status, body) = post_text(&server, path, "{\"project\": ".to_owned()).await;
        assert_eq!((status, &body["code"]), (400, &json!("invalid_json")), "{path}");
        assert!(body["hint"].is_string() && body["detail"].is_string(), "{path}: {body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn missing_and_mistyped_fields_are_named() {
    let server = Server::start(&[]).await;
    for (path, body, named) in [
        ("/predict", json!({}), "tasks"),
        ("/predict", json!({"tasks": 7, "label_config": WEATHER}), "tasks"),
        ("/predict", json!({"tasks": null}), "tasks"),
        ("/predict", json!({"tasks": [], "label_config": 5}), "label_config"),
        ("/setup", json!({"project": "1.1", "schema": [1]}), "schema"),
        ("/webhook", json!({"project": {"id": 1}}), "action"),
        ("/webhook", json!({"action": "ANNOTATION_CREATED"}), "project"),
        ("/train", json!({"annotations": "all"}), "annotations"),
        ("/job_status", json!({}), "job"),
    ] {
        let (status, answer) = post_text(&server, path, body.to_string()).await;
        assert_eq!(status, 400, "{path} {body}: {answer}");
        assert!(answer["detail"].as_str().unwrap_or_default().contains(named), "{path} {body}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn unknown_jobs_projects_and_routes_are_404() {
    let server = Server::start(&[]).await;
    assert_eq!(server.post("/job_status", &json!({"job": "17"})).await.status(), 404);
    assert_eq!(server.post("/job_status", &json!({"job": "seventeen"})).await.status(), 404);
    for path in ["/api/projects/5", "/api/projects/x", "/api/jobs/9", "/validate"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(answer.json::<Value>().await.expect("JSON")["code"], "not_found", "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_body_or_a_task_list_that_is_too_large_is_413() {
    let server = Server::start(&["--max-body-bytes", "100000", "--max-tasks-per-request", "50"]).await;
    let (status, body) =
        post_text(&server, "/predict", format!("{{\"x\": \"{}\"}}", "a".repeat(200_000))).await;
    assert_eq!((status, &body["code"]), (413, &json!("body_too_large")));
    let tasks: Vec<Value> = (0..51).map(|id| json!({"id": id, "data": {}})).collect();
    let (status, body) =
        post_text(&server, "/predict", json!({"tasks": tasks, "label_config": WEATHER}).to_string()).await;
    assert_eq!((status, &body["code"]), (413, &json!("too_many_tasks")), "{body}");
    server.stop().await;
}

#[tokio::test]
async fn ten_megabytes_of_xml_are_refused_per_task_and_named_on_the_status_route() {
    let server = Server::start(&[]).await;
    let xml = format!("<View>{}</View>", "<Header value=\"x\"/>".repeat(600_000));
    let setup = json!({"project": "3.1", "schema": xml});
    assert_eq!(server.post("/setup", &setup).await.status(), 200);
    let predict = json!({"tasks": [{"id": 1, "data": {"image": data_uri(0, 0)}}], "label_config": xml});
    assert_eq!(server.post_json("/predict", &predict).await, json!({"results": [[]]}));
    assert_eq!(server.get("/health").await.status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn deep_nesting_neither_overflows_nor_panics() {
    let server = Server::start(&[]).await;
    let xml = format!("{}{}", "<View>".repeat(100_000), "</View>".repeat(100_000));
    assert_eq!(server.post("/setup", &json!({"project": "3.1", "schema": xml})).await.status(), 200);
    let deep = format!("{{\"tasks\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let (status, _) = post_text(&server, "/predict", deep).await;
    assert_eq!(status, 400);
    assert_eq!(server.get("/health").await.status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn configs_that_cannot_be_classified_get_200_and_a_reason() {
    let server = Server::start(&[]).await;
    let video = r#"<View><Video name="v" value="$v"/><Choices name="c" toName="v"><Choice value="a"/></Choices></View>"#;
    for (id, xml) in [(11, "<View></View>"), (12, video), (13, "not xml <"), (14, "")] {
        let setup = json!({"project": format!("{id}.1"), "schema": xml});
        assert_eq!(server.post("/setup", &setup).await.status(), 200, "{xml}");
        let event = json!({"action": "PROJECT_UPDATED", "project": {"id": id, "label_config": xml}});
        assert_eq!(server.post("/webhook", &event).await.status(), 200, "{xml}");
        let project = server.get_json(&format!("/api/projects/{id}")).await;
        assert!(project["problem"].is_string(), "{xml}: {project:#}");
    }
    server.stop().await;
}
