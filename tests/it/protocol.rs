//! What every Label Studio ML backend must answer.

use serde_json::{Value, json};

use crate::support::pictures::{CLASSES, data_uri};
use crate::support::{Server, WEATHER, annotation_event};

#[tokio::test]
async fn health_has_exactly_two_keys_and_answers_at_the_root_too() {
    let server = Server::start(&[]).await;
    for path in ["/health", "/", "/health/"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!(body, json!({"model_class": "Weathervane", "status": "UP"}), "{path}");
    }
    let head = server.http.head(format!("{}/health", server.url)).send().await.expect("an answer");
    assert_eq!(head.status(), 200);
    server.stop().await;
}

#[tokio::test]
async fn the_root_leads_a_browser_to_the_dashboard_and_answers_all_others_as_before() {
    const UP: &str = r#"{"model_class":"Weathervane","status":"UP"}"#;
    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let client =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let ask = async |server: &Server, method: reqwest::Method, path: &str, accept: Option<&str>| {
        let request = client.request(method, format!("{}{path}", server.url));
        let request = accept.into_iter().fold(request, |request, accept| request.header("accept", accept));
        request.send().await.expect("an answer")
    };
    let server = Server::start(&[]).await;
    let visit = ask(&server, reqwest::Method::GET, "/", Some(BROWSER)).await;
    assert_eq!((visit.status().as_u16(), &visit.headers()["location"]), (302, &"/ui".parse().unwrap()));
    for accept in [None, Some("*/*"), Some("application/json"), Some("application/json, text/plain, */*")] {
        let answer = ask(&server, reqwest::Method::GET, "/", accept).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"application/json".parse().unwrap()),
            "{accept:?}"
        );
        assert_eq!(answer.text().await.expect("a body"), UP, "{accept:?}");
    }
    let health = ask(&server, reqwest::Method::GET, "/health", Some(BROWSER)).await;
    assert_eq!(health.text().await.expect("a body"), UP, "only the root is a person's");
    assert_eq!(ask(&server, reqwest::Method::HEAD, "/", Some(BROWSER)).await.status(), 200);
    server.stop().await;

    // The dashboard asks for the password itself; everything else at the root is kept as before.
    let guarded = Server::start(&["--basic-auth-user", "me", "--basic-auth-pass", "secret"]).await;
    assert_eq!(ask(&guarded, reqwest::Method::GET, "/", Some(BROWSER)).await.status(), 302);
    assert_eq!(ask(&guarded, reqwest::Method::GET, "/", None).await.status(), 401);
    assert_eq!(ask(&guarded, reqwest::Method::GET, "/health", Some(BROWSER)).await.status(), 401);
    guarded.stop().await;
}

#[tokio::test]
async fn the_upstream_assertions_hold() {
    let server = Server::start(&[]).await;
    assert_eq!(server.get("/metrics").await.status(), 200);
    let lone_task = json!({"tasks": {"id": 1}, "label_config": "<View></View>", "project": "1.1000000000",
                           "params": {"context": {}}});
    let predicted = server.post("/predict", &lone_task).await;
    assert_eq!(predicted.status(), 200);
    assert_eq!(predicted.json::<Value>().await.expect("JSON"), json!({"results": [[]]}));
    let setup = json!({"project": "1.1000000000", "schema": "<View></View>", "extra_params": {}});
    assert_eq!(server.post("/setup", &setup).await.status(), 200);
    let bare = json!({"action": "ANNOTATION_CREATED", "project": {"id": 1, "label_config": "<View></View>"}});
    assert_eq!(server.post("/webhook", &bare).await.status(), 201);
    server.stop().await;
}

#[tokio::test]
async fn predict_works_without_project_and_params() {
    let server = Server::start(&[]).await;
    let body = json!({"tasks": [{"id": 1, "data": {"image": data_uri(0, 1)}}], "label_config": WEATHER});
    assert_eq!(server.post_json("/predict", &body).await, json!({"results": [[]]}));
    assert_eq!(
        server.post_json("/predict", &json!({"tasks": [], "label_config": WEATHER})).await,
        json!({"results": []})
    );
    server.stop().await;
}

