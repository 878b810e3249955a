use weathervane::domain::annotation::Annotation;
use weathervane::domain::ids::TaskId;
use weathervane::storage::{EventRecord, TaskCounts, TaskRecord};

use super::support::{Database, PROJECT, annotation, created, info, task};

pub async fn five_thousand_tasks_are_written_once(database: &Database) {
    let storage = database.open().await;
    let mut tasks: Vec<_> = (0..5_000).map(|id| task(id, &format!("{id}.png"))).collect();
    assert_eq!(storage.upsert_tasks(PROJECT, &tasks, 1).await.unwrap(), 5_000);
    assert_eq!(storage.upsert_tasks(PROJECT, &tasks, 2).await.unwrap(), 0);
    tasks[4_321] = task(4_321, "other.png");
    tasks.push(task(4_321, "last.png"));
    assert_eq!(storage.upsert_tasks(PROJECT, &tasks, 3).await.unwrap(), 1);
    let ids: Vec<_> = (0..6_000).map(TaskId).collect();
    let mut back = storage.tasks(PROJECT, &ids).await.unwrap();
    back.sort_by_key(|task| task.id);
    assert_eq!(back.len(), 5_000);
    assert_eq!(back[4_321], task(4_321, "last.png"));
    assert_eq!(storage.upsert_tasks(PROJECT, &[], 4).await.unwrap(), 0);
}

pub async fn an_older_task_never_replaces_a_newer_one(database: &Database) {
    let storage = database.open().await;
    let mut newer = task(1, "new.png");
    newer.updated_at = 9;
    storage.upsert_tasks(PROJECT, &[newer.clone()], 1).await.unwrap();
    assert_eq!(storage.upsert_tasks(PROJECT, &[task(1, "old.png")], 2).await.unwrap(), 0);
    assert_eq!(storage.tasks(PROJECT, &[TaskId(1)]).await.unwrap(), [newer.clone()]);

    let mut deleted = EventRecord::new(info(), "TASKS_DELETED");
    deleted.deleted_tasks = vec![TaskId(1), TaskId(2), TaskId(2)];
    storage.record_event(&deleted, None, 3).await.unwrap();
    assert_eq!(storage.upsert_tasks(PROJECT, &[newer, task(2, "late.png")], 4).await.unwrap(), 0);
    assert_eq!(storage.tasks_page(PROJECT, None, 9).await.unwrap(), []);
}

/// Label Studio on SQLite numbers imported tasks and annotations on from the highest that is left.
pub async fn the_id_of_a_deleted_task_may_be_given_to_another_one(database: &Database) {
    let storage = database.open().await;
    let at = |id, created_at, image| TaskRecord { created_at, ..task(id, image) };
    let mut event = created(vec![annotation(1, "rain", 15)]);
    event.tasks = vec![at(1, 10, "first.png"), at(2, 10, "first.png")];
    storage.record_event(&event, None, 20).await.unwrap();
    let mut deleted = EventRecord::new(info(), "TASKS_DELETED");
    deleted.deleted_tasks = vec![TaskId(1), TaskId(2), TaskId(3)];
    storage.record_event(&deleted, None, 30).await.unwrap();

    let late = [at(1, 10, "first.png"), at(2, 0, "first.png"), at(3, 10, "never seen.png")];
    assert_eq!(storage.upsert_tasks(PROJECT, &late, 40).await.unwrap(), 0);
    let mut again = created(vec![Annotation { created_at: 55, ..annotation(1, "fog", 55) }]);
    again.tasks = vec![at(1, 50, "second.png")];
    assert_eq!(storage.record_event(&again, None, 60).await.unwrap().changed, 1);
    // What is known of the first one comes too late.
    assert_eq!(storage.upsert_tasks(PROJECT, &late, 70).await.unwrap(), 0);
    assert_eq!(storage.tasks_page(PROJECT, None, 9).await.unwrap(), [at(1, 50, "second.png")]);
    assert_eq!(storage.task_counts(PROJECT).await.unwrap(), TaskCounts { total: 1, labelled: 1, skipped: 0 });
}

pub async fn pages_cover_every_task_once(database: &Database) {
    let storage = database.open().await;
    let tasks: Vec<_> = (-5..20).map(|id| task(id, "a.png")).collect();
    storage.upsert_tasks(PROJECT, &tasks, 1).await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = storage.tasks_page(PROJECT, after, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page);
    }
    assert_eq!(seen, tasks);
    assert_eq!(storage.tasks_page(PROJECT, None, -1).await.unwrap(), []);
}

pub async fn the_pool_is_the_tasks_without_an_answer(database: &Database) {
    let storage = database.open().await;
    let mut skipped = annotation(2, "rain", 1);
    skipped.was_cancelled = true;
    let mut event = created(vec![annotation(1, "rain", 1), skipped, annotation(3, "snow", 1)]);
    event.tasks = (1..6).map(|id| task(id, "a.png")).collect();
    storage.record_event(&event, None, 1).await.unwrap();
    let mut deleted = EventRecord::new(info(), "ANNOTATIONS_DELETED");
    deleted.deleted_annotations = vec![event.annotations[2].id];
    storage.record_event(&deleted, None, 2).await.unwrap();
    let pool = storage.unlabelled_tasks_page(PROJECT, None, 9).await.unwrap();
    assert_eq!(pool.iter().map(|task| task.id.0).collect::<Vec<_>>(), [2, 3, 4, 5]);
    let counts = storage.task_counts(PROJECT).await.unwrap();
    assert_eq!(counts, TaskCounts { total: 5, labelled: 1, skipped: 1 });
}
