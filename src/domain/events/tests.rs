use super::*;
use crate::domain::annotation::Target;
use crate::domain::label_config::{LabelConfig, LabelConfigError};
use crate::domain::project::ProjectRef;
use serde_json::json;
use std::collections::BTreeMap;

fn event(body: Value) -> WebhookEvent {
    WebhookEvent::from_json(&body).unwrap()
}

fn with(action: &str, key: &str, value: Value) -> WebhookEvent {
    event(json!({"action": action, "project": {"id": 1}, key: value}))
}

/// File name and request body of every recorded request that has one.
fn recordings() -> BTreeMap<String, Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/label-studio");
    let mut recordings = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let json: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if let Some(body) = json.pointer("/request/body_json").filter(|body| body.is_object()) {
            recordings.insert(name, body.clone());
        }
    }
    recordings
}

#[test]
fn every_recorded_webhook_is_understood() {
    let mut seen = 0;
    for (name, body) in recordings().into_iter().filter(|(_, body)| body.get("action").is_some()) {
        let event = event(body);
        assert_eq!(event.problems, Vec::<String>::new(), "{name}");
        assert!(event.project.title.is_some() && event.project.created_at.is_some(), "{name}");
        assert_eq!(event.project.min_annotations_to_start_training, Some(0), "{name}");
        let config = LabelConfig::parse(event.project.label_config.as_deref().unwrap()).unwrap();
        let fits = match (event.action.as_str(), &event.change) {
            ("ANNOTATION_CREATED" | "ANNOTATION_UPDATED", Change::AnnotationsSaved(annotations, tasks)) => {
                annotations.len() == 1 && tasks.len() == 1 && annotations[0].task == tasks[0].id
            }
            ("ANNOTATIONS_CREATED", Change::AnnotationsSaved(annotations, tasks)) => {
                annotations.len() == 2 && annotations.iter().zip(tasks).all(|(a, task)| a.task == task.id)
            }
            ("ANNOTATIONS_DELETED", Change::AnnotationsDeleted(ids)) => ids == &[AnnotationId(1)],
            ("TASKS_CREATED", Change::TasksCreated(tasks, false)) => {
                tasks.iter().all(|task| task.image_source(&config.heads[0].image_key).is_ok())
            }
            ("TASKS_DELETED", Change::TasksDeleted(ids)) => ids == &[TaskId(2275), TaskId(2276)],
            ("PROJECT_UPDATED", Change::ProjectUpdated) | ("START_TRAINING", Change::StartTraining) => true,
            _ => false,
        };
        assert!(fits, "{name}: {:?}", event.change);
        seen += 1;
    }
    assert_eq!(seen, 20);
}

#[test]
fn recorded_annotations_teach_what_the_person_chose() {
    let recordings = recordings();
    let targets = |name: &str| {
        let event = event(recordings.iter().find(|(file, _)| file.starts_with(name)).unwrap().1.clone());
        let config = LabelConfig::parse(&event.project.label_config.unwrap()).unwrap();
        let Change::AnnotationsSaved(annotations, _) = event.change else { panic!("{:?}", event.change) };
        let class = |annotation: &Annotation| match annotation.target(&config.heads[0])? {
            Target::Single(class) => Some(config.heads[0].classes[class].name.clone()),
            Target::Multiple(_) => None,
        };
        annotations.iter().map(class).collect::<Vec<_>>()
    };
    assert_eq!(targets("21-"), [Some("rain".to_owned())]);
    assert_eq!(targets("22-"), [Some("shine".to_owned())]);
    assert_eq!(targets("24-"), [None]);
    assert_eq!(targets("25-"), [Some("sunrise".to_owned()), Some("cloudy".to_owned())]);
}

#[test]
fn every_recorded_setup_and_predict_request_is_understood() {
    let mut seen = (0, 0);
    for (name, body) in recordings() {
        if body.get("action").is_some() {
            continue;
        }
        let project = ProjectRef::from_json(&body["project"]).unwrap();
        assert!(project.id.0 > 0 && project.created_at_secs > Some(1_795_000_000), "{name}");
        let xml = body.get("schema").or_else(|| body.get("label_config")).and_then(Value::as_str).unwrap();
        let config = LabelConfig::parse(xml);
        if xml == "<View></View>" {
            assert!(matches!(config, Err(LabelConfigError::NoChoices { .. })), "{name}: {config:?}");
        } else {
            assert!(config.as_ref().is_ok_and(|config| config.ignored.is_empty()), "{name}: {config:?}");
        }
        match body.get("tasks") {
            None => seen.0 += 1,
            Some(tasks) => {
                let key = config.unwrap().heads[0].image_key.clone();
                let tasks = Task::all_from_json(tasks);
                assert!(tasks.into_iter().all(|task| task.unwrap().image_source(&key).is_ok()), "{name}");
                seen.1 += 1;
            }
        }
    }
    assert!(seen.0 > 20 && seen.1 > 10, "{seen:?}");
}

