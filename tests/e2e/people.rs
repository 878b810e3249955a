//! A second annotator, invited by the first.

use serde_json::json;

use crate::queue::ranking;
use crate::support::label_studio::choice;
use crate::support::pictures::to_learn;
use crate::support::{Backend, stage};

#[tokio::test]
async fn two_answers_to_a_task_are_one_label_by_majority_the_newest_or_ground_truth() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("two answers a task").await;
    stage
        .label_studio
        .patch(&format!("/api/projects/{}", project.id), &json!({"maximum_annotations": 2}))
        .await;
    let tasks: Vec<i64> = project.upload(&to_learn(2)).await.iter().map(|task| task.id).collect();
    let backend = Backend::start(&stage.label_studio, &["--train-trigger", "manual"]).await;
    project.connect(&backend).await;
    let second = stage.label_studio.invite("second-opinion").await;
    let of_second = project.seen_by(&second);

    let classes = ["cloudy", "rain", "shine", "cloudy", "rain", "shine"];
    let mut firsts = Vec::new();
    for (task, class) in tasks.iter().zip(classes) {
        firsts.push(project.answer(*task, &choice(class)).await);
    }
    assert_eq!(backend.learns(&project).await, [2, 2, 2, 0]);
    // Tasks that need one more answer come before those that have none.
    let next = of_second.next().await.expect("a task");
    assert!(tasks[..6].contains(&next), "{next} of {tasks:?}");

    // They agree on all but the first: a tie, which goes to the newer answer.
    let dissent = of_second.answer(tasks[0], &choice("sunrise")).await;
    for (task, class) in tasks.iter().zip(classes).skip(1) {
        of_second.answer(*task, &choice(class)).await;
    }
    assert_eq!(backend.learns(&project).await, [1, 2, 2, 1]);
    let shown = backend.project(project.id).await;
    assert_eq!((&shown["annotations"], &shown["labelled_tasks"]), (&json!(12), &json!(6)), "{shown:#}");
    assert_eq!(shown["versions"][0]["labels"], 6);

    project.change(firsts[0], &json!({"result": choice("cloudy")})).await;
    assert_eq!(backend.learns(&project).await, [2, 2, 2, 0], "the first is the newer now");
    of_second.change(dissent, &json!({"ground_truth": true})).await;
    project.change(firsts[0], &json!({"result": choice("cloudy")})).await;
    assert_eq!(backend.learns(&project).await, [1, 2, 2, 1], "ground truth decides alone");
    of_second.delete(dissent).await;
    assert_eq!(backend.learns(&project).await, [2, 2, 2, 0]);
    // A third opinion makes a majority of the two that agree.
    let third = stage.label_studio.invite("third-opinion").await;
    of_second.answer(tasks[0], &choice("rain")).await;
    project.seen_by(&third).answer(tasks[0], &choice("rain")).await;
    project.change(firsts[0], &json!({"result": choice("cloudy")})).await;
    assert_eq!(backend.learns(&project).await, [1, 3, 2, 0]);
}

#[tokio::test]
async fn two_people_in_turn_get_the_ranking_in_turn_and_their_skips_are_their_own() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("two people in turn").await;
    let tasks = project.upload(&to_learn(3)).await;
    let backend = Backend::start(&stage.label_studio, &["--train-trigger", "manual"]).await;
    project.connect(&backend).await;
    backend.queue_of(project.id, |version| version.starts_with("starter-")).await;
    let ranked = ranking(&backend, &project).await;
    let of_second = project.seen_by(&stage.label_studio.invite("in-turn").await);

    let mut served = Vec::new();
    for person in [&project, &of_second, &project, &of_second] {
        let next = person.next().await.expect("a task");
        served.push(next);
        person.annotate(tasks.iter().find(|task| task.id == next).expect("one of ours")).await;
    }
    assert_eq!(served, ranked[..4]);

    // Both open one at the same time; a skip gives the task to the other.
    let (one, other) = (project.next().await.expect("a task"), of_second.next().await.expect("a task"));
    assert_eq!([one, other], ranked[4..6]);
    project.skip(one).await;
    of_second.skip(other).await;
    assert_eq!(project.next().await, Some(other), "what the other skipped");
    assert_eq!(of_second.next().await, Some(one), "what the first skipped");
    assert_eq!(backend.agrees_with(&project).await.iter().filter(|answer| answer.skipped).count(), 2);
}
