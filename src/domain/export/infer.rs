//! A label config told from the answers themselves, where nobody has it at hand.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Answered, ExportError};
use crate::domain::label_config::{ChoiceKind, Class, HeadSpec, LabelConfig};

/// Endings of image files.
const IMAGE_ENDINGS: [&str; 7] = [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".jfif"];

/// What the answers say of one question.
#[derive(Default)]
struct Asked {
    to_name: String,
    classes: BTreeSet<String>,
    multiple: bool,
}

/// The heads that the answers show: each `<Choices>` with the classes that somebody chose, in order of their names. A
/// class that nobody chose is not known then.
///
/// # Errors
/// [`ExportError::NoConfig`] where answers are nested, or it can't be told which key holds the image.
pub fn infer(tasks: &[Answered]) -> Result<LabelConfig, ExportError> {
    let wrong = |problem: &str| ExportError::NoConfig(problem.to_owned());
    let mut asked: BTreeMap<&str, Asked> = BTreeMap::new();
    let answers = tasks.iter().flat_map(|task| &task.annotations).filter(|answer| !answer.was_cancelled);
    for region in answers.flat_map(|answer| &answer.result) {
        let text = |field: &str| region.get(field).and_then(Value::as_str);
        let (Some(name), Some(to_name)) = (text("from_name"), text("to_name")) else { continue };
        let choices = region["value"]["choices"].as_array().map(Vec::as_slice).unwrap_or_default();
        let entry = asked.entry(name).or_default();
        to_name.clone_into(&mut entry.to_name);
        entry.multiple |= choices.len() != 1;
        for choice in choices {
            let choice = choice.as_str().ok_or_else(|| wrong("its choices are nested"))?;
            entry.classes.insert(choice.to_owned());
        }
    }
    asked.retain(|_, asked| asked.classes.len() >= 2);
    if asked.is_empty() {
        return Err(wrong("no question is answered with two different choices"));
    }
    let image_key = image_key(tasks).ok_or_else(|| wrong("several keys of its data may hold the image"))?;
    let heads = asked.into_iter().map(|(name, asked)| HeadSpec {
        from_name: name.to_owned(),
        to_name: asked.to_name,
        image_key: image_key.clone(),
        kind: if asked.multiple { ChoiceKind::Multiple } else { ChoiceKind::Single },
        classes: asked.classes.into_iter().map(flat).collect(),
        score_threshold: None,
        skip: false,
    });
    Ok(LabelConfig { heads: heads.collect(), ignored: Vec::new() })
}

fn flat(name: String) -> Class {
    Class { value: name.clone(), name, path: Vec::new(), predicted_values: Vec::new() }
}

/// The one key whose values all look like images; else the only key with text.
fn image_key(tasks: &[Answered]) -> Option<String> {
    let keys = tasks.first()?.task.data.keys();
    let all = |key: &str, fits: fn(&str) -> bool| {
        tasks.iter().all(|task| task.task.data.get(key).and_then(Value::as_str).is_some_and(fits))
    };
    let images: Vec<&String> = keys.clone().filter(|key| all(key, looks_like_image)).collect();
    let texts: Vec<&String> = keys.filter(|key| all(key, |_| true)).collect();
    match (images.as_slice(), texts.as_slice()) {
        ([key], _) | ([], [key]) => Some((*key).clone()),
        _ => None,
    }
}

fn looks_like_image(address: &str) -> bool {
    let address = address.to_ascii_lowercase();
    // Local files have their path in the query.
    let path = if address.contains("?d=") { &address } else { address.split('?').next().unwrap_or_default() };
    address.starts_with("data:image/") || IMAGE_ENDINGS.iter().any(|ending| path.ends_with(ending))
}
