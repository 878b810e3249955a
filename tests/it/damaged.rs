//! Images of which only a part decodes: predicted, marked, and learnt only with a label.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};

use crate::support::browser::Visitor;
use crate::support::pictures::encode;
use crate::support::{Server, WEATHER};

/// The first half of a JPEG.
fn half() -> String {
    let picture = RgbImage::from_fn(320, 240, |x, y| {
        let noise = (x.wrapping_mul(7) ^ y.wrapping_mul(13)) % 64;
        Rgb([60, 70, 90].map(|value| (value + noise) as u8))
    });
    let jpeg = encode(&picture, ImageFormat::Jpeg);
    format!("data:image/jpeg;base64,{}", STANDARD.encode(&jpeg[..jpeg.len() / 2]))
}

async fn damaged(server: &Server) -> Value {
    server.get_json("/api/projects/1/review").await["damaged"].clone()
}

#[tokio::test]
async fn a_damaged_image_is_predicted_and_stays_marked() {
    let arguments = ["--no-starter", "--train-trigger", "manual", "--reconcile-seconds", "0"];
    let server = Server::start(&arguments).await;
    server.taught(1..=9).await;
    server.train().await;
    let created = json!({"action": "TASKS_CREATED", "project": {"id": 1}, "tasks": [
        {"id": 31, "data": {"image": half()}}, {"id": 32, "data": {"image": "data:image/jpeg;base64,/9j/2wA="}},
    ]});
    server.post("/webhook", &created).await;
    server.pool_filled(10, 1).await;
    let results = server.predict(WEATHER, &[(31, half())]).await;
    assert!(results[0]["score"].is_f64(), "{results:#?}");
    assert_eq!(damaged(&server).await, json!([31]));
    assert_eq!(server.get_json("/api/projects/1").await["queue"]["pool"]["damaged"], 1);

    let data = server.stop().await;
    let server = Server::start_on(data, &arguments).await;
    server.pool_filled(10, 1).await;
    assert_eq!(damaged(&server).await, json!([31]));
    let mut visitor = Visitor::of(&server);
    let page = visitor.get("/ui/projects/1/label-errors").await;
    assert!(page.text.contains("Damaged pictures") && page.text.contains("thumbnails/31\""), "{}", page.text);
    let overview = visitor.get("/ui/projects/1").await;
    assert!(overview.text.contains("only a part could be read: 1 image (task 31)"), "{}", overview.text);
    visitor
        .until("/ui/projects/1/queue", |page| page.contains("only a part of the picture could be read"))
        .await;

    // A person's label makes it count.
    server.annotate(WEATHER, 31, &half(), "sunrise").await;
    server.train().await;
    let project = server.get_json("/api/projects/1").await;
    assert_eq!(project["versions"][0]["labels"], 10, "{project:#}");
    server.stop().await;
}
