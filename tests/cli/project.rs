//! Commands on a project in the server's data directory.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use serde_json::{Value, json};
use weathervane::app::House;
use weathervane::config::Settings;
use weathervane::domain::ids::ProjectId;
use weathervane::domain::project::ProjectRef;

use crate::support::{CONFIG, Folder, answered};

#[derive(Parser)]
#[command(args_override_self = true)]
struct Line {
    #[command(flatten)]
    settings: Settings,
}

/// Does with the data directory what a server does when labels come in.
fn learn(folder: &Folder, labels: usize, train: bool) {
    let table = String::from_utf8(folder.read("labels.csv")).unwrap();
    let tasks: Vec<Value> = table
        .lines()
        .skip(1)
        .take(labels)
        .enumerate()
        .map(|(index, line)| {
            let mut fields = line.split(',');
            let (name, class) = (fields.next().unwrap(), fields.next().unwrap());
            let bytes = folder.read(&format!("images/{name}"));
            answered(index as i64 + 1, &format!("data:image/png;base64,{}", STANDARD.encode(bytes)), class)
        })
        .collect();
    let data = folder.path("data");
    in_house(&data, async |house| {
        let project = ProjectRef { id: ProjectId(1), created_at_secs: None };
        house.training.request(Some(project), Some(CONFIG.to_owned()), tasks).await.unwrap();
        if train {
            house.training.train_pending().await.unwrap();
        }
    });
}

fn in_house(data: &Path, work: impl AsyncFnOnce(&House)) {
    let data = data.to_str().unwrap();
    let settings =
        Line::parse_from(["test", "--data-dir", data, "--backbone", "tiny", "--no-starter"]).settings;
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let house = House::build(&settings).await.unwrap();
        work(&house).await;
        tokio::task::spawn_blocking(move || house.close()).await.unwrap();
    });
}

const OF: &str = "--project 1 --data-dir data --backbone tiny --no-starter";

#[test]
fn a_project_is_trained_once_and_its_versions_are_told_and_switched() {
    let folder = Folder::new();
    learn(&folder, 12, true);
    learn(&folder, 30, false);
    let said = folder.prints(&format!("train {OF}"));
    assert!(said.starts_with("version v2-") && said.contains("30 labelled images"), "{said}");
    assert!(said.contains("weather (cloudy, rain, sunrise): "), "{said}");

    let versions = folder.json(&format!("versions list {OF} --format json"));
    let serving: Vec<&Value> =
        versions.as_array().unwrap().iter().map(|version| &version["serves"]).collect();
    assert_eq!(serving, [&json!(true), &json!(false)], "{versions:#}");
    let said = folder.prints(&format!("versions activate 1 {OF}"));
    assert!(said.starts_with("project 1: version v1-") && said.ends_with(" serves\n"), "{said}");
    let table = folder.prints(&format!("versions list {OF}"));
    assert!(
        table.lines().any(|line| line.starts_with("*      1  v1-") && line.contains("weather ")),
        "{table}"
    );
    let name = versions[1]["name"].as_str().unwrap();
    assert_eq!(folder.json(&format!("versions show {name} {OF}"))["number"], 1);

    folder.prints(&format!("versions export v2 {OF} --out second.safetensors"));
    let of_file = folder.json("predict images/rain1.png --model second.safetensors --format json");
    let of_first = folder.json(&format!("predict images/rain1.png {OF} --format json"));
    assert_eq!(of_first[0]["version"], *name);
    folder.prints(&format!("versions activate 2 {OF}"));
    let of_second = folder.json(&format!("predict images/rain1.png {OF} --format json"));
    assert_eq!(of_second[0]["heads"], of_file[0]["heads"], "the file answers as the server's version does");

    folder.prints(&format!("export predictions {OF} --out tasks.json"));
    let tasks: Value = serde_json::from_slice(&folder.read("tasks.json")).unwrap();
    assert_eq!(tasks.as_array().unwrap().len(), 30);
    assert!(
        tasks[0]["id"] == 1 && tasks[0]["predictions"][0]["score"].is_f64(),
        "{}",
        tasks[0]["predictions"]
    );
    let told =
        folder.json(&format!("evaluate --images images --labels labels.csv --only val {OF} --format json"));
    assert_eq!(told["n"], 12);
}

#[test]
fn each_wrong_input_gets_its_own_words() {
    let folder = Folder::new();
    learn(&folder, 1, true);
    let other = OF.replace("--project 1", "--project 7");
    for (line, words) in [
        (format!("train {OF}"), "project 1 was not trained: `weather` has labels of 1 classes"),
        (format!("train {other}"), "project 7 is not known here; 1 are known"),
        (format!("versions list {other}"), "project 7 is not known here"),
        (format!("versions activate 3 {OF}"), "project 1 has no version `3`"),
        (format!("versions show x {OF}"), "project 1 has no version `x`"),
        (format!("predict images/rain1.png {OF}"), "project 1 has no model yet"),
        (format!("export model {OF} --out x.safetensors"), "project 1 has no model yet"),
        ("versions list --project 1 --data-dir nowhere".to_owned(), "no database nowhere/weathervane.db"),
    ] {
        let said = folder.complains(&line);
        assert!(said.contains(words), "{line}: {said} / {words}");
    }
    assert!(!folder.path("nowhere").exists() && !folder.path("x.safetensors").exists());
}
