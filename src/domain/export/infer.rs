//! A label config told from the answers themselves, where nobody has it at hand.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Answered, ExportError};
use crate::domain::annotation::{choices, control, name};
use crate::domain::field::shown;
use crate::domain::label_config::{ChoiceKind, Class, Control, HeadSpec, LabelConfig, Scope, tell_apart};
use crate::domain::region::is_of_a_part;
use crate::domain::task::many;

/// Endings of image files.
const IMAGE_ENDINGS: [&str; 9] = [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".jfif", ".tif", ".tiff"];

/// One question, as the answers show it.
#[derive(Default)]
struct Asked {
    control: Control,
    to_name: String,
    /// Each as its path.
    classes: BTreeSet<Vec<String>>,
    multiple: bool,
}

/// The heads that the answers for whole images show: each control tag with the classes that somebody chose, in order of
/// their names. A class that nobody chose is not known then.
///
/// # Errors
/// [`ExportError::NoConfig`] where choices are nested, only regions are answered, or it can't be told which key holds the image.
pub fn infer(tasks: &[Answered]) -> Result<LabelConfig, ExportError> {
    let wrong = |problem: &str| ExportError::NoConfig(problem.to_owned());
    let mut asked = BTreeMap::<&str, Asked>::new();
    let mut of_parts = BTreeSet::new();
    let answers = tasks.iter().flat_map(|task| &task.annotations).filter(|answer| !answer.was_cancelled);
    for region in answers.flat_map(|answer| &answer.result) {
        let text = |field: &str| region.get(field).and_then(Value::as_str);
        let (Some(from_name), Some(to_name)) = (text("from_name"), text("to_name")) else { continue };
        let Some(control) = control(region) else { continue };
        if is_of_a_part(region) {
            of_parts.insert(from_name);
            continue;
        }
        let choices = choices(region).unwrap_or_default();
        let entry = asked.entry(from_name).or_default();
        entry.control = control;
        to_name.clone_into(&mut entry.to_name);
        entry.multiple |= control != Control::Rating && choices.len() != 1;
        for choice in choices {
            let names =
                if control == Control::Taxonomy { many(choice) } else { std::slice::from_ref(choice) };
            let path: Option<Vec<String>> =
                names.iter().map(|part| name(part).map(Cow::into_owned)).collect();
            let path = path.filter(|path| !path.is_empty());
            entry.classes.insert(path.ok_or_else(|| wrong("its choices are nested"))?);
        }
    }
    asked.retain(|_, asked| asked.classes.len() >= 2);
    if let (true, Some(name)) = (asked.is_empty(), of_parts.first()) {
        return Err(wrong(&format!("`{}` is answered for regions, not for whole images", shown(name))));
    }
    if asked.is_empty() {
        return Err(wrong("no question is answered with two different choices"));
    }
    let image_key = image_key(tasks).map_err(ExportError::NoConfig)?;
    let heads = asked.into_iter().map(|(name, asked)| HeadSpec {
        from_name: name.to_owned(),
        control: asked.control,
        scope: Scope::Image,
        regions: Vec::new(),
        to_name: asked.to_name,
        image_key: image_key.clone(),
        kind: if asked.multiple { ChoiceKind::Multiple } else { ChoiceKind::Single },
        classes: classes(asked.control, asked.classes),
        score_threshold: None,
        skip: false,
        when: Vec::new(),
    });
    Ok(LabelConfig { heads: heads.collect(), ignored: Vec::new() })
}

fn classes(control: Control, paths: BTreeSet<Vec<String>>) -> Vec<Class> {
    let mut paths: Vec<Vec<String>> = paths.into_iter().collect();
    if control == Control::Rating {
        // 10 stands behind 9.
        paths.sort_by_key(|path| path.concat().len());
    }
    let class = |path: Vec<String>| {
        let class = Class::flat(path.last().cloned().unwrap_or_default());
        if control == Control::Taxonomy { Class { path, ..class } } else { class }
    };
    let mut classes: Vec<Class> = paths.into_iter().map(class).collect();
    tell_apart(&mut classes);
    classes
}

/// The key under which most tasks have what looks like an image; else the only key with text.
fn image_key(tasks: &[Answered]) -> Result<String, String> {
    let with = |fits: fn(&str) -> bool| -> Vec<String> {
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        for (key, value) in tasks.iter().flat_map(|task| &task.task.data) {
            *counts.entry(key).or_default() += usize::from(value.as_str().is_some_and(fits));
        }
        let most = counts.values().copied().max().unwrap_or_default();
        let first = counts.into_iter().filter(|(_, count)| *count == most && 2 * most > tasks.len());
        first.map(|(key, _)| key.clone()).collect()
    };
    let images = with(looks_like_image);
    let texts = with(|_| true);
    match (images.as_slice(), texts.as_slice()) {
        ([key], _) | ([], [key]) => Ok(key.clone()),
        ([], _) => Err("no key of its data holds the address of an image in most of its tasks".to_owned()),
        (several, _) => {
            let named: Vec<String> = several.iter().map(|key| format!("`{}`", shown(key))).collect();
            Err(format!("several keys of its data may hold the image: {}", named.join(", ")))
        }
    }
}

fn looks_like_image(address: &str) -> bool {
    let address = address.to_ascii_lowercase();
    // Local files have their path in the query.
    let path = if address.contains("?d=") { &address } else { address.split('?').next().unwrap_or_default() };
    address.starts_with("data:image/") || IMAGE_ENDINGS.iter().any(|ending| path.ends_with(ending))
}
