//! Labels that came by import: no webhook tells of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::label_studio::choice;
use crate::support::pictures::{Picture, to_learn};
use crate::support::{Backend, stage};

#[tokio::test]
async fn start_training_learns_labels_that_came_by_import() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("imported labels").await;
    let backend = Backend::start(&stage.label_studio, &["--train-trigger", "manual"]).await;
    let connected = project.connect(&backend).await;
    let tasks: Vec<Value> = to_learn(2).iter().map(labelled).collect();
    let made = project.import(&json!(tasks)).await;
    assert_eq!((&made["task_count"], &made["annotation_count"]), (&json!(8), &json!(8)), "{made:#}");

    project.start_training(connected).await;
    let version = backend.version_over(project.id, 8).await;
    assert!(version.starts_with('v'), "{version}");
    assert_eq!(backend.project(project.id).await["annotations"], 8);
    assert_eq!(project.shown_version().await, version);
}

/// A task that carries its picture and its answer.
fn labelled(picture: &Picture) -> Value {
    let kind = if picture.name.ends_with(".png") { "png" } else { "jpeg" };
    let image = format!("data:image/{kind};base64,{}", STANDARD.encode(&picture.bytes));
    json!({"data": {"image": image}, "annotations": [{"result": choice(picture.class)}]})
}
