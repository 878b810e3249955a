//! Publishing in the face of crashes, damage and other processes: the old version or the new one, never half of one.

use std::path::Path;

use tempfile::TempDir;
use weathervane::domain::ids::ProjectId;
use weathervane::domain::label_config::{ChoiceKind, Control, LabelConfig, Scope};
use weathervane::model::{Activation, Head};
use weathervane::models::{BlobKey, Blobs, Card, Draft, HeadCard, HeadSource, Models, VersionFile};
use weathervane::storage::{NewVersion, Storage};

use crate::support::WEATHER;

const PROJECT: ProjectId = ProjectId(1);
const BACKBONE: &str = "fingerprint of a backbone";
const CLASSES: [&str; 4] = ["cloudy", "rain", "shine", "sunrise"];

struct Store {
    storage: Storage,
    folder: TempDir,
}

impl Store {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let storage = Storage::open_dir(folder.path()).await.expect("a database");
        storage.upsert_project(&weathervane::storage::ProjectInfo::new(PROJECT), 1).await.expect("a project");
        Self { storage, folder }
    }

    fn blobs(&self) -> Blobs {
        Blobs::open(&self.folder.path().join("models")).expect("a folder")
    }

    /// A process of its own over the same stores.
    async fn process(&self) -> Models {
        let models = Models::new(self.storage.clone(), self.blobs(), BACKBONE.to_owned(), None);
        models.load_all().await.expect("the database answers");
        models
    }
}

/// A version that always says the class of this index.
fn draft(class: usize) -> Draft {
    let bias = (0..CLASSES.len()).map(|index| if index == class { 3.0 } else { 0.0 }).collect();
    let head = Head::new(Activation::Softmax, 2, vec![0.0; 2 * CLASSES.len()], bias).expect("a head");
    let config = LabelConfig::parse(WEATHER).expect("a label config");
    let mut card = Card::new(PROJECT, BACKBONE, "test", config.digest(), 8);
    card.heads.push(HeadCard {
        from_name: "weather".to_owned(),
        to_name: "image".to_owned(),
        control: Control::Choices,
        scope: Scope::Image,
        kind: ChoiceKind::Single,
        classes: CLASSES.map(str::to_owned).to_vec(),
        paths: Vec::new(),
        source: HeadSource::Own,
        groups: Vec::new(),
        refined: false,
        evaluation: None,
        starter_accuracy: None,
        suspects: Vec::new(),
        near_copies: Vec::new(),
        confusion: Vec::new(),
        calibration: Vec::new(),
        losses: Vec::new(),
    });
    Draft { project: PROJECT, file: VersionFile { card, heads: vec![head] }, job: None }
}

/// Version and class that serve, as a request sees them.
fn served(models: &Models) -> (String, usize) {
    let config = LabelConfig::parse(WEATHER).expect("a label config");
    let serving = models.serving(PROJECT, &config);
    let Some(head) = &serving.heads[0] else { return (serving.version, usize::MAX) };
    let row = head.probabilities(&[0.0, 0.0]).expect("probabilities");
    let best = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).expect("classes");
    (serving.version, best)
}

/// Does the steps of a publish up to the one a crash came after; returns the file's key.
async fn crash_after(store: &Store, draft: &Draft, row_too: bool) -> BlobKey {
    let bytes = draft.file.to_bytes().expect("bytes");
    let number = store.storage.reserve_version_number(PROJECT).await.expect("a number");
    let key = BlobKey::model(PROJECT, number, &blake3::hash(&bytes).to_hex()[..12]);
    store.blobs().put(&key, bytes.into()).await.expect("written");
    if row_too {
        let row = NewVersion {
            number,
            name: format!("v{number}-crashed"),
            blob_key: key.to_string(),
            fingerprint: BACKBONE.to_owned(),
            config_digest: "digest".to_owned(),
            heads: serde_json::json!([]),
            metrics: serde_json::json!([]),
            labels: 8,
            job: None,
        };
        store.storage.insert_version(PROJECT, &row, 1).await.expect("a row");
    }
    key
}

#[tokio::test]
async fn a_crash_between_two_steps_leaves_the_old_version_and_room_for_the_next() {
    for row_too in [false, true] {
        let store = Store::new().await;
        let first = store.process().await.publish(draft(0), 1).await.expect("published");
        let orphan = crash_after(&store, &draft(1), row_too).await;

        let models = store.process().await;
        assert_eq!(served(&models), (first.name.clone(), 0), "the crashed version does not serve");
        let third = models.publish(draft(2), 2).await.expect("published");
        assert_eq!((third.number, served(&models)), (3, (third.name.clone(), 2)));
        assert!(
            store.blobs().list(PROJECT).await.expect("a list").contains(&orphan),
            "nothing is overwritten"
        );
        assert_eq!(
            served(&store.process().await),
            (third.name.clone(), 2),
            "the next process serves the same"
        );
    }
}

