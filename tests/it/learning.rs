//! From annotation events to new versions.

use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, ResponseTemplate};

use crate::support::label_studio::{self, beside};
use crate::support::pictures::{CLASSES, data_uri};
use crate::support::{Server, WEATHER, annotation_event};

#[tokio::test]
async fn a_submit_is_followed_by_a_new_version_without_anybody_asking() {
    let server = Server::start(&[]).await;
    for id in 1..=8 {
        let class = id as usize % 2;
        let answer = server.annotate(WEATHER, id, &data_uri(class, id as u32), CLASSES[class]).await;
        assert_eq!(answer.status(), 201);
    }
    let first = server.version_after(WEATHER, "untrained").await;
    server.annotate(WEATHER, 9, &data_uri(2, 9), CLASSES[2]).await;
    let second = server.version_after(WEATHER, &first).await;
    assert!(second.starts_with('v') && second != first, "{first} {second}");
    server.stop().await;
}

#[tokio::test]
async fn below_two_classes_there_is_no_model_and_the_status_says_what_is_missing() {
    let server = Server::start(&[]).await;
    server.annotate(WEATHER, 1, &data_uri(0, 1), CLASSES[0]).await;
    let answer = server.post_json("/train", &json!({"project": "1"})).await;
    let job = server.job_ended(answer["job"].as_str().expect("a job id")).await;
    assert_eq!((&job["state"], &job["job_status"]), (&json!("waiting"), &json!("finished")), "{job:#}");
    let waits_for = format!("waiting for a second class: the only label is `{}`", CLASSES[0]);
    assert_eq!(job["error"], json!(waits_for), "{job:#}");
    assert_eq!(server.predict(WEATHER, &[(1, data_uri(0, 1))]).await, [json!([])]);
    let project = server.get_json("/api/projects/1").await;
    assert_eq!(project["heads"][0]["missing"], "labelled images of at least two classes", "{project:#}");
    server.stop().await;
}

#[tokio::test]
async fn a_class_without_labels_still_gets_a_probability() {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    teach(&server, 10, 2).await;
    train(&server).await;
    let results = server.predict(WEATHER, &[(99, data_uri(0, 77))]).await;
    let score = results[0]["score"].as_f64().expect("a score");
    assert!(score < 1.0, "{score}");
    server.stop().await;
}

#[tokio::test]
async fn a_second_delivery_changes_nothing() {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    let event = annotation_event("ANNOTATION_CREATED", WEATHER, 1, &data_uri(0, 1), CLASSES[0]);
    for _ in 0..3 {
        assert_eq!(server.post("/webhook", &event).await.status(), 201);
    }
    let project = server.get_json("/api/projects/1").await;
    assert_eq!((&project["annotations"], &project["tasks"]), (&json!(1), &json!(1)), "{project:#}");
    server.stop().await;
}

#[tokio::test]
async fn updates_deletes_and_skips_change_what_is_learnt() {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    teach(&server, 8, 2).await;
    let first = train(&server).await;
    let mut update = annotation_event("ANNOTATION_UPDATED", WEATHER, 1, &data_uri(0, 0), CLASSES[3]);
    update["annotation"]["updated_at"] = json!("2026-01-02T00:00:00Z");
    server.post("/webhook", &update).await;
    let second = train(&server).await;
    assert_ne!(first["version"], second["version"]);
    let delete = json!({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}], "project": {"id": 1}});
    server.post("/webhook", &delete).await;
    let mut skip = annotation_event("ANNOTATION_CREATED", WEATHER, 50, &data_uri(1, 50), CLASSES[1]);
    skip["annotation"]["was_cancelled"] = json!(true);
    skip["annotation"]["result"] = json!([]);
    server.post("/webhook", &skip).await;
    train(&server).await;
    let project = server.get_json("/api/projects/1").await;
    assert_eq!((&project["annotations"], &project["skipped"]), (&json!(7), &json!(1)), "{project:#}");
    server.stop().await;
}

#[tokio::test]
async fn training_again_on_the_same_labels_is_no_new_version() {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    teach(&server, 8, 2).await;
    let first = train(&server).await;
    let again = train(&server).await;
    assert_eq!(first["version"], again["version"]);
    let project = server.get_json("/api/projects/1").await;
    assert_eq!(project["versions"].as_array().map(Vec::len), Some(1), "{project:#}");
    server.stop().await;
}

