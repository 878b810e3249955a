use weathervane::domain::ids::{AnnotationId, JobId, TaskId};
use weathervane::storage::{EventOutcome, EventRecord};

use super::support::{Database, PROJECT, SECOND, annotation, created, info, task, training};

pub async fn a_second_delivery_changes_nothing(database: &Database) {
    let storage = database.open().await;
    let mut event = created(vec![annotation(1, "rain", 1)]);
    (event.digest, event.dedupe) = ("digest".into(), true);
    let first = storage.record_event(&event, Some(&training()), 1).await.unwrap();
    assert!(
        matches!(first, EventOutcome { duplicate: false, changed: 1, pending: 1, job: Some(_) }),
        "{first:?}"
    );
    let jobs = storage.open_jobs().await.unwrap();
    event.tasks = vec![task(9, "never.png")];
    event.project.title = Some("never".into());
    let second = storage.record_event(&event, Some(&training()), SECOND).await.unwrap();
    assert_eq!(second, EventOutcome { duplicate: true, changed: 0, pending: 1, job: None });
    assert_eq!(storage.open_jobs().await.unwrap(), jobs);
    assert_eq!(storage.recent_events(PROJECT, 9).await.unwrap().len(), 1);
    assert_eq!(storage.task_counts(PROJECT).await.unwrap().total, 0);
    assert_eq!(storage.project(PROJECT).await.unwrap().unwrap().title, None);

    // Another digest, the same annotation: a new event, but no label change and so no job.
    event.digest = "another".into();
    let third = storage.record_event(&event, Some(&training()), 2 * SECOND).await.unwrap();
    assert_eq!((third.duplicate, third.changed, third.job), (false, 0, None));
}

pub async fn events_that_may_come_twice_are_both_recorded(database: &Database) {
    let storage = database.open().await;
    let event = EventRecord::new(info(), "START_TRAINING");
    let mut forced = training();
    forced.force = true;
    let first = storage.record_event(&event, Some(&forced), 1).await.unwrap();
    let second = storage.record_event(&event, Some(&forced), 2).await.unwrap();
    assert!(first.job.is_some() && first.job == second.job);
    assert_eq!(storage.recent_events(PROJECT, 9).await.unwrap().len(), 2);
    assert_eq!(storage.recent_events(PROJECT, 1).await.unwrap()[0].received_at, 2);
}

pub async fn concurrent_events_are_all_kept_and_counted(database: &Database) {
    let storage = database.open().await;
    // A second handle stands for a second program on the same database.
    let handles = [storage.clone(), database.open().await];
    let senders = (0..8_i64).map(|sender| {
        let storage = handles[sender as usize % 2].clone();
        tokio::spawn(async move {
            let mut jobs = Vec::<Option<JobId>>::new();
            for step in 0..10 {
                let mut event = created(vec![annotation(sender * 10 + step, "rain", 1)]);
                event.tasks = vec![task(sender * 10 + step, "a.png"), task(1_000, "shared.png")];
                jobs.push(storage.record_event(&event, Some(&training()), 1).await.unwrap().job);
            }
            jobs
        })
    });
    let mut jobs = Vec::new();
    for sender in Vec::from_iter(senders) {
        jobs.extend(sender.await.unwrap());
    }
    jobs.dedup();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    assert_eq!(storage.annotations(PROJECT).await.unwrap().len(), 80);
    assert_eq!(storage.project(PROJECT).await.unwrap().unwrap().updates_seen, 80);
    assert_eq!(storage.task_counts(PROJECT).await.unwrap().total, 81);
}