#[tokio::test]
async fn unknown_actions_get_200_and_event_names_of_every_kind_are_taken() {
    let server = Server::start(&[]).await;
    let project = json!({"id": 1, "label_config": WEATHER});
    for action in ["LABEL_LINK_CREATED", "PROJECT_UPDATED", "SOMETHING_NEW", "TASKS_CREATED", "TASKS_DELETED"]
    {
        let answer = server.post("/webhook", &json!({"action": action, "project": project})).await;
        assert_eq!(answer.status(), 200, "{action}");
    }
    for action in [
        "ANNOTATION_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATION_DELETED",
        "ANNOTATIONS_CREATED",
        "ANNOTATIONS_UPDATED",
        "ANNOTATIONS_DELETED",
        "START_TRAINING",
    ] {
        let answer = server.post("/webhook", &json!({"action": action, "project": project})).await;
        assert_eq!(answer.status(), 201, "{action}");
    }
    server.stop().await;
}

#[tokio::test]
async fn one_entry_per_task_in_order_and_hopeless_ones_are_empty_lists() {
    let server = Server::start(&[]).await;
    let version = learn(&server).await;
    let tasks = [
        (901, data_uri(2, 90)),
        (902, "data:image/png;base64,AAAA".to_owned()),
        (903, data_uri(0, 91)),
        (904, "nonsense".to_owned()),
    ];
    let results = server.predict(WEATHER, &tasks).await;
    assert_eq!(results.len(), 4);
    assert_eq!((&results[1], &results[3]), (&json!([]), &json!([])));
    for (index, class) in [(0, 2), (2, 0)] {
        let result = &results[index];
        assert_eq!(result["model_version"], version.as_str());
        let region = &result["result"][0];
        assert_eq!(region["value"]["choices"], json!([CLASSES[class]]), "{result:#}");
        assert_eq!(
            (&region["from_name"], &region["to_name"], &region["type"]),
            (&json!("weather"), &json!("image"), &json!("choices"))
        );
        let score = result["score"].as_f64().expect("a score");
        assert!((0.0..=1.0).contains(&score) && score > 0.25, "{score}");
    }
    server.stop().await;
}

#[tokio::test]
async fn setup_and_predictions_carry_the_same_version() {
    let server = Server::start(&[]).await;
    assert_eq!(server.setup(WEATHER).await, "untrained");
    let version = learn(&server).await;
    assert_eq!(server.setup(WEATHER).await, version);
    let results = server.predict(WEATHER, &[(900, data_uri(1, 50))]).await;
    assert_eq!(results[0]["model_version"], version.as_str());
    let versions = server.get_json("/versions").await;
    assert!(versions["versions"].as_array().expect("a list").contains(&json!(version)), "{versions}");
    server.stop().await;
}

