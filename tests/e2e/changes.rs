//! Answers that are taken back or changed.

use serde_json::{Value, json};

use crate::support::pictures::{CLASSES, to_learn};
use crate::support::{Backend, stage};

#[tokio::test]
async fn changed_and_deleted_answers_are_followed() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("changed answers").await;
    let tasks = project.upload(&to_learn(2)).await;
    let backend = Backend::start(&stage.label_studio, &[]).await;
    project.connect(&backend).await;
    let mut annotations = Vec::new();
    for task in &tasks {
        annotations.push(project.annotate(task).await);
    }
    let first = backend.version_over(project.id, 8).await;
    assert_eq!(learnt(&backend.project(project.id).await), (json!(8), json!([2, 2, 2, 2])));

    // A deletion names the annotation only, not its task.
    project.delete(annotations[0]).await;
    let second = backend.version_over(project.id, 7).await;
    assert_ne!(first, second);
    assert_eq!(learnt(&backend.project(project.id).await), (json!(7), json!([1, 2, 2, 2])));

    // The other cloud becomes rain: as many answers, other labels.
    assert_eq!((tasks[0].class, tasks[4].class), ("cloudy", "cloudy"));
    project.update(annotations[4], "rain").await;
    let third = backend.version_after(project.id, &second).await;
    assert_eq!(learnt(&backend.project(project.id).await), (json!(7), json!([0, 3, 2, 2])));
    project.shows_version(&third).await;
}

/// How many annotations there are, and how many tasks of each class the newest version learnt.
fn learnt(project: &Value) -> (Value, Value) {
    let head = &project["versions"][0]["heads"][0];
    assert_eq!(head["classes"], json!(CLASSES), "{head:#}");
    (project["annotations"].clone(), head["evaluation"]["support"].clone())
}
