use weathervane::domain::ids::{ContentHash, ProjectId};
use weathervane::storage::{Renamed, TagCount};

use super::support::Database;

fn hash(number: u32) -> ContentHash {
    ContentHash::new(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

pub async fn tags_keep_their_images_in_order(database: &Database) {
    let storage = database.open().await;
    assert_eq!(storage.tagged_images().await.unwrap(), []);
    assert_eq!(storage.last_tagged_at().await.unwrap(), None);
    let first: Vec<ContentHash> = (0..250).rev().map(hash).collect();
    storage.tag_images("coreset_30", &first, 5).await.unwrap();
    storage.tag_images("a", &[hash(7)], 6).await.unwrap();
    // Once more, and one that is new.
    storage.tag_images("coreset_30", &[hash(3), hash(900)], 7).await.unwrap();
    storage.tag_images("coreset_30", &[], 8).await.unwrap();
    assert_eq!(storage.last_tagged_at().await.unwrap(), Some(7));
    let found = storage.tagged_images().await.unwrap();
    assert_eq!(found[0].tagged_at, 6);
    assert_eq!((found[0].tag.as_str(), found[0].content_hash), ("a", hash(7)));
    let of_coreset: Vec<ContentHash> = found[1..].iter().map(|image| image.content_hash).collect();
    assert_eq!(of_coreset, [first, vec![hash(900)]].concat());
}

pub async fn a_push_is_unfinished_until_it_is_said_to_be_done(database: &Database) {
    let storage = database.open().await;
    let (three, four) = (ProjectId(3), ProjectId(4));
    let unfinished = async |project| storage.is_push_unfinished("coreset_30", project).await.unwrap();
    assert!(!unfinished(three).await);
    storage.begin_push("coreset_30", &[hash(2), hash(1)], three, 5).await.unwrap();
    storage.begin_push("coreset_30", &[hash(1), hash(9)], three, 6).await.unwrap();
    assert!(unfinished(three).await && !unfinished(four).await);
    let found: Vec<ContentHash> =
        storage.tagged_images().await.unwrap().iter().map(|image| image.content_hash).collect();
    assert_eq!(found, [hash(2), hash(1), hash(9)]);
    storage.finish_push("coreset_30", three).await.unwrap();
    storage.finish_push("coreset_30", four).await.unwrap();
    assert!(!unfinished(three).await);
    assert_eq!(storage.tagged_images().await.unwrap().len(), 3);
}

fn count(tag: &str, images: i64) -> TagCount {
    TagCount { tag: tag.to_owned(), images }
}

pub async fn a_tag_is_renamed_with_all_its_images_and_never_onto_another(database: &Database) {
    let storage = database.open().await;
    assert_eq!(storage.tags().await.unwrap(), []);
    storage.begin_push("first", &[hash(3), hash(1), hash(2)], ProjectId(7), 5).await.unwrap();
    storage.tag_images("other", &[hash(1)], 6).await.unwrap();
    assert_eq!(storage.tags().await.unwrap(), [count("first", 3), count("other", 1)]);
    for (tag, name, expected) in [
        ("first", "other", Renamed::Taken),
        ("first", "first", Renamed::Taken),
        ("none", "new", Renamed::Unknown),
        ("none", "other", Renamed::Unknown),
        ("first", "second", Renamed::Images(3)),
    ] {
        assert_eq!(storage.rename_tag(tag, name).await.unwrap(), expected, "{tag} to {name}");
    }
    assert_eq!(storage.tags().await.unwrap(), [count("other", 1), count("second", 3)]);
    assert_eq!(storage.images_of_tag("second").await.unwrap(), [3, 1, 2].map(hash));
    assert_eq!(storage.images_of_tag("first").await.unwrap(), []);
    assert!(storage.is_push_unfinished("second", ProjectId(7)).await.unwrap());
    assert!(!storage.is_push_unfinished("first", ProjectId(7)).await.unwrap());
}

pub async fn a_removed_tag_leaves_the_others(database: &Database) {
    let storage = database.open().await;
    storage.begin_push("first", &[hash(1), hash(2)], ProjectId(7), 5).await.unwrap();
    storage.tag_images("other", &[hash(1)], 6).await.unwrap();
    assert_eq!(storage.remove_tag("first").await.unwrap(), 2);
    assert_eq!(storage.remove_tag("first").await.unwrap(), 0);
    assert_eq!(storage.tags().await.unwrap(), [count("other", 1)]);
    assert!(!storage.is_push_unfinished("first", ProjectId(7)).await.unwrap());
    // A removed name is free again.
    assert_eq!(storage.rename_tag("other", "first").await.unwrap(), Renamed::Images(1));
}
