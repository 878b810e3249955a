//! The pool, its ranking, and how Label Studio's queue follows it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::label_studio::beside;
use crate::support::pictures::{CLASSES, data_uri};
use crate::support::queue::{Fake, Kept};
use crate::support::{Server, WEATHER, annotation_event};

const PATIENCE: Duration = Duration::from_secs(60);

const STRATEGIES: [&str; 13] = [
    "random",
    "least-confidence",
    "margin",
    "entropy",
    "k-center",
    "medoids",
    "typiclust",
    "max-herding",
    "u-herding",
    "badge",
    "coral",
    "cluster-margin",
    "tcm",
];

#[tokio::test]
async fn small_pools_are_ranked_by_every_strategy() {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    server.post("/webhook", &tasks_created(&[])).await;
    for tasks in [0, 1, 6] {
        // All of them the same picture.
        let created: Vec<Value> =
            (1..=tasks).map(|id: i64| json!({"id": id, "data": {"image": data_uri(0, 7)}})).collect();
        server.post("/webhook", &tasks_created(&created)).await;
        pool_filled(&server, tasks).await;
        for strategy in STRATEGIES {
            let queue = server.get_json(&format!("/api/projects/1/queue?limit=50&strategy={strategy}")).await;
            let mut ids: Vec<i64> = ids(&queue);
            ids.sort_unstable();
            assert_eq!(ids, (1..=tasks).collect::<Vec<_>>(), "{strategy}: {queue:#}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn labels_of_one_class_leave_the_order_to_where_images_lie() {
    let server = Server::start(&["--no-starter"]).await;
    for id in 1..=3 {
        server.annotate(WEATHER, id, &data_uri(1, id as u32), "rain").await;
    }
    let open = open_tasks(11..=16);
    server.post("/webhook", &tasks_created(&open)).await;
    pool_filled(&server, 9).await;
    let queue = server.get_json("/api/projects/1/queue").await;
    assert_eq!((&queue["strategy"], &queue["ranked"]), (&json!("max-herding"), &json!(6)), "{queue:#}");
    server.stop().await;
}

#[tokio::test]
async fn tasks_that_go_or_are_labelled_leave_the_ranking() {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    let open = open_tasks(1..=5);
    server.post("/webhook", &tasks_created(&open)).await;
    pool_filled(&server, 5).await;
    server.annotate(WEATHER, 2, &data_uri(2, 2), "shine").await;
    let gone = json!({"action": "TASKS_DELETED", "tasks": [{"id": 4}], "project": {"id": 1}});
    server.post("/webhook", &gone).await;
    let queue = server.get_json("/api/projects/1/queue").await;
    let mut left = ids(&queue);
    left.sort_unstable();
    assert_eq!(left, [1, 3, 5], "{queue:#}");
    server.stop().await;
}

#[tokio::test]
async fn an_image_that_cannot_be_had_is_left_out_with_its_reason() {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    let tasks = [
        json!({"id": 1, "data": {"image": data_uri(0, 1)}}),
        json!({"id": 2, "data": {"image": "data:image/png;base64,AAAA"}}),
        json!({"id": 3, "data": {"other": 1, "more": 2}}),
    ];
    server.post("/webhook", &tasks_created(&tasks)).await;
    pool_filled(&server, 3).await;
    let queue = server.get_json("/api/projects/1/queue").await;
    assert_eq!(ids(&queue), [1], "{queue:#}");
    let left_out = queue["left_out"].as_array().expect("left out");
    assert_eq!((left_out[0]["task"].as_i64(), left_out[1]["task"].as_i64()), (Some(2), Some(3)), "{queue:#}");
    assert!(left_out.iter().all(|row| row["reason"].as_str().is_some_and(|reason| reason.len() > 10)));
    server.stop().await;
}

#[tokio::test]
async fn wrong_requests_are_named() {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    server.post("/webhook", &tasks_created(&[])).await;
    for (at, status, named) in [
        ("/api/projects/1/queue?strategy=best", 400, "u-herding"),
        ("/api/projects/1/queue?limit=10001", 400, "10001"),
        ("/api/projects/1/queue?limit=-1", 400, "`-1` is not a number of tasks from 0 to 10000"),
        ("/api/projects/1/queue?limit=many", 400, "limit"),
        ("/api/projects/2/queue", 404, "2"),
        ("/api/projects/x/queue", 404, "x"),
    ] {
        let answer = server.get(at).await;
        let (found, text) = (answer.status(), answer.text().await.expect("text"));
        assert_eq!(found, status, "{at}: {text}");
        assert!(text.contains(named), "{at}: {text}");
    }
    server.stop().await;
}

#[tokio::test]
async fn labels_of_a_class_that_was_taken_out_are_kept_aside() {
    let server = Server::start(&["--no-starter"]).await;
    for id in 1..=12 {
        let class = id as usize % 3;
        server.annotate(WEATHER, id, &data_uri(class, id as u32), CLASSES[class]).await;
    }
    labels_learnt(&server, 12).await;
    let without_rain = WEATHER.replace(r#"<Choice value="rain"/>"#, r#"<Choice value="fog"/>"#);
    server.post("/webhook", &project_updated(&without_rain)).await;
    labels_learnt(&server, 8).await;
    assert_eq!(server.get_json("/api/projects/1").await["annotations"], 12);
    server.post("/webhook", &project_updated(WEATHER)).await;
    labels_learnt(&server, 12).await;
    server.stop().await;
}

#[tokio::test]
async fn a_token_that_expires_in_the_middle_leaves_the_old_order_until_it_is_good_again() {
    let open = open_tasks(1..=9);
    let fake = Fake::start(open).await;
    let server = Server::start(&[&["--no-starter"], &beside(&fake.mock.uri())[..]].concat()).await;
    fake.connect(&server);
    server.setup(WEATHER).await;
    until(&fake, "the first order", |kept| kept.model_version.is_some()).await;
    let before = fake.kept().model_version.clone();

    fake.kept().refuses = true;
    for id in 1..=6 {
        let class = id as usize % 4;
        server.annotate(WEATHER, id, &data_uri(class, id as u32), CLASSES[class]).await;
    }
    until(&fake, "two refused attempts", |kept| kept.refused >= 2).await;
    assert_eq!(fake.kept().model_version, before, "half-way");
    let problem = server.get_json("/api/projects/1").await["queue"]["problem"].to_string();
    assert!(problem.contains("token"), "{problem}");

    fake.kept().refuses = false;
    let version = server.get_json("/api/projects/1").await["version"].as_str().expect("a version").to_owned();
    // Under a name of its own where an attempt under the version's name was refused half-way.
    let is_of = |named: &String| named == &version || named.starts_with(&format!("{version}."));
    until(&fake, "the new order", |kept| kept.model_version.as_ref().is_some_and(is_of)).await;
    let named = fake.kept().model_version.clone().expect("a version");
    let of_version: Vec<i64> = fake
        .kept()
        .predictions
        .iter()
        .filter(|row| row["model_version"] == named.as_str())
        .filter_map(|row| row["task"].as_i64())
        .collect();
    let mut distinct = of_version.clone();
    distinct.sort_unstable();
    assert_eq!(distinct, [7, 8, 9], "each open task once");
    until(&fake, "the title", |kept| kept.title.as_ref() == Some(&named)).await;
    let ranked = ids(&server.get_json("/api/projects/1/queue").await);
    assert_eq!(of_version, ranked);
    server.stop().await;
}

/// While title and version are the same Label Studio asks a backend about each task that it serves; and it stores a backend whole
/// after each request to it, with the title it had before, so that a title may go back.
#[tokio::test]
async fn the_project_follows_an_order_first_and_the_title_comes_after_it_even_where_it_is_put_back() {
    let open = open_tasks(1..=9);
    let fake = Fake::start(open).await;
    let server = Server::start(&[&["--no-starter"], &beside(&fake.mock.uri())[..]].concat()).await;
    fake.connect(&server);
    server.setup(WEATHER).await;
    until(&fake, "the first order's title", |kept| kept.title.is_some()).await;
    fake.kept().puts_back = true;
    for id in 1..=4 {
        let class = id as usize % 4;
        server.annotate(WEATHER, id, &data_uri(class, id as u32), CLASSES[class]).await;
    }
    labels_learnt(&server, 4).await;
    let version = server.get_json("/api/projects/1").await["version"].clone();
    until(&fake, "the new order", |kept| kept.model_version.as_deref() == version.as_str()).await;
    until(&fake, "the title", |kept| kept.title.as_deref() == version.as_str()).await;
    let titles = fake.kept().titles.clone();
    assert!(!fake.kept().puts_back && titles.len() >= 3, "{titles:?}");
    assert!(titles.iter().all(|(title, version)| title == version), "a title before its order: {titles:?}");
    server.stop().await;
}

/// Label Studio's events overtake each other; and it stores a project whole (`Project.save`), so that a label config that is saved
/// while it changes the version for us is lost.
#[tokio::test]
async fn whatever_label_config_events_tell_that_of_label_studio_counts() {
    let fake = Fake::start(open_tasks(1..=9)).await;
    let server = Server::start(&[&["--no-starter"], &beside(&fake.mock.uri())[..]].concat()).await;
    fake.connect(&server);
    server.setup(WEATHER).await;
    until(&fake, "the first order's title", |kept| kept.title.is_some()).await;
    let start = WEATHER.trim_end().strip_suffix("</View>").expect("a view");
    let saved = format!("{start}<Choices name=\"more\" toName=\"image\" value=\"$more\"/></View>");
    let leaves_out = async |count: usize| {
        let started = Instant::now();
        while server.get_json("/api/projects/1").await["ignored"].as_array().map(Vec::len) != Some(count) {
            assert!(started.elapsed() < PATIENCE, "the label config of an event counts for good");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };

    fake.kept().label_config = Some(saved.clone());
    fake.kept().brings_back = Some(WEATHER.to_owned());
    for id in 1..=4 {
        let class = id as usize % 4;
        server.annotate(WEATHER, id, &data_uri(class, id as u32), CLASSES[class]).await;
    }
    until(&fake, "a change of the version", |kept| kept.brings_back.is_none()).await;
    server.post("/webhook", &project_updated(&saved)).await;
    leaves_out(1).await;
    leaves_out(0).await;

    fake.kept().label_config = Some(saved.clone());
    server.post("/webhook", &project_updated(&saved)).await;
    server.post("/webhook", &project_updated(WEATHER)).await;
    leaves_out(1).await;
    assert_eq!(fake.kept().label_config, Some(saved), "nothing is written there");
    server.stop().await;
}

/// Label Studio serves nothing but the order's tasks while one of them is open, and nothing at all where others hold those.
#[tokio::test]
async fn an_order_that_runs_out_is_followed_by_another_though_no_version_comes() {
    let open = open_tasks(1..=9);
    let fake = Fake::start(open).await;
    let few = ["--no-starter", "--train-trigger", "manual", "--queue-tasks", "4"];
    let server = Server::start(&[&few, &beside(&fake.mock.uri())[..]].concat()).await;
    fake.connect(&server);
    server.setup(WEATHER).await;
    until(&fake, "the first order", |kept| kept.model_version.is_some()).await;
    for answered in (0..9).step_by(3) {
        let version = fake.kept().model_version.clone();
        let rows = fake.kept().predictions.clone();
        let of_version = rows.iter().filter(|row| row["model_version"].as_str() == version.as_deref());
        let tasks: Vec<i64> = of_version.filter_map(|row| row["task"].as_i64()).collect();
        assert_eq!(tasks.len(), 4.min(9 - answered), "{tasks:?}");
        for task in &tasks[..3] {
            server.annotate(WEATHER, *task, &data_uri(*task as usize, *task as u32), "rain").await;
        }
        if answered < 6 {
            until(&fake, "the next order", |kept| kept.model_version != version).await;
        }
    }
    server.stop().await;
}

/// An editor may hold any of them; Label Studio refuses the submit where the one it began from is gone.
#[tokio::test]
async fn no_prediction_is_ever_deleted_and_a_task_has_two_that_take_turns() {
    let open = open_tasks(11..=16);
    let fake = Fake::start(open).await;
    let manual = ["--no-starter", "--train-trigger", "manual"];
    let server = Server::start(&[&manual, &beside(&fake.mock.uri())[..]].concat()).await;
    fake.connect(&server);
    server.setup(WEATHER).await;
    until(&fake, "the first order", |kept| kept.model_version.is_some()).await;
    let mut known: Vec<Value> = Vec::new();
    for round in 0..5_i64 {
        for id in 1..=3 {
            let (id, class) = (round * 3 + id + 100, (id + round / 2) as usize % 4);
            server.annotate(WEATHER, id, &data_uri(class, id as u32), CLASSES[class]).await;
        }
        server.train().await;
        let version = server.get_json("/api/projects/1").await["version"].clone();
        // Until the order stands, Label Studio is told the version before.
        until(&fake, "the order", |kept| kept.model_version.as_deref() == version.as_str()).await;
        assert_eq!(server.setup(WEATHER).await, version);
        let rows = fake.kept().predictions.clone();
        let in_force = |task: i64| {
            rows.iter().filter(|row| row["task"] == task && row["model_version"] == version).count()
        };
        assert!((11..=16).all(|task| in_force(task) == 1), "{rows:#?}");
        let ids = |rows: &[Value]| rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>();
        assert!(ids(&known).iter().all(|id| ids(&rows).contains(id)), "a row is gone");
        known = rows;
    }
    assert_eq!(known.len(), 12, "two rows a task: {known:#?}");
    assert!(fake.kept().changed >= 18, "{} changed in place", fake.kept().changed);
    server.stop().await;
}

fn open_tasks(ids: std::ops::RangeInclusive<i64>) -> Vec<Value> {
    ids.map(|id| json!({"id": id, "data": {"image": data_uri(id as usize, id as u32)}})).collect()
}

fn tasks_created(tasks: &[Value]) -> Value {
    json!({"action": "TASKS_CREATED", "tasks": tasks, "project": project(WEATHER)})
}

fn project_updated(config: &str) -> Value {
    json!({"action": "PROJECT_UPDATED", "project": project(config)})
}

fn project(config: &str) -> Value {
    annotation_event("", config, 1, "", "")["project"].clone()
}

fn ids(queue: &Value) -> Vec<i64> {
    let tasks = queue["tasks"].as_array().unwrap_or_else(|| panic!("no tasks: {queue:#}"));
    tasks.iter().map(|task| task["task"].as_i64().expect("an id")).collect()
}

/// Waits until every one of the project's tasks was looked at.
async fn pool_filled(server: &Server, tasks: i64) {
    let started = Instant::now();
    loop {
        let pool = server.get_json("/api/projects/1").await["queue"]["pool"].clone();
        let number = |key: &str| pool[key].as_i64().unwrap_or(-1);
        if number("tasks") == tasks && number("embedded") + number("failed") == tasks {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{pool:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until the version that serves has learnt so many labels.
async fn labels_learnt(server: &Server, labels: u64) {
    let started = Instant::now();
    loop {
        let shown = server.get_json("/api/projects/1").await;
        let newest = shown["versions"][0].clone();
        if newest["heads"][0]["evaluation"]["n"].as_u64() == Some(labels) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{shown:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until(fake: &Fake, what: &str, holds: impl Fn(&Kept) -> bool) {
    let started = Instant::now();
    while !holds(&fake.kept()) {
        assert!(started.elapsed() < PATIENCE, "no {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
