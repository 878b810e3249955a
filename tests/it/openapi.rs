//! The description of the API, held against what the server answers.

use serde_json::{Value, json};

use crate::support::pictures::{CLASSES, data_uri};
use crate::support::{Server, WEATHER};

#[tokio::test]
async fn the_answers_are_as_described() {
    let server = Server::start(&["--no-starter"]).await;
    let api = Described(server.get_json("/api/openapi.json").await);
    assert_eq!(api.0["openapi"], "3.1.0");
    for id in 1..=8 {
        let class = id as usize % 2;
        server.annotate(WEATHER, id, &data_uri(class, id as u32), CLASSES[class]).await;
    }
    let version = server.version_after(WEATHER, "untrained").await;
    let open = json!({"action": "TASKS_CREATED", "project": {"id": 1, "label_config": WEATHER},
        "tasks": [{"id": 20, "data": {"image": data_uri(0, 20)}}, {"id": 21, "data": {"image": "data:,no"}}]});
    let predict = json!({"project": "1.1", "label_config": WEATHER,
        "tasks": [{"id": 20, "data": {"image": data_uri(0, 20)}}, {"id": 21, "data": {}}]});
    let number = server.get_json("/api/projects/1").await["versions"][0]["number"].clone();
    let activate = format!("/api/projects/1/versions/{number}/activate");

    for (route, path, body) in [
        ("/webhook", "/webhook", open),
        ("/webhook", "/webhook", json!({"action": "START_TRAINING", "project": {"id": 1}})),
        ("/setup", "/setup", json!({"project": "1.1", "schema": WEATHER})),
        ("/predict", "/predict", predict),
        ("/predict", "/predict", json!({"tasks": 7})),
        ("/train", "/train", json!({"project": "1"})),
        ("/job_status", "/job_status", json!({"job": "1"})),
        ("/job_status", "/job_status", json!({"job": "none"})),
        ("/api/projects/{project}/pin", "/api/projects/1/pin", json!({"pinned": true})),
        ("/api/projects/{project}/versions/{number}/activate", &activate, json!({})),
    ] {
        let answer = server.post(path, &body).await;
        let status = answer.status().as_u16();
        api.check("post", route, status, &answer.json().await.expect("JSON"));
    }
    for (route, path) in [
        ("/", "/"),
        ("/health", "/health"),
        ("/versions", "/versions"),
        ("/webhooks/received", "/webhooks/received"),
        ("/api/projects", "/api/projects"),
        ("/api/projects/{project}", "/api/projects/1"),
        ("/api/projects/{project}", "/api/projects/2"),
        ("/api/projects/{project}/queue", "/api/projects/1/queue"),
        ("/api/projects/{project}/queue", "/api/projects/1/queue?strategy=best"),
        ("/api/projects/{project}/review", "/api/projects/1/review"),
        ("/api/jobs/{job}", "/api/jobs/1"),
    ] {
        let answer = server.get(path).await;
        let status = answer.status().as_u16();
        api.check("get", route, status, &answer.json().await.expect("JSON"));
    }
    let review = server.get_json("/api/projects/1/review").await;
    assert_eq!(review["version"], version, "the review had something to show");
    server.stop().await;
}

/// A description, and what it says of an answer.
struct Described(Value);

impl Described {
    /// Fails unless the answer is as the route's description says, no key more and none less.
    fn check(&self, method: &str, route: &str, status: u16, answer: &Value) {
        let responses = &self.0["paths"][route][method]["responses"];
        let response = responses.get(status.to_string()).unwrap_or(&responses["default"]);
        let schema = &response["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {route} {status} is not described");
        let complaint = self.complaint(schema, answer);
        assert_eq!(complaint, None, "{method} {route} {status}: {answer:#}");
    }

    /// What is wrong with a value, the first thing found.
    fn complaint(&self, schema: &Value, value: &Value) -> Option<String> {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            let fits = choices.iter().any(|choice| self.complaint(choice, value).is_none());
            return (!fits).then(|| format!("none of the choices fits {value}"));
        }
        if !has_type(schema, value) {
            return Some(format!("{value} is not of type {}", schema["type"]));
        }
        match value {
            Value::Object(_) => self.object_complaint(schema, value),
            Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
                let of_place = schema["prefixItems"].get(index);
                self.complaint(of_place.unwrap_or(&schema["items"]), item)
            }),
            _ => None,
        }
    }

    fn object_complaint(&self, schema: &Value, value: &Value) -> Option<String> {
        let parts: Vec<&Value> = match schema["allOf"].as_array() {
            Some(parts) => parts.iter().map(|part| self.resolve(part)).collect(),
            None => vec![schema],
        };
        let properties: Vec<_> =
            parts.iter().filter_map(|part| part["properties"].as_object()).flatten().collect();
        let required = parts.iter().filter_map(|part| part["required"].as_array()).flatten();
        let missing = required.filter_map(Value::as_str).find(|key| value.get(key).is_none());
        if let Some(key) = missing {
            return Some(format!("`{key}` is missing"));
        }
        let keys = value.as_object().filter(|_| !properties.is_empty())?;
        keys.iter().find_map(|(key, value)| match properties.iter().find(|(name, _)| *name == key) {
            Some((_, schema)) => self.complaint(schema, value).map(|why| format!("{key}: {why}")),
            None => Some(format!("`{key}` is not described")),
        })
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str().and_then(|name| name.strip_prefix('#')) {
            Some(pointer) => self.0.pointer(pointer).expect("a schema that is there"),
            None => schema,
        }
    }
}

/// Whether a value is of one of the schema's types; a schema without a type takes everything.
fn has_type(schema: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("number") => value.is_number(),
        Some("array") => value.is_array(),
        _ => value.is_object(),
    };
    match &schema["type"] {
        Value::Null => true,
        Value::Array(names) => names.iter().any(is),
        name => is(name),
    }
}

#[test]
fn an_answer_that_differs_is_noticed() {
    let api = Described(json!({"schemas": {"Job": {"type": "object", "required": ["job"],
        "properties": {"job": {"type": "string"}, "loss": {"type": ["number", "null"]}}}}}));
    let job = json!({"$ref": "#/schemas/Job"});
    for (schema, answer, complaint) in [
        (job.clone(), json!({"job": "1", "loss": null}), None),
        (job.clone(), json!({"loss": 0.5}), Some("`job` is missing")),
        (job.clone(), json!({"job": "1", "lost": 1}), Some("`lost` is not described")),
        (json!({"allOf": [job.clone()]}), json!({"job": 1}), Some("job: 1 is not of type \"string\"")),
        (json!({"type": "array", "items": job}), json!([{}]), Some("`job` is missing")),
        (json!({"oneOf": [{"type": "null"}]}), json!(1), Some("none of the choices fits 1")),
    ] {
        assert_eq!(api.complaint(&schema, &answer).as_deref(), complaint, "{answer}");
    }
}
