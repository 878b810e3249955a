//! The queue: its order, the look at another one, and the choice.

use serde_json::{Value, json};

use crate::support::browser::{Visitor, assert_page};
use crate::support::label_studio::beside;
use crate::support::pictures::data_uri;
use crate::support::queue::Fake;
use crate::support::{Server, WEATHER};

fn open(ids: std::ops::RangeInclusive<i64>) -> Vec<Value> {
    ids.map(|id| json!({"id": id, "data": {"image": data_uri(id as usize, id as u32)}})).collect()
}

#[tokio::test]
async fn the_queue_shows_why_and_another_strategys_order_before_it_is_used() {
    let server = Server::start(&[
        "--no-starter",
        "--train-trigger",
        "manual",
        "--label-studio-public-url",
        "http://ls.example",
    ])
    .await;
    server.taught(1..=9).await;
    server.train().await;
    let created = json!({"action": "TASKS_CREATED", "project": {"id": 1}, "tasks": open(21..=26)});
    server.post("/webhook", &created).await;
    server.pool_filled(15, 0).await;
    let mut visitor = Visitor::of(&server);
    let page = visitor.until("/ui/projects/1/queue", |page| page.contains("6 open tasks are ranked")).await;
    assert!(page.text.contains("http://ls.example/projects/1/data?task=21"), "{}", page.text);
    assert!(page.text.contains("Probabilities of weather") && page.text.contains("This strategy is in use."));
    assert_page!(page);

    let ranked = server.get_json("/api/projects/1/queue?strategy=k-center").await;
    let first = &ranked["tasks"][0];
    let (stands_for, alike) =
        (first["stands_for"].as_u64().expect("a number"), first["alike"].as_array().expect("tasks"));
    assert!(alike.len() as u64 == stands_for.min(3) && !alike.contains(&first["task"]), "{first}");
    let plain = server.get_json("/api/projects/1/queue?strategy=margin").await;
    assert!(plain["tasks"][0]["stands_for"].is_null(), "{plain}");

    let look = visitor
        .until("/ui/projects/1/queue?strategy=margin", |page| {
            page.contains("ranked by <strong>margin</strong>")
        })
        .await;
    assert!(
        look.text.contains("Use this strategy") && look.text.contains("same place as now"),
        "{}",
        look.text
    );
    let untouched = server.get_json("/api/projects/1/queue").await;
    assert_eq!(untouched["strategy"], "u-herding");
    let used = visitor.submit(&look, "/ui/projects/1/queue/strategy", &[]).await;
    assert_eq!(used.location.as_deref(), Some("/ui/projects/1/queue?done=strategy"));
    assert_eq!(server.get_json("/api/projects/1/queue").await["strategy"], "margin");
    let after = visitor.get("/ui/projects/1/queue?done=strategy").await;
    assert!(after.text.contains("The strategy is stored."), "{}", after.text);
    let unknown = visitor.submit(&look, "/ui/projects/1/queue/strategy", &[("strategy", "best")]).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    server.stop().await;
}

#[tokio::test]
async fn a_task_stands_for_its_look_alikes_and_more_are_shown_below() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    // Ten pictures of each of four kinds.
    let tasks: Vec<Value> = (1..=40)
        .map(|id| json!({"id": id, "data": {"image": data_uri(id as usize % 4, id as u32)}}))
        .collect();
    server.setup(WEATHER).await;
    server.post("/webhook", &json!({"action": "TASKS_CREATED", "project": {"id": 1}, "tasks": tasks})).await;
    server.pool_filled(40, 0).await;
    let ranked = server.get_json("/api/projects/1/queue").await;
    let first = &ranked["tasks"][0];
    let reason = format!("stands for {} open images", first["stands_for"]);
    assert!(first["reason"] == reason && first["stands_for"].as_u64() > Some(1), "{first}");
    let sum: u64 = ranked["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .filter_map(|task| task["stands_for"].as_u64())
        .sum();
    assert!(sum <= 40, "none is counted twice: {sum}");

    let mut visitor = Visitor::of(&server);
    let page = visitor.until("/ui/projects/1/queue", |page| page.contains("40 open tasks are ranked")).await;
    let alike = &first["alike"][0];
    assert!(
        page.text.contains(&reason) && page.text.contains(&format!("thumbnails/{alike}\"")),
        "{}",
        page.text
    );
    // Without scripts the link goes on at the first that is new.
    assert!(page.text.contains("href=\"/ui/projects/1/queue?n=48#place-25\""), "{}", page.text);
    assert!(page.text.contains("id=\"place-24\"") && !page.text.contains("id=\"place-25\""));
    let more = visitor.get("/ui/projects/1/queue?n=48").await;
    assert!(more.text.contains("id=\"place-40\"") && !more.text.contains("Show more"), "{}", more.text);
    server.stop().await;
}

#[tokio::test]
async fn label_studios_queue_follows_the_strategy() {
    let fake = Fake::start(open(1..=16)).await;
    let server = Server::start(&[&["--no-starter"], &beside(&fake.mock.uri())[..]].concat()).await;
    fake.connect(&server);
    server.setup(WEATHER).await;
    server.pool_filled(16, 0).await;
    fake.names("untrained").await;
    let order = |fake: &Fake| -> Vec<i64> {
        let kept = fake.kept();
        let mut rows: Vec<(f64, i64)> = kept
            .predictions
            .iter()
            .filter(|row| row["model_version"].as_str() == kept.model_version.as_deref())
            .map(|row| (row["score"].as_f64().expect("a score"), row["task"].as_i64().expect("a task")))
            .collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        rows.into_iter().map(|(_, task)| task).collect()
    };
    let before = order(&fake);
    let mut visitor = Visitor::of(&server);
    let look = visitor.get("/ui/projects/1/queue?strategy=random").await;
    visitor.submit(&look, "/ui/projects/1/queue/strategy", &[]).await;
    let wanted: Vec<i64> = server.get_json("/api/projects/1/queue").await["tasks"]
        .as_array()
        .expect("tasks")
        .iter()
        .map(|task| task["task"].as_i64().expect("an id"))
        .collect();
    assert_ne!(before, wanted);
    let started = std::time::Instant::now();
    // It is the same version, so its second order has another name.
    while order(&fake) != wanted || fake.kept().model_version.as_deref() != Some("untrained.2") {
        assert!(started.elapsed().as_secs() < 60, "{:?} is not {wanted:?}", order(&fake));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    server.stop().await;
}