#[tokio::test]
async fn the_toggle_trigger_honours_the_projects_minimum() {
    let server = Server::start(&["--train-trigger", "toggle"]).await;
    let event = |id: i64, minimum: i64| {
        let class = id as usize % 2;
        let mut event =
            annotation_event("ANNOTATION_CREATED", WEATHER, id, &data_uri(class, id as u32), CLASSES[class]);
        event["project"]["min_annotations_to_start_training"] = json!(minimum);
        event
    };
    for id in 1..=4 {
        let answer: Value = server.post("/webhook", &event(id, 0)).await.json().await.expect("JSON");
        assert_eq!(answer["job"], Value::Null, "the toggle is off");
    }
    let early: Value = server.post("/webhook", &event(5, 6)).await.json().await.expect("JSON");
    assert_eq!(early["job"], Value::Null, "5 of 6 annotations");
    let due: Value = server.post("/webhook", &event(6, 6)).await.json().await.expect("JSON");
    assert!(due["job"].is_string(), "{due}");
    server.version_after(WEATHER, "untrained").await;
    server.stop().await;
}

/// With its toggle on Label Studio sends both within every submit.
#[tokio::test]
async fn a_submit_and_the_toggles_request_are_one_training_and_a_persons_is_immediate() {
    let server = Server::start(&["--train-quiet-ms", "400"]).await;
    let start = |minimum: i64| {
        let mut project = annotation_event("", WEATHER, 1, "", "")["project"].clone();
        project["min_annotations_to_start_training"] = json!(minimum);
        json!({"action": "START_TRAINING", "project": project})
    };
    let jobs = async || server.get_json("/api/projects/1").await["jobs"].as_array().expect("jobs").clone();
    for id in 1..=8 {
        assert_eq!(server.post("/webhook", &start(1)).await.status(), 201);
        let class = id as usize % 2;
        server.annotate(WEATHER, id, &data_uri(class, id as u32), CLASSES[class]).await;
    }
    server.version_after(WEATHER, "untrained").await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(jobs().await.len(), 1, "{:#?}", jobs().await);

    let answer: Value = server.post("/webhook", &start(0)).await.json().await.expect("JSON");
    let asked = server.job_ended(answer["job"].as_str().expect("a job")).await;
    let waited = asked["started_at_us"].as_i64().unwrap() - asked["created_at_us"].as_i64().unwrap();
    assert!(waited < 400_000, "it waited for the quiet time: {asked:#}");
    server.stop().await;
}

#[tokio::test]
async fn start_training_each_n_updates_counts_updates() {
    let server = Server::start(&["--train-each-n-updates", "3"]).await;
    let mut jobs = Vec::new();
    for id in 1..=3 {
        let class = id as usize % 2;
        let answer = server.annotate(WEATHER, id, &data_uri(class, id as u32), CLASSES[class]).await;
        jobs.push(answer.json::<Value>().await.expect("JSON")["job"].is_string());
    }
    assert_eq!(jobs, [false, false, true]);
    server.stop().await;
}

#[tokio::test]
async fn start_training_learns_labels_that_came_by_import() {
    let fake = label_studio::start().await;
    let tasks: Vec<Value> = (1..=8)
        .map(|id: i64| {
            let class = id as usize % 2;
            let event = annotation_event("", WEATHER, id, &data_uri(class, id as u32), CLASSES[class]);
            json!({"id": id, "data": event["task"]["data"], "annotations": [event["annotation"]]})
        })
        .collect();
    label_studio::export(&fake, 1, json!(tasks)).await;
    let server = Server::start(&beside(&fake.uri())).await;
    let start = json!({"action": "START_TRAINING", "project": {"id": 1, "label_config": WEATHER}});
    let answer: Value = server.post("/webhook", &start).await.json().await.expect("JSON");
    let job = server.job_ended(answer["job"].as_str().expect("a job id")).await;
    assert_eq!(job["state"], "done", "{job:#}");
    let project = server.get_json("/api/projects/1").await;
    assert_eq!(project["annotations"], 8);
    server.stop().await;
}

#[tokio::test]
async fn what_a_project_had_before_is_learnt_when_it_is_first_heard_of_and_what_an_import_brings_too() {
    let fake = label_studio::start().await;
    let labelled = |ids: std::ops::RangeInclusive<i64>| -> Vec<Value> {
        ids.map(|id| {
            let class = id as usize % 2;
            let event = annotation_event("", WEATHER, id, &data_uri(class, id as u32), CLASSES[class]);
            json!({"id": id, "data": event["task"]["data"], "annotations": [event["annotation"]]})
        })
        .collect()
    };
    label_studio::export_once(&fake, 1, json!(labelled(1..=8))).await;
    label_studio::export(&fake, 1, json!(labelled(1..=10))).await;
    let server = Server::start(&beside(&fake.uri())).await;
    let first = server.version_after(WEATHER, "untrained").await;
    assert_eq!(server.get_json("/api/projects/1").await["annotations"], 8);

    let created: Vec<Value> = labelled(9..=10)
        .into_iter()
        .map(|task| json!({"id": task["id"], "data": task["data"], "total_annotations": 1}))
        .collect();
    let event =
        json!({"action": "TASKS_CREATED", "tasks": created, "project": {"id": 1, "label_config": WEATHER}});
    server.post("/webhook", &event).await;
    server.version_after(WEATHER, &first).await;
    assert_eq!(server.get_json("/api/projects/1").await["annotations"], 10);
    server.stop().await;
}

