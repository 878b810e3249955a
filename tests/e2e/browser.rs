//! What annotators see: the predicted choice is ticked, Submit and Skip bring the next task of the queue.

use std::collections::HashMap;

use crate::queue::ranking;
use crate::support::answers::Answer;
use crate::support::command::weathervane;
use crate::support::editor::Editor;
use crate::support::pictures::{CLASSES, to_ask, to_learn};
use crate::support::{Backend, Project, WEATHER, stage, until};

#[tokio::test]
async fn the_first_of_the_ranking_is_shown_ticked_and_submit_brings_the_next() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("in the browser").await;
    project.upload(&to_ask(1)).await;
    let backend = Backend::start(&stage.label_studio, &[]).await;
    project.connect(&backend).await;
    let (starter, ranked) = first_order(&backend, &project).await;

    let Some(editor) = Editor::open(&project, "stream").await else { return };
    let class = editor.shows(ranked[0], &starter).await;
    editor.picture("1-ticked").await;
    editor.submit().await;
    editor.shows(ranked[1], &starter).await;
    editor.picture("2-next").await;
    let answers = backend.agrees_with(&project).await;
    assert_eq!(answers.iter().map(short).collect::<Vec<_>>(), [(ranked[0], vec![&*class], false)]);
    assert_eq!(backend.project(project.id).await["annotations"], 1);
    editor.assert_console_is_clean().await;
}

/// Which tab shows the same order.
const VIEW: &str = "Most useful first";

#[tokio::test]
async fn the_view_of_the_data_manager_shows_pictures_and_answers_the_most_useful_first() {
    let Some(stage) = stage().await else { return };
    for order in ["rank", "certainty"] {
        let project = stage.label_studio.project("the view in the browser").await;
        project.upload(&to_ask(3)).await;
        let backend = Backend::start(&stage.label_studio, &["--queue-order", order]).await;
        project.connect(&backend).await;
        let (starter, mut ranked) = first_order(&backend, &project).await;
        let mut scores = HashMap::new();
        for task in &ranked {
            scores.insert(*task, project.predictions(*task).await[0]["score"].as_f64().expect("a score"));
        }
        // Places follow each other; certainties need not.
        assert!(
            order == "certainty" || ranked.is_sorted_by_key(|task| scores[task]),
            "{ranked:?}: {scores:?}"
        );
        ranked.sort_by(|a, b| scores[a].total_cmp(&scores[b]));
        let Some(editor) = Editor::open(&project, "view").await else { return };
        let class = editor.shows(ranked[0], &starter).await;
        editor.picture(&format!("stream-{order}")).await;
        assert_eq!(editor.percentages().await, Vec::<String>::new(), "the label stream shows no certainty");

        editor.open_view(VIEW, 1280).await;
        let rows = editor.listed().await;
        editor.picture(&format!("list-{order}")).await;
        assert_eq!(rows.iter().map(|row| row.task()).collect::<Vec<_>>(), ranked[..rows.len()]);
        assert!(rows[0].text.contains(&format!("choices: [{class}]")), "{rows:?}");
        assert!(rows.iter().all(|row| row.right < 1280.0 && !row.text.contains("0.000")), "{rows:?}");

        editor.open_task(ranked[0]).await;
        until("the task that was opened", async || {
            editor.picture(&format!("opened-{order}")).await;
            (!editor.percentages().await.is_empty()).then_some(())
        })
        .await;
        let score = scores[&ranked[0]];
        assert_eq!(editor.percentages().await, [format!("{:.2}%", 100.0 * score)]);
        assert_eq!(score > 0.1, order == "certainty", "{score}");
    }
}

#[tokio::test]
async fn keys_correct_and_submit_and_skip_brings_the_next_and_a_retrain_is_seen() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("by keys in the browser").await;
    let tasks = project.upload(&[to_learn(3), to_ask(2)].concat()).await;
    let backend = Backend::start(&stage.label_studio, &[]).await;
    project.connect(&backend).await;
    let (starter, ranked) = first_order(&backend, &project).await;

    let Some(editor) = Editor::open(&project, "keys").await else { return };
    let predicted = editor.shows(ranked[0], &starter).await;
    let other = CLASSES.iter().position(|class| *class != predicted).expect("another class");
    editor.press(other + 1).await;
    editor.shows_ticked(ranked[0], CLASSES[other]).await;
    editor.picture("1-corrected").await;
    editor.submit_by_keys().await;
    let skipped = editor.shows(ranked[1], &starter).await;
    editor.skip().await;
    editor.shows(ranked[2], &starter).await;
    editor.picture("2-after-skip").await;
    let mut answers = backend.agrees_with(&project).await;
    answers.sort_by_key(|answer| answer.id);
    // The editor keeps the ticks of what is skipped.
    let wanted = [(ranked[0], vec![CLASSES[other]], false), (ranked[1], vec![&*skipped], true)];
    assert_eq!(answers.iter().map(short).collect::<Vec<_>>(), wanted);

    // Others answer meanwhile; the next task then is ticked by what was learnt. The one that is open stays open.
    let rest = tasks.iter().filter(|task| !ranked[..3].contains(&task.id)).take(8);
    for task in rest {
        project.annotate(task).await;
    }
    let version = backend.version_over(project.id, 9).await;
    backend.queue_of(project.id, |queue| queue == version).await;
    editor.submit().await;
    let newest = backend.version_over(project.id, 10).await;
    backend.queue_of(project.id, |queue| queue == newest).await;
    editor.open_stream().await;
    let next = project.next().await.expect("a task");
    let shown_version = project.settings().await["model_version"].as_str().expect("a version").to_owned();
    editor.shows(next, &shown_version).await;
    editor.picture("3-retrained").await;
    editor.assert_console_is_clean().await;
}

