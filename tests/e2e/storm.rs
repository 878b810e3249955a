//! Answers, changes and deletions in a storm, while the program is killed again and again.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::label_studio::{Task, choice, send};
use crate::support::pictures::to_learn;
use crate::support::{Backend, Project, say, stage};

const PEOPLE: usize = 3;

/// How long the program lives and then lies dead, in milliseconds: during its start, a request, a training, an order.
const LIVES: [(u64, u64); 10] = [
    (900, 0),
    (50, 0),
    (1_500, 500),
    (300, 50),
    (0, 0),
    (2_000, 1_000),
    (120, 0),
    (700, 300),
    (1_200, 0),
    (400, 1_500),
];

/// Times that a person presses Submit again where Label Studio says that its database is locked.
const PRESSES: usize = 20;

#[tokio::test]
async fn a_storm_of_answers_and_kills_leaves_what_label_studio_keeps() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("a storm").await;
    let tasks = project.upload(&to_learn(18)).await;
    let timing = ["--train-quiet-ms", "200", "--train-max-wait-ms", "1000", "--reconcile-seconds", "5"];
    let mut backend = Backend::start(&stage.label_studio, &timing).await;
    project.connect(&backend).await;

    let working: Vec<_> = (0..PEOPLE)
        .map(|person| {
            let part: Vec<Task> = tasks.iter().skip(person).step_by(PEOPLE).cloned().collect();
            tokio::spawn(label(project.clone(), part))
        })
        .collect();
    for (alive, dead) in LIVES {
        tokio::time::sleep(Duration::from_millis(alive)).await;
        backend.kill();
        tokio::time::sleep(Duration::from_millis(dead)).await;
        backend.start_again().await;
    }
    let mut done = [0; 3];
    for person in working {
        let [created, changed, deleted] = person.await.expect("no panic");
        done = [done[0] + created, done[1] + changed, done[2] + deleted];
    }

    let answers = backend.agrees_with(&project).await;
    // What Label Studio refused after it had stored it is there twice.
    assert!(answers.len() >= done[0] - done[2], "{} answers left of {done:?}", answers.len());
    let labelled: BTreeSet<i64> =
        answers.iter().filter(|answer| !answer.skipped).map(|answer| answer.task).collect();
    let version = backend.version_over(project.id, labelled.len()).await;
    let [created, changed, deleted] = done;
    say(&format!(
        "{created} answers, {changed} changed, {deleted} deleted, {} kills; {version}",
        LIVES.len()
    ));
    // What the kills left on the disk is whole: it comes up once more and serves the same.
    assert!(backend.terminate().await.success());
    backend.start_again().await;
    assert_eq!(backend.version(project.id).await, version);
    assert!(!backend.log().contains("panicked"));
}

/// Answers tasks one after the other, changes some and takes others back; gives how many of each.
async fn label(project: Project, tasks: Vec<Task>) -> [usize; 3] {
    let mut done = [0; 3];
    for (place, task) in tasks.iter().enumerate() {
        let path = format!("/api/tasks/{}/annotations?project={}", task.id, project.id);
        let skips = place % 11 == 10;
        let body = json!({"result": choice(task.class), "was_cancelled": skips});
        let made = press(&project, Method::POST, &path, &body).await;
        done[0] += 1;
        let path = format!("/api/annotations/{}/?project={}", made["id"], project.id);
        match place % 5 {
            1 => {
                press(&project, Method::PATCH, &path, &json!({"result": choice("rain")})).await;
                done[1] += 1;
            }
            3 => {
                press(&project, Method::DELETE, &path, &json!({})).await;
                done[2] += 1;
            }
            _ => {}
        }
    }
    done
}

/// Sends, and once more where Label Studio's database was locked.
async fn press(project: &Project, method: Method, path: &str, body: &Value) -> Value {
    let mut last = String::new();
    for _ in 0..PRESSES {
        let request = project.label_studio().request(method.clone(), path).json(body);
        let (status, text) = send(request).await;
        if status.is_success() {
            return serde_json::from_str(&text).unwrap_or_default();
        }
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{text}");
        last = text;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("{method} {path} was refused {PRESSES} times: {last}");
}
