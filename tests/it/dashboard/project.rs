//! One project: what it learnt, what is suspicious, and how its trainings went.

use serde_json::json;

use crate::support::browser::{Visitor, assert_page};
use crate::support::{Server, WEATHER};

#[tokio::test]
async fn before_the_first_version_it_says_what_it_takes() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    server.taught(1..=1).await;
    server.pool_filled(1, 0).await;
    let page = Visitor::of(&server).get("/ui/projects/1").await;
    assert_page!(page);
    server.stop().await;
}

#[tokio::test]
async fn a_project_shows_what_it_learnt() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    server.taught(1..=15).await;
    server.train().await;
    server.taught(16..=24).await;
    server.train().await;
    server.pool_filled(24, 0).await;
    let mut visitor = Visitor::of(&server);
    let page = visitor
        .until("/ui/projects/1", |page| {
            page.contains("drawn by chance") && page.contains("May labelling stop?")
        })
        .await;
    for shown in ["Learning curve", "Confusion matrix", "Recall by class", "Calibration", "Labels by class"] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    assert_page!(page);
    server.stop().await;
}

#[tokio::test]
async fn suspects_copies_and_outliers_are_shown() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    server.taught(1..=23).await;
    // Task 24 has the picture of 3.
    let (class, picture) = (0, crate::support::pictures::data_uri(0, 3));
    server.annotate(WEATHER, 24, &picture, crate::support::pictures::CLASSES[class]).await;
    server.train().await;
    server.pool_filled(24, 0).await;
    let mut visitor = Visitor::of(&server);
    let page = visitor.until("/ui/projects/1/suspects", |page| page.contains("nearly the same")).await;
    assert!(
        page.text.contains("Group 1, ") && page.text.contains("Without a label: sunrise."),
        "{}",
        page.text
    );
    assert_page!(page);
    server.stop().await;
}

#[tokio::test]
async fn jobs_and_health_tell_of_trainings_failures_and_webhooks() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    server.taught(1..=1).await;
    let failed = server.post_json("/train", &json!({"project": "1.1"})).await;
    server.job_ended(failed["job"].as_str().expect("a job")).await;
    server.taught(2..=9).await;
    server.train().await;
    let page = Visitor::of(&server).get("/ui/health").await;
    for shown in
        ["at least 2 are needed", "Training loss", "Webhooks", "9, the last: ANNOTATION_CREATED", "Memory"]
    {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_a_page_too() {
    let server = Server::start(&[]).await;
    let mut visitor = Visitor::of(&server);
    for path in [
        "/ui/projects/7",
        "/ui/projects/x",
        "/ui/projects/7/queue",
        "/ui/projects/7/versions",
        "/ui/projects",
    ] {
        let page = visitor.get(path).await;
        assert!(page.status == 404 && page.text.contains("<h1>Not Found</h1>"), "{path}: {}", page.text);
    }
    server.setup(WEATHER).await;
    for path in [
        "/queue?strategy=best",
        "/versions/9/file",
        "/versions/compare?a=1&b=2",
        "/thumbnails/1",
        "/thumbnails/x",
    ] {
        let page = visitor.get(&format!("/ui/projects/1{path}")).await;
        assert_eq!(page.status, 404, "{path}: {}", page.text);
    }
    for path in ["/queue?n=x", "/versions?before=x", "/versions/compare"] {
        let page = visitor.get(&format!("/ui/projects/1{path}")).await;
        assert_eq!(page.status, 400, "{path}: {}", page.text);
    }
    server.stop().await;
}
