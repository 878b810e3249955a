//! `weathervane connect` and `doctor` where Label Studio is absent, or a stand-in that refuses.

use serde_json::json;
use wiremock::matchers::{body_partial_json, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::Folder;

const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the recorded Label Studio 1.23.2 answers to an address of its own network.
const RESERVED: &str = "URL resolves to a reserved network address (block: 127.0.0.0/8)";

#[test]
fn connect_names_each_argument_that_is_wrong_and_what_would_be_right() {
    let folder = Folder::new();
    folder.write(
        "boxes.xml",
        b"<View><Image name='i' value='$i'/><RectangleLabels name='r' toName='i'/></View>",
    );
    for (line, said) in [
        ("connect", "--create <TITLE>"),
        ("connect --project 1 --create Weather", "cannot be used with"),
        ("connect --create Weather --upload", "--images"),
        ("connect --create Weather --label-config nowhere.xml", "`nowhere.xml` can't be read"),
        (
            "connect --create Weather --label-config boxes.xml",
            "`boxes.xml`: label config has no `<Choices>`, `<Taxonomy>` or `<Rating>` tag",
        ),
        ("connect --create Weather --images nowhere", "no folder `nowhere`"),
        ("connect --create Weather --images nowhere --upload", "folder `nowhere` can't be read"),
        ("connect --create Weather --images . --upload", "no image files"),
        ("connect --create Weather --backend-url 127.0.0.1:9090", "write it like http://127.0.0.1:9090"),
        ("connect --create Weather --label-studio 127.0.0.1:8080", "--label-studio-url"),
        ("connect --create Birds --classes robin", "1 classes; it takes 2"),
        ("connect --create Birds --classes robin,,wren", "a class has no name"),
        ("connect --create Birds --classes robin,wren,Robin", "class `Robin` is named twice"),
        ("connect --create Birds --multiple", "--classes"),
        ("connect --create Birds --classes a,b --label-config boxes.xml", "cannot be used with"),
        ("demo --classes a,b", "--images"),
        ("doctor --backend-url http://h/?a=b", "must not have a query"),
    ] {
        let complaint = folder.complains(line);
        assert!(complaint.contains(said), "{line}: {complaint}");
    }
}

/// Stdout of a command that finds problems.
async fn finds(line: String) -> String {
    let output = tokio::task::spawn_blocking(move || Folder::new().weathervane(&line)).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(!text.contains(TOKEN), "{text}");
    text
}

#[tokio::test]
async fn without_label_studio_both_say_what_to_set() {
    for command in ["connect --create Weather", "doctor"] {
        let said = finds(command.to_owned()).await;
        assert!(said.contains("LABEL_STUDIO_"), "{said}");
        let said = finds(format!("{command} --label-studio http://127.0.0.1:9 --token {TOKEN}")).await;
        assert!(said.contains("can't be reached") && said.contains("check LABEL_STUDIO_URL"), "{said}");
    }
}

/// A Label Studio that accepts the token and whose clock is years behind.
async fn label_studio() -> MockServer {
    let server = MockServer::start().await;
    let answers =
        [("/api/version", json!({"release": "1.23.2"})), ("/api/current-user/whoami", json!({"id": 7}))];
    for (route, answer) in answers {
        let template = ResponseTemplate::new(200)
            .insert_header("Date", "Wed, 01 Jan 2020 00:00:00 GMT")
            .set_body_json(answer);
        Mock::given(method("GET")).and(path(route)).respond_with(template).mount(&server).await;
    }
    server
}

/// Answers a request of Label Studio's API.
async fn answer(server: &MockServer, verb: &str, route: &str, status: u16, body: serde_json::Value) {
    let template = ResponseTemplate::new(status).set_body_json(body);
    Mock::given(method(verb)).and(path(route)).respond_with(template).mount(server).await;
}

#[tokio::test]
async fn connect_changes_nothing_for_a_host_to_which_label_studio_keeps_no_webhook() {
    let server = label_studio().await;
    for (host, why) in [("weathervane", "has no dot"), ("node.rack1", "no digit")] {
        let line = format!(
            "connect --create Weather --backend-url http://me:hush@{host}:9090 --label-studio {} --token {TOKEN}",
            server.uri()
        );
        let said = finds(line).await;
        assert!(
            said.contains(&format!("`{host}`")) && said.contains(why) && !said.contains("hush"),
            "{said}"
        );
        assert!(said.contains("NAME.internal") && said.contains("IP address"), "{said}");
    }
    let asked = server.received_requests().await.unwrap();
    assert!(asked.iter().all(|request| request.method == "GET"), "{asked:?}");
}

#[tokio::test]
async fn doctor_names_the_host_of_the_connected_backend_as_the_cause_of_a_missing_webhook() {
    let server = label_studio().await;
    answer(&server, "POST", "/api/ml", 400, json!({})).await;
    answer(&server, "POST", "/api/webhooks/", 400, json!({})).await;
    answer(&server, "GET", "/api/projects/3", 200, json!({"id": 3, "title": "Weather"})).await;
    let row = json!([{"id": 1, "url": "http://weathervane:9090", "state": "CO"}]);
    answer(&server, "GET", "/api/ml", 200, row).await;
    answer(&server, "GET", "/api/webhooks/", 200, json!([])).await;
    for address in ["--port 9", "--backend-url http://weathervane:9090"] {
        let line = format!("doctor --project 3 {address} --label-studio {} --token {TOKEN}", server.uri());
        let said = finds(line).await;
        assert!(said.contains("`weathervane`, which has no dot") && said.contains("--moved-from"), "{said}");
        assert!(!said.contains("no webhook arrived"), "{said}");
    }
}

#[tokio::test]
async fn doctor_names_the_guard_that_is_on_and_a_clock_that_is_wrong() {
    let server = label_studio().await;
    let refusal = ResponseTemplate::new(403).set_body_json(json!({"detail": RESERVED}));
    let unknown =
        json!({"detail": "Validation error", "validation_errors": {"project": ["Invalid pk \"0\""]}});
    Mock::given(method("POST"))
        .and(path("/api/ml"))
        .and(body_partial_json(json!({"project": 0})))
        .respond_with(ResponseTemplate::new(400).set_body_json(unknown))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/api/webhooks/"))
        .and(body_partial_json(json!({"project": 0})))
        .respond_with(refusal)
        .mount(&server)
        .await;
    let said = finds(format!("doctor --label-studio {} --token {TOKEN} --port 9", server.uri())).await;
    assert!(said.contains("SSRF_PROTECTION_ENABLED=false") && !said.contains("ML_BLOCK_LOCAL_IP"), "{said}");
    assert!(said.contains("ahead of Label Studio's") && said.contains("NTP"), "{said}");
    assert!(said.contains("weathervane serve") && said.contains("2 problems"), "{said}");
}

#[tokio::test]
async fn connect_takes_no_pick_among_projects_of_the_same_title() {
    let server = label_studio().await;
    answer(&server, "POST", "/api/ml", 400, json!({})).await;
    answer(&server, "POST", "/api/webhooks/", 400, json!({})).await;
    let listed = json!({"results": [{"id": 4, "title": "Weather"}, {"id": 3, "title": "Weather"},
        {"id": 5, "title": "Weather at sea"}]});
    Mock::given(method("GET"))
        .and(path("/api/projects"))
        .respond_with(ResponseTemplate::new(200).set_body_json(listed))
        .mount(&server)
        .await;
    let line = format!("connect --create Weather --label-studio {} --token {TOKEN} --port 9", server.uri());
    let said = finds(line).await;
    assert!(said.contains("2 projects are called `Weather`: 3, 4") && said.contains("--project"), "{said}");
}
