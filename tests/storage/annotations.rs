use weathervane::domain::annotation::Annotation;
use weathervane::domain::ids::{AnnotationId, TaskId};
use weathervane::storage::{
    AnnotationCounts, EventRecord, Export, ProjectConfig, Reconciled, Storage, TaskState,
};

use super::support::{Database, PROJECT, annotation, created, info, task};

async fn receive(storage: &Storage, annotation: Annotation, now: i64) -> i64 {
    storage.record_event(&created(vec![annotation]), None, now).await.unwrap().changed
}

async fn delete(storage: &Storage, id: i64, now: i64) -> i64 {
    let mut event = EventRecord::new(info(), "ANNOTATIONS_DELETED");
    event.deleted_annotations = vec![AnnotationId(id)];
    storage.record_event(&event, None, now).await.unwrap().changed
}

pub async fn an_older_state_never_replaces_a_newer_one(database: &Database) {
    let storage = database.open().await;
    assert_eq!(receive(&storage, annotation(1, "rain", 5), 1).await, 1);
    assert_eq!(receive(&storage, annotation(1, "snow", 4), 2).await, 0);
    assert_eq!(receive(&storage, annotation(1, "rain", 8), 3).await, 0);
    assert_eq!(receive(&storage, annotation(1, "snow", 7), 4).await, 0);
    assert_eq!(storage.annotations(PROJECT).await.unwrap(), [annotation(1, "rain", 8)]);
    assert_eq!(receive(&storage, annotation(1, "fog", 9), 5).await, 1);
    let project = storage.project(PROJECT).await.unwrap().unwrap();
    assert_eq!((project.updates_seen, project.pending_updates()), (2, 2));
}

pub async fn a_repeated_creation_does_not_undo_a_deletion(database: &Database) {
    let storage = database.open().await;
    receive(&storage, annotation(1, "rain", 5), 1).await;
    assert_eq!(delete(&storage, 1, 2).await, 1);
    assert_eq!(delete(&storage, 1, 3).await, 0);
    assert_eq!(receive(&storage, annotation(1, "rain", 5), 4).await, 0);
    assert_eq!(storage.annotations(PROJECT).await.unwrap(), []);
}

pub async fn deleting_an_unknown_annotation_leaves_a_tombstone(database: &Database) {
    let storage = database.open().await;
    assert_eq!(delete(&storage, 1, 1).await, 0);
    assert_eq!(receive(&storage, annotation(1, "rain", 5), 2).await, 0);
    let counts = storage.annotation_counts(PROJECT).await.unwrap();
    assert_eq!(counts, AnnotationCounts { live: 0, cancelled: 0 });
}

pub async fn deleting_a_task_deletes_its_annotations(database: &Database) {
    let storage = database.open().await;
    let mut skip = annotation(2, "rain", 1);
    skip.was_cancelled = true;
    let mut event = created(vec![annotation(1, "rain", 1), skip, annotation(3, "fog", 1)]);
    event.tasks = vec![task(1, "a.png"), task(2, "b.png"), task(3, "c.png")];
    storage.record_event(&event, None, 1).await.unwrap();
    let counts = storage.annotation_counts(PROJECT).await.unwrap();
    assert_eq!(counts, AnnotationCounts { live: 2, cancelled: 1 });

    let mut deleted = EventRecord::new(info(), "TASKS_DELETED");
    deleted.deleted_tasks = vec![TaskId(1), TaskId(2), TaskId(99)];
    assert_eq!(storage.record_event(&deleted, None, 2).await.unwrap().changed, 1);
    assert_eq!(storage.annotations(PROJECT).await.unwrap(), [annotation(3, "fog", 1)]);
    assert_eq!(receive(&storage, annotation(99, "rain", 9), 3).await, 0);
    assert_eq!(storage.annotations(PROJECT).await.unwrap().len(), 1);
}

pub async fn an_export_replaces_all_but_what_came_after_it(database: &Database) {
    let storage = database.open().await;
    let mut before = created((1..=4).map(|id| annotation(id, "rain", 10)).collect());
    before.tasks = (1..=4).map(|id| task(id, "a.png")).collect();
    storage.record_event(&before, None, 100).await.unwrap();
    delete(&storage, 4, 101).await;
    // The export is asked for at 200; a submit, an update and a deletion overtake it.
    let mut after = created(vec![annotation(5, "fog", 205), annotation(2, "fog", 206)]);
    after.tasks = vec![task(5, "e.png")];
    storage.record_event(&after, None, 207).await.unwrap();
    delete(&storage, 3, 208).await;

    // 1 was changed, 2 and 3 are as they were, 4 lives, 6 came while we were down.
    let annotations = [
        annotation(1, "snow", 3),
        annotation(2, "rain", 10),
        annotation(3, "rain", 10),
        annotation(4, "rain", 10),
        annotation(6, "snow", 50),
    ];
    let tasks: Vec<_> = [2, 3, 4, 6].map(|id| task(id, "a.png")).into();
    let export = Export { annotations: &annotations, tasks: &tasks, all_tasks: false, started_at: 200 };
    let reconciled = storage.replace_from_export(PROJECT, &export, 300).await.unwrap();
    let expected =
        Reconciled { added: 2, changed: 1, removed: 0, tasks_changed: 1, tasks_removed: 0, label_changes: 3 };
    assert_eq!(reconciled, expected);
    let live = storage.annotations(PROJECT).await.unwrap();
    let expected = [
        annotation(1, "snow", 3),
        annotation(2, "fog", 206),
        annotation(4, "rain", 10),
        annotation(5, "fog", 205),
        annotation(6, "snow", 50),
    ];
    assert_eq!(live, expected);
    assert_eq!(storage.replace_from_export(PROJECT, &export, 301).await.unwrap(), Reconciled::default());

    let export = Export { annotations: &annotations[4..], tasks: &tasks, all_tasks: true, started_at: 400 };
    let reconciled = storage.replace_from_export(PROJECT, &export, 401).await.unwrap();
    assert_eq!((reconciled.removed, reconciled.tasks_removed, reconciled.label_changes), (4, 2, 4));
    assert_eq!(storage.annotations(PROJECT).await.unwrap(), annotations[4..]);
    assert_eq!(storage.task_counts(PROJECT).await.unwrap().total, 4);
}

