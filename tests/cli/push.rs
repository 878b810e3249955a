//! `weathervane select DIR --push` beside a stand-in for Label Studio that remembers what it was given.

use std::collections::BTreeSet;
use std::process::Output;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{CONFIG, Folder, PICTURES};

const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";

/// Project 3, and what became tasks of it.
#[derive(Default)]
struct Kept {
    images: Vec<String>,
    /// Imports that go well before one is answered with 500.
    breaks_after: Option<usize>,
}

struct LabelStudio {
    _runtime: Runtime,
    server: MockServer,
    kept: Arc<Mutex<Kept>>,
}

impl LabelStudio {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let kept = Arc::new(Mutex::new(Kept::default()));
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            let details = json!({"id": 3, "title": "Weather", "label_config": CONFIG});
            Mock::given(method("GET"))
                .and(path("/api/projects/3"))
                .respond_with(ResponseTemplate::new(200).set_body_json(details))
                .mount(&server)
                .await;
            let of_list = Arc::clone(&kept);
            let list = move |_: &Request| {
                let images = of_list.lock().unwrap().images.clone();
                let tasks: Vec<Value> = images
                    .iter()
                    .enumerate()
                    .map(|(id, image)| json!({"id": id, "data": {"image": image}}))
                    .collect();
                ResponseTemplate::new(200).set_body_json(json!({"total": tasks.len(), "tasks": tasks}))
            };
            Mock::given(method("GET")).and(path("/api/tasks")).respond_with(list).mount(&server).await;
            let of_import = Arc::clone(&kept);
            let import = move |request: &Request| {
                let mut kept = of_import.lock().unwrap();
                match kept.breaks_after.as_mut() {
                    Some(0) => return ResponseTemplate::new(500),
                    Some(left) => *left -= 1,
                    None => {}
                }
                kept.images.extend(imported(request));
                ResponseTemplate::new(201).set_body_json(json!({}))
            };
            Mock::given(method("POST"))
                .and(path("/api/projects/3/import"))
                .respond_with(import)
                .mount(&server)
                .await;
            server
        });
        Self { _runtime: runtime, server, kept }
    }

    fn line(&self, rest: &str) -> String {
        format!(
            "select images --backbone tiny --data-dir data --format json --label-studio {} --token {TOKEN} {rest}",
            self.server.uri()
        )
    }

    fn images(&self) -> Vec<String> {
        self.kept.lock().unwrap().images.clone()
    }

    fn breaks_after(&self, imports: Option<usize>) {
        self.kept.lock().unwrap().breaks_after = imports;
    }
}