#[tokio::test]
async fn what_one_process_publishes_the_others_take_over() {
    let store = Store::new().await;
    let (here, there) = (store.process().await, store.process().await);
    here.publish(draft(0), 1).await.expect("published");
    assert_eq!(served(&there).0, "untrained");
    there.load_all().await.expect("the database answers");
    assert_eq!(served(&there), served(&here));

    let (a, b) = tokio::join!(here.publish(draft(1), 2), there.publish(draft(2), 2));
    let (a, b) = (a.expect("published"), b.expect("published"));
    assert_ne!(a.number, b.number);
    here.load_all().await.expect("the database answers");
    there.load_all().await.expect("the database answers");
    assert_eq!(served(&there), served(&here));
    here.retire(PROJECT).await.expect("retired");
    there.load_all().await.expect("the database answers");
    assert_eq!(served(&there).0, "untrained");
}

#[tokio::test]
async fn the_same_weights_are_no_new_version() {
    let store = Store::new().await;
    let models = store.process().await;
    let first = models.publish(draft(0), 1).await.expect("published");
    assert_eq!(models.publish(draft(0), 2).await.expect("published").name, first.name);
    assert_eq!(store.storage.versions(PROJECT).await.expect("versions").len(), 1);
}

#[tokio::test]
async fn a_damaged_file_serves_nobody_and_its_error_names_it() {
    let store = Store::new().await;
    store.process().await.publish(draft(0), 1).await.expect("published");
    damage(store.folder.path().join("models").as_path());
    let models = Models::new(store.storage.clone(), store.blobs(), BACKBONE.to_owned(), None);
    let error = models.follow(PROJECT).await.expect_err("a damaged file").to_string();
    assert!(error.contains("safetensors"), "{error}");
    assert_eq!(models.load_all().await.expect("others load all the same"), 0);
    assert_eq!(served(&models).0, "untrained");
}

#[tokio::test]
async fn a_lost_or_damaged_file_does_not_stop_learning() {
    for lost in [true, false] {
        let store = Store::new().await;
        store.process().await.publish(draft(0), 1).await.expect("published");
        store.process().await.publish(draft(1), 2).await.expect("published");
        let models = store.folder.path().join("models");
        if lost {
            std::fs::remove_dir_all(&models).expect("a folder");
        } else {
            damage(&models);
        }
        // In a process that has nothing loaded, and in one that goes on after a restart.
        let fresh = Models::new(store.storage.clone(), store.blobs(), BACKBONE.to_owned(), None);
        let third = fresh.publish(draft(2), 3).await.expect("published all the same");
        assert_eq!((third.number, served(&fresh)), (3, (third.name.clone(), 2)));
        assert_eq!(served(&store.process().await), (third.name.clone(), 2));
    }
}

#[tokio::test]
async fn where_the_current_file_is_lost_the_newest_readable_version_serves() {
    let store = Store::new().await;
    let first = store.process().await.publish(draft(0), 1).await.expect("published");
    let second = store.process().await.publish(draft(1), 2).await.expect("published");
    let blobs = store.blobs().list(PROJECT).await.expect("a list");
    let current = blobs.iter().find(|key| key.to_string().contains(&second.name[3..])).expect("its file");
    let file = store.folder.path().join("models").join(current.to_string().trim_start_matches("models/"));
    std::fs::remove_file(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    for _ in 0..2 {
        assert_eq!(served(&store.process().await), (first.name.clone(), 0));
    }
    let third = store.process().await.publish(draft(2), 3).await.expect("published");
    assert_eq!(served(&store.process().await).0, third.name);
}

#[tokio::test]
async fn a_version_of_another_backbone_is_not_loaded() {
    let store = Store::new().await;
    store.process().await.publish(draft(0), 1).await.expect("published");
    let models = Models::new(store.storage.clone(), store.blobs(), "another backbone".to_owned(), None);
    assert!(!models.follow(PROJECT).await.expect("no error"));
    assert_eq!(served(&models).0, "untrained");
    let next = models.publish(draft(1), 2).await.expect("a version of its own");
    assert_eq!(served(&models).0, next.name);
}

/// Cuts every file below a folder to half its length.
fn damage(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            damage(&path);
        } else {
            let bytes = std::fs::read(&path).expect("readable");
            std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("writable");
        }
    }
}
