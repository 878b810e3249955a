//! Every way an image can come to a task, in one project.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::label_studio::{choice, chosen};
use crate::support::pictures::{CLASSES, Picture, to_learn};
use crate::support::{Backend, Project, stage};

#[tokio::test]
async fn local_files_uploads_web_addresses_and_data_uris_are_learnt_and_predicted_side_by_side() {
    let Some(stage) = stage().await else { return };
    let Some(root) = std::env::var_os("WEATHERVANE_TEST_LABEL_STUDIO_FILES") else { return };
    let project = stage.label_studio.project("every kind of source").await;
    // Of each kind one picture of each class; the second address of the web host answers with a page.
    let pictures: Vec<Picture> = to_learn(4);
    let (local, rest) = pictures.split_at(4);
    let (uploads, rest) = rest.split_at(4);
    let (web, data) = rest.split_at(4);
    let folder = std::path::Path::new(&root).join("sources");
    project.serve_folder(&folder, local).await;
    project.upload_only(uploads).await;
    let host = serve(web).await;
    project.import(&tasks(web.iter().map(|picture| format!("{}/{}", host.uri(), picture.name)))).await;
    project.import(&tasks(data.iter().map(data_uri))).await;
    project.import(&tasks([format!("{}/login.png", host.uri())].into_iter())).await;
    let addresses = project.addresses().await;
    assert_eq!(addresses.len(), 17, "{addresses:#?}");

    let backend = Backend::start(&stage.label_studio, &["--fetch-allow-cidr", "127.0.0.0/8"]).await;
    project.connect(&backend).await;
    let starter = backend.queue_of(project.id, |version| version.starts_with("starter-")).await;
    for (task, address) in &addresses {
        let kept = project.open(*task).await;
        let versions: Vec<&str> = kept.iter().filter_map(|kept| kept["model_version"].as_str()).collect();
        let wanted: &[&str] = if address.ends_with("login.png") { &[] } else { &[&starter] };
        assert_eq!(versions, wanted, "{address}");
        assert!(kept.iter().all(|kept| CLASSES.contains(&chosen(kept))), "{address}: {kept:#?}");
    }
    let pool = backend.project(project.id).await["queue"]["pool"].clone();
    assert_eq!(pool, json!({"tasks": 17, "embedded": 16, "failed": 1, "damaged": 0}));

    // Two of each kind are answered, and all of these are learnt.
    let good: Vec<i64> =
        addresses.iter().filter(|(_, at)| !at.ends_with("login.png")).map(|(id, _)| *id).collect();
    for (place, task) in good.iter().enumerate().filter(|(place, _)| place % 4 < 2) {
        project.answer(*task, &choice(CLASSES[place % 4])).await;
    }
    let version = backend.version_over(project.id, 8).await;
    backend.queue_of(project.id, |queue| queue == version).await;
    for (_, task) in good.iter().enumerate().filter(|(place, _)| place % 4 >= 2) {
        let kept = project.predictions(*task).await;
        let newest = kept.iter().filter(|kept| kept["model_version"] == *version).count();
        assert_eq!(newest, 1, "{kept:#?}");
    }
}

/// An image host, with a page where a picture should be.
async fn serve(pictures: &[Picture]) -> MockServer {
    let host = MockServer::start().await;
    for picture in pictures {
        let answer = ResponseTemplate::new(200).set_body_bytes(picture.bytes.clone());
        Mock::given(path(format!("/{}", picture.name))).respond_with(answer).mount(&host).await;
    }
    let page = ResponseTemplate::new(200).set_body_string("<html>please log in</html>");
    Mock::given(path("/login.png")).respond_with(page).mount(&host).await;
    host
}

fn tasks(images: impl Iterator<Item = String>) -> Value {
    images.map(|image| json!({"data": {"image": image}})).collect()
}

/// The picture itself as an address.
pub fn data_uri(picture: &Picture) -> String {
    let kind = if picture.name.ends_with(".png") { "png" } else { "jpeg" };
    format!("data:image/{kind};base64,{}", STANDARD.encode(&picture.bytes))
}

impl Project {
    /// Puts pictures where Label Studio finds them, and has it make tasks of them.
    async fn serve_folder(&self, folder: &std::path::Path, pictures: &[Picture]) {
        std::fs::create_dir_all(folder).expect("a folder");
        for picture in pictures {
            // Spaces and letters beyond ASCII are usual in names.
            std::fs::write(folder.join(format!("über {}", picture.name)), &picture.bytes).expect("a file");
        }
        let storage = json!({"project": self.id, "path": folder, "use_blob_urls": true});
        let made = self.label_studio().post("/api/storages/localfiles", &storage).await;
        self.label_studio().post(&format!("/api/storages/localfiles/{}/sync", made["id"]), &json!({})).await;
    }

    /// Task and address of its image, by task.
    async fn addresses(&self) -> Vec<(i64, String)> {
        let path = format!("/api/tasks?project={}&page_size=1000&fields=all", self.id);
        let listed = self.label_studio().get(&path).await;
        let address = |task: &Value| {
            let image = task["data"]["image"].as_str().expect("an image").to_owned();
            (task["id"].as_i64().expect("an id"), image)
        };
        let mut addresses: Vec<_> = listed["tasks"].as_array().expect("tasks").iter().map(address).collect();
        addresses.sort();
        addresses
    }
}
