//! `weathervane connect` and `weathervane doctor`.

use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::command::{Said, weathervane};
use crate::support::label_studio::send;
use crate::support::pictures::to_learn;
use crate::support::{Backend, LabelStudio, Project, stage};

/// The label config that the repository ships.
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/label_config.xml");

const SECRET: &str = "0123456789abcdef-connect";

/// A folder with a picture of each class, and a text that is none.
fn pictures_in(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    for picture in to_learn(1) {
        std::fs::write(folder.join(&picture.name), &picture.bytes).expect("a file");
    }
    std::fs::write(folder.join("notes.txt"), "no picture").expect("a file");
}

fn project_of(said: &Said, label_studio: &LabelStudio) -> Project {
    label_studio.known_project(said.json()["project"].as_i64().unwrap_or_else(|| panic!("{said:#?}")))
}

/// Every line was right already.
fn assert_nothing_changed(said: &Said) {
    let steps = said.json()["steps"].clone();
    let others: Vec<&Value> =
        steps.as_array().expect("steps").iter().filter(|line| line["outcome"] != "ok").collect();
    assert!(others.is_empty() && said.code == 0, "{said:#?}");
    assert_eq!(said.json()["changed"], false);
    assert!(said.stderr.contains("nothing had to be changed"), "{said:#?}");
}

async fn assert_it_learns(project: &Project, backend: &Backend) {
    let tasks = project.tasks().await;
    assert_eq!(tasks.len(), 4, "{tasks:?}");
    for task in &tasks {
        project.annotate(task).await;
    }
    backend.version_over(project.id, 4).await;
}

#[tokio::test]
async fn connect_makes_a_project_that_learns_and_the_second_run_changes_nothing() {
    let Some(stage) = stage().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    pictures_in(folder.path());
    let backend = Backend::start(&stage.label_studio, &[]).await;
    let images = folder.path().to_str().expect("UTF-8");
    let line =
        ["connect", "--create", "made by connect", "--label-config", CONFIG, "--images", images, "--upload"];

    let first = weathervane(&stage.label_studio, &backend, &line);
    assert_eq!((first.code, first.json()["changed"].as_bool()), (0, Some(true)), "{first:#?}");
    for (step, outcome) in [
        ("project", "made"),
        ("images", "made"),
        ("sampling", "changed"),
        ("training", "changed"),
        ("ML backend", "made"),
        ("webhook", "ok"),
        ("delivery", "ok"),
    ] {
        assert_eq!(first.outcomes(step), [outcome], "{first:#?}");
    }
    assert_nothing_changed(&weathervane(&stage.label_studio, &backend, &line));

    let project = project_of(&first, &stage.label_studio);
    assert_eq!(project.settings().await["start_training_on_annotation_update"], true);
    assert_it_learns(&project, &backend).await;
    // The server has set title, version and order meanwhile.
    assert_nothing_changed(&weathervane(&stage.label_studio, &backend, &line));
    let doctor = weathervane(&stage.label_studio, &backend, &["doctor"]);
    assert_eq!((doctor.code, doctor.outcomes("delivery")), (0, vec!["ok".to_owned()]), "{doctor:#?}");
}

/// Nobody's images get the classes of the weather unasked.
#[tokio::test]
async fn folders_with_class_names_are_classes_and_first_labels_and_without_any_it_says_what_to_give() {
    let Some(stage) = stage().await else { return };
    let backend = Backend::start(&stage.label_studio, &[]).await;
    let folder = tempfile::tempdir().expect("a folder");
    for picture in to_learn(2) {
        let class = match picture.class {
            "rain" => "robin",
            "shine" => "wren & co",
            _ => "",
        };
        std::fs::create_dir_all(folder.path().join(class)).expect("a folder");
        std::fs::write(folder.path().join(class).join(&picture.name), &picture.bytes).expect("a file");
    }
    let images = folder.path().to_str().expect("UTF-8");
    let line = ["connect", "--create", "birds in folders", "--images", images, "--upload"];
    let said = weathervane(&stage.label_studio, &backend, &line);
    assert_eq!((said.code, said.outcomes("first labels")), (0, vec!["made".to_owned()]), "{said:#?}");
    assert_nothing_changed(&weathervane(&stage.label_studio, &backend, &line));
    let project = project_of(&said, &stage.label_studio);
    let mut labels: Vec<String> =
        project.answers().await.into_iter().flat_map(|answer| answer.choices).collect();
    labels.sort();
    assert_eq!(labels, ["robin", "robin", "wren & co", "wren & co"]);
    assert_eq!(project.task_ids().await.len(), 8);
    backend.version_over(project.id, 4).await;

    let flat = tempfile::tempdir().expect("a folder");
    pictures_in(flat.path());
    let images = flat.path().to_str().expect("UTF-8");
    let line = ["connect", "--create", "birds unsorted", "--images", images, "--upload"];
    let problem = weathervane(&stage.label_studio, &backend, &line).problem();
    assert!(problem.contains("--classes") && problem.contains("--label-config"), "{problem}");
    let line = [&line[..], &["--classes", "robin,wren,a < b", "--multiple"]].concat();
    let said = weathervane(&stage.label_studio, &backend, &line);
    assert_eq!((said.code, said.outcomes("answers")), (0, vec!["ok".to_owned()]), "{said:#?}");
    let xml = project_of(&said, &stage.label_studio).settings().await["label_config"].to_string();
    assert!(xml.contains("a &lt; b") && xml.contains("multiple") && !xml.contains("cloudy"), "{xml}");
}