pub async fn an_export_of_labelled_tasks_deletes_no_others(database: &Database) {
    let storage = database.open().await;
    storage.upsert_tasks(PROJECT, &[task(1, "a.png"), task(2, "b.png")], 1).await.unwrap();
    let export = Export {
        annotations: &[annotation(1, "rain", 1)],
        tasks: &[task(1, "a.png")],
        all_tasks: false,
        started_at: 10,
    };
    let reconciled = storage.replace_from_export(PROJECT, &export, 11).await.unwrap();
    assert_eq!((reconciled.added, reconciled.tasks_changed, reconciled.tasks_removed), (1, 0, 0));
    assert_eq!(storage.task_counts(PROJECT).await.unwrap().total, 2);
    let project = storage.project(PROJECT).await.unwrap().unwrap();
    assert_eq!(project.pending_updates(), 1);
}

pub async fn those_of_some_tasks_are_read(database: &Database) {
    let storage = database.open().await;
    let event = created((1..=4).map(|id| annotation(id, "rain", 1)).collect());
    storage.record_event(&event, None, 1).await.unwrap();
    let mut found: Vec<i64> = storage
        .annotations_of(PROJECT, &[event.annotations[1].task, event.annotations[3].task])
        .await
        .unwrap()
        .iter()
        .map(|annotation| annotation.id.0)
        .collect();
    found.sort_unstable();
    assert_eq!(found, [event.annotations[1].id.0, event.annotations[3].id.0]);
    assert_eq!(storage.annotations_of(PROJECT, &[]).await.unwrap(), []);
}

/// An answer in which a region of `weather` is there and nothing ticked, or no region at all.
fn nothing(id: i64, region: bool, updated_at: i64) -> Annotation {
    let mut annotation = annotation(id, "rain", updated_at);
    match region {
        true => annotation.result[0]["value"]["choices"] = serde_json::json!([]),
        false => annotation.result.clear(),
    }
    annotation
}

pub async fn a_task_answered_with_nothing_stays_open_and_is_counted(database: &Database) {
    let storage = database.open().await;
    let tasks: Vec<_> = (1..=5).map(|id| task(id, "a.png")).collect();
    storage.upsert_tasks(PROJECT, &tasks, 1).await.unwrap();
    let mut skip = nothing(3, false, 1);
    skip.was_cancelled = true;
    let answers = vec![nothing(1, false, 1), nothing(2, true, 1), skip, annotation(4, "rain", 1)];
    storage.record_event(&created(answers), None, 2).await.unwrap();

    let states: Vec<TaskState> = storage.task_states(PROJECT).await.unwrap().into_values().collect();
    let open = TaskState::Open;
    assert_eq!(states, [open, open, TaskState::Skipped, TaskState::Labelled, open]);
    let counts = storage.task_counts(PROJECT).await.unwrap();
    assert_eq!((counts.labelled, counts.skipped), (1, 1));
    let pool = storage.unlabelled_tasks_page(PROJECT, None, 10).await.unwrap();
    assert_eq!(pool.iter().map(|task| task.id.0).collect::<Vec<_>>(), [1, 2, 3, 5]);
    assert_eq!(storage.empty_answers(PROJECT, 10).await.unwrap(), (2, vec![TaskId(1), TaskId(2)]));
    assert_eq!(storage.empty_answers(PROJECT, 1).await.unwrap(), (2, vec![TaskId(1)]));

    // A second person answers the first task, the second answer is corrected, and the fourth emptied.
    let mut second = annotation(11, "rain", 3);
    second.task = TaskId(1);
    let later = vec![second, annotation(2, "fog", 3), nothing(4, false, 3)];
    storage.record_event(&created(later), None, 4).await.unwrap();
    assert_eq!(storage.empty_answers(PROJECT, 10).await.unwrap(), (1, vec![TaskId(4)]));
    let mut deleted = EventRecord::new(info(), "TASKS_DELETED");
    deleted.deleted_tasks = vec![TaskId(4)];
    storage.record_event(&deleted, None, 5).await.unwrap();
    assert_eq!(storage.empty_answers(PROJECT, 10).await.unwrap(), (0, vec![]));

    // Where any number may apply, a region without a choice says that none does; no region says nothing there too.
    let mut info = info();
    let xml = r#"<View><Image name="i" value="$image"/><Choices name="weather" toName="i" choice="multiple">
        <Choice value="rain"/><Choice value="fog"/></Choices></View>"#;
    info.config = Some(ProjectConfig { label_config: xml.to_owned(), digest: None, problem: None });
    storage.upsert_project(&info, 6).await.unwrap();
    storage.record_event(&created(vec![nothing(5, true, 7), nothing(3, false, 7)]), None, 8).await.unwrap();
    assert_eq!(storage.empty_answers(PROJECT, 10).await.unwrap(), (1, vec![TaskId(3)]));
}
