//! What outlives a stop.

use serde_json::json;

use crate::support::label_studio::{self, TOKEN};
use crate::support::pictures::{CLASSES, data_uri, png};
use crate::support::{Server, WEATHER};

#[tokio::test]
async fn the_last_version_serves_again_without_training() {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    for id in 1..=8 {
        let class = id as usize % 2;
        server.annotate(WEATHER, id, &data_uri(class, id as u32), CLASSES[class]).await;
    }
    let answer = server.post_json("/train", &json!({"project": "1.1700000000"})).await;
    server.job_ended(answer["job"].as_str().expect("a job id")).await;
    let version = server.setup(WEATHER).await;
    let before = server.predict(WEATHER, &[(90, data_uri(1, 90))]).await;
    let data = server.stop().await;

    let server = Server::start_on(data, &["--train-trigger", "manual"]).await;
    server.version_after(WEATHER, "untrained").await;
    assert_eq!(server.setup(WEATHER).await, version);
    assert_eq!(server.predict(WEATHER, &[(90, data_uri(1, 90))]).await, before);
    let project = server.get_json("/api/projects/1").await;
    assert_eq!(project["jobs"].as_array().map(Vec::len), Some(1), "{project:#}");
    assert_eq!(project["annotations"], 8);
    server.stop().await;
}

#[tokio::test]
async fn a_job_that_was_queued_at_the_stop_runs_after_the_start() {
    let server = Server::start(&["--train-quiet-ms", "60000", "--train-max-wait-ms", "60000"]).await;
    for id in 1..=8 {
        let class = id as usize % 2;
        server.annotate(WEATHER, id, &data_uri(class, id as u32), CLASSES[class]).await;
    }
    let data = server.stop().await;
    let server = Server::start_on(data, &[]).await;
    server.annotate(WEATHER, 9, &data_uri(1, 9), CLASSES[1]).await;
    server.version_after(WEATHER, "untrained").await;
    server.stop().await;
}

#[tokio::test]
async fn a_training_that_lacked_the_images_is_caught_up_on_once_they_can_be_had() {
    let fake = label_studio::start().await;
    let url = fake.uri();
    let wrong =
        ["--label-studio-url", &url, "--label-studio-api-key", "ffffffffffffffffffffffffffffffffffffffff"];
    let server = Server::start(&wrong).await;
    for id in 1..=8 {
        let class = id as usize % 2;
        let at = format!("/data/upload/1/{id}.png");
        label_studio::upload(&fake, &at, png(class, id as u32)).await;
        server.annotate(WEATHER, id, &at, CLASSES[class]).await;
    }
    let answer = server.post_json("/train", &json!({"project": "1.1700000000"})).await;
    let job = server.job_ended(answer["job"].as_str().expect("a job id")).await;
    let error = job["error"].as_str().unwrap_or_default();
    assert!(job["state"] == "failed" && error.contains("8 of 8 labelled images are unavailable"), "{job:#}");
    let data = server.stop().await;

    let server = Server::start_on(data, &["--label-studio-url", &url, "--label-studio-api-key", TOKEN]).await;
    server.version_after(WEATHER, "untrained").await;
    server.stop().await;
}
