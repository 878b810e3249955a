//! `weathervane labels` on wrong arguments, and where Label Studio is absent or refuses.

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::Folder;
use crate::support::terminal::Terminal;

const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";

const CONFIG: &str = r#"<View><Image name="image" value="$image"/><Choices name="number" toName="image">
    <Choice value="one"/><Choice value="ten new"/></Choices></View>"#;

#[test]
fn wrong_arguments_are_named_with_what_would_be_right() {
    let folder = Folder::new();
    for (line, said) in [
        ("labels", "rename"),
        ("labels rename", "--project <ID>"),
        ("labels rename --project 3 ten", "<NEW>"),
        ("labels rename --project three ten eleven", "invalid digit"),
        ("labels rename --project 3 ten eleven --yes --dry-run", "cannot be used with"),
        ("labels rename --project 3 ten eleven", "LABEL_STUDIO_"),
        (
            "labels rename --project 3 ten eleven --label-studio http://127.0.0.1:9 --token 0123456789abcdef",
            "can't be reached",
        ),
    ] {
        let complaint = folder.complains(line);
        assert!(complaint.contains(said), "{line}: {complaint}");
    }
    let help = folder.prints("labels --help") + &folder.prints("labels rename --help");
    assert!(help.matches("weathervane labels rename --project 3 ten \"ten new\"").count() == 4, "{help}");
}

async fn answer(server: &MockServer, verb: &str, route: &str, status: u16, body: Value) {
    let template = ResponseTemplate::new(status).set_body_json(body);
    Mock::given(method(verb)).and(path(route)).respond_with(template).mount(server).await;
}

/// A Label Studio with one project, which refuses every change.
async fn refusing() -> MockServer {
    let server = MockServer::start().await;
    let region =
        json!({"from_name": "number", "to_name": "image", "type": "choices", "value": {"choices": ["ten"]}});
    let annotation = json!({"id": 9, "result": [region]});
    let details = json!({"id": 3, "title": "Numbers", "label_config": CONFIG});
    answer(&server, "GET", "/api/projects/3", 200, details).await;
    answer(&server, "GET", "/api/projects/3/export", 200, json!([{"id": 5, "annotations": [annotation]}]))
        .await;
    answer(
        &server,
        "GET",
        "/api/projects/3/summary/",
        200,
        json!({"created_labels": {"number": {"ten": 1}}}),
    )
    .await;
    answer(&server, "GET", "/api/annotations/9/", 200, annotation).await;
    answer(&server, "GET", "/api/tasks/5/drafts", 200, json!([])).await;
    answer(&server, "PATCH", "/api/annotations/9/", 403, json!({"detail": "You do not have permission"}))
        .await;
    server
}

#[tokio::test]
async fn what_cannot_be_renamed_is_refused_before_anything_is_changed() {
    let server = refusing().await;
    let url = server.uri();
    let says = async |project: i64, names: &str| {
        let line = format!("labels rename --project {project} {names} --label-studio {url} --token {TOKEN}");
        tokio::task::spawn_blocking(move || Folder::new().complains(&line)).await.unwrap()
    };
    for (project, names, said) in [
        (3, "ten eleven", "no class `eleven`; there are: `one`, `ten new`"),
        (3, "one ten_new --from-name sky", "no question `sky` that is learnt; there are: `number`"),
        (3, "ten one --from-name number", "nothing was changed: there is no terminal to ask on"),
        (
            3,
            "eleven one",
            "no annotation of project 3 answers `number` with `eleven`; its labels are: `ten` (1)",
        ),
        (4, "ten one", "can't read project 4"),
    ] {
        let complaint = says(project, names).await;
        assert!(complaint.contains(said), "{names}: {complaint}");
    }
    let asked = server.received_requests().await.unwrap();
    assert!(asked.iter().all(|request| request.method == "GET"), "{asked:?}");
    let forbidden = says(3, "ten one --yes").await;
    assert!(
        forbidden.contains(
            "nothing was changed: can't change annotation 9: Label Studio forbids it (403: `You do not have"
        ),
        "{forbidden}"
    );
}

/// The question is asked on a terminal, and only a yes changes something.
#[tokio::test]
async fn a_person_is_asked_before_anything_is_changed() {
    let server = refusing().await;
    let url = server.uri();
    let asked = async |answer: &'static str, code: i32, said: &'static str| {
        let url = url.clone();
        let terminal = move || {
            let folder = Folder::new();
            let line = [
                "labels",
                "rename",
                "--project",
                "3",
                "ten",
                "one",
                "--label-studio",
                &url,
                "--token",
                TOKEN,
            ];
            let mut terminal = Terminal::open(&folder.path(""), &line);
            terminal.shows("1 label of `ten` in project 3, `number`: task 5");
            terminal.shows("Make it `one`? [y/N] ");
            terminal.types(answer);
            assert_eq!(terminal.ends(), code, "{answer:?}");
            let rest = terminal.rest();
            assert!(rest.contains(said), "{answer:?}: {rest}");
        };
        tokio::task::spawn_blocking(terminal).await.unwrap();
    };
    asked("\n", 1, "nothing was changed").await;
    asked("no\n", 1, "nothing was changed").await;
    asked("\x03", -2, "").await;
    let requests = server.received_requests().await.unwrap();
    assert!(requests.iter().all(|request| request.method == "GET"), "{requests:?}");
    asked("y\n", 1, "Label Studio forbids it").await;
}
