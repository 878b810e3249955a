//! Commands on a project in the server's data directory.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Parser;
use serde_json::{Value, json};
use weathervane::app::Services;
use weathervane::config::Settings;
use weathervane::domain::ids::{ProjectId, TaskId};
use weathervane::domain::project::ProjectRef;
use weathervane::storage::{ProjectConfig, ProjectInfo, TaskRecord};

use crate::support::{CONFIG, Folder, PICTURES, answered};

#[derive(Parser)]
#[command(args_override_self = true)]
struct Line {
    #[command(flatten)]
    settings: Settings,
}

/// The first pictures of the folder as tasks, answered.
fn labelled_tasks(folder: &Folder, count: usize) -> Vec<Value> {
    let table = String::from_utf8(folder.read("labels.csv")).unwrap();
    let rows = table.lines().skip(1).take(count).enumerate();
    rows.map(|(index, line)| {
        let mut fields = line.split(',');
        let (name, class) = (fields.next().unwrap(), fields.next().unwrap());
        let bytes = folder.read(&format!("images/{name}"));
        answered(index as i64 + 1, &format!("data:image/png;base64,{}", STANDARD.encode(bytes)), class)
    })
    .collect()
}

/// Does with the data directory what a server does when labels come in.
fn learn(folder: &Folder, labels: usize, train: bool) {
    let tasks = labelled_tasks(folder, labels);
    in_house(&folder.path("data"), async |services| {
        let project = ProjectRef { id: ProjectId(1), created_at_secs: None };
        services.training.request(Some(project), Some(CONFIG.to_owned()), tasks).await.unwrap();
        if train {
            services.training.worker().train_pending().await.unwrap();
        }
    });
}

/// Does with the data directory what a server does when tasks come in that nobody has answered.
fn import(folder: &Folder, count: usize) {
    let record = |task: &Value| TaskRecord {
        id: TaskId(task["id"].as_i64().unwrap()),
        data: task["data"].as_object().unwrap().clone(),
        created_at: 1,
        updated_at: 1,
    };
    let tasks: Vec<TaskRecord> = labelled_tasks(folder, count).iter().map(record).collect();
    in_house(&folder.path("data"), async |services| {
        let mut info = ProjectInfo::new(ProjectId(1));
        info.config = Some(ProjectConfig { label_config: CONFIG.to_owned(), digest: None, problem: None });
        services.storage.upsert_project(&info, 1).await.unwrap();
        services.storage.upsert_tasks(ProjectId(1), &tasks, 1).await.unwrap();
    });
}