#[tokio::test]
async fn connect_has_label_studio_serve_a_folder_or_says_how_it_could() {
    let Some(stage) = stage().await else { return };
    let Some(root) = std::env::var_os("WEATHERVANE_TEST_LABEL_STUDIO_FILES").map(PathBuf::from) else {
        return;
    };
    pictures_in(&root.join("connect"));
    let backend = Backend::start(&stage.label_studio, &[]).await;
    let served = root.join("connect");
    let line = [
        "connect",
        "--create",
        "a folder",
        "--label-config",
        CONFIG,
        "--images",
        served.to_str().expect("UTF-8"),
    ];
    let first = weathervane(&stage.label_studio, &backend, &line);
    assert_eq!(first.outcomes("images"), ["made"], "{first:#?}");
    assert!(first.stdout.contains("4 new tasks, 4 in all"), "{first:#?}");
    assert_nothing_changed(&weathervane(&stage.label_studio, &backend, &line));

    let elsewhere = tempfile::tempdir().expect("a folder");
    pictures_in(elsewhere.path());
    let line = ["connect", "--create", "a folder", "--images", elsewhere.path().to_str().expect("UTF-8")];
    let said = weathervane(&stage.label_studio, &backend, &line).problem();
    assert!(said.contains("DOCUMENT_ROOT=") && said.contains("--upload"), "{said}");
}

#[tokio::test]
async fn connect_sets_a_label_config_and_refuses_to_drop_classes_in_use() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("classes in use").await;
    let tasks = project.upload(&to_learn(1)).await;
    let rain = tasks.iter().find(|task| task.class == "rain").expect("rain");
    project.annotate(rain).await;
    let backend = Backend::start(&stage.label_studio, &[]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let connect = |classes: &[&str]| {
        let choices: String = classes.iter().map(|class| format!("<Choice value=\"{class}\"/>")).collect();
        let config = format!(
            "<View><Image name=\"image\" value=\"$image\"/><Choices name=\"weather\" toName=\"image\">{choices}</Choices></View>"
        );
        let file = folder.path().join("config.xml");
        std::fs::write(&file, config).expect("a file");
        let (id, file) = (project.id.to_string(), file.to_str().expect("UTF-8").to_owned());
        weathervane(&stage.label_studio, &backend, &["connect", "--project", &id, "--label-config", &file])
    };

    let said = connect(&["cloudy", "sunrise"]).problem();
    assert!(said.contains("`rain` of `weather` (1 annotations)") && !said.contains("shine"), "{said}");
    let kept = project.settings().await;
    assert!(kept["label_config"].as_str().is_some_and(|xml| xml.contains("shine")), "{kept:#}");
    assert_eq!(kept["sampling"], "Sequential sampling", "something was changed all the same");

    let said = connect(&["rain", "snow"]);
    assert_eq!(said.outcomes("label config"), ["changed"], "{said:#?}");
    assert_nothing_changed(&connect(&["rain", "snow"]));
}

#[tokio::test]
async fn a_webhook_that_is_gone_or_off_is_found_by_doctor_and_mended_by_connect() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("a lost webhook").await;
    let backend = Backend::start(&stage.label_studio, &[]).await;
    let id = project.id.to_string();
    let connect = || weathervane(&stage.label_studio, &backend, &["connect", "--project", &id]);
    assert_eq!(connect().outcomes("ML backend"), ["made"]);

    let hook = project.webhooks().await[0]["id"].clone();
    stage.label_studio.patch(&format!("/api/webhooks/{hook}/"), &json!({"is_active": false})).await;
    let doctor = weathervane(&stage.label_studio, &backend, &["doctor", "--project", &id]);
    assert_eq!((doctor.code, doctor.outcomes("webhook")), (1, vec!["problem".to_owned()]), "{doctor:#?}");
    assert_eq!(doctor.outcomes("delivery"), ["problem"], "{doctor:#?}");
    let mended = connect();
    assert_eq!((mended.code, mended.outcomes("webhook")), (0, vec!["changed".to_owned()]), "{mended:#?}");

    stage.label_studio.delete(&format!("/api/webhooks/{hook}/")).await;
    let made = connect();
    assert_eq!((made.code, made.outcomes("webhook")), (0, vec!["made".to_owned()]), "{made:#?}");
    assert_nothing_changed(&connect());
}

