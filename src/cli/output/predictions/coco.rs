//! Predictions in the shape of COCO's JSON: images, categories, and annotations without boxes.

use serde_json::{Value, json};

use super::Predictions;

/// `images`, `categories` and an annotation for each chosen class: what image-classification tools take as COCO. A
/// category's `supercategory` is its head's name, since two heads may have classes of one name.
pub fn coco(predictions: &Predictions<'_>) -> Value {
    let heads = &predictions.model.config.heads;
    let mut categories = Vec::new();
    let mut starts = Vec::with_capacity(heads.len());
    for head in heads {
        starts.push((head.from_name.as_str(), categories.len()));
        for class in &head.classes {
            let id = categories.len() + 1;
            categories.push(json!({"id": id, "name": class.name, "supercategory": head.from_name}));
        }
    }
    let start = |name: &str| starts.iter().find(|(head, _)| *head == name).map_or(0, |(_, start)| *start);
    let mut images = Vec::new();
    let mut annotations = Vec::new();
    for (index, row) in predictions.rows.iter().enumerate() {
        let image = row.task.map_or(index as i64 + 1, |task| task.0);
        images.push(json!({"id": image, "file_name": row.image}));
        for answer in predictions.answers(row) {
            for &class in &answer.decision.chosen {
                annotations.push(json!({
                    "id": annotations.len() + 1,
                    "image_id": image,
                    "category_id": start(&answer.head.from_name) + class + 1,
                    "score": super::rounded(answer.probabilities[class]),
                }));
            }
        }
    }
    let description = format!("predictions of weathervane, version {}", predictions.version());
    json!({
        "info": {"description": description},
        "images": images,
        "categories": categories,
        "annotations": annotations,
    })
}
