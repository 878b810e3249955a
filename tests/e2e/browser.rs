//! What an annotator sees: the predicted choice is ticked, Submit brings the next task.

use std::path::Path;

use serde_json::json;

use crate::queue::ranking;
use crate::support::browser::Browser;
use crate::support::label_studio::chosen;
use crate::support::pictures::to_ask;
use crate::support::{Backend, LabelStudio, Project, say, stage, until};

const SUBMIT: &str = "[data-testid=bottombar-submit-button]";

/// The task the editor shows and the choices it ticked: `[id, [name, ...]]`. The id stands in the bottom bar above
/// `1 of 1`.
const SHOWN: &str = "
    const id = document.body.innerText.match(/^(\\d+)\\n\\d+ of \\d+$/m);
    const ticked = [...document.querySelectorAll('.lsf-choices input:checked')].map(box => box.name);
    return [id && Number(id[1]), ticked];";

#[tokio::test]
async fn the_first_of_the_ranking_is_shown_ticked_and_submit_brings_the_next() {
    let Some(stage) = stage().await else { return };
    let Some(browser) = open_browser().await else { return };
    let project = stage.label_studio.project("in the browser").await;
    project.upload(&to_ask(1)).await;
    let backend = Backend::start(&stage.label_studio, &[]).await;
    project.connect(&backend).await;
    backend.queue_of(project.id, |version| version.starts_with("starter-")).await;
    let ranked = ranking(&backend, &project).await;

    log_in(&browser, &stage.label_studio).await;
    browser.go_to(&format!("{}/projects/{}/data?labeling=1", stage.label_studio.url, project.id)).await;
    assert_ticked(&browser, &project, ranked[0]).await;
    browser.screenshot(&picture("label-stream.png")).await;

    browser.find(SUBMIT).await.click().await;
    assert_ticked(&browser, &project, ranked[1]).await;
    browser.screenshot(&picture("next-task.png")).await;
    assert_eq!(project.annotations().await, 1);
    until("the answer to reach the backend", async || {
        (backend.project(project.id).await["annotations"] == 1).then_some(())
    })
    .await;
}

async fn open_browser() -> Option<Browser> {
    match Browser::open().await {
        Ok(browser) => Some(browser),
        Err(why) => {
            let required = std::env::var("WEATHERVANE_REQUIRE_BROWSER").is_ok_and(|value| value == "1");
            assert!(!required, "{why}");
            say(&format!("skipped: {why}"));
            None
        }
    }
}

async fn log_in(browser: &Browser, label_studio: &LabelStudio) {
    browser.go_to(&format!("{}/user/login/", label_studio.url)).await;
    browser.find("#email").await.write(&label_studio.email).await;
    browser.find("#password").await.write(&label_studio.password).await;
    browser.find("button[type=submit]").await.click().await;
    until("the page behind the login", async || {
        let path = browser.run("return location.pathname").await;
        (!path.as_str()?.starts_with("/user/login")).then_some(())
    })
    .await;
}

/// Waits until the editor shows this task with a tick, which must be where the task's prediction is.
async fn assert_ticked(browser: &Browser, project: &Project, task: i64) {
    let ticked = until(&format!("task {task} with a tick"), async || {
        let shown = browser.run(SHOWN).await;
        (shown[0] == task && shown[1] != json!([])).then(|| shown[1].clone())
    })
    .await;
    let predictions = project.predictions(task).await;
    assert_eq!(predictions.len(), 1, "{predictions:#?}");
    assert_eq!(ticked, json!([chosen(&predictions[0])]));
}

/// Below `target/`, for a person to look at.
fn picture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
