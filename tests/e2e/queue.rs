//! Label Studio serves the tasks in the ranking's order, also after further trainings.

use serde_json::{Value, json};

use crate::support::label_studio::Task;
use crate::support::pictures::{to_ask, to_learn};
use crate::support::{Backend, Project, say, stage};

/// Tasks compared one by one.
const HEAD: usize = 10;

#[tokio::test]
async fn after_two_retrains_the_next_ten_tasks_are_the_first_ten_of_the_ranking() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("the queue").await;
    let tasks = project.upload(&[to_learn(5), to_ask(5)].concat()).await;
    let backend = Backend::start(&stage.label_studio, &["--train-trigger", "manual"]).await;
    project.connect(&backend).await;
    backend.queue_of(project.id, |version| version.starts_with("starter-")).await;

    for labels in [8, 12] {
        let answered = project.annotations().await;
        for task in &tasks[answered..labels] {
            project.annotate(task).await;
        }
        let before = backend.version(project.id).await;
        backend.post("/train", &json!({"project": project.id.to_string()})).await;
        let version = backend.version_after(project.id, &before).await;
        backend.queue_of(project.id, |queue| queue == version).await;
    }
    let ranked = ranking(&backend, &project).await;
    assert_eq!(serve(&project, &tasks, HEAD).await, ranked[..HEAD], "served, ranked");

    let settings = project.settings().await;
    assert_eq!(
        (&settings["sampling"], &settings["model_version"]),
        (&json!("Uncertainty sampling"), &json!(backend.version(project.id).await))
    );
    for task in &tasks {
        let kept = project.predictions(task.id).await;
        assert!(kept.len() <= 2, "an order brings a third row: {kept:#?}");
    }
}

/// The same without the write-back: this is what makes the test above worth something.
#[tokio::test]
async fn with_the_queue_left_alone_the_order_is_label_studios_own() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("the queue, left alone").await;
    let tasks = project.upload(&[to_learn(5), to_ask(5)].concat()).await;
    let arguments = ["--train-trigger", "manual", "--leave-projects-alone"];
    let backend = Backend::start(&stage.label_studio, &arguments).await;
    project.connect(&backend).await;
    for task in &tasks[..12] {
        project.annotate(task).await;
    }
    let before = backend.version(project.id).await;
    backend.post("/train", &json!({"project": project.id.to_string()})).await;
    backend.version_after(project.id, &before).await;
    let ranked = ranking(&backend, &project).await;
    assert_ne!(serve(&project, &tasks, HEAD).await, ranked[..HEAD]);
    let settings = project.settings().await;
    assert_eq!(settings["sampling"], "Sequential sampling");
    let views = project.views().await;
    assert!(!views.iter().any(|view| view["data"]["title"] == "Most useful first"), "{views:#?}");
}

#[tokio::test]
async fn the_score_carries_the_place_and_the_region_the_probability() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("the queue's scores").await;
    project.upload(&to_ask(4)).await;
    let backend = Backend::start(&stage.label_studio, &[]).await;
    project.connect(&backend).await;
    backend.queue_of(project.id, |version| version.starts_with("starter-")).await;
    let ranked = ranking(&backend, &project).await;
    let mut before = 0.0;
    for task in ranked {
        let kept = project.predictions(task).await;
        assert_eq!(kept.len(), 1, "{kept:#?}");
        let score = kept[0]["score"].as_f64().expect("a score");
        let probability = kept[0]["result"][0]["score"].as_f64().expect("a probability");
        assert!(before < score && score < 0.001 && probability >= 0.25, "{before} {score} {probability}");
        before = score;
    }
    let views = project.views().await;
    assert!(views.iter().any(|view| view["data"]["title"] == "Most useful first"), "{views:#?}");
}

#[tokio::test]
async fn killed_in_the_middle_the_old_order_or_the_new_one_stands() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("the queue, killed").await;
    let tasks = project.upload(&[to_learn(4), to_ask(4)].concat()).await;
    let mut backend = Backend::start(&stage.label_studio, &["--train-quiet-ms", "50"]).await;
    project.connect(&backend).await;
    backend.queue_of(project.id, |version| version.starts_with("starter-")).await;
    for task in &tasks[..8] {
        project.annotate(task).await;
        backend.kill();
        let settings = project.settings().await;
        let named = settings["model_version"].as_str().expect("a version").to_owned();
        let stored = project.stored_versions().await;
        assert!(stored.contains(&named), "project names `{named}`, stored are {stored:?}");
        backend.start_again().await;
    }
    let version = backend.version_over(project.id, 8).await;
    backend.queue_of(project.id, |queue| queue == version).await;
    let ranked = ranking(&backend, &project).await;
    assert_eq!(project.next().await, Some(ranked[0]));
}

/// Ids of the ranking, the most useful task first.
pub async fn ranking(backend: &Backend, project: &Project) -> Vec<i64> {
    let queue = backend.get(&format!("/api/projects/{}/queue?limit=100", project.id)).await;
    let tasks = queue["tasks"].as_array().expect("tasks");
    say(&format!("first in the queue: {}", tasks.first().map_or(&Value::Null, |task| &task["reason"])));
    tasks.iter().map(|task| task["task"].as_i64().expect("an id")).collect()
}

/// Answers what Label Studio gives, `count` times.
async fn serve(project: &Project, tasks: &[Task], count: usize) -> Vec<i64> {
    let mut served = Vec::new();
    for _ in 0..count {
        let next = project.next().await.expect("a task");
        served.push(next);
        project.annotate(tasks.iter().find(|task| task.id == next).expect("one of ours")).await;
    }
    served
}
