use weathervane::storage::{EventRecord, ProjectConfig, ProjectInfo};

use super::support::{Database, PROJECT, SECOND, annotation, created, info, task, training};

fn config(xml: &str, digest: Option<&str>, problem: Option<&str>) -> Option<ProjectConfig> {
    Some(ProjectConfig {
        label_config: xml.to_owned(),
        digest: digest.map(str::to_owned),
        problem: problem.map(str::to_owned),
    })
}

pub async fn partial_information_erases_nothing(database: &Database) {
    let storage = database.open().await;
    let full = ProjectInfo {
        title: Some("Sky".into()),
        config: config("<View/>", Some("d1"), None),
        min_annotations: Some(1),
        sampling: Some("Uncertainty sampling".into()),
        model_version: Some("v1".into()),
        ls_created_at: Some(5),
        ..info()
    };
    let kept = storage.upsert_project(&full, 10).await.unwrap();
    assert_eq!(storage.upsert_project(&info(), 20).await.unwrap(), kept);
    let event = EventRecord::new(info(), "PROJECT_UPDATED");
    storage.record_event(&event, None, 30).await.unwrap();
    assert_eq!(storage.project(PROJECT).await.unwrap(), Some(kept.clone()));
    assert_eq!(kept.title.as_deref(), Some("Sky"));
    assert_eq!((kept.min_annotations, kept.ls_created_at, kept.created_at), (Some(1), Some(5), 10));

    let renamed = ProjectInfo { title: Some("Clouds".into()), ..info() };
    let renamed = storage.upsert_project(&renamed, 40).await.unwrap();
    assert_eq!(renamed.title.as_deref(), Some("Clouds"));
    assert_eq!(renamed.sampling, kept.sampling);
}

pub async fn a_label_config_takes_its_digest_and_problem_along(database: &Database) {
    let storage = database.open().await;
    let mut told = info();
    told.config = config("<View>1</View>", Some("d1"), None);
    storage.upsert_project(&told, 1).await.unwrap();
    told.config = config("<View>2</View>", None, Some("no `<Choices>`"));
    let project = storage.upsert_project(&told, 2).await.unwrap();
    assert_eq!(project.config_digest, None);
    assert_eq!(project.problem.as_deref(), Some("no `<Choices>`"));
    storage.set_project_problem(PROJECT, None).await.unwrap();
    let project = storage.project(PROJECT).await.unwrap().unwrap();
    assert_eq!((project.problem, project.label_config.as_deref()), (None, Some("<View>2</View>")));
}

pub async fn an_unchanged_project_is_not_written(database: &Database) {
    let storage = database.open().await;
    storage.upsert_project(&info(), 0).await.unwrap();
    let soon = storage.upsert_project(&info(), 59 * SECOND).await.unwrap();
    assert_eq!(soon.last_seen_at, 0);
    let later = storage.upsert_project(&info(), 60 * SECOND).await.unwrap();
    assert_eq!(later.last_seen_at, 60 * SECOND);
    assert_eq!(storage.project(PROJECT).await.unwrap(), Some(later));
}

pub async fn a_deleted_project_comes_back_when_it_is_heard_of(database: &Database) {
    let storage = database.open().await;
    assert!(!storage.mark_project_deleted(PROJECT, 1).await.unwrap());
    let event = created(vec![annotation(1, "rain", 1)]);
    let job = storage.record_event(&event, Some(&training()), 1).await.unwrap().job.unwrap();
    assert!(storage.mark_project_deleted(PROJECT, 2).await.unwrap());
    assert!(!storage.mark_project_deleted(PROJECT, 3).await.unwrap());
    assert_eq!(storage.projects().await.unwrap(), []);
    assert_eq!(storage.job(job).await.unwrap().unwrap().state.as_str(), "cancelled");
    assert_eq!(storage.project(PROJECT).await.unwrap().unwrap().deleted_at, Some(2));

    storage.upsert_project(&info(), 4).await.unwrap();
    assert_eq!(storage.projects().await.unwrap().len(), 1);
    assert_eq!(storage.annotations(PROJECT).await.unwrap().len(), 1);
}

pub async fn text_with_nul_and_every_script_is_kept(database: &Database) {
    let storage = database.open().await;
    let odd = "Wolken ☁ \u{10ffff} '\"; DROP TABLE projects; -- \\u0000 \0 end";
    let mut event = created(vec![annotation(1, odd, 1)]);
    event.tasks = vec![task(1, odd)];
    event.project.title = Some(odd.into());
    event.project.config = config(odd, Some("d"), Some(odd));
    event.action = odd.into();
    event.summary = odd.into();
    (event.digest, event.dedupe) = (odd.into(), true);
    let mut job = training();
    job.reason = odd.into();
    storage.record_event(&event, Some(&job), 1).await.unwrap();
    assert!(storage.record_event(&event, Some(&job), 2).await.unwrap().duplicate);

    let readable = odd.replace('\0', "\u{fffd}");
    let project = storage.upsert_project(&event.project, 3).await.unwrap();
    assert_eq!(project.title.as_deref(), Some(&*readable));
    assert_eq!(storage.open_jobs().await.unwrap()[0].reason, readable);
    assert_eq!(storage.recent_events(PROJECT, 9).await.unwrap()[0].summary, readable);
    assert_eq!(storage.annotations(PROJECT).await.unwrap(), event.annotations);
    assert_eq!(storage.tasks_page(PROJECT, None, 9).await.unwrap(), event.tasks);
}

pub async fn a_strategy_and_the_order_that_is_served_are_kept(database: &Database) {
    let storage = database.open().await;
    let error = storage.set_strategy(PROJECT, Some("margin")).await.unwrap_err();
    assert_eq!(error.to_string(), "project 7 does not exist");
    storage.upsert_project(&info(), 1).await.unwrap();
    storage.set_queue_version(PROJECT, "v1", None, false).await.unwrap();
    storage.set_strategy(PROJECT, Some("margin")).await.unwrap();
    let row = storage.project(PROJECT).await.unwrap().unwrap();
    assert_eq!((row.strategy.as_deref(), row.queue_strategy.as_deref()), (Some("margin"), None));
    storage.set_queue_version(PROJECT, "v1", Some("margin"), true).await.unwrap();
    storage.set_strategy(PROJECT, None).await.unwrap();
    let row = storage.upsert_project(&info(), 2).await.unwrap();
    assert_eq!((row.strategy.as_deref(), row.queue_strategy.as_deref()), (None, Some("margin")));
}
