use weathervane::domain::ids::{ContentHash, ProjectId};

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
