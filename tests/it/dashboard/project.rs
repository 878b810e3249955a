//! One project: what it learnt, what is suspicious, and how its trainings went.

use serde_json::json;

use crate::support::browser::{Visitor, assert_page};
use crate::support::{Server, WEATHER};

#[tokio::test]
async fn before_the_first_version_it_says_what_it_takes() {
    let label_studio = ["--label-studio-public-url", "http://labels.example:8080/"];
    let server =
        Server::start(&[&["--no-starter", "--train-trigger", "manual"], &label_studio[..]].concat()).await;
    server.taught(1..=1).await;
    server.pool_filled(1, 0).await;
    let answer = server.post_json("/train", &json!({"project": "1.1"})).await;
    server.job_ended(answer["job"].as_str().expect("a job")).await;
    let mut visitor = Visitor::of(&server);
    let page = visitor.get("/ui/projects/1").await;
    assert_page!(page);
    assert!(!page.text.contains("class=\"advice\"") && !page.text.contains("class=\"bad\""), "{}", page.text);

    // The way to the work stands on every page of a project.
    const WAY: &str = "<a class=\"button\" href=\"http://labels.example:8080/projects/1/data\" rel=\"noreferrer\" \
        target=\"_blank\">Label in Label Studio</a>";
    for below in ["", "/map", "/queue", "/label-errors", "/versions"] {
        let page = visitor.get(&format!("/ui/projects/1{below}")).await;
        assert!(page.text.contains(WAY), "{below}: {}", page.text);
    }
    assert!(visitor.get("/ui").await.text.contains(WAY));
    server.stop().await;
}

#[tokio::test]
async fn a_project_shows_what_it_learnt() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    server.taught(1..=21).await;
    server.train().await;
    server.taught(22..=24).await;
    server.train().await;
    server.pool_filled(24, 0).await;
    let mut visitor = Visitor::of(&server);
    let page = visitor
        .until("/ui/projects/1", |page| {
            page.contains("Told from 60 labels on") && page.contains("May labelling stop?")
        })
        .await;
    for shown in ["Learning curve", "Confusion matrix", "Recall by class", "Calibration", "Labels by class"] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    assert!(
        !page.text.contains("random choice"),
        "labels that were chosen tell nothing of chance: {}",
        page.text
    );
    assert_page!(page);
    server.stop().await;
}

#[tokio::test]
async fn with_few_labels_no_share_is_told_and_the_page_says_from_when_on() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    server.taught(1..=5).await;
    server.train().await;
    server.pool_filled(5, 0).await;
    let mut visitor = Visitor::of(&server);
    let page = visitor.until("/ui/projects/1", |page| page.contains("May labelling stop?")).await;
    let main = page.text.split("<main").nth(1).expect("a main part");
    for shown in
        ["Told from 20 labels on; so far 5 labels.", "so far 0 versions have them", "so far 5 answers"]
    {
        assert!(main.contains(shown), "{shown}: {main}");
    }
    assert!(!main.contains(" %"), "no share of five labels is told: {main}");
    let versions = visitor.get("/ui/projects/1/versions").await.text;
    assert!(versions.contains("so far 5 labels"), "{versions}");
    let suspects =
        visitor.until("/ui/projects/1/label-errors", |page| page.contains("worth a second look")).await;
    assert!(suspects.text.contains("Told of classes with 20 labels or more"), "{}", suspects.text);
    server.stop().await;
}

#[tokio::test]
async fn what_was_answered_with_nothing_is_counted_linked_and_still_open() {
    let server =
        Server::start(&["--label-studio-url", "http://127.0.0.1:9", "--train-trigger", "manual"]).await;
    server.taught(1..=2).await;
    for page in ["/ui/projects/1", "/ui/projects/1/label-errors"] {
        let page = Visitor::of(&server).get(page).await;
        assert!(!page.text.to_lowercase().contains("answered with nothing"), "{}", page.text);
    }
    let picture = crate::support::pictures::data_uri(0, 3);
    let mut empty = crate::support::annotation_event("ANNOTATION_CREATED", WEATHER, 3, &picture, "rain");
    empty["annotation"]["result"] = json!([]);
    server.post("/webhook", &empty).await;
    let project = server.get_json("/api/projects/1").await;
    assert_eq!(project["empty_answers"], json!({"count": 1, "tasks": [3]}));
    assert_eq!(project["labelled_tasks"], 2);
    let mut visitor = Visitor::of(&server);
    let page =
        visitor.until("/ui/projects/1", |page| page.contains("2 labelled, 1 unlabelled, 0 skipped")).await;
    assert!(page.text.contains("Answered with nothing: 1."), "{}", page.text);
    assert!(page.text.contains("href=\"http://127.0.0.1:9/projects/1/data?task=3\""), "{}", page.text);
    let page = visitor.get("/ui/projects/1/label-errors").await;
    assert!(page.text.contains("1 task was submitted without any choice"), "{}", page.text);
    assert!(page.text.contains("Task 3") && page.text.contains("data?task=3"), "{}", page.text);
    server.stop().await;
}

#[tokio::test]
async fn suspects_copies_and_outliers_are_shown() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    // Of each class 20 and more: with fewer nothing is doubted.
    server.taught(1..=62).await;
    // Task 63 has the picture of 3.
    let (class, picture) = (0, crate::support::pictures::data_uri(0, 3));
    server.annotate(WEATHER, 63, &picture, crate::support::pictures::CLASSES[class]).await;
    server.train().await;
    server.pool_filled(63, 0).await;
    let mut visitor = Visitor::of(&server);
    let page = visitor.until("/ui/projects/1/label-errors", |page| page.contains("nearly the same")).await;
    assert!(
        page.text.contains("are doubted by models") && page.text.contains(", the model says "),
        "{}",
        page.text
    );
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
    let waiting = server.post_json("/train", &json!({"project": "1.1"})).await;
    server.job_ended(waiting["job"].as_str().expect("a job")).await;
    server.taught(2..=9).await;
    server.train().await;
    let page = Visitor::of(&server).get("/ui/health").await;
    for shown in [
        "<span>waiting</span>",
        "waiting for a second class: the only label is `rain`",
        "asked for by hand",
        "Training loss",
        "Webhooks",
        "9, the last: ANNOTATION_CREATED",
        "Memory",
    ] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    assert!(!page.text.contains("class=\"bad\""), "a normal start has no failure: {}", page.text);
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