#[tokio::test]
async fn connect_hands_label_studio_what_opens_a_guarded_server_and_prints_none_of_it() {
    let Some(stage) = stage().await else { return };
    let secret_path = ["--secret-path", SECRET];
    let basic = ["--basic-auth-user", "me", "--basic-auth-pass", SECRET];
    for (title, access) in [("by secret path", &secret_path[..]), ("by password", &basic[..])] {
        let folder = tempfile::tempdir().expect("a folder");
        pictures_in(folder.path());
        let backend = Backend::start(&stage.label_studio, access).await;
        let images = folder.path().to_str().expect("UTF-8");
        let line = [
            &["connect", "--create", title, "--label-config", CONFIG, "--images", images, "--upload"],
            access,
        ]
        .concat();
        let first = weathervane(&stage.label_studio, &backend, &line);
        assert_eq!((first.code, first.outcomes("delivery")), (0, vec!["ok".to_owned()]), "{first:#?}");
        let second = weathervane(&stage.label_studio, &backend, &line);
        assert_nothing_changed(&second);
        let stranger = weathervane(&stage.label_studio, &backend, &["connect", "--create", title]);
        assert_eq!(stranger.outcomes("server"), ["problem"], "{stranger:#?}");
        for said in [&first, &second, &stranger] {
            assert!(!said.stdout.contains(SECRET) && !said.stderr.contains(SECRET), "{said:#?}");
        }
    }
}

#[tokio::test]
async fn a_deleted_project_and_a_wrong_token_are_named() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("soon deleted").await;
    let backend = Backend::start(&stage.label_studio, &[]).await;
    let id = project.id.to_string();
    assert_eq!(weathervane(&stage.label_studio, &backend, &["connect", "--project", &id]).code, 0);
    stage.label_studio.delete(&format!("/api/projects/{id}")).await;
    for line in [vec!["connect", "--project", &id], vec!["doctor", "--project", &id], vec!["doctor"]] {
        let said = weathervane(&stage.label_studio, &backend, &line).problem();
        assert!(said.contains(&format!("no project {id}")) && said.contains("deleted"), "{said}");
    }

    let wrong = "0123456789abcdef0123456789abcdef01234567";
    let stranger = stage.label_studio.with_token(wrong);
    for line in [vec!["connect", "--create", "never made"], vec!["doctor"]] {
        let said = weathervane(&stranger, &backend, &line);
        let problem = said.problem();
        assert!(problem.contains("Account & Settings") && problem.contains("legacy token"), "{problem}");
        assert!(!format!("{said:?}").contains(wrong));
    }
}

#[tokio::test]
async fn a_guard_of_label_studio_is_named_before_anything_is_connected() {
    let Some(stage) = stage().await else { return };
    for (variable, other) in
        [("ML_BLOCK_LOCAL_IP", "SSRF_PROTECTION_ENABLED"), ("SSRF_PROTECTION_ENABLED", "ML_BLOCK_LOCAL_IP")]
    {
        let guarded = Guarded::start(&stage.label_studio, variable);
        let backend = Backend::start(&guarded.label_studio, &[]).await;
        let said = weathervane(&guarded.label_studio, &backend, &["connect", "--create", "guarded"]);
        let problem = said.problem();
        assert!(problem.contains(&format!("{variable}=false")) && !problem.contains(other), "{problem}");
        let projects = guarded.label_studio.get("/api/projects").await;
        assert_eq!(projects["count"], 0, "something was made all the same: {projects:#}");

        let doctor = weathervane(&guarded.label_studio, &backend, &["doctor"]);
        assert_eq!(doctor.outcomes("address guards"), ["problem"], "{doctor:#?}");
    }
}

/// The table that our own rule is held against.
const WEBHOOK_URLS: &str = include_str!("../fixtures/webhook-urls.txt");

#[tokio::test]
async fn label_studio_keeps_and_drops_the_webhooks_that_we_say_it_does() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project("addresses of webhooks").await;
    for line in WEBHOOK_URLS.lines().filter(|line| !line.starts_with('#')) {
        let (verdict, url) = line.split_once(' ').expect("a verdict");
        let body = json!({"url": url, "project": project.id});
        let (status, text) =
            send(stage.label_studio.request(Method::POST, "/api/webhooks/").json(&body)).await;
        let wanted = if verdict == "kept" { StatusCode::CREATED } else { StatusCode::BAD_REQUEST };
        assert_eq!(status, wanted, "{url}: {text}");
        if status != StatusCode::CREATED {
            assert!(text.contains("\"url\""), "{url}: {text}");
        }
    }
    stage.label_studio.delete(&format!("/api/projects/{}", project.id)).await;
}

/// A Label Studio of its own with one of the guards on.
struct Guarded {
    label_studio: LabelStudio,
    folder: TempDir,
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/label-studio-for-tests.sh");

impl Guarded {
    fn start(like: &LabelStudio, variable: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let output = Command::new(SCRIPT)
            .arg("start")
            .arg(folder.path().join("label-studio"))
            .env(variable, "true")
            .output()
            .expect("the script starts");
        let said = String::from_utf8(output.stdout).expect("UTF-8");
        let url =
            said.lines().next().unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let label_studio = like.at(url);
        Self { label_studio, folder }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let _ = Command::new(SCRIPT).arg("stop").arg(self.folder.path().join("label-studio")).status();
    }
}
