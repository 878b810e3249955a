//! An annotator who skips, leaves drafts, changes and deletes answers, and works on many tasks at once.
//!
//! After each step our program remembers exactly the annotations that Label Studio keeps.

use serde_json::{Value, json};

use crate::sources::data_uri;
use crate::support::label_studio::choice;
use crate::support::pictures::{Picture, to_learn};
use crate::support::{Backend, stage};

#[tokio::test]
async fn skips_drafts_changes_and_deletions_teach_what_label_studio_keeps() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("an annotator with second thoughts").await;
    let tasks: Vec<i64> = project.upload(&to_learn(4)).await.iter().map(|task| task.id).collect();
    let backend = Backend::start(&stage.label_studio, &["--train-trigger", "manual"]).await;
    project.connect(&backend).await;
    let classes = ["cloudy", "rain", "cloudy", "rain"];
    let mut answers = Vec::new();
    for (task, class) in tasks.iter().zip(classes) {
        answers.push(project.answer(*task, &choice(class)).await);
    }
    assert_eq!(backend.learns(&project).await, [2, 2, 0, 0]);

    // Neither a skip nor a draft is an answer.
    let skip = project.skip(tasks[4]).await;
    project.draft(tasks[5], &choice("shine")).await;
    assert_eq!(backend.agrees_with(&project).await.len(), 5);
    assert_eq!(backend.learns(&project).await, [2, 2, 0, 0]);
    let shown = backend.project(project.id).await;
    assert_eq!(
        (&shown["annotations"], &shown["skipped"], &shown["labelled_tasks"]),
        (&json!(4), &json!(1), &json!(4))
    );

    // Second thoughts: the skipped task gets an answer, an answered one is skipped, a cloud becomes a sunrise.
    project.change(skip, &json!({"result": choice("shine"), "was_cancelled": false})).await;
    project.change(answers[1], &json!({"result": [], "was_cancelled": true})).await;
    project.change(answers[2], &json!({"result": choice("sunrise")})).await;
    backend.agrees_with(&project).await;
    assert_eq!(backend.learns(&project).await, [1, 1, 1, 1]);

    project.delete(skip).await;
    assert_eq!(backend.agrees_with(&project).await.len(), 4);
    assert_eq!(backend.learns(&project).await, [1, 1, 0, 1]);

    // Label Studio tells nobody of an answer that it turns back into a draft; a training looks for itself.
    let path = format!("/api/annotations/{}/convert-to-draft", answers[3]);
    stage.label_studio.post(&path, &json!({})).await;
    backend.post("/train", &json!({"project": project.id.to_string()})).await;
    backend.version_over(project.id, 2).await;
    assert_eq!(backend.agrees_with(&project).await.len(), 3);
}

#[tokio::test]
async fn actions_on_many_tasks_are_learnt_and_forgotten() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("many tasks at once").await;
    let tasks: Vec<i64> = project.upload(&to_learn(3)).await.iter().map(|task| task.id).collect();
    let backend = Backend::start(&stage.label_studio, &["--train-trigger", "manual"]).await;
    project.connect(&backend).await;
    let starter = backend.queue_of(project.id, |version| version.starts_with("starter-")).await;

    // "Create annotations from predictions": what the starter said becomes the answer.
    project.act("predictions_to_annotations", &tasks[..8], &[("model_version", &starter)]).await;
    let taken = backend.agrees_with(&project).await;
    assert!(taken.len() == 8 && taken.iter().all(|answer| answer.choices.len() == 1), "{taken:#?}");
    assert_eq!(backend.project(project.id).await["labelled_tasks"], 8);

    project.act("delete_tasks_annotations", &tasks[..2], &[]).await;
    assert_eq!(backend.agrees_with(&project).await.len(), 6);
    project.act("delete_tasks", &tasks[2..4], &[]).await;
    assert_eq!(backend.agrees_with(&project).await.len(), 4);
    let shown = backend.project(project.id).await;
    assert_eq!((&shown["tasks"], &shown["labelled_tasks"]), (&json!(10), &json!(4)), "{shown:#}");
}

/// Label Studio on SQLite gives the ids of deleted tasks and annotations to those that are imported next.
#[tokio::test]
async fn tasks_that_are_deleted_and_imported_anew_are_learnt_though_they_get_the_old_ids() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("a second import").await;
    let pictures = to_learn(4);
    let labelled = |pictures: &[Picture]| {
        let task = |picture: &Picture| json!({"data": {"image": data_uri(picture)}, "annotations": [{"result": choice(picture.class)}]});
        pictures.iter().map(task).collect::<Vec<Value>>()
    };
    let backend = Backend::start(&stage.label_studio, &[]).await;
    project.connect(&backend).await;
    project.import(&labelled(&pictures[..8]).into()).await;
    let first = backend.version_over(project.id, 8).await;
    let before = project.answers().await;
    let tasks = project.task_ids().await;

    // The wrong pictures: they go, and others come.
    project.act("delete_tasks", &tasks, &[]).await;
    backend.version_after(project.id, &first).await;
    assert_eq!(backend.project(project.id).await["tasks"], 0);
    // In one import: which tasks a ranking between two of them would see is chance.
    let mut others = labelled(&pictures[8..14]);
    others.extend(pictures[14..16].iter().map(|picture| json!({"data": {"image": data_uri(picture)}})));
    project.import(&others.into()).await;
    assert_eq!(project.task_ids().await, tasks[..8], "Label Studio gave other ids");
    let after = backend.agrees_with(&project).await;
    assert_eq!(after.iter().map(|answer| answer.id).max(), before.iter().map(|answer| answer.id).nth(5));
    backend.version_over(project.id, 6).await;
    project.answer(tasks[6], &choice("shine")).await;
    let third = backend.version_over(project.id, 7).await;
    backend.queue_of(project.id, |queue| queue == third).await;
    let newest = project.predictions(tasks[7]).await;
    assert!(newest.iter().any(|said| said["model_version"] == third), "not in the queue: {newest:#?}");
}