/// The addresses of tasks as Label Studio makes them of uploads, or the given ones.
fn imported(request: &Request) -> Vec<String> {
    if let Ok(tasks) = serde_json::from_slice::<Vec<Value>>(&request.body) {
        return tasks.iter().map(|task| task["data"]["image"].as_str().unwrap().to_owned()).collect();
    }
    let form = String::from_utf8_lossy(&request.body).into_owned();
    let names = form.split("filename=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    names.map(|name| format!("/data/upload/3/1a2b3c4d-{name}")).collect()
}

fn said(output: &Output) -> String {
    assert!(!String::from_utf8_lossy(&output.stderr).contains(TOKEN));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_same_command_again_pushes_nothing_twice_and_chooses_nothing_new() {
    let (folder, label_studio) = (Folder::new(), LabelStudio::new());
    let line = label_studio.line("-n 6 --tag first --push 3");
    let first = folder.json(&line);
    assert_eq!(first["pushed"], json!({"project": 3, "new": 6, "there": 0}));
    let again = folder.json(&line);
    assert_eq!(again["pushed"], json!({"project": 3, "new": 0, "there": 6}));
    let hashes = |told: &Value| -> Vec<String> {
        told["images"].as_array().unwrap().iter().map(|image| image["content_hash"].to_string()).collect()
    };
    assert_eq!(hashes(&again), hashes(&first));
    assert_eq!((&again["strategy"], &again["images"][0]["score"]), (&Value::Null, &Value::Null));
    // The files may have moved; their content has not.
    std::fs::rename(folder.path("images"), folder.path("moved")).unwrap();
    let told = folder.json(&line.replace("select images", "select moved"));
    assert_eq!(told["pushed"]["there"], 6);

    let more = folder.json(&line.replace("select images", "select moved").replace("-n 6", "-n 4 --extend"));
    assert_eq!((&more["pushed"]["new"], &more["strategy"]), (&json!(4), &json!("max-herding")));
    let images: BTreeSet<String> = label_studio.images().into_iter().collect();
    assert_eq!((images.len(), label_studio.images().len()), (10, 10));
}

#[test]
fn a_push_that_breaks_is_completed_by_the_same_command() {
    let (folder, label_studio) = (Folder::new(), LabelStudio::new());
    // More than one upload carries.
    let grown = |count: usize| {
        for number in 0..count {
            let colour = [(number * 3) as u8, (number * 7) as u8, 90];
            let picture =
                image::RgbImage::from_fn(16, 16, |x, _| image::Rgb([colour[0], colour[1], x as u8 * 9]));
            picture.save(folder.path(&format!("images/more{number}.png"))).unwrap();
        }
    };
    grown(60);
    let line = label_studio.line("-n 70 --push 3");
    label_studio.breaks_after(Some(1));
    let broken = folder.weathervane(&line);
    let words = said(&broken);
    assert!(!broken.status.success() && broken.stdout.is_empty(), "{words}");
    assert!(
        words.contains("not all 70 images of tag `project-3` are in project 3; run the same command again"),
        "{words}"
    );
    assert!(words.contains("answered 500"), "{words}");
    assert_eq!(label_studio.images().len(), 50);
    label_studio.breaks_after(None);
    assert_eq!(folder.json(&line)["pushed"], json!({"project": 3, "new": 20, "there": 50}));

    // Extending is not begun anew either, though everything may have arrived.
    let line = label_studio.line("-n 5 --push 3 --extend");
    label_studio.breaks_after(Some(0));
    assert!(!folder.weathervane(&line).status.success());
    label_studio.breaks_after(None);
    let output = folder.weathervane(&line);
    assert!(said(&output).contains("was not finished: nothing new is chosen now"), "{}", said(&output));
    assert_eq!(label_studio.images().len(), 75);
    assert_eq!(folder.json(&line)["pushed"]["new"], 5);
    assert_eq!(label_studio.images().iter().collect::<BTreeSet<_>>().len(), 80);
}

#[test]
fn an_image_of_another_way_is_known_by_its_content_and_namesakes_are_told_apart() {
    let (folder, label_studio) = (Folder::new(), LabelStudio::new());
    std::fs::create_dir(folder.path("images/cam2")).unwrap();
    // The same name, another picture; and a picture whose name says nothing.
    std::fs::rename(folder.path("images/rain1.png"), folder.path("images/cam2/cloudy0.png")).unwrap();
    std::fs::rename(folder.path("images/rain4.png"), folder.path("images/rain4")).unwrap();
    let upload = "/data/upload/3/00000000-cloudy0.png";
    label_studio.kept.lock().unwrap().images.push(upload.to_owned());
    let served = ResponseTemplate::new(200).set_body_bytes(folder.read("images/cloudy0.png"));
    label_studio
        ._runtime
        .block_on(Mock::given(path(upload)).respond_with(served).mount(&label_studio.server));
    let told = folder.json(&label_studio.line("-n 100 --push 3"));
    assert_eq!(told["pushed"], json!({"project": 3, "new": PICTURES - 1, "there": 1}));
    let images = label_studio.images();
    assert_eq!(images.iter().filter(|image| image.ends_with("-cloudy0.png")).count(), 2, "{images:?}");
    assert!(images.iter().any(|image| image.ends_with("-rain4.png")), "{images:?}");
}

#[test]
fn what_stands_in_the_way_is_said_before_anything_is_chosen() {
    let (folder, label_studio) = (Folder::new(), LabelStudio::new());
    for (rest, status, words) in [
        ("--push 4", 404, "no project 4, or this token may not see it: somebody deleted it"),
        ("--push 5", 403, "give the token's account access to the project"),
        ("--push 6", 401, "legacy token"),
    ] {
        let project = &rest[rest.len() - 1..];
        label_studio._runtime.block_on(
            Mock::given(path(format!("/api/projects/{project}")))
                .respond_with(ResponseTemplate::new(status).set_body_json(json!({"detail": "No."})))
                .mount(&label_studio.server),
        );
        let complaint = folder.complains(&label_studio.line(rest));
        assert!(complaint.contains(words), "{rest}: {complaint}");
    }
    let nobody = label_studio.line("--push 3").replace(&label_studio.server.uri(), "http://127.0.0.1:9");
    assert!(folder.complains(&nobody).contains("can't be reached"));
    let without = "select images --backbone tiny --data-dir data --push 3";
    assert!(folder.complains(without).contains("LABEL_STUDIO_API_KEY is not set"));
    let local = label_studio.line("--push 3 --local-files");
    assert!(folder.complains(&local).contains("LOCAL_FILES_DOCUMENT_ROOT is not set"));
    std::fs::create_dir(folder.path("root")).unwrap();
    let outside = format!("{local} --local-files-root root");
    assert!(folder.complains(&outside).contains("is not a folder below LOCAL_FILES_DOCUMENT_ROOT"));
    let itself = format!("{local} --local-files-root images");
    assert!(folder.complains(&itself).contains("is not a folder below"));
    assert!(folder.complains(&label_studio.line("--push")).contains("--push <PROJECT_ID>"));
    assert!(!folder.path("data").exists(), "nothing was begun");
    assert_eq!(label_studio.images(), Vec::<String>::new());
}

#[test]
fn a_folder_that_label_studio_serves_becomes_tasks_of_local_files() {
    let (folder, label_studio) = (Folder::new(), LabelStudio::new());
    label_studio._runtime.block_on(
        Mock::given(path("/data/local-files/"))
            .respond_with(ResponseTemplate::new(200).set_body_bytes(folder.read("images/rain1.png")))
            .mount(&label_studio.server),
    );
    let line = label_studio.line("-n 6 --push 3 --local-files --local-files-root .");
    assert_eq!(folder.json(&line)["pushed"], json!({"project": 3, "new": 6, "there": 0}));
    assert_eq!(folder.json(&line)["pushed"]["there"], 6);
    let images = label_studio.images();
    assert!(images.len() == 6 && images[0].starts_with("/data/local-files/?d=images/"), "{images:?}");
}
