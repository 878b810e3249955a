//! What a queue needs of Label Studio: the tasks list, an ML backend, predictions and settings that remember.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{PATIENCE, Server, WEATHER, label_studio};

/// What it has been told so far.
#[derive(Default)]
pub struct Kept {
    pub tasks: Vec<Value>,
    pub predictions: Vec<Value>,
    pub model_version: Option<String>,
    pub title: Option<String>,
    /// Whether settings are refused, as with a token that is not good any more.
    pub refuses: bool,
    /// Times it refused.
    pub refused: usize,
    /// Whether the next new title is put back to what it was, as by a request to the backend that began before.
    pub puts_back: bool,
    pub label_config: Option<String>,
    /// The label config that the next change of the version brings back, as where somebody saved another one meanwhile.
    pub brings_back: Option<String>,
    /// New titles, and the version that the project named when each came.
    pub titles: Vec<(Option<String>, Option<String>)>,
    /// Predictions that were changed in place.
    pub changed: usize,
    server: Option<u16>,
}

/// A fake Label Studio with one project whose queue can be written.
pub struct Fake {
    pub mock: MockServer,
    kept: Arc<Mutex<Kept>>,
}

impl Fake {
    pub async fn start(tasks: Vec<Value>) -> Self {
        let mock = label_studio::start().await;
        let kept = Arc::new(Mutex::new(Kept { tasks, ..Kept::default() }));
        let fake = Self { mock, kept };
        fake.answer("GET", "^/api/tasks$", |kept, _| {
            ResponseTemplate::new(200).set_body_json(json!({"total": kept.tasks.len(), "tasks": kept.tasks}))
        })
        .await;
        fake.answer("GET", "^/api/ml$", |kept, _| {
            ResponseTemplate::new(200).set_body_json(json!([kept.backend()]))
        })
        .await;
        fake.answer("PATCH", "^/api/ml/9$", |kept, body| {
            if kept.refuses {
                return kept.refusal();
            }
            kept.titles.push((body["title"].as_str().map(str::to_owned), kept.model_version.clone()));
            // The project's version follows the title, if it was the same.
            let title = body["title"].as_str().map(str::to_owned);
            if kept.model_version.is_some() && kept.model_version == kept.title {
                kept.model_version = title.clone();
            }
            let before = std::mem::replace(&mut kept.title, title);
            let answer = ResponseTemplate::new(200).set_body_json(kept.backend());
            if std::mem::take(&mut kept.puts_back) {
                kept.title = before;
            }
            answer
        })
        .await;
        fake.answer("GET", "^/api/projects/1/?$", |kept, _| {
            let fields =
                json!({"id": 1, "model_version": kept.model_version, "label_config": kept.label_config});
            ResponseTemplate::new(200).set_body_json(fields)
        })
        .await;
        fake.answer("PATCH", "^/api/projects/1/?$", |kept, body| {
            if kept.refuses {
                return kept.refusal();
            }
            // It looks the project up anew by its own answer's id, after the change.
            let answers_id = |include: &str| include.split(',').any(|field| field == "id");
            if !body["include"].as_str().is_none_or(answers_id) {
                return ResponseTemplate::new(500);
            }
            if let Some(version) = body["model_version"].as_str() {
                kept.model_version = Some(version.to_owned());
                if let Some(before) = kept.brings_back.take() {
                    kept.label_config = Some(before);
                }
            }
            if let Some(config) = body["label_config"].as_str() {
                kept.label_config = Some(config.to_owned());
            }
            ResponseTemplate::new(200).set_body_json(json!({"id": 1, "label_config": kept.label_config}))
        })
        .await;
        fake.answer("GET", "^/api/projects/1/model-versions/?$", |kept, _| {
            let mut names: Vec<&Value> = kept.predictions.iter().map(|row| &row["model_version"]).collect();
            names.dedup();
            let rows = names.into_iter().map(|name| {
                let count = kept.predictions.iter().filter(|row| row["model_version"] == *name).count();
                json!({"model_version": name, "count": count})
            });
            ResponseTemplate::new(200).set_body_json(json!({"static": rows.collect::<Vec<_>>(), "live": []}))
        })
        .await;
        fake.answer("PATCH", "^/api/predictions/[0-9]+$", |kept, body| {
            let row = kept.predictions.iter_mut().find(|row| row["id"] == body["id"]);
            let Some(row) = row else { return ResponseTemplate::new(404) };
            for field in ["result", "score", "model_version"] {
                row[field] = body[field].clone();
            }
            kept.changed += 1;
            ResponseTemplate::new(200).set_body_json(row)
        })
        .await;
        fake.answer("GET", "^/api/predictions$", |kept, query| {
            let task = query["task"].as_str().and_then(|task| task.parse::<i64>().ok());
            let rows = kept.predictions.iter().filter(|row| row["task"].as_i64() == task);
            ResponseTemplate::new(200).set_body_json(rows.collect::<Vec<_>>())
        })
        .await;
        fake.answer("POST", "^/api/projects/1/import/predictions/?$", |kept, body| {
            let rows = body.as_array().cloned().unwrap_or_default();
            let created = rows.len();
            for mut row in rows {
                row["id"] = json!(kept.predictions.len() + 1);
                kept.predictions.push(row);
            }
            ResponseTemplate::new(201).set_body_json(json!({"created": created}))
        })
        .await;
        // It has no list of columns: without a view the order comes all the same.
        Mock::given(path("/api/dm/views"))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!([])))
            .mount(&fake.mock)
            .await;
        fake
    }

    async fn answer(&self, verb: &str, at: &str, respond: fn(&mut Kept, &Value) -> ResponseTemplate) {
        let kept = Arc::clone(&self.kept);
        let mock = Mock::given(method(verb)).and(path_regex(at)).respond_with(move |request: &Request| {
            let mut body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            if let Value::Object(fields) = &mut body {
                let id = request.url.path().rsplit('/').next().and_then(|id| id.parse::<i64>().ok());
                fields.insert("id".to_owned(), json!(id));
                let include = request.url.query_pairs().find(|(name, _)| name == "include");
                fields.extend(include.map(|(name, fields)| (name.into_owned(), json!(fields))));
            } else if body.is_null() {
                body = request
                    .url
                    .query_pairs()
                    .map(|(name, value)| (name.into_owned(), json!(value)))
                    .collect();
            }
            respond(&mut kept.lock().expect("no panic before"), &body)
        });
        mock.mount(&self.mock).await;
    }

    /// The backend it asks for its version.
    pub fn connect(&self, server: &Server) {
        let port = server.url.rsplit(':').next().and_then(|port| port.parse().ok());
        self.kept().server = Some(port.expect("a port"));
    }

    /// Waits until the project names this version.
    pub async fn names(&self, version: &str) {
        let started = Instant::now();
        while self.kept().model_version.as_deref() != Some(version) {
            assert!(
                started.elapsed() < PATIENCE,
                "`{version}` is not named: {:?}",
                self.kept().model_version
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().expect("no panic before")
    }
}

impl Kept {
    fn refusal(&mut self) -> ResponseTemplate {
        self.refused += 1;
        ResponseTemplate::new(401).set_body_json(json!({"detail": "Invalid token."}))
    }

    /// The ML backend, whose version it has just asked for.
    fn backend(&self) -> Value {
        let version = self.server.and_then(version_of);
        json!({"id": 9, "url": "http://backend", "title": self.title, "model_version": version})
    }
}

/// What `/setup` of the server on this port says, as Label Studio asks before it lists backends.
fn version_of(port: u16) -> Option<String> {
    let body = json!({"project": "1.1700000000", "schema": WEATHER, "extra_params": {}}).to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let head =
        "POST /setup HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json";
    write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let answer: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1)?).ok()?;
    answer["model_version"].as_str().map(str::to_owned)
}
