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
    while order(&fake) != wanted || fake.kept().model_version.as_deref() != Some("untrained") {
        assert!(started.elapsed().as_secs() < 60, "{:?} is not {wanted:?}", order(&fake));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    server.stop().await;
}
