//! A large project as it stands in the database: tasks, images that were looked at, labels.

use serde_json::{Map, json};
use weathervane::app;
use weathervane::config::Settings;
use weathervane::domain::annotation::Annotation;
use weathervane::domain::ids::{AnnotationId, ContentHash, ProjectId, TaskId};
use weathervane::domain::label_config::LabelConfig;
use weathervane::storage::{EventRecord, NewEmbedding, ProjectConfig, ProjectInfo, Storage, TaskRecord};

const PROJECT: ProjectId = ProjectId(1);

const CLASSES: [&str; 4] = ["cloudy", "rain", "shine", "sunrise"];

const CONFIG: &str = r#"<View><Image name="image" value="$image"/><Choices name="weather" toName="image">
  <Choice value="cloudy"/><Choice value="rain"/><Choice value="shine"/><Choice value="sunrise"/></Choices></View>"#;

/// Tasks of one transaction.
const CHUNK: usize = 2_000;

/// How far the classes lie apart, in standard deviations of a column: a model errs now and then.
const APART: f32 = 0.15;

pub struct Project {
    storage: Storage,
}

/// Writes everything but the labels.
pub async fn fill(settings: &Settings, tasks: usize) -> anyhow::Result<Project> {
    let storage = app::open_storage(settings).await?;
    let backbone = app::backbone(&settings.model)?;
    let (fingerprint, dim) = (backbone.spec().fingerprint.clone(), backbone.spec().dim());
    let config = LabelConfig::parse(CONFIG)?;
    let info = ProjectInfo {
        title: Some("A large project".to_owned()),
        config: Some(ProjectConfig {
            label_config: CONFIG.to_owned(),
            digest: Some(config.digest()),
            problem: None,
        }),
        ..ProjectInfo::new(PROJECT)
    };
    storage.upsert_project(&info, app::unix_micros()).await?;
    let ids: Vec<usize> = (1..=tasks).collect();
    for chunk in ids.chunks(CHUNK) {
        let now = app::unix_micros();
        let records: Vec<TaskRecord> = chunk
            .iter()
            .map(|id| TaskRecord { id: TaskId(*id as i64), data: data(*id), created_at: 0, updated_at: 0 })
            .collect();
        storage.upsert_tasks(PROJECT, &records, now).await?;
        let sources: Vec<String> = chunk.iter().map(|id| source(*id)).collect();
        let images: Vec<(&str, ContentHash)> =
            sources.iter().zip(chunk).map(|(source, id)| (source.as_str(), hash(*id))).collect();
        storage.put_images(PROJECT, &images, now).await?;
        let vectors: Vec<(ContentHash, Vec<f32>)> =
            chunk.iter().map(|id| (hash(*id), vector(*id, dim))).collect();
        let embeddings: Vec<NewEmbedding<'_>> = vectors
            .iter()
            .map(|(hash, vector)| NewEmbedding { hash: *hash, vector, damaged: false })
            .collect();
        storage.put_embeddings(&fingerprint, &embeddings, now).await?;
    }
    Ok(Project { storage })
}

impl Project {
    /// Labels the first so many tasks of those that are spread over the project.
    pub async fn label(&self, labels: usize) -> anyhow::Result<()> {
        let mut event = EventRecord::new(ProjectInfo::new(PROJECT), "ANNOTATIONS_CREATED");
        event.annotations = (1..=labels)
            .map(|number| {
                let id = number * 7;
                Annotation {
                    id: AnnotationId(id as i64),
                    task: TaskId(id as i64),
                    result: vec![json!({"from_name": "weather", "to_name": "image", "type": "choices",
                        "value": {"choices": [CLASSES[id % CLASSES.len()]]}})],
                    was_cancelled: false,
                    ground_truth: false,
                    completed_by: None,
                    created_at: 1,
                    updated_at: 1,
                }
            })
            .collect();
        self.storage.record_event(&event, None, app::unix_micros()).await?;
        Ok(())
    }
}

fn source(id: usize) -> String {
    format!("https://photographs.example/{id}.jpg")
}

fn data(id: usize) -> Map<String, serde_json::Value> {
    Map::from_iter([("image".to_owned(), json!(source(id)))])
}

fn hash(id: usize) -> ContentHash {
    ContentHash::new(*blake3::hash(&id.to_le_bytes()).as_bytes())
}

/// A point of its class's cloud.
fn vector(id: usize, dim: usize) -> Vec<f32> {
    let mut state = (id as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut noise = move || {
        // Marsaglia's xorshift; the sum of four is near enough to a normal variable.
        let mut sum = 0.0;
        for _ in 0..4 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            sum += (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5;
        }
        sum * 1.7
    };
    let class = id % CLASSES.len();
    (0..dim).map(|column| noise() + if column % CLASSES.len() == class { APART } else { 0.0 }).collect()
}
