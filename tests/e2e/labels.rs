//! A class gets another name, and the labels that people gave before follow it.

use serde_json::{Value, json};

use crate::support::command::weathervane;
use crate::support::label_studio::region;
use crate::support::pictures::to_learn;
use crate::support::{Backend, Project, stage, until};

/// A question with these classes, and one that is nobody's business here.
fn config(classes: &[&str]) -> String {
    let choices: String = classes.iter().map(|class| format!("<Choice value=\"{class}\"/>")).collect();
    format!(
        "<View><Image name=\"image\" value=\"$image\"/><Choices name=\"number\" toName=\"image\">{choices}</Choices>\
         <Choices name=\"seen\" toName=\"image\" choice=\"multiple\"><Choice value=\"ten\"/><Choice value=\"sun\"/></Choices></View>"
    )
}

/// An annotation as Label Studio keeps it, without what every change renews.
async fn kept(project: &Project, annotation: i64) -> Value {
    let mut kept = project.label_studio().get(&format!("/api/annotations/{annotation}/")).await;
    for renewed in ["updated_at", "updated_by", "created_ago"] {
        kept[renewed].take();
    }
    kept
}

#[tokio::test]
async fn labels_of_a_renamed_class_get_its_new_name_and_nothing_else_of_them_changes() {
    let Some(stage) = stage().await else { return };
    let title = "a class under a new name";
    let project = stage.label_studio.project_with(title, &config(&["one", "two", "ten"])).await;
    let tasks: Vec<i64> = project.upload(&to_learn(2)).await.iter().map(|task| task.id).collect();
    let backend = Backend::start(&stage.label_studio, &["--train-trigger", "manual"]).await;
    project.connect(&backend).await;
    let second = stage.label_studio.invite("renamed").await;
    let of_second = project.seen_by(&second);

    let answer =
        |class: &str| json!([region("seen", "image", &["ten", "sun"]), region("number", "image", &[class])]);
    let mut answers = Vec::new();
    for (task, class) in tasks.iter().zip(["ten", "one", "ten", "two", "ten"]) {
        answers.push(of_second.answer(*task, &answer(class)).await);
    }
    // One is ground truth that took a while, one was skipped after it was given.
    of_second.change(answers[0], &json!({"ground_truth": true, "lead_time": 12.5})).await;
    of_second.change(answers[2], &json!({"was_cancelled": true})).await;
    let mut before = Vec::new();
    for id in &answers {
        before.push(kept(&project, *id).await);
    }
    backend.agrees_with(&project).await;

    project
        .configure(&config(&["one", "two", "ten new"]))
        .await
        .expect("Label Studio lets a class in use go");
    let id = project.id.to_string();
    let command = format!("weathervane labels rename --project {id} --from-name=number ten 'ten new'");
    until("the offer", async || {
        let shown = backend.project(project.id).await;
        let reason = shown["labels"]["unused"][0]["reason"].as_str()?.to_owned();
        reason.contains(&command).then_some(())
    })
    .await;
    let doctor = weathervane(&stage.label_studio, &backend, &["doctor", "--project", &id]);
    assert!(doctor.stdout.contains(&command), "{doctor:#?}");

    let line = ["labels", "rename", "--project", &id, "ten", "ten new"];
    let run = |more: &[&str]| weathervane(&stage.label_studio, &backend, &[&line[..], more].concat());
    let planned = run(&["--dry-run"]).json();
    assert_eq!(planned["annotations"], json!([answers[0], answers[2], answers[4]]), "{planned:#}");
    let unasked = run(&[]);
    assert!(unasked.code == 1 && unasked.stderr.contains("no terminal"), "{unasked:#?}");
    assert_eq!(kept(&project, answers[0]).await, before[0], "nothing is changed unasked");

    // Somebody's open changes would be lost.
    let path = format!("/api/tasks/{}/annotations/{}/drafts", tasks[4], answers[4]);
    second.post(&path, &json!({"result": answer("two"), "lead_time": 1.0})).await;
    let first = run(&["--yes"]);
    assert_eq!((first.code, &first.json()["changed"]), (1, &json!(2)), "{first:#?}");
    assert_eq!(first.json()["left"], json!([tasks[4]]));
    assert!(first.stderr.contains("--discard-drafts"), "{first:#?}");
    let rest = run(&["--yes", "--discard-drafts"]);
    assert_eq!((rest.code, &rest.json()["changed"]), (0, &json!(1)), "{rest:#?}");

    for (index, id) in answers.iter().enumerate() {
        let mut wanted = before[index].clone();
        if index % 2 == 0 {
            wanted["result"][1]["value"]["choices"] = json!(["ten new"]);
        }
        assert_eq!(kept(&project, *id).await, wanted, "answer {index}");
    }
    let known = backend.agrees_with(&project).await;
    assert!(
        known.iter().all(|answer| !answer.choices.contains(&"two".to_owned()) || answer.id == answers[3])
    );
    until("nothing to be unused", async || {
        let shown = backend.project(project.id).await;
        shown["labels"]["unused"].as_array()?.is_empty().then_some(())
    })
    .await;
    assert_eq!(backend.learns(&project).await, [1, 1, 2], "the skipped one teaches nothing");
    let again = run(&["--yes"]);
    assert!(again.code == 1 && again.stderr.contains("its labels are: `ten new` (3)"), "{again:#?}");
    let doctor = weathervane(&stage.label_studio, &backend, &["doctor", "--project", &id]);
    assert!(!doctor.stdout.contains("teach nothing"), "{doctor:#?}");
}