fn in_house(data: &Path, work: impl AsyncFnOnce(&Services)) {
    let data = data.to_str().unwrap();
    let settings =
        Line::parse_from(["test", "--data-dir", data, "--backbone", "tiny", "--no-starter"]).settings;
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(async {
        let services = Services::build(&settings).await.unwrap();
        work(&services).await;
        tokio::task::spawn_blocking(move || services.close()).await.unwrap();
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

    let pinned = folder.prints(&format!("versions pin {OF}"));
    assert!(pinned.starts_with("project 1: pinned to version v2-"), "{pinned}");
    assert!(folder.prints(&format!("versions list {OF}")).contains("pinned: trainings make versions"));
    folder.prints(&format!("versions unpin {OF}"));
    assert!(!folder.prints(&format!("versions list {OF}")).contains("pinned"));

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

const SELECT: &str = "select --project 1 --data-dir data --backbone tiny --no-starter --format json";

fn chosen(folder: &Folder, rest: &str) -> Value {
    folder.json(&format!("{SELECT} {rest}"))
}

fn tasks(selection: &Value) -> BTreeSet<i64> {
    let images = selection["images"].as_array().unwrap();
    images.iter().map(|image| image["task"].as_i64().unwrap()).collect()
}

#[test]
fn tasks_are_chosen_once_with_and_without_a_model() {
    let folder = Folder::new();
    // 36 tasks, none of them answered.
    import(&folder, 36);
    let first = chosen(&folder, "-n 6 --tag first --copy-to to-label");
    assert_eq!(
        (&first["strategy"], &first["of"], &first["tag"]),
        (&json!("max-herding"), &json!(36), &json!("first"))
    );
    let image = &first["images"][0];
    assert!(
        image["reason"].is_string() && image["score"].is_f64() && image["image"] == "data:image/png",
        "{image}"
    );
    for (place, task) in first["images"].as_array().unwrap().iter().enumerate() {
        let bytes = folder.read(&format!("to-label/{}.png", task["task"]));
        assert_eq!(blake3::hash(&bytes).to_hex().as_str(), task["content_hash"], "place {place}");
    }
    let second = chosen(&folder, "-n 5 --tag first --extend");
    assert_eq!(second["of"], 30);
    let said = folder.advises(&format!("{SELECT} -n 4 --tag third --strategy margin"));
    assert!(said.contains("has no model yet") && said.contains("max-herding chose instead"), "{said}");
    assert_eq!(tasks(&chosen(&folder, "-n 6 --again")), tasks(&first));

    // A folder with the same images knows the tags: they are the contents'.
    let in_folder = folder.json("select images -n 100 --backbone tiny --data-dir data --format json");
    let hashes: BTreeSet<&str> = in_folder["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["content_hash"].as_str().unwrap())
        .collect();
    assert_eq!(hashes.len(), PICTURES - 15);

    learn(&folder, 12, true);
    let rest = chosen(&folder, "-n 100 --strategy margin --tag rest");
    assert_eq!(rest["strategy"], "margin");
    assert!(rest["version"].as_str().unwrap().starts_with("v1-"), "{}", rest["version"]);
    let labelled: BTreeSet<i64> = (1..=12).collect();
    assert!(tasks(&rest).is_disjoint(&labelled) && tasks(&rest).is_disjoint(&tasks(&first)));
    assert!(tasks(&rest).is_disjoint(&tasks(&second)));
    let table = folder.prints(&format!("{SELECT} -n 2 --again").replace("json", "table"));
    assert!(table.starts_with("place        task") && table.lines().count() == 3, "{table}");
    assert!(folder.complains(&format!("{SELECT} -n 3")).contains("--again"));
}

#[test]
fn what_can_t_be_chosen_from_is_said() {
    let folder = Folder::new();
    import(&folder, 1);
    for (line, words) in [
        (SELECT.replace("--project 1", "--project 7"), "project 7 is not known here; 1 are known"),
        (SELECT.replace("--project 1", ""), "<DIR|--project <ID>>"),
        (SELECT.replace("--project 1", "images --project 1"), "'[DIR]' cannot be used with '--project <ID>'"),
        (
            format!("{SELECT} --push 1"),
            "tasks of project 1 are in Label Studio already; --push takes a folder",
        ),
        (format!("{SELECT} --local-files"), "--push"),
        (format!("{SELECT} --tag a --extend"), "no tag `a` to extend"),
        (SELECT.replace("--data-dir data", "--data-dir nowhere"), "no database nowhere/weathervane.db"),
    ] {
        let said = folder.complains(&line);
        assert!(said.contains(words), "{line}: {said} / {words}");
    }
}

#[test]
fn each_wrong_input_gets_its_own_words() {
    let folder = Folder::new();
    learn(&folder, 1, true);
    let other = OF.replace("--project 1", "--project 7");
    for (line, words) in [
        (format!("train {OF}"), "project 1 was not trained: waiting for a second class: the only label is `"),
        (format!("train {other}"), "project 7 is not known here; 1 are known"),
        (format!("versions list {other}"), "project 7 is not known here"),
        (format!("versions activate 3 {OF}"), "project 1 has no version `3`"),
        (format!("versions pin {other}"), "project 7 is not known here"),
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
