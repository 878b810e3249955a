use weathervane::domain::ids::{ContentHash, ProjectId};
use weathervane::storage::{Embedding, ImageRecord, NewEmbedding, StorageError};

use super::support::{Database, PROJECT};

fn hash(number: u32) -> ContentHash {
    ContentHash::new(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

fn whole(number: u32, vector: &[f32]) -> NewEmbedding<'_> {
    NewEmbedding { hash: hash(number), vector, damaged: false }
}

pub async fn addresses_lead_to_pictures(database: &Database) {
    let storage = database.open().await;
    let data_uri = format!("data:image/png;base64,{}", "A".repeat(1_000_000));
    storage
        .put_images(PROJECT, &[("a.png", hash(1)), (&data_uri, hash(2)), ("a.png", hash(1))], 5)
        .await
        .unwrap();
    let found = storage.images(PROJECT, &[&data_uri, "b.png", "a.png"]).await.unwrap();
    let record = |number, fetched_at| Some(ImageRecord { content_hash: hash(number), fetched_at });
    assert_eq!(found, [record(2, 5), None, record(1, 5)]);
    assert_eq!(storage.images(ProjectId(8), &["a.png"]).await.unwrap(), [None]);
    storage.put_images(PROJECT, &[("a.png", hash(3))], 6).await.unwrap();
    assert_eq!(storage.images(PROJECT, &["a.png"]).await.unwrap(), [record(3, 6)]);
    storage.put_images(PROJECT, &[], 7).await.unwrap();
    assert_eq!(storage.images(PROJECT, &[]).await.unwrap(), []);
}

pub async fn embeddings_come_back_in_order(database: &Database) {
    let storage = database.open().await;
    let vectors: Vec<Vec<f32>> = (0..1_200).map(|number| vec![number as f32, -0.5, 0.25]).collect();
    let all: Vec<_> = vectors.iter().zip(0..).map(|(vector, number)| whole(number, vector)).collect();
    storage.put_embeddings("lite0", &all, 1).await.unwrap();
    let wanted: Vec<_> = (0..1_300).rev().chain([7, 7]).map(hash).collect();
    let found = storage.embeddings(&wanted, "lite0").await.unwrap();
    assert_eq!(found.len(), wanted.len());
    assert!(found[..100].iter().all(Option::is_none));
    for (vector, number) in found[100..1_300].iter().zip((0..1_200).rev()) {
        assert_eq!(vector.as_ref().map(|found| &found.vector), Some(&vectors[number]));
    }
    assert_eq!(found[1_301].as_ref().map(|found| &found.vector), Some(&vectors[7]));
    assert_eq!(storage.embedding_count("lite0").await.unwrap(), 1_200);
}

pub async fn an_embedding_is_kept_once_under_each_fingerprint(database: &Database) {
    let storage = database.open().await;
    for (fingerprint, value) in [("a", 1.0), ("a", 2.0), ("b", 3.0)] {
        let vector = [value; 4];
        storage.put_embeddings(fingerprint, &[whole(1, &vector), whole(1, &vector)], 1).await.unwrap();
    }
    let of = async |fingerprint| storage.embeddings(&[hash(1)], fingerprint).await.unwrap();
    assert_eq!(of("a").await, [Some(Embedding { vector: vec![1.0; 4], damaged: false })]);
    assert_eq!(of("b").await, [Some(Embedding { vector: vec![3.0; 4], damaged: false })]);
    assert_eq!(of("c").await, [None]);

    let bad = [0.0, f32::NAN];
    let error = storage.put_embeddings("a", &[whole(2, &[1.0]), whole(3, &bad)], 1).await.unwrap_err();
    assert!(matches!(error, StorageError::Invalid { .. }), "{error}");
    assert_eq!(storage.embedding_count("a").await.unwrap(), 1);
}

pub async fn a_sample_is_of_the_projects_own_pictures(database: &Database) {
    let storage = database.open().await;
    let vectors: Vec<_> = (0..20).map(|number| [number as f32]).collect();
    let all: Vec<_> = vectors.iter().zip(0..).map(|(vector, number)| whole(number, vector)).collect();
    storage.put_embeddings("lite0", &all, 1).await.unwrap();
    let sources: Vec<_> = (0..30).map(|number| format!("{number}.png")).collect();
    // Pictures 0 to 9, each under three addresses.
    let images: Vec<_> =
        sources.iter().zip(0..).map(|(source, number)| (source.as_str(), hash(number % 10))).collect();
    storage.put_images(PROJECT, &images, 1).await.unwrap();
    let sample = storage.sample_embeddings(PROJECT, "lite0", 6).await.unwrap();
    let mut expected: Vec<_> = (0..10).map(|number| (hash(number), vec![number as f32])).collect();
    expected.sort_by_key(|(hash, _)| *hash);
    assert_eq!(sample, expected[..6]);
    assert_eq!(storage.sample_embeddings(ProjectId(8), "lite0", 6).await.unwrap(), []);
}

pub async fn a_damaged_picture_is_remembered_and_in_no_sample(database: &Database) {
    let storage = database.open().await;
    let part = NewEmbedding { damaged: true, ..whole(1, &[1.0]) };
    storage.put_embeddings("lite0", &[part, whole(2, &[2.0])], 1).await.unwrap();
    storage.put_images(PROJECT, &[("1.png", hash(1)), ("2.png", hash(2))], 1).await.unwrap();
    let found = storage.embeddings(&[1, 2].map(hash), "lite0").await.unwrap();
    let damaged: Vec<_> = found.into_iter().flatten().map(|found| found.damaged).collect();
    assert_eq!(damaged, [true, false]);
    assert_eq!(storage.sample_embeddings(PROJECT, "lite0", 6).await.unwrap(), [(hash(2), vec![2.0])]);
}
