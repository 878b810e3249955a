//! Stops, crashes, and what happened meanwhile.

use std::time::Duration;

use tokio::task::JoinSet;

use crate::support::label_studio::Task;
use crate::support::pictures::to_learn;
use crate::support::{Backend, Project, say, stage};

/// Submits at once; Label Studio's SQLite takes hardly more.
const AT_ONCE: usize = 3;

#[tokio::test]
async fn after_a_restart_the_same_version_serves_without_training() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("a restart").await;
    let tasks = project.upload(&to_learn(3)).await;
    let mut backend = Backend::start(&stage.label_studio, &[]).await;
    project.connect(&backend).await;
    for task in &tasks[..8] {
        project.annotate(task).await;
    }
    let version = backend.version_over(project.id, 8).await;
    backend.queue_of(project.id, |queue| queue == version).await;
    let jobs = backend.project(project.id).await["jobs"].clone();

    assert!(backend.terminate().await.success());
    backend.start_again().await;
    project.shows_version(&version).await;
    let predictions = project.open(tasks[8].id).await;
    assert!(predictions.iter().any(|prediction| prediction["model_version"] == *version), "{predictions:#?}");
    assert_eq!(backend.project(project.id).await["jobs"], jobs, "it trained again");
}

#[tokio::test]
async fn a_crash_in_a_burst_of_submits_loses_no_answer() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("a crash").await;
    let tasks = project.upload(&to_learn(6)).await;
    let mut backend = Backend::start(&stage.label_studio, &[]).await;
    project.connect(&backend).await;
    crash_in_a_burst(&project, &mut backend, &tasks).await;

    // The comparison at the start finds what no webhook told of.
    backend.start_again().await;
    assert_everything_is_learnt(&project, &backend).await;
}

#[tokio::test]
async fn after_a_crash_start_training_repairs_it_where_the_comparison_is_off() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("a crash, no comparison").await;
    let tasks = project.upload(&to_learn(6)).await;
    let mut backend = Backend::start(&stage.label_studio, &["--reconcile-seconds", "0"]).await;
    let connected = project.connect(&backend).await;
    crash_in_a_burst(&project, &mut backend, &tasks).await;

    backend.start_again().await;
    let known = backend.project(project.id).await["annotations"].as_u64().unwrap_or_default();
    assert!(known < project.annotations().await as u64, "nothing was lost, so nothing can be repaired");
    project.start_training(connected).await;
    assert_everything_is_learnt(&project, &backend).await;
}

/// Submits answers a few at a time, kills the backend after a third of them, and goes on without it.
async fn crash_in_a_burst(project: &Project, backend: &mut Backend, tasks: &[Task]) {
    let mut under_way = JoinSet::new();
    let mut taken = 0;
    let mut waiting = tasks.iter().cloned();
    for task in waiting.by_ref().take(AT_ONCE) {
        submit(&mut under_way, project, task);
    }
    let mut answered = 0;
    while let Some(was_taken) = under_way.join_next().await {
        taken += usize::from(was_taken.expect("no panic"));
        answered += 1;
        if answered == tasks.len() / 3 {
            backend.kill();
        }
        if let Some(task) = waiting.next() {
            submit(&mut under_way, project, task);
        }
    }
    say(&format!("Label Studio took {taken} of {} answers, the program died in between", tasks.len()));
    assert!(taken > tasks.len() / 2, "Label Studio took {taken} of {}", tasks.len());
    assert_eq!(project.annotations().await, taken);
}

fn submit(under_way: &mut JoinSet<bool>, project: &Project, task: Task) {
    let project = project.clone();
    under_way.spawn(async move {
        for _ in 0..3 {
            if project.try_annotate(&task).await {
                return true;
            }
            // `database is locked`: a person presses Submit again.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        false
    });
}

async fn assert_everything_is_learnt(project: &Project, backend: &Backend) {
    let truth = project.annotations().await;
    let version = backend.version_over(project.id, truth).await;
    assert_eq!(backend.project(project.id).await["annotations"], truth);
    project.shows_version(&version).await;
}
