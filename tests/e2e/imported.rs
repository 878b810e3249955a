//! Labels that were there before us, or that came by import: no webhook tells of them.

use serde_json::{Value, json};

use crate::sources::data_uri;
use crate::support::label_studio::choice;
use crate::support::pictures::{Picture, to_learn};
use crate::support::{Backend, stage, until};

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
    project.shows_version(&version).await;
}

#[tokio::test]
async fn a_project_that_had_labels_before_us_is_learnt_as_soon_as_it_is_connected() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("labels before us").await;
    let pictures = to_learn(4);
    let imported: Vec<Value> = pictures[..4].iter().map(labelled).collect();
    project.import(&json!(imported)).await;
    let open: Vec<Value> =
        pictures[4..].iter().map(|picture| json!({"data": {"image": data_uri(picture)}})).collect();
    project.import(&json!(open)).await;
    let tasks = project.task_ids().await;
    for (task, picture) in tasks[4..8].iter().zip(&pictures[4..8]) {
        project.answer(*task, &choice(picture.class)).await;
    }
    project.skip(tasks[8]).await;

    let backend = Backend::start(&stage.label_studio, &[]).await;
    project.connect(&backend).await;
    let version = backend.version_over(project.id, 8).await;
    assert_eq!(backend.agrees_with(&project).await.len(), 9);
    let shown = backend.project(project.id).await;
    assert_eq!((&shown["annotations"], &shown["skipped"]), (&json!(8), &json!(1)), "{shown:#}");
    backend.queue_of(project.id, |queue| queue == version).await;
    let kept = project.predictions(tasks[15]).await;
    assert!(kept.iter().any(|kept| kept["model_version"] == *version), "{kept:#?}");
}

/// A project this server was connected to before its memory was lost: the first it hears of is a submit.
#[tokio::test]
async fn a_project_first_heard_of_by_a_submit_is_learnt_with_all_its_labels() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("memory lost").await;
    let tasks = project.upload(&to_learn(3)).await;
    let backend = Backend::start(&stage.label_studio, &[]).await;
    let hook = json!({"url": format!("{}/webhook", backend.url), "project": project.id});
    for task in &tasks[..7] {
        project.annotate(task).await;
    }
    stage.label_studio.post("/api/webhooks/", &hook).await;
    project.annotate(&tasks[7]).await;
    backend.version_over(project.id, 8).await;
    assert_eq!(backend.agrees_with(&project).await.len(), 8);
    until("the open tasks to be known", async || {
        (backend.project(project.id).await["tasks"] == 12).then_some(())
    })
    .await;
}

/// A task that carries its picture and its answer.
fn labelled(picture: &Picture) -> Value {
    json!({"data": {"image": data_uri(picture)}, "annotations": [{"result": choice(picture.class)}]})
}