#[tokio::test]
async fn two_people_are_shown_different_tasks_each_the_best_that_is_free() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("two people").await;
    project.upload(&to_ask(2)).await;
    let backend = Backend::start(&stage.label_studio, &["--train-trigger", "manual"]).await;
    project.connect(&backend).await;
    let (starter, ranked) = first_order(&backend, &project).await;

    let second = stage.label_studio.invite("second-in-the-browser").await;
    let seen_by_second = project.seen_by(&second);
    let Some(one) = Editor::open(&project, "first-person").await else { return };
    one.shows(ranked[0], &starter).await;
    let Some(other) = Editor::open(&seen_by_second, "second-person").await else { return };
    other.shows(ranked[1], &starter).await;
    one.picture("1").await;
    other.picture("1").await;
    one.submit().await;
    one.shows(ranked[2], &starter).await;
    other.submit().await;
    other.shows(ranked[3], &starter).await;
    other.picture("2").await;
    assert_eq!(backend.agrees_with(&project).await.len(), 2);
    one.assert_console_is_clean().await;
    other.assert_console_is_clean().await;
}

/// Who always presses the class's key and submits takes the tick away where the model is right.
#[tokio::test]
async fn the_key_of_the_ticked_choice_and_a_submit_save_no_empty_answer() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("a habit").await;
    project.upload(&to_ask(1)).await;
    let backend = Backend::start(&stage.label_studio, &[]).await;
    project.connect(&backend).await;
    let (starter, ranked) = first_order(&backend, &project).await;

    let Some(editor) = Editor::open(&project, "habit").await else { return };
    let ticked = editor.shows(ranked[0], &starter).await;
    let key = CLASSES.iter().position(|class| *class == ticked).expect("a class") + 1;
    editor.press(key).await;
    editor.shows_none_ticked(ranked[0]).await;
    editor.submit_by_keys().await;
    editor.says("\"weather\" is required").await;
    editor.picture("1-required").await;
    assert_eq!(project.answers().await, []);
    editor.close_words().await;
    editor.press(key).await;
    editor.shows_ticked(ranked[0], &ticked).await;
    editor.submit_by_keys().await;
    editor.shows(ranked[1], &starter).await;
    let answers = backend.agrees_with(&project).await;
    assert_eq!(answers.iter().map(short).collect::<Vec<_>>(), [(ranked[0], vec![&*ticked], false)]);

    // Where the label config lets nothing be an answer, `connect` has Label Studio refuse it.
    let lax = WEATHER.replace(" required=\"true\"", "");
    let project = stage.label_studio.project_with("a habit without the attribute", &lax).await;
    project.upload(&to_ask(1)).await;
    let said = weathervane(&stage.label_studio, &backend, &["connect", "--project", &project.id.to_string()]);
    assert_eq!((said.code, said.outcomes("empty submits")), (0, vec!["changed".to_owned()]), "{said:#?}");
    assert!(said.stdout.contains("--require-answer"), "{said:#?}");
    assert_eq!(project.settings().await["enable_empty_annotation"], false);
    let (starter, ranked) = first_order(&backend, &project).await;
    let Some(editor) = Editor::open(&project, "habit-lax").await else { return };
    let ticked = editor.shows(ranked[0], &starter).await;
    editor.press(CLASSES.iter().position(|class| *class == ticked).expect("a class") + 1).await;
    editor.shows_none_ticked(ranked[0]).await;
    assert!(!editor.can_submit().await);
    editor.submit_by_keys().await;
    editor.picture("1-refused").await;
    editor.press(1).await;
    editor.submit_by_keys().await;
    editor.shows(ranked[1], &starter).await;
    let answers = project.answers().await;
    assert_eq!(answers.iter().map(short).collect::<Vec<_>>(), [(ranked[0], vec![CLASSES[0]], false)]);

    let id = project.id.to_string();
    let line = ["connect", "--project", &id, "--require-answer"];
    let said = weathervane(&stage.label_studio, &backend, &line);
    assert_eq!((said.code, said.outcomes("answers")), (0, vec!["changed".to_owned()]), "{said:#?}");
    let xml = project.settings().await["label_config"].as_str().unwrap_or_default().to_owned();
    assert!(xml.contains("required=\"true\"") && xml.contains("showInline"), "{xml}");
    assert_eq!(weathervane(&stage.label_studio, &backend, &line).outcomes("answers"), ["ok"]);
}

/// The starter's version and the ranking that Label Studio serves in.
async fn first_order(backend: &Backend, project: &Project) -> (String, Vec<i64>) {
    let starter = backend.queue_of(project.id, |version| version.starts_with("starter-")).await;
    (starter, ranking(backend, project).await)
}

fn short(answer: &Answer) -> (i64, Vec<&str>, bool) {
    (answer.task, answer.choices.iter().map(String::as_str).collect(), answer.skipped)
}
