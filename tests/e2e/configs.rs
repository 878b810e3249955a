//! A label config that changes under way.

use serde_json::{Value, json};
use weathervane::domain::label_config::LabelConfig;

use crate::support::label_studio::{chosen, region};
use crate::support::pictures::{CLASSES, to_learn};
use crate::support::{Backend, Project, stage, until};

/// A label config with one `<Choices>` of this name.
fn config(head: &str, classes: &[&str]) -> String {
    let choices: String = classes.iter().map(|class| format!("<Choice value=\"{class}\"/>")).collect();
    format!(
        "<View><Image name=\"image\" value=\"$image\"/><Choices name=\"{head}\" toName=\"image\">{choices}</Choices></View>"
    )
}

/// What Label Studio's server reads of odd label configs (`parsed_label_config`) is what we know as classes; where its editor
/// shows something else, we know both.
#[tokio::test]
async fn odd_label_configs_have_the_classes_that_label_studio_reads() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project_with("odd label configs", &config("weather", &CLASSES)).await;
    for (attributes, choices) in [
        (
            "",
            r#"<Choice value="rain &amp; wind"/><Choice value="&lt;b&gt;sun&lt;/b&gt;"/><Choice value="&quot;fog&quot; &#39;x&#39;"/>"#,
        ),
        (
            "",
            r#"<Choice value="rain "/><Choice value=" sun"/><Choice value="a&#10;b"/><Choice value="a  b"/>"#,
        ),
        ("", r#"<Choice value="rain"/><Choice value="rain"/><Choice value="sun"/>"#),
        ("", r#"<Choice value="1">one</Choice><Choice value="2">two</Choice>"#),
        ("", r#"<Choice value="Rain" alias="r"/><Choice value="Sun" alias=""/>"#),
        (r#"choice="Single""#, r#"<Choice value="rain"/><Choice value="sun"/>"#),
        (
            r#"choice="multiple""#,
            r#"<View><Choice value="rain"/></View><View><View><Choice value="sun"/></View></View>"#,
        ),
        (
            "",
            r#"<Choice value="e&#769;te&#769;"/><Choice value="日"/><Choice value="7"/><Choice value="7.0"/>"#,
        ),
        (
            "",
            r#"<Choice value="$5"/><Choice value="a,b"/><Choice value="a/b"/><Choice value="x" hotkey="1" selected="true"/>"#,
        ),
    ] {
        let xml = format!(
            "<View><Image name=\"image\" value=\"$image\"/><Choices name=\"weather\" toName=\"image\" {attributes}>{choices}</Choices></View>"
        );
        project.configure(&xml).await.unwrap_or_else(|refused| panic!("{xml}: {refused:?}"));
        let shown = stage.label_studio.get(&format!("/api/projects/{}", project.id)).await;
        let theirs = &shown["parsed_label_config"]["weather"]["labels"];
        let theirs: Vec<&str> = theirs.as_array().expect("labels").iter().filter_map(Value::as_str).collect();
        let ours = LabelConfig::parse(&xml).unwrap_or_else(|error| panic!("{xml}: {error}")).heads.remove(0);
        assert_eq!(ours.classes.len(), theirs.len(), "{xml}: {theirs:?}, {:?}", ours.classes);
        let known: Vec<Option<usize>> = theirs.iter().map(|label| ours.class_index(label)).collect();
        assert_eq!(known, (0..theirs.len()).map(Some).collect::<Vec<_>>(), "{xml}: {theirs:?}");
    }
}

#[tokio::test]
async fn a_class_that_is_added_is_predicted_once_it_has_labels_and_one_that_goes_is_not_any_more() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project_with("classes come and go", &config("weather", &CLASSES)).await;
    let tasks = project.upload(&to_learn(4)).await;
    let backend = Backend::start(&stage.label_studio, &[]).await;
    project.connect(&backend).await;
    for task in &tasks[..8] {
        project.annotate(task).await;
    }
    let first = backend.version_over(project.id, 8).await;
    backend.queue_of(project.id, |queue| queue == first).await;

    // Added: known at once, learnt with its first labels.
    project
        .configure(&config("weather", &["cloudy", "rain", "shine", "sunrise", "snow"]))
        .await
        .expect("taken");
    let second = backend.version_over(project.id, 8).await;
    assert_ne!(second, first);
    assert_eq!(
        support(&backend, &project).await,
        [("cloudy", 2), ("rain", 2), ("shine", 2), ("sunrise", 2), ("snow", 0)].map(named)
    );
    assert_predicts(&project, &backend, &second, &CLASSES).await;
    for task in &tasks[8..10] {
        project.answer(task.id, &json!([region("weather", "image", &["snow"])])).await;
    }
    let third = backend.version_over(project.id, 10).await;
    assert_eq!(support(&backend, &project).await[4], named(("snow", 2)));
    assert_predicts(&project, &backend, &third, &["cloudy", "rain", "shine", "sunrise", "snow"]).await;

    // Removed: its two labels teach nothing any more, but are kept for the day it comes back.
    project.configure(&config("weather", &["cloudy", "rain", "shine", "sunrise"])).await.expect("taken");
    let fourth = backend.version_over(project.id, 8).await;
    assert_eq!(
        support(&backend, &project).await,
        [("cloudy", 2), ("rain", 2), ("shine", 2), ("sunrise", 2)].map(named)
    );
    assert_predicts(&project, &backend, &fourth, &CLASSES).await;
    assert_eq!(backend.project(project.id).await["annotations"], 10);

    // Renamed: to us, as to Label Studio's results, that is one that goes and one that comes.
    project.configure(&config("weather", &["cloudy", "drizzle", "shine", "sunrise"])).await.expect("taken");
    let fifth = backend.version_over(project.id, 6).await;
    assert_eq!(support(&backend, &project).await[1], named(("drizzle", 0)));
    assert_predicts(&project, &backend, &fifth, &["cloudy", "shine", "sunrise", "drizzle"]).await;
    project
        .configure(&config("weather", &["cloudy", "rain", "shine", "sunrise", "snow"]))
        .await
        .expect("taken");
    backend.version_over(project.id, 10).await;
    assert_eq!(
        support(&backend, &project).await,
        [("cloudy", 2), ("rain", 2), ("shine", 2), ("sunrise", 2), ("snow", 2)].map(named)
    );
}

/// Until somebody trains, the old version answers with the classes that stayed.
#[tokio::test]
async fn before_a_retrain_only_classes_that_stayed_are_predicted() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project_with("not yet retrained", &config("weather", &CLASSES)).await;
    let tasks = project.upload(&to_learn(4)).await;
    let backend = Backend::start(&stage.label_studio, &["--train-trigger", "manual"]).await;
    project.connect(&backend).await;
    for task in &tasks[..8] {
        project.annotate(task).await;
    }
    backend.post("/train", &json!({"project": project.id.to_string()})).await;
    let first = backend.version_over(project.id, 8).await;
    backend.queue_of(project.id, |queue| queue == first).await;

    project.configure(&config("weather", &["cloudy", "shine", "snow"])).await.expect("taken");
    let before = until("the new classes", async || {
        let shown = backend.project(project.id).await;
        (shown["heads"][0]["unlearnt_classes"] == json!(["snow"])).then_some(shown)
    })
    .await;
    let serving = before["version"].as_str().expect("a version").to_owned();
    assert_predicts(&project, &backend, &serving, &["cloudy", "shine"]).await;
    backend.post("/train", &json!({"project": project.id.to_string()})).await;
    let after = backend.version_over(project.id, 4).await;
    assert_predicts(&project, &backend, &after, &["cloudy", "shine", "snow"]).await;
}

#[tokio::test]
async fn a_renamed_control_is_predicted_under_its_new_name_before_anybody_has_answered() {
    let Some(stage) = stage().await else { return };
    let project =
        stage.label_studio.project_with("a control renamed early", &config("weather", &CLASSES)).await;
    project.upload(&to_learn(2)).await;
    let backend = Backend::start(&stage.label_studio, &[]).await;
    project.connect(&backend).await;
    let first = backend.queue_of(project.id, |version| version.starts_with("starter-")).await;
    assert_predicts(&project, &backend, &first, &CLASSES).await;

    project.configure(&config("sky", &CLASSES)).await.expect("taken");
    let second = backend.version_after(project.id, &first).await;
    assert!(second.starts_with("starter-"), "{second}");
    assert_predicts_as("sky", &project, &backend, &second, &CLASSES).await;
}

#[tokio::test]
async fn a_control_with_answers_is_renamed_only_once_they_are_gone() {
    let Some(stage) = stage().await else { return };
    let project =
        stage.label_studio.project_with("a control renamed late", &config("weather", &CLASSES)).await;
    let tasks = project.upload(&to_learn(3)).await;
    let ids: Vec<i64> = tasks.iter().map(|task| task.id).collect();
    let backend = Backend::start(&stage.label_studio, &[]).await;
    project.connect(&backend).await;
    for task in &tasks[..8] {
        project.annotate(task).await;
    }
    let first = backend.version_over(project.id, 8).await;
    let refused = project.configure(&config("sky", &CLASSES)).await.expect_err("refused");
    assert!(refused.contains("from_name=weather"), "{refused}");

    project.act("delete_tasks_annotations", &ids, &[]).await;
    let starter = backend.version_after(project.id, &first).await;
    assert!(starter.starts_with("starter-"), "{starter}");
    project.configure(&config("sky", &CLASSES)).await.expect("taken");
    let renamed = backend.version_after(project.id, &starter).await;
    assert_predicts_as("sky", &project, &backend, &renamed, &CLASSES).await;
    for task in &tasks[..8] {
        project.answer(task.id, &json!([region("sky", "image", &[task.class])])).await;
    }
    let learnt = backend.version_over(project.id, 8).await;
    assert_predicts_as("sky", &project, &backend, &learnt, &CLASSES).await;
}

fn named((class, count): (&str, u64)) -> (String, u64) {
    (class.to_owned(), count)
}

/// Classes of the newest version, with how many tasks of each it learnt.
async fn support(backend: &Backend, project: &Project) -> Vec<(String, u64)> {
    let head = backend.project(project.id).await["versions"][0]["heads"][0].clone();
    let classes = head["classes"].as_array().expect("classes").iter().filter_map(Value::as_str);
    let counts = head["evaluation"]["support"].as_array().expect("support").iter().filter_map(Value::as_u64);
    classes.map(str::to_owned).zip(counts).collect()
}

async fn assert_predicts(project: &Project, backend: &Backend, version: &str, classes: &[&str]) {
    assert_predicts_as("weather", project, backend, version, classes).await;
}

/// Waits until Label Studio serves in the order of `version`; every prediction of it then ticks one of the classes.
async fn assert_predicts_as(
    head: &str,
    project: &Project,
    backend: &Backend,
    version: &str,
    classes: &[&str],
) {
    backend.queue_of(project.id, |queue| queue == version).await;
    assert_eq!(project.settings().await["model_version"], *version);
    let next = project.next().await.expect("a task");
    let opened = project.open(next).await;
    let of_version: Vec<&Value> = opened.iter().filter(|kept| kept["model_version"] == *version).collect();
    assert_eq!(of_version.len(), 1, "{opened:#?}");
    let all = project.label_studio().get(&format!("/api/predictions?project={}", project.id)).await;
    let newest = all.as_array().expect("predictions").iter().filter(|kept| kept["model_version"] == *version);
    for kept in newest {
        assert_eq!(kept["result"][0]["from_name"], head, "{kept:#}");
        assert!(classes.contains(&chosen(kept)), "none of {classes:?}: {kept:#}");
    }
}
