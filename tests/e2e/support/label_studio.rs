//! What a person does in Label Studio, through its API (1.23.2).

use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::pictures::{Picture, class_of};
use super::{Backend, PATIENCE, WEATHER, until};

/// A running Label Studio and who we are there.
#[derive(Clone)]
pub struct LabelStudio {
    pub url: String,
    pub token: String,
    pub email: String,
    pub password: String,
    http: Client,
}

/// A project of its own for one test.
#[derive(Clone)]
pub struct Project {
    pub id: i64,
    label_studio: LabelStudio,
}

/// A task and what its picture shows.
#[derive(Clone, Debug)]
pub struct Task {
    pub id: i64,
    pub class: &'static str,
}

impl LabelStudio {
    /// The server that the environment names, or what is missing.
    pub fn from_env() -> Result<Self, String> {
        let read = |part: &str| {
            let name = format!("WEATHERVANE_TEST_LABEL_STUDIO{part}");
            let how = "scripts/label-studio-for-tests.sh with cargo test --test e2e";
            std::env::var(&name).map_err(|_| format!("no Label Studio: {name} is not set; try {how}"))
        };
        weathervane::labelstudio::install_tls();
        let http =
            Client::builder().no_proxy().timeout(PATIENCE).build().map_err(|error| error.to_string())?;
        let (url, token) = (read("")?, read("_TOKEN")?);
        Ok(Self { url, token, email: read("_EMAIL")?, password: read("_PASSWORD")?, http })
    }

