//! Label Studio's two kinds of token, and a wrong one.

use serde_json::json;

use crate::support::pictures::to_ask;
use crate::support::{Backend, WEATHER, stage};

#[tokio::test]
async fn a_personal_access_token_opens_uploads() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("a personal access token").await;
    let tasks = project.upload(&to_ask(1)).await;
    let token = stage.label_studio.personal_access_token().await;
    let backend = Backend::start_with_token(&stage.label_studio, &token, &["--queue-tasks", "0"]).await;
    project.connect(&backend).await;
    backend.says("personal access token").await;
    assert_eq!(project.open(tasks[0].id).await.len(), 1);
    assert!(!backend.log().contains(&token), "the log holds the token");
}

#[tokio::test]
async fn the_legacy_token_opens_uploads_and_is_not_logged() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("a legacy token").await;
    let tasks = project.upload(&to_ask(1)).await;
    let backend = Backend::start(&stage.label_studio, &["--queue-tasks", "0"]).await;
    project.connect(&backend).await;
    backend.says("legacy token").await;
    assert_eq!(project.open(tasks[0].id).await.len(), 1);
    assert!(!backend.log().contains(&stage.label_studio.token), "the log holds the token");
}

#[tokio::test]
async fn with_a_wrong_token_the_log_says_what_to_do_and_uploads_stay_unpredicted() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("a wrong token").await;
    let tasks = project.upload(&to_ask(1)).await;
    let wrong = "0123456789abcdef0123456789abcdef01234567";
    let backend = Backend::start_with_token(&stage.label_studio, wrong, &[]).await;
    project.connect(&backend).await;
    backend.says("Account & Settings").await;
    assert_eq!(project.open(tasks[0].id).await, Vec::<serde_json::Value>::new());

    let task = stage.label_studio.get(&format!("/api/tasks/{}?project={}", tasks[0].id, project.id)).await;
    let body = json!({"tasks": [task], "label_config": WEATHER, "project": format!("{}.1", project.id)});
    assert_eq!(backend.post("/predict", &body).await, json!({"results": [[]]}));
    backend.says("401").await;
}