#[test]
fn tasks_say_whether_annotations_came_with_them() {
    for (counts, annotated) in [
        (json!({}), false),
        (json!({"total_annotations": 0, "cancelled_annotations": 0}), false),
        (json!({"total_annotations": 1}), true),
        (json!({"total_annotations": 0, "cancelled_annotations": 1}), true),
        (json!({"total_annotations": "many"}), false),
    ] {
        let mut task = json!({"id": 8, "data": {}});
        task.as_object_mut().unwrap().extend(counts.as_object().unwrap().clone());
        let Change::TasksCreated(tasks, came) =
            with("TASKS_CREATED", "tasks", json!([{"id": 7, "data": {}}, task])).change
        else {
            panic!("{counts}")
        };
        assert_eq!((tasks.len(), came), (2, annotated), "{counts}");
    }
}

#[test]
fn singular_and_plural_names_and_keys_mean_the_same() {
    let annotation = json!({"id": 5, "task": 7});
    let task = json!({"id": 7, "data": {}});
    for action in ["ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_UPDATED"] {
        for (key, value) in [
            ("annotation", annotation.clone()),
            ("annotation", json!([annotation])),
            ("annotations", annotation.clone()),
            ("annotations", json!([annotation])),
        ] {
            let Change::AnnotationsSaved(annotations, _) = with(action, key, value).change else {
                panic!("{action}")
            };
            assert_eq!(annotations[0].id, AnnotationId(5));
        }
    }
    for action in ["TASK_CREATED", "TASKS_CREATED"] {
        for (key, value) in [("task", task.clone()), ("tasks", json!([task]))] {
            let Change::TasksCreated(tasks, _) = with(action, key, value).change else { panic!("{action}") };
            assert_eq!(tasks[0].id, TaskId(7));
        }
    }
    for (action, key) in [("ANNOTATION_DELETED", "annotation"), ("ANNOTATIONS_DELETED", "annotations")] {
        for value in [json!({"id": 5}), json!([{"id": 5}]), json!([5])] {
            assert_eq!(with(action, key, value).change, Change::AnnotationsDeleted(vec![AnnotationId(5)]));
        }
    }
    for (action, key) in [("TASK_DELETED", "task"), ("TASKS_DELETED", "tasks")] {
        let change = with(action, key, json!([{"id": 5}, {"id": 6}])).change;
        assert_eq!(change, Change::TasksDeleted(vec![TaskId(5), TaskId(6)]));
    }
    for action in
        ["LABEL_LINK_CREATED", "LABEL_LINK_UPDATED", "LABEL_LINK_DELETED", "PROJECT_DELETED", "FOO", ""]
    {
        assert_eq!(with(action, "label_link", json!([])).change, Change::Other, "{action}");
    }
}

#[test]
fn an_annotation_event_without_annotation_is_still_an_event() {
    let event =
        event(json!({"action": "ANNOTATION_CREATED", "project": {"id": 1, "label_config": "<View></View>"}}));
    assert_eq!(event.change, Change::AnnotationsSaved(vec![], vec![]));
    assert_eq!(event.problems, ["it has no `annotation`"]);
}

#[test]
fn a_broken_element_does_not_lose_the_others() {
    let event = event(json!({
        "action": "ANNOTATIONS_CREATED", "project": {"id": 1},
        "annotation": [{"id": 1}, {"task": 2}, 3, {"id": 4, "task": 9}],
        "task": [{"id": 7, "data": {}}, {"id": 8}, null, {"id": 9, "data": {}}],
    }));
    let Change::AnnotationsSaved(annotations, tasks) = event.change else { panic!("{:?}", event.change) };
    let answers: Vec<_> = annotations.iter().map(|annotation| (annotation.id.0, annotation.task.0)).collect();
    assert_eq!(answers, [(1, 7), (4, 9)], "an annotation without task answers the task at its place");
    assert_eq!(tasks.iter().map(|task| task.id.0).collect::<Vec<_>>(), [7, 9]);
    assert_eq!(
        event.problems,
        [
            "element 1: annotation has no field `id`",
            "element 2: annotation is the number 3, expected an object",
            "element 1: task 8 has no field `data`",
            "element 2: task is null, expected an object",
        ]
    );
    let deleted = with("TASKS_DELETED", "tasks", json!([{"id": 1}, {"id": "2"}, {"id": 3}]));
    assert_eq!(deleted.change, Change::TasksDeleted(vec![TaskId(1), TaskId(3)]));
    assert_eq!(deleted.problems, ["element 1 of `tasks` has no integer `id`"]);
    assert_eq!(with("TASKS_CREATED", "tasks", json!(vec![1; 5000])).problems.len(), 20);
}

#[test]
fn an_event_that_says_neither_what_nor_where_is_an_error() {
    for (body, message) in [
        (json!([1]), "webhook event is a list of 1, expected an object"),
        (
            json!({"project": {"id": 1}}),
            "webhook event has no text `action`; expected for example `ANNOTATION_CREATED`",
        ),
        (
            json!({"action": "START_TRAINING"}),
            "webhook event `START_TRAINING` names no project; turn on \"send payload\" of this webhook in Label Studio",
        ),
        (
            json!({"action": "START_TRAINING", "project": {"title": "x"}}),
            "webhook event `START_TRAINING`: project has no field `id`",
        ),
    ] {
        assert_eq!(WebhookEvent::from_json(&body).unwrap_err().to_string(), message);
    }
    let found =
        event(json!({"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "task": 2, "project": 3}}));
    assert_eq!(found.project, ProjectSeen::only(ProjectId(3)));
}
