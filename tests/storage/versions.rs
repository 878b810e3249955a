use serde_json::json;
use weathervane::domain::ids::JobId;
use weathervane::storage::{NewVersion, StorageError};

use super::support::{Database, PROJECT, info};

fn version(number: i64) -> NewVersion {
    NewVersion {
        number,
        name: format!("v{number}"),
        blob_key: format!("7/{number}.head"),
        fingerprint: "lite0".to_owned(),
        config_digest: "digest".to_owned(),
        heads: json!([{ "from_name": "weather", "classes": ["rain", "snow"] }]),
        metrics: json!({ "accuracy": 0.75, "note": "\u{0}" }),
        labels: 12,
        job: Some(JobId(3)),
    }
}

pub async fn numbers_are_never_given_twice(database: &Database) {
    let storage = database.open().await;
    let error = storage.reserve_version_number(PROJECT).await.unwrap_err();
    assert_eq!(error.to_string(), "project 7 does not exist");
    storage.upsert_project(&info(), 1).await.unwrap();
    let other = database.open().await;
    let publishers = (0..12).map(|publisher| {
        let storage = [&storage, &other][publisher % 2].clone();
        tokio::spawn(async move {
            let number = storage.reserve_version_number(PROJECT).await.unwrap();
            storage.insert_version(PROJECT, &version(number), 1).await.unwrap();
        })
    });
    for publisher in Vec::from_iter(publishers) {
        publisher.await.unwrap();
    }
    let numbers: Vec<_> =
        storage.versions(PROJECT).await.unwrap().iter().map(|version| version.number).collect();
    assert_eq!(numbers, Vec::from_iter((1..=12).rev()));
}

pub async fn the_current_version_is_set_by_compare_and_set(database: &Database) {
    let storage = database.open().await;
    storage.upsert_project(&info(), 1).await.unwrap();
    assert_eq!(storage.current_version(PROJECT).await.unwrap(), None);
    for number in 1..=2 {
        storage.insert_version(PROJECT, &version(number), 1).await.unwrap();
    }
    assert!(storage.set_current_version(PROJECT, None, 1).await.unwrap());
    assert!(!storage.set_current_version(PROJECT, None, 2).await.unwrap());
    assert!(storage.set_current_version(PROJECT, Some(1), 2).await.unwrap());
    assert!(!storage.set_current_version(PROJECT, Some(1), 2).await.unwrap());
    assert_eq!(storage.current_version(PROJECT).await.unwrap().unwrap().name, "v2");
    assert_eq!(storage.project(PROJECT).await.unwrap().unwrap().current_version, Some(2));
    let error = storage.set_current_version(PROJECT, Some(2), 9).await.unwrap_err();
    assert_eq!(error.to_string(), "version 9 of project 7 does not exist");
    assert!(storage.set_current_version(PROJECT, Some(2), 1).await.unwrap());
}

pub async fn a_version_is_found_by_number_and_name(database: &Database) {
    let storage = database.open().await;
    let unknown = storage.insert_version(PROJECT, &version(1), 1).await.unwrap_err();
    assert!(matches!(unknown, StorageError::Missing { .. }), "{unknown}");
    storage.upsert_project(&info(), 1).await.unwrap();
    storage.insert_version(PROJECT, &version(1), 5).await.unwrap();
    let same_name = NewVersion { name: "v1".to_owned(), ..version(2) };
    for taken in [version(1), same_name] {
        let error = storage.insert_version(PROJECT, &taken, 6).await.unwrap_err();
        assert!(matches!(error, StorageError::Conflict { .. }), "{error}");
    }
    let kept = storage.version(PROJECT, 1).await.unwrap().unwrap();
    assert_eq!(storage.version_named(PROJECT, "v1").await.unwrap(), Some(kept.clone()));
    assert_eq!((kept.heads, kept.metrics, kept.labels), (version(1).heads, version(1).metrics, 12));
    assert_eq!((kept.created_at, kept.job), (5, Some(JobId(3))));
    assert_eq!(storage.version(PROJECT, 2).await.unwrap(), None);
    assert_eq!(storage.version_named(PROJECT, "v2").await.unwrap(), None);
}

pub async fn versions_are_read_in_outline_and_by_choice(database: &Database) {
    let storage = database.open().await;
    storage.upsert_project(&info(), 1).await.unwrap();
    for number in 1..=3 {
        storage.insert_version(PROJECT, &version(number), number).await.unwrap();
    }
    let outlines = storage.version_outlines(PROJECT).await.unwrap();
    let seen: Vec<_> =
        outlines.iter().map(|row| (row.number, row.name.as_str(), row.labels, row.created_at)).collect();
    assert_eq!(seen, [(3, "v3", 12, 3), (2, "v2", 12, 2), (1, "v1", 12, 1)]);
    let mut chosen: Vec<i64> = storage
        .versions_among(PROJECT, &[3, 9, 1])
        .await
        .unwrap()
        .iter()
        .map(|version| version.number)
        .collect();
    chosen.sort_unstable();
    assert_eq!(chosen, [1, 3]);
    assert_eq!(storage.versions_among(PROJECT, &[]).await.unwrap(), []);
}