/// Label Studio sends a webhook before it is done with the submit, so its export may lack what the webhook told.
#[tokio::test]
async fn the_first_submit_is_kept_though_the_export_does_not_have_it_yet() {
    let fake = label_studio::start().await;
    label_studio::export(&fake, 1, json!([])).await;
    let server = Server::start(&beside(&fake.uri())).await;
    server.annotate(WEATHER, 1, &data_uri(0, 1), CLASSES[0]).await;
    let exported = || async { fake.received_requests().await.unwrap_or_default() };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !exported().await.iter().any(|request| request.url.path().ends_with("/export")) {
        assert!(tokio::time::Instant::now() < deadline, "the export was not asked for");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // The second submit is learnt together with the first.
    server.annotate(WEATHER, 2, &data_uri(1, 2), CLASSES[1]).await;
    server.version_after(WEATHER, "untrained").await;
    assert_eq!(server.get_json("/api/projects/1").await["annotations"], 2);
    server.stop().await;
}

#[tokio::test]
async fn a_version_has_another_name_under_another_label_config() {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    teach(&server, 8, 2).await;
    train(&server).await;
    let name = server.setup(WEATHER).await;
    let fewer = WEATHER.replace(r#"<Choice value="shine"/>"#, "");
    let other = server.setup(&fewer).await;
    assert!(other.starts_with(&format!("{name}-")), "{name} {other}");
    let results = server.predict(&fewer, &[(99, data_uri(0, 77))]).await;
    assert_eq!(results[0]["model_version"], *other);
    assert_eq!(server.setup(WEATHER).await, name);
    server.stop().await;
}

#[tokio::test]
async fn a_project_made_anew_under_the_same_id_is_learnt_from_label_studio() {
    let fake = label_studio::start().await;
    let event = |id: i64, made: &str| {
        let image = data_uri(id as usize % 2, id as u32);
        let mut event = annotation_event("ANNOTATION_CREATED", WEATHER, id, &image, CLASSES[id as usize % 2]);
        event["project"]["created_at"] = json!(made);
        event
    };
    let anew = event(100, "2026-02-02T00:00:00Z");
    let task = json!({"id": 100, "data": anew["task"]["data"], "annotations": [anew["annotation"]]});
    let server = Server::start(&beside(&fake.uri())).await;
    for id in 1..=8 {
        server.post("/webhook", &event(id, "2026-01-01T00:00:00Z")).await;
    }
    assert_eq!(server.get_json("/api/projects/1").await["annotations"], 8);
    label_studio::export(&fake, 1, json!([task])).await;
    server.post("/webhook", &anew).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while server.get_json("/api/projects/1").await["annotations"] != 1 {
        assert!(tokio::time::Instant::now() < deadline, "the labels of the former project are still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_project_deleted_in_label_studio_keeps_its_labels_here() {
    let fake = label_studio::start().await;
    Mock::given(method("GET"))
        .and(path("/api/projects/1/export"))
        .respond_with(ResponseTemplate::new(404).set_body_json(json!({"detail": "Not found."})))
        .mount(&fake)
        .await;
    let server = Server::start(&[&beside(&fake.uri())[..], &["--train-trigger", "manual"]].concat()).await;
    teach(&server, 8, 2).await;
    let job = train(&server).await;
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(server.get_json("/api/projects/1").await["annotations"], 8);
    server.stop().await;
}

#[tokio::test]
async fn the_old_train_payload_is_learnt() {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    let annotations: Vec<Value> = (1..=8)
        .map(|id: i64| {
            let class = id as usize % 2;
            let event = annotation_event("", WEATHER, id, &data_uri(class, id as u32), CLASSES[class]);
            json!({"id": id, "data": event["task"]["data"], "annotations": [event["annotation"]]})
        })
        .collect();
    let body = json!({"annotations": annotations, "project": "1.1700000000", "label_config": WEATHER});
    let answer = server.post_json("/train", &body).await;
    let job = server.job_ended(answer["job"].as_str().expect("a job id")).await;
    assert_eq!(job["state"], "done", "{job:#}");
    assert!(job["metrics"][0]["evaluation"]["n"].as_u64() == Some(8), "{job:#}");
    server.stop().await;
}

#[tokio::test]
async fn two_heads_and_multiple_choice_learn_side_by_side() {
    let config = r#"<View><Image name="img" value="$picture"/>
      <Choices name="sky" toName="img" choice="single-radio"><Choice value="grey"/><Choice value="blue"/></Choices>
      <Choices name="seen" toName="img" choice="multiple"><Choice value="drops" alias="d"/><Choice value="sun"/></Choices>
    </View>"#;
    let server = Server::start(&["--train-trigger", "manual"]).await;
    for id in 1..=16_i64 {
        let class = id as usize % 4;
        let sky = if class < 2 { "grey" } else { "blue" };
        let seen: &[&str] = [&["d"][..], &["d"], &["sun"], &["d", "sun"]][class];
        let region = |name: &str, choices: &[&str]| json!({"from_name": name, "to_name": "img", "type": "choices", "value": {"choices": choices}});
        let mut event = annotation_event("ANNOTATION_CREATED", config, id, "", "");
        event["task"]["data"] = json!({"picture": data_uri(class, id as u32)});
        event["annotation"]["result"] = json!([region("sky", &[sky]), region("seen", seen)]);
        assert_eq!(server.post("/webhook", &event).await.status(), 201);
    }
    train(&server).await;
    let body = json!({"tasks": [{"id": 99, "data": {"$undefined$": data_uri(2, 99)}}], "label_config": config,
                      "project": "1.1700000000"});
    let answer = server.post_json("/predict", &body).await;
    let regions = answer["results"][0]["result"].as_array().expect("regions").clone();
    assert_eq!(regions.len(), 2, "{answer:#}");
    assert_eq!(regions[0]["value"]["choices"], json!(["blue"]), "{answer:#}");
    assert_eq!(regions[1]["value"]["choices"], json!(["sun"]), "{answer:#}");
    server.stop().await;
}

/// Teaches `n` pictures of the first `classes` classes.
async fn teach(server: &Server, n: i64, classes: usize) {
    for id in 1..=n {
        let class = id as usize % classes;
        let answer = server.annotate(WEATHER, id, &data_uri(class, id as u32), CLASSES[class]).await;
        assert_eq!(answer.status(), 201);
    }
}

async fn train(server: &Server) -> Value {
    let answer = server.post_json("/train", &json!({"project": "1.1700000000"})).await;
    let job = server.job_ended(answer["job"].as_str().expect("a job id")).await;
    assert_eq!(job["state"], "done", "{job:#}");
    job
}

/// Six answers by a class that was renamed, among 24.
#[tokio::test]
async fn answers_that_teach_nothing_are_counted_by_reason_and_a_new_name_is_offered() {
    let server = Server::start(&["--no-starter"]).await;
    let renamed = WEATHER.replace("sunrise", "sunrise (new)");
    for id in 1..=24 {
        let class = id as usize % 4;
        let written = [" cloudy", "rain ", "shine", "sunrise"][class];
        server.annotate(&renamed, id, &data_uri(class, id as u32), written).await;
    }
    server.train().await;
    let started = std::time::Instant::now();
    let shown = loop {
        let shown = server.get_json("/api/projects/1").await;
        if shown["labels"]["unused"][0]["annotations"] == 6 && shown["versions"][0]["labels"] == 18 {
            break shown;
        }
        assert!(started.elapsed().as_secs() < 60, "{shown:#}");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    let unused = &shown["labels"]["unused"];
    assert_eq!(unused.as_array().map(Vec::len), Some(1), "spaces at the ends are no other class: {unused:#}");
    assert_eq!(
        (&unused[0]["from_name"], &unused[0]["perhaps"]),
        (&json!("weather"), &json!("sunrise (new)"))
    );
    let reason = unused[0]["reason"].as_str().expect("words");
    assert!(
        reason.starts_with("6 answers teach nothing: `weather` has no class `sunrise` (tasks 3, 7, 11"),
        "{reason}"
    );
    let page = server.get("/ui/projects/1").await.text().await.expect("a page");
    let command = "weathervane labels rename --project 1 sunrise 'sunrise (new)'";
    assert!(reason.contains(command), "{reason}");
    assert!(page.contains("6 answers teach nothing") && page.contains(command), "{page}");
    server.stop().await;
}
