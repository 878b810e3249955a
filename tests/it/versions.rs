//! Going back to a version, holding on to it, and what a version says to look at.

use serde_json::{Value, json};
use weathervane::app::Services;
use weathervane::domain::ids::ProjectId;

use crate::support::label_studio::beside;
use crate::support::pictures::{CLASSES, data_uri};
use crate::support::queue::Fake;
use crate::support::{Server, WEATHER, settings};

#[tokio::test]
async fn an_activated_version_serves_again_and_label_studio_follows() {
    let open = (1..=16).map(|id: i64| json!({"id": id, "data": {"image": data_uri(id as usize, id as u32)}}));
    let fake = Fake::start(open.collect()).await;
    let server = Server::start(&[&["--no-starter"], &beside(&fake.mock.uri())[..]].concat()).await;
    fake.connect(&server);
    let none = server.setup(WEATHER).await;
    let first = learnt(&server, 1..=6, &none).await;
    fake.names(&first).await;
    let second = learnt(&server, 7..=12, &first).await;
    fake.names(&second).await;

    let answer = server.post_json("/api/projects/1/versions/1/activate", &json!({})).await;
    let back = answer["version"].as_str().expect("a name").to_owned();
    assert_eq!(back, first);
    // Label Studio stores predictions of its first order, so the second one has another name.
    let again = format!("{back}.2");
    fake.names(&again).await;
    assert_eq!(server.setup(WEATHER).await, again);
    let predicted = server.predict(WEATHER, &[(200, data_uri(1, 200))]).await;
    assert_eq!(predicted[0]["model_version"], json!(again));
    server.stop().await;
}

#[tokio::test]
async fn a_pinned_version_stays_whatever_is_trained() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    let none = server.setup(WEATHER).await;
    server.taught(1..=6).await;
    server.train().await;
    let first = server.setup(WEATHER).await;
    assert_ne!(first, none);
    assert_eq!(
        server.post_json("/api/projects/1/pin", &json!({"pinned": true})).await,
        json!({"pinned": true})
    );
    server.taught(7..=12).await;
    server.train().await;
    assert_eq!(server.setup(WEATHER).await, first);
    let shown = server.get_json("/api/projects/1").await;
    assert_eq!(
        (&shown["pinned"], shown["versions"].as_array().map(Vec::len)),
        (&json!(true), Some(2)),
        "{shown:#}"
    );

    let data = server.stop().await;
    let server = Server::start_on(data, &["--no-starter", "--train-trigger", "manual"]).await;
    assert_eq!(server.setup(WEATHER).await, first, "after a restart");
    server.post_json("/api/projects/1/pin", &json!({"pinned": false})).await;
    server.taught(13..=18).await;
    server.train().await;
    assert_ne!(server.setup(WEATHER).await, first);
    server.stop().await;
}

#[tokio::test]
async fn a_version_that_another_process_activates_serves_here_too() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    server.setup(WEATHER).await;
    server.taught(1..=6).await;
    server.train().await;
    let first = server.setup(WEATHER).await;
    server.taught(7..=12).await;
    server.train().await;
    let second = server.setup(WEATHER).await;
    assert_ne!(first, second);
    let services = Services::build(&settings(server.data.path(), &["--no-starter"])).await.expect("services");
    services.models.activate(ProjectId(1), 1).await.expect("version 1");
    tokio::task::spawn_blocking(move || services.close()).await.expect("no panic");
    assert_eq!(server.version_after(WEATHER, &second).await, first);
    server.stop().await;
}

#[tokio::test]
async fn unknown_versions_and_odd_pins_are_refused() {
    let server = Server::start(&["--no-starter"]).await;
    server.setup(WEATHER).await;
    server.annotate(WEATHER, 1, &data_uri(0, 1), CLASSES[0]).await;
    for number in ["7", "x", "-1", "99999999999999999999"] {
        let answer = server.post(&format!("/api/projects/1/versions/{number}/activate"), &json!({})).await;
        assert_eq!(answer.status(), 404, "{number}");
    }
    assert_eq!(server.post("/api/projects/1/pin", &json!({"pinned": "yes"})).await.status(), 400);
    assert_eq!(server.post("/api/projects/5/pin", &json!({"pinned": true})).await.status(), 404);
    server.stop().await;
}

#[tokio::test]
async fn the_review_names_copies_and_the_class_nobody_saw() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    for id in 1..=24_i64 {
        let class = id as usize % 3;
        // Task 24 has the picture of 3.
        let picture = data_uri(class, if id == 24 { 3 } else { id as u32 });
        server.annotate(WEATHER, id, &picture, CLASSES[class]).await;
    }
    server.train().await;
    let review = server.get_json("/api/projects/1/review").await;
    let head = &review["heads"][0];
    assert_eq!(head["unseen_classes"], json!(["sunrise"]), "{review:#}");
    assert!(head["suspects"].is_array(), "{review:#}");
    let copies = head["near_copies"].as_array().expect("groups");
    let together = |group: &Value| {
        let group = group.as_array().expect("tasks");
        group.contains(&json!(3)) && group.contains(&json!(24))
    };
    assert!(copies.iter().any(together), "{review:#}");
    assert!(head["stop"].is_object(), "{review:#}");
    server.stop().await;
}

/// Answers tasks and waits for the version over all of them.
async fn learnt(server: &Server, ids: std::ops::RangeInclusive<i64>, old: &str) -> String {
    let last = *ids.end() as u64;
    server.taught(ids).await;
    let mut version = server.version_after(WEATHER, old).await;
    while server.get_json("/api/projects/1").await["versions"][0]["heads"][0]["evaluation"]["n"] != last {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        version = server.setup(WEATHER).await;
    }
    version
}
