//! A guarded backend. Label Studio keeps credentials that stand in the backend's URL for the webhook's URL too, so
//! that its webhooks come in; credentials of its form "Basic authentication" it leaves out of webhooks.

use crate::support::pictures::to_learn;
use crate::support::{Backend, LabelStudio, stage};

/// A password with what a URL would take for something else.
const PASSWORD: &str = "hush/hush@home";
const PASSWORD_IN_URL: &str = "hush%2Fhush%40home";
const SECRET: &str = "0123456789abcdef-e2e";

#[tokio::test]
async fn credentials_in_the_url_let_webhooks_in() {
    let Some(stage) = stage().await else { return };
    let arguments = ["--basic-auth-user", "me", "--basic-auth-pass", PASSWORD];
    let mut backend = Backend::start(&stage.label_studio, &arguments).await;
    backend.url = backend.url.replace("http://", &format!("http://me:{PASSWORD_IN_URL}@"));
    assert_it_learns(&stage.label_studio, &backend).await;
    assert!(!backend.log().contains("hush"), "the log holds the password");
}

#[tokio::test]
async fn a_secret_path_lets_webhooks_in() {
    let Some(stage) = stage().await else { return };
    let arguments = ["--secret-path", SECRET, "--basic-auth-user", "me", "--basic-auth-pass", PASSWORD];
    let mut backend = Backend::start(&stage.label_studio, &arguments).await;
    let open = backend.url.clone();
    backend.url = format!("{open}/{SECRET}");
    backend.operator = Some(open.replace("http://", &format!("http://me:{PASSWORD_IN_URL}@")));
    assert_it_learns(&stage.label_studio, &backend).await;
    assert_eq!(backend.http.get(format!("{open}/health")).send().await.expect("an answer").status(), 401);
    assert!(!backend.log().contains(SECRET), "the log holds the secret path");
}

async fn assert_it_learns(label_studio: &LabelStudio, backend: &Backend) {
    let project = label_studio.project("a guarded backend").await;
    let tasks = project.upload(&to_learn(1)).await;
    project.connect(backend).await;
    assert_eq!(project.open(tasks[3].id).await.len(), 1);
    for task in &tasks {
        project.annotate(task).await;
    }
    let version = backend.version_over(project.id, 4).await;
    project.shows_version(&version).await;
}
