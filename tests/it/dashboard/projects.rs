//! The list of projects.

use serde_json::json;

use crate::support::browser::{Visitor, assert_page};
use crate::support::pictures::{CLASSES, data_uri};
use crate::support::{Server, WEATHER};

#[tokio::test]
async fn without_a_project_it_says_how_to_connect_one() {
    let server = Server::start(&[]).await;
    let page = Visitor::of(&server).get("/ui").await;
    assert_page!(page);
    server.stop().await;
}

#[tokio::test]
async fn a_project_shows_its_counts_and_what_is_missing() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    for id in 1..=3_i64 {
        server.annotate(WEATHER, id, &data_uri(id as usize, id as u32), CLASSES[id as usize]).await;
    }
    let open = json!({"action": "TASKS_CREATED", "project": {"id": 1},
        "tasks": [{"id": 20, "data": {"image": data_uri(0, 20)}}, {"id": 21, "data": {"image": "data:,no"}}]});
    server.post("/webhook", &open).await;
    let mut skipped =
        crate::support::annotation_event("ANNOTATION_CREATED", WEATHER, 22, &data_uri(0, 22), "rain");
    skipped["annotation"]["was_cancelled"] = json!(true);
    server.post("/webhook", &skipped).await;
    server.pool_filled(5, 1).await;
    let page = Visitor::of(&server).get("/ui").await;
    assert_page!(page);
    server.stop().await;
}

#[tokio::test]
async fn names_that_look_like_markup_are_shown_as_text() {
    const EVIL: &str = "<script>alert(1)</script>";
    let config = WEATHER.replace("\"rain\"", "\"&lt;script>alert(1)&lt;/script>\"");
    let server = Server::start(&["--train-trigger", "manual"]).await;
    let mut event = crate::support::annotation_event("ANNOTATION_CREATED", &config, 1, &data_uri(1, 1), EVIL);
    event["project"]["title"] = json!(EVIL);
    server.post("/webhook", &event).await;
    let page = Visitor::of(&server).get("/ui").await;
    assert!(page.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{}", page.text);
    assert!(!page.text.contains("<script>"), "{}", page.text);
    server.stop().await;
}

#[tokio::test]
async fn who_follows_is_told_what_changed() {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    server.setup(WEATHER).await;
    let mut stream = server.get("/ui/events").await;
    let mut told = String::new();
    for id in 1.. {
        server.annotate(WEATHER, id, &data_uri(0, id as u32), CLASSES[0]).await;
        while let Ok(chunk) =
            tokio::time::timeout(std::time::Duration::from_millis(300), stream.chunk()).await
        {
            told += std::str::from_utf8(&chunk.expect("a stream").expect("no end")).expect("text");
        }
        if told.contains("\"labels\"") {
            break;
        }
        assert!(id < 200, "{told}");
    }
    assert!(told.contains("event: change\ndata: {\"kinds\":["), "{told}");
    assert!(told.contains("\"project\":1}\n\n"), "{told}");
    server.stop().await;
}