#[tokio::test]
async fn below_the_score_threshold_nothing_is_ticked_and_the_score_stays() {
    let server = Server::start(&["--model-score-threshold", "1.0"]).await;
    learn(&server).await;
    let results = server.predict(WEATHER, &[(900, data_uri(1, 50))]).await;
    assert_eq!(results[0]["result"], json!([]), "{results:?}");
    assert!(results[0]["score"].as_f64().is_some_and(|score| score > 0.25), "{results:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_training_needs_a_project_and_annotations_that_can_be_read() {
    let server = Server::start(&[]).await;
    let answer = server.post("/train", &json!({})).await;
    assert_eq!(answer.status(), 409);
    let answer: serde_json::Value = answer.json().await.expect("errors are JSON");
    assert_eq!((&answer["code"], &answer["hint"]), (&json!("conflict"), &json!("connect a project first")));
    let unreadable =
        json!({"project": "1.1", "annotations": [{"id": 4, "data": {}, "annotations": [{"id": "x"}]}]});
    let answer = server.post("/train", &unreadable).await;
    assert_eq!(answer.status(), 400);
    let answer: serde_json::Value = answer.json().await.expect("errors are JSON");
    assert!(answer["detail"].as_str().is_some_and(|detail| detail.contains("annotation 0")), "{answer}");
    server.stop().await;
}

/// Teaches three pictures of each class and gives the version that came of it.
async fn learn(server: &Server) -> String {
    for id in 0..12 {
        let class = id as usize % 4;
        let event = annotation_event(
            "ANNOTATION_CREATED",
            WEATHER,
            id + 1,
            &data_uri(class, id as u32),
            CLASSES[class],
        );
        assert_eq!(server.post("/webhook", &event).await.status(), 201);
    }
    let answer = server.post_json("/train", &json!({"project": "1.1700000000"})).await;
    let job = server.job_ended(answer["job"].as_str().expect("a job id")).await;
    assert_eq!(job["state"], "done", "{job:#}");
    server.setup(WEATHER).await
}

#[tokio::test]
async fn whatever_has_an_image_is_predicted() {
    let server = Server::start(&[]).await;
    server.taught(1..=8).await;
    server.train().await;
    let image = data_uri(1, 7);
    let tasks: Vec<Value> = [
        json!({"id": 7, "data": {"image": image}}),
        json!({"data": {"image": image}}),
        json!({"id": null, "data": {"image": image}}),
        json!({"id": "seven", "data": {"image": image}}),
        json!({"id": 7.0, "data": {"image": image}}),
        json!({"id": "41f0c2d4-63b6-4d0c-9f1c-1d2f0f3f2b11", "data": {"image": image}}),
        json!({"image": image}),
        json!({"id": 8, "data": {"text": "no image"}}),
    ]
    .to_vec();
    let mut body = json!({"tasks": tasks, "label_config": WEATHER, "project": "1.1"});
    for params in [json!(null), json!("text"), json!({"login": 5, "password": [1]}), json!([])] {
        body["params"] = params.clone();
        let results = server.post_json("/predict", &body).await["results"].clone();
        let results = results.as_array().expect("results");
        assert_eq!(results.len(), 8);
        assert!(
            results[..7].iter().all(|result| *result == results[0] && result["score"].is_number()),
            "{params}"
        );
        assert_eq!(results[7], json!([]));
    }
    server.stop().await;
}

#[tokio::test]
async fn without_a_label_config_that_of_the_known_project_is_taken() {
    let server = Server::start(&[]).await;
    server.taught(1..=8).await;
    server.train().await;
    let mut body = json!({"tasks": [{"id": 7, "data": {"image": data_uri(1, 7)}}], "project": "1.1"});
    assert!(server.post_json("/predict", &body).await["results"][0]["score"].is_number());
    body["project"] = json!("9.1");
    assert_eq!(server.post_json("/predict", &body).await["results"], json!([[]]));
    // A request without one does not take the known one away.
    server.post_json("/setup", &json!({"project": "1.1"})).await;
    body["project"] = json!("1.1");
    assert!(server.post_json("/predict", &body).await["results"][0]["score"].is_number());
    server.stop().await;
}

#[tokio::test]
async fn slashes_and_a_byte_order_mark_change_nothing() {
    let server = Server::start(&[]).await;
    let body = json!({"project": "1.1", "schema": WEATHER});
    let version = server.post_json("/setup", &body).await;
    for path in ["/setup/", "//setup", "//setup//"] {
        assert_eq!(server.post_json(path, &body).await, version, "{path}");
    }
    for path in ["//health", "/versions/", "/heard/", "/metrics/"] {
        assert_eq!(server.get(path).await.status(), 200, "{path}");
    }
    let marked = format!("\u{feff}{body}");
    let request =
        server.http.post(format!("{}/setup", server.url)).header("content-type", "application/json");
    let answer = request.body(marked).send().await.expect("an answer");
    assert_eq!(answer.json::<Value>().await.expect("JSON"), version);
    server.stop().await;
}
