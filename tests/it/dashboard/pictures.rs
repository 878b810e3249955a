//! Thumbnails: small, kept, behind the same guards as every image, and drawn where there is none.

use reqwest::Method;
use serde_json::json;

use crate::support::browser::Visitor;
use crate::support::pictures::data_uri;
use crate::support::{Server, WEATHER};

#[tokio::test]
async fn thumbnails_are_small_jpegs_and_what_cannot_be_had_is_drawn_with_its_reason() {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    let large = image::RgbImage::from_fn(1_000, 400, |x, y| image::Rgb([x as u8, y as u8, 9]));
    let large = crate::support::pictures::encode(&large, image::ImageFormat::Png);
    let large = format!(
        "data:image/png;base64,{}",
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, large)
    );
    let tasks = json!([
        {"id": 1, "data": {"image": data_uri(0, 1)}},
        {"id": 2, "data": {"image": large}},
        {"id": 3, "data": {"image": "http://169.254.169.254/latest"}},
        {"id": 4, "data": {"image": "data:image/png;base64,AAAA"}},
        {"id": 5, "data": {"other": "<script>alert(1)</script>"}},
    ]);
    let created =
        json!({"action": "TASKS_CREATED", "project": {"id": 1, "label_config": WEATHER}, "tasks": tasks});
    server.post("/webhook", &created).await;
    let mut visitor = Visitor::of(&server);
    let thumbnail = server.get("/ui/projects/1/thumbnails/2").await;
    assert_eq!(thumbnail.headers()["content-type"], "image/jpeg");
    assert_eq!(thumbnail.headers()["cache-control"], "private, max-age=30");
    let tag = thumbnail.headers()["etag"].clone();
    let bytes = thumbnail.bytes().await.expect("a body");
    let picture = image::load_from_memory(&bytes).expect("a picture");
    assert_eq!((picture.width(), picture.height()), (320, 128));
    let again = visitor.request(Method::GET, "/ui/projects/1/thumbnails/2").header("if-none-match", tag);
    assert_eq!(visitor.send(again).await.status, 304);
    for (task, reason) in [(3, "not public"), (4, "JPEG"), (5, "no image")] {
        let drawn = visitor.get(&format!("/ui/projects/1/thumbnails/{task}")).await;
        assert_eq!(drawn.status, 200, "{task}");
        assert_eq!(drawn.headers["content-type"], "image/svg+xml; charset=utf-8");
        assert!(drawn.text.contains(reason) && !drawn.text.contains("<script"), "{}", drawn.text);
        assert!(drawn.headers.contains_key("content-security-policy"));
    }
    assert_eq!(visitor.get("/ui/projects/1/thumbnails/6").await.status, 404);
    server.stop().await;
}
