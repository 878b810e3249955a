//! Versions: side by side, compared, activated, pinned and taken along.

use crate::support::browser::{Visitor, assert_page};
use crate::support::{Server, WEATHER};

#[tokio::test]
async fn versions_are_compared_and_one_of_the_past_serves_again() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    server.taught(1..=6).await;
    server.train().await;
    let first = server.setup(WEATHER).await;
    server.taught(7..=15).await;
    server.train().await;
    let second = server.setup(WEATHER).await;
    server.pool_filled(15, 0).await;
    let mut visitor = Visitor::of(&server);
    let page = visitor.get("/ui/projects/1/versions").await;
    assert!(page.text.contains(&first) && page.text.contains(&second), "{}", page.text);
    assert_page!(page);

    let compared = visitor
        .until("/ui/projects/1/versions/compare?a=1&b=2", |page| {
            page.contains("on 15 tasks, open and labelled ones.")
        })
        .await;
    assert_eq!(compared.status, 200);
    let back = visitor.submit(&page, "/ui/projects/1/versions/1/activate", &[]).await;
    assert_eq!(back.location.as_deref(), Some("/ui/projects/1/versions?done=activated"));
    assert_eq!(server.setup(WEATHER).await, first);
    let page = visitor.get("/ui/projects/1/versions?done=activated").await;
    assert!(
        page.text.contains("The version serves now.") && page.text.contains("Version 1 serves"),
        "{}",
        page.text
    );

    let pinned = visitor.submit(&page, "/ui/projects/1/pin", &[]).await;
    assert_eq!(pinned.location.as_deref(), Some("/ui/projects/1/versions?done=pinned"));
    assert_eq!(server.get_json("/api/projects/1").await["pinned"], true);
    let page = visitor.get("/ui/projects/1/versions?done=pinned").await;
    visitor.submit(&page, "/ui/projects/1/pin", &[]).await;
    assert_eq!(server.get_json("/api/projects/1").await["pinned"], false);
    server.stop().await;
}

#[tokio::test]
async fn a_version_is_taken_along_as_a_file_that_can_be_read() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    server.taught(1..=6).await;
    server.train().await;
    let answer = server.get("/ui/projects/1/versions/1/file").await;
    assert_eq!(
        answer.headers()["content-disposition"],
        "attachment; filename=\"project-1-version-1.safetensors\""
    );
    let bytes = answer.bytes().await.expect("a body");
    let file = weathervane::models::VersionFile::from_bytes(&bytes).expect("a version");
    let head = &file.card.heads[0];
    assert_eq!(head.confusion.iter().flatten().sum::<usize>(), 6);
    assert_eq!(head.calibration.iter().map(|bin| bin.n).sum::<usize>(), 6);
    assert!(!head.losses.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn changes_are_refused_without_their_forms() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    server.taught(1..=6).await;
    server.train().await;
    let mut visitor = Visitor::of(&server);
    for path in ["/versions/1/activate", "/pin", "/queue/strategy"] {
        let answer = visitor
            .post(&format!("/ui/projects/1{path}"), &[("pinned", "true"), ("strategy", "random")])
            .await;
        assert_eq!(answer.status, 403, "{path}");
        assert_eq!(visitor.get(&format!("/ui/projects/1{path}")).await.status, 404, "{path} is no page");
    }
    let shown = server.get_json("/api/projects/1").await;
    assert_eq!(shown["pinned"], false);
    server.stop().await;
}
