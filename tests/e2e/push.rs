//! `weathervane select DIR --push`: chosen images of a folder become tasks of a real project, once each.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::command::{Said, weathervane};
use crate::support::pictures::{to_ask, to_learn};
use crate::support::{Backend, LabelStudio, Project, stage};

fn pictures_in(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    for picture in to_learn(4) {
        std::fs::write(folder.join(&picture.name), &picture.bytes).expect("a file");
    }
}

fn select(label_studio: &LabelStudio, backend: &Backend, folder: &Path, rest: &[&str]) -> Said {
    let folder = folder.to_str().expect("UTF-8");
    weathervane(label_studio, backend, &[&["select", folder], rest].concat())
}

fn pushed(said: &Said) -> (i64, i64) {
    assert_eq!(said.code, 0, "{said:#?}");
    let told = said.json()["pushed"].clone();
    (told["new"].as_i64().expect("a number"), told["there"].as_i64().expect("a number"))
}

async fn images(project: &Project, label_studio: &LabelStudio) -> Vec<String> {
    let path = format!("/api/tasks?project={}&page_size=1000&fields=all", project.id);
    let listed = label_studio.get(&path).await;
    let tasks = listed["tasks"].as_array().expect("tasks").clone();
    tasks.iter().map(|task| task["data"]["image"].as_str().expect("an image").to_owned()).collect()
}

#[tokio::test]
async fn chosen_images_are_uploaded_once_and_learnt_from() {
    let Some(stage) = stage().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    pictures_in(folder.path());
    let backend = Backend::start(&stage.label_studio, &[]).await;
    let project = stage.label_studio.project("pushed").await;
    let id = project.id.to_string();
    project.connect(&backend).await;
    // One of them is there already, under its own name; a namesake of another is another picture.
    let (first, other) = (to_learn(1)[0].clone(), to_ask(1)[1].clone());
    let mut namesake = other.clone();
    namesake.name = to_learn(1)[1].name.clone();
    project.upload(&[first, namesake]).await;

    let line = ["-n", "16", "--tag", "first", "--push", &id];
    assert_eq!(pushed(&select(&stage.label_studio, &backend, folder.path(), &line)), (15, 1));
    assert_eq!(pushed(&select(&stage.label_studio, &backend, folder.path(), &line)), (0, 16));
    let there = images(&project, &stage.label_studio).await;
    assert_eq!(there.len(), 17, "{there:?}");

    // What was pushed is what was chosen, byte by byte, and the server can choose among it.
    backend.says("tasks listed").await;
    let among: Said = crate::support::until("the tasks to be known", async || {
        let said =
            weathervane(&stage.label_studio, &backend, &["select", "--project", &id, "-n", "100", "--again"]);
        (said.code == 0 && said.json()["of"] == 17).then_some(said)
    })
    .await;
    let hashes = |said: &Said| -> Vec<Value> {
        said.json()["images"]
            .as_array()
            .expect("images")
            .iter()
            .map(|image| image["content_hash"].clone())
            .collect()
    };
    let chosen = hashes(&select(&stage.label_studio, &backend, folder.path(), &line));
    assert!(chosen.iter().all(|hash| hashes(&among).contains(hash)), "{among:#?}");
    // All but the namesake bear the tag.
    let rest = weathervane(&stage.label_studio, &backend, &["select", "--project", &id, "-n", "100"]);
    assert_eq!((rest.code, rest.json()["of"].clone()), (0, json!(1)), "{rest:#?}");
}

#[tokio::test]
async fn a_served_folder_becomes_tasks_of_local_files() {
    let Some(stage) = stage().await else { return };
    let Some(root) = std::env::var_os("WEATHERVANE_TEST_LABEL_STUDIO_FILES").map(PathBuf::from) else {
        return;
    };
    let folder = root.join("pushed frames");
    pictures_in(&folder);
    let backend = Backend::start(&stage.label_studio, &[]).await;
    let project = stage.label_studio.project("pushed local files").await;
    let id = project.id.to_string();
    let line =
        ["-n", "6", "--push", &id, "--local-files", "--local-files-root", root.to_str().expect("UTF-8")];
    assert_eq!(pushed(&select(&stage.label_studio, &backend, &folder, &line)), (6, 0));
    assert_eq!(pushed(&select(&stage.label_studio, &backend, &folder, &line)), (0, 6));
    let there = images(&project, &stage.label_studio).await;
    assert_eq!(there.len(), 6, "{there:?}");
    for image in there {
        assert!(image.starts_with("/data/local-files/?d=pushed%20frames/"), "{image}");
        stage.label_studio.get(&image).await;
    }
}

#[tokio::test]
async fn a_project_that_is_gone_and_a_wrong_token_are_named_and_nothing_is_kept() {
    let Some(stage) = stage().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    pictures_in(folder.path());
    let backend = Backend::start(&stage.label_studio, &[]).await;
    let project = stage.label_studio.project("gone before the push").await;
    let id = project.id.to_string();
    let line = ["-n", "4", "--tag", "gone", "--push", &id];
    assert_eq!(pushed(&select(&stage.label_studio, &backend, folder.path(), &line)), (4, 0));
    stage.label_studio.delete(&format!("/api/projects/{id}")).await;
    let said = select(&stage.label_studio, &backend, folder.path(), &line);
    assert!(said.code == 1 && said.stderr.contains(&format!("no project {id}")), "{said:#?}");
    assert!(said.stdout.is_empty() && said.stderr.contains("deleted"), "{said:#?}");

    let stranger = stage.label_studio.with_token("0123456789abcdef0123456789abcdef01234567");
    let said = select(&stranger, &backend, folder.path(), &["-n", "4", "--tag", "wrong", "--push", &id]);
    assert!(said.code == 1 && said.stderr.contains("Account & Settings"), "{said:#?}");
    // No tag of a push that could not begin.
    let said = select(&stage.label_studio, &backend, folder.path(), &["--tag", "wrong", "--extend"]);
    assert!(said.stderr.contains("no tag `wrong` to extend; there are: gone"), "{said:#?}");
}