    /// The same account at another address.
    pub fn at(&self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self.clone() }
    }

    /// Another server, as somebody with a password sees it in a browser.
    pub fn as_user(&self, url: &str, email: &str, password: &str) -> Self {
        Self { url: url.to_owned(), email: email.to_owned(), password: password.to_owned(), ..self.clone() }
    }

    /// The same server with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// A new project with the weather label config.
    pub async fn project(&self, title: &str) -> Project {
        self.project_with(title, WEATHER).await
    }

    /// A new project with this label config.
    pub async fn project_with(&self, title: &str, label_config: &str) -> Project {
        let made = self.post("/api/projects", &json!({"title": title, "label_config": label_config})).await;
        Project { id: made["id"].as_i64().expect("a project id"), label_studio: self.clone() }
    }

    /// A project that is there already.
    pub fn known_project(&self, id: i64) -> Project {
        Project { id, label_studio: self.clone() }
    }

    /// A personal access token.
    pub async fn personal_access_token(&self) -> String {
        let made = self.post("/api/token/", &json!({})).await;
        made["token"].as_str().expect("a token").to_owned()
    }

    pub async fn get(&self, path: &str) -> Value {
        read(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        read(self.request(Method::POST, path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Value {
        read(self.request(Method::PATCH, path).json(body)).await
    }

    pub async fn delete(&self, path: &str) {
        read(self.request(Method::DELETE, path)).await;
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.url))
            .header("Authorization", format!("Token {}", self.token))
    }
}

/// Sends and expects success; some routes answer with an empty body.
pub(super) async fn read(request: RequestBuilder) -> Value {
    let (status, text) = send(request).await;
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

pub async fn send(request: RequestBuilder) -> (StatusCode, String) {
    let answer = request.send().await.expect("an answer of Label Studio");
    (answer.status(), answer.text().await.expect("a text"))
}

impl Project {
    /// Label Studio, as the person uses it who uses this project.
    pub fn label_studio(&self) -> &LabelStudio {
        &self.label_studio
    }

    /// Uploads pictures into an empty project and gives its tasks.
    pub async fn upload(&self, pictures: &[Picture]) -> Vec<Task> {
        self.upload_only(pictures).await;
        self.tasks().await
    }

    /// Uploads pictures as a person drops files into the import window, at most as many at once as Label Studio takes.
    pub async fn upload_only(&self, pictures: &[Picture]) {
        /// Django's `DATA_UPLOAD_MAX_NUMBER_FILES`.
        const AT_ONCE: usize = 100;
        for pictures in pictures.chunks(AT_ONCE) {
            let mut form = Form::new();
            for picture in pictures {
                let part = Part::bytes(picture.bytes.clone()).file_name(picture.name.clone());
                form = form.part(picture.name.clone(), part);
            }
            let path = format!("/api/projects/{}/import?return_task_ids=true", self.id);
            let made = read(self.label_studio.request(Method::POST, &path).multipart(form)).await;
            assert_eq!(made["task_count"], pictures.len(), "{made:#}");
        }
    }

    /// Imports tasks as JSON and gives their ids.
    pub async fn import(&self, tasks: &Value) -> Value {
        self.label_studio.post(&format!("/api/projects/{}/import?return_task_ids=true", self.id), tasks).await
    }

    /// Its webhooks.
    pub async fn webhooks(&self) -> Vec<Value> {
        let hooks = self.label_studio.get(&format!("/api/webhooks/?project={}", self.id)).await;
        hooks.as_array().expect("webhooks").clone()
    }

    /// Every task in the order of its id; the class is in the uploaded file's name, behind eight hex digits.
    pub async fn tasks(&self) -> Vec<Task> {
        let path = format!("/api/tasks?project={}&page_size=1000&fields=all", self.id);
        let listed = self.label_studio.get(&path).await;
        let task = |task: &Value| {
            let file = task["file_upload"].as_str().expect("an upload");
            let class = file.split_once('-').and_then(|(_, name)| class_of(name)).expect("a class");
            Task { id: task["id"].as_i64().expect("an id"), class }
        };
        let mut tasks: Vec<Task> = listed["tasks"].as_array().expect("tasks").iter().map(task).collect();
        tasks.sort_by_key(|task| task.id);
        tasks
    }

    /// Connects a backend, and checks that Label Studio made the webhook that trains it.
    pub async fn connect(&self, backend: &Backend) -> i64 {
        let body = json!({"url": backend.url, "project": self.id, "title": "weathervane"});
        let (status, text) = send(self.label_studio.request(Method::POST, "/api/ml").json(&body)).await;
        assert_eq!(status, StatusCode::CREATED, "{text}");
        let hooks = self.label_studio.get(&format!("/api/webhooks/?project={}", self.id)).await;
        let wanted = format!("{}/webhook", backend.url);
        assert!(
            hooks.as_array().is_some_and(|hooks| hooks.iter().any(|hook| hook["url"] == *wanted)),
            "{hooks:#}"
        );
        let made: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(made["readable_state"], "Connected", "{made:#}");
        made["id"].as_i64().expect("an id")
    }

    /// Opens a task as a click in the Data Manager does; its predictions come along.
    pub async fn open(&self, task: i64) -> Vec<Value> {
        let opened = self.label_studio.get(&format!("/api/tasks/{task}?project={}", self.id)).await;
        opened["predictions"].as_array().expect("predictions").clone()
    }

    /// Submits an annotation and gives its id.
    pub async fn annotate(&self, task: &Task) -> i64 {
        let made = read(self.submit(task)).await;
        made["id"].as_i64().expect("an annotation id")
    }

    /// Submits an annotation; false where Label Studio could not take it, as under many at once.
    pub async fn try_annotate(&self, task: &Task) -> bool {
        send(self.submit(task)).await.0 == StatusCode::CREATED
    }

    fn submit(&self, task: &Task) -> RequestBuilder {
        let path = format!("/api/tasks/{}/annotations?project={}", task.id, self.id);
        self.label_studio.request(Method::POST, &path).json(&json!({"result": choice(task.class)}))
    }

    /// Changes the answer of an annotation.
    pub async fn update(&self, annotation: i64, class: &str) {
        let path = format!("/api/annotations/{annotation}/?project={}", self.id);
        read(self.label_studio.request(Method::PATCH, &path).json(&json!({"result": choice(class)}))).await;
    }

    pub async fn delete(&self, annotation: i64) {
        let path = format!("/api/annotations/{annotation}/?project={}", self.id);
        read(self.label_studio.request(Method::DELETE, &path)).await;
    }

    /// The Data Manager's action "Batch predictions" on these tasks.
    pub async fn retrieve_predictions(&self, tasks: &[Task]) {
        let path = format!("/api/dm/actions?id=retrieve_tasks_predictions&project={}", self.id);
        let included: Vec<i64> = tasks.iter().map(|task| task.id).collect();
        self.label_studio.post(&path, &json!({"selectedItems": {"all": false, "included": included}})).await;
    }

    /// Every prediction that Label Studio keeps of a task.
    pub async fn predictions(&self, task: i64) -> Vec<Value> {
        let kept = self.label_studio.get(&format!("/api/predictions?project={}&task={task}", self.id)).await;
        kept.as_array().expect("predictions").clone()
    }

    /// The task the label stream gives next; `None` when there is none left.
    pub async fn next(&self) -> Option<i64> {
        let path = format!("/api/projects/{}/next", self.id);
        let (status, text) = send(self.label_studio.request(Method::GET, &path)).await;
        if status == StatusCode::NOT_FOUND {
            return None;
        }
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str::<Value>(&text).expect("JSON")["id"].as_i64()
    }

    /// The project as Label Studio keeps it.
    pub async fn settings(&self) -> Value {
        self.label_studio.get(&format!("/api/projects/{}", self.id)).await
    }

    /// Names of the versions of which it keeps predictions.
    pub async fn stored_versions(&self) -> Vec<String> {
        let path = format!("/api/projects/{}/model-versions/?extended=true", self.id);
        let listed = self.label_studio.get(&path).await;
        let rows = listed["static"].as_array().expect("versions");
        rows.iter().filter_map(|row| Some(row["model_version"].as_str()?.to_owned())).collect()
    }

    /// The tabs of its Data Manager.
    pub async fn views(&self) -> Vec<Value> {
        let views = self.label_studio.get(&format!("/api/dm/views?project={}", self.id)).await;
        views.as_array().expect("views").clone()
    }

    /// The button "Start training".
    pub async fn start_training(&self, backend: i64) {
        self.label_studio.post(&format!("/api/ml/{backend}/train"), &json!({})).await;
    }

    /// How many annotations Label Studio has.
    pub async fn annotations(&self) -> usize {
        let tasks = self.label_studio.get(&format!("/api/projects/{}/export?exportType=JSON", self.id)).await;
        let count = |task: &Value| task["annotations"].as_array().map_or(0, Vec::len);
        tasks.as_array().expect("tasks").iter().map(count).sum()
    }

    /// Waits until Label Studio shows this version of the connected backend; it asks `/setup` for it, and that tells a new
    /// one together with its order.
    pub async fn shows_version(&self, version: &str) {
        until(&format!("Label Studio to show {version}"), async || {
            let backends = self.label_studio.get(&format!("/api/ml?project={}", self.id)).await;
            let shown = backends[0]["model_version"].as_str().expect("a version").to_owned();
            (shown == version).then_some(())
        })
        .await;
    }
}

/// The result of one choice in a weather project, as the editor writes it.
pub fn choice(class: &str) -> Value {
    json!([region("weather", "image", &[class])])
}

/// One region of a result.
pub fn region(head: &str, image: &str, choices: &[&str]) -> Value {
    json!({"id": format!("answer-{head}"), "from_name": head, "to_name": image, "type": "choices",
        "value": {"choices": choices}})
}

/// The class a prediction chose.
pub fn chosen(prediction: &Value) -> &str {
    prediction["result"][0]["value"]["choices"][0].as_str().unwrap_or_default()
}