pub async fn a_dropped_recording_leaves_all_or_nothing(database: &Database) {
    let storage = database.open().await;
    storage.upsert_project(&info(), 1).await.unwrap();
    let event = created(vec![annotation(1, "rain", 1)]);
    // A request that is dropped half-way, as by a sender that hangs up.
    let dropped = storage.clone();
    let half = tokio::spawn(async move {
        let recording = Box::pin(dropped.record_event(&event, None, 1));
        futures_util::future::select(recording, Box::pin(tokio::task::yield_now())).await;
    });
    half.await.unwrap();
    let kept = storage.annotations(PROJECT).await.unwrap().len() as i64;
    let project = storage.project(PROJECT).await.unwrap().unwrap();
    assert_eq!(project.updates_seen, kept);
    let events = storage.recent_events(PROJECT, 9).await.unwrap().len() as i64;
    assert_eq!(events, kept);
    // The connection is usable again.
    let outcome = storage.record_event(&created(vec![annotation(2, "rain", 1)]), None, 2).await.unwrap();
    assert_eq!(outcome.changed, 1);
}

pub async fn old_events_are_pruned(database: &Database) {
    let storage = database.open().await;
    for now in [10, 20, 30] {
        let mut event = created(vec![annotation(now, "rain", 1)]);
        (event.digest, event.dedupe) = (now.to_string(), true);
        storage.record_event(&event, None, now).await.unwrap();
    }
    assert_eq!(storage.prune_events(30).await.unwrap(), 2);
    assert_eq!(storage.recent_events(PROJECT, 9).await.unwrap().len(), 1);
    let again = storage.record_event(&created(vec![annotation(10, "rain", 1)]), None, 40).await.unwrap();
    assert_eq!(again.changed, 0);
}

pub async fn a_deletion_of_many_thousands_lets_others_write_in_between(database: &Database) {
    const MANY: i64 = 22_000;
    let storage = database.open().await;
    let answered = [1, 2, MANY].map(|id| annotation(id, "rain", 1));
    storage.record_event(&created(answered.to_vec()), None, 1).await.unwrap();
    let mut event = EventRecord::new(info(), "ANNOTATIONS_DELETED");
    (event.digest, event.dedupe) = ("many".into(), true);
    event.deleted_annotations = (1..=MANY).map(AnnotationId).collect();
    let (large, small) = (storage.clone(), storage.clone());
    let deleting =
        tokio::spawn(async move { (large.record_event(&event, Some(&training()), 2).await, event) });
    // The write of another is taken in before all are deleted.
    while storage.annotations(PROJECT).await.unwrap().len() == 3 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    small.record_event(&created(vec![annotation(MANY + 1, "fog", 1)]), None, 2).await.unwrap();
    let ids = |annotations: &[weathervane::domain::annotation::Annotation]| {
        annotations.iter().map(|annotation| annotation.id.0).collect::<Vec<_>>()
    };
    assert_eq!(ids(&storage.annotations(PROJECT).await.unwrap()), [MANY, MANY + 1]);

    let (outcome, event) = deleting.await.unwrap();
    let outcome = outcome.unwrap();
    assert!(
        matches!(outcome, EventOutcome { duplicate: false, changed: 3, job: Some(_), .. }),
        "{outcome:?}"
    );
    assert_eq!(ids(&storage.annotations(PROJECT).await.unwrap()), [MANY + 1]);
    assert_eq!(storage.project(PROJECT).await.unwrap().unwrap().updates_seen, 3 + 1 + 3);

    // Its id was given to another annotation: a second delivery does not delete that.
    let mut another = annotation(1, "snow", 9);
    another.created_at = 9;
    storage.record_event(&created(vec![another]), None, 3).await.unwrap();
    assert!(storage.record_event(&event, None, 4).await.unwrap().duplicate);
    assert_eq!(ids(&storage.annotations(PROJECT).await.unwrap()), [1, MANY + 1]);

    let mut tasks = EventRecord::new(info(), "TASKS_DELETED");
    tasks.deleted_tasks = (1..=MANY + 1).map(TaskId).collect();
    assert_eq!(storage.record_event(&tasks, None, 5).await.unwrap().changed, 2);
    assert_eq!(storage.annotations(PROJECT).await.unwrap(), []);
}
