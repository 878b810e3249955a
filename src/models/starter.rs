//! The built-in weather model: pre-annotates a matching project from its first task on.

use std::collections::HashSet;
use std::sync::Arc;

use super::file::{FileError, SHORT_HASH, VersionFile, short_hash};
use crate::domain::ids::ContentHash;
use crate::domain::label_config::{ChoiceKind, HeadSpec};
use crate::eval::Evaluation;
use crate::model::Head;

/// Made by `weathervane starter` on the training images named in NOTICE.
const BUILT_IN: &[u8] = include_bytes!("../../assets/starter-weather.safetensors");

/// Prefix of every starter's version string.
pub(super) const VERSION_PREFIX: &str = "starter-";

/// Words that mean the same weather. A word stands in one row only, and only where no user could mean another
/// of the four by it: `sunny` is `shine`; `fog` or `snow` are none of them.
const SYNONYMS: [(&str, &[&str]); 4] = [
    ("cloudy", &["cloudy", "cloud", "overcast"]),
    ("rain", &["rain", "rainy", "raining"]),
    ("shine", &["shine", "sunshine", "sunny"]),
    ("sunrise", &["sunrise"]),
];

/// The starter model.
pub struct Starter {
    pub head: Arc<Head>,
    pub version: String,
    /// Out of fold on its training images.
    pub evaluation: Evaluation,
    classes: Vec<String>,
    learnt: HashSet<String>,
    fingerprint: String,
}

impl Starter {
    /// The one in the binary.
    ///
    /// # Errors
    /// The file is damaged, which a test rules out.
    pub fn built_in() -> Result<Self, FileError> {
        let (version, bytes) = Self::built_in_file();
        Self::from_file(VersionFile::from_bytes(bytes)?, version)
    }

    /// The file in the binary as it is, after its version string.
    pub fn built_in_file() -> (String, &'static [u8]) {
        let digest = blake3::hash(BUILT_IN).to_hex();
        (format!("{VERSION_PREFIX}{}", &digest[..8]), BUILT_IN)
    }

    fn from_file(mut file: VersionFile, version: String) -> Result<Self, FileError> {
        let (Some(card), true) = (file.card.heads.first().cloned(), file.heads.len() == 1) else {
            return Err(FileError::Heads { cards: file.card.heads.len(), heads: file.heads.len() });
        };
        let Some(evaluation) = card.evaluation else { return Err(FileError::NoEvaluation) };
        let digits = file.card.learnt.as_bytes().chunks_exact(SHORT_HASH);
        Ok(Self {
            head: Arc::new(file.heads.remove(0)),
            version,
            evaluation,
            classes: card.classes,
            learnt: digits.map(|hash| String::from_utf8_lossy(hash).into_owned()).collect(),
            fingerprint: file.card.fingerprint,
        })
    }

    /// Returns `true` if the starter was made for this backbone.
    pub fn fits(&self, fingerprint: &str) -> bool {
        self.fingerprint == fingerprint
    }

    /// Returns `true` if the image was among its training images.
    pub fn has_learnt(&self, image: ContentHash) -> bool {
        self.learnt.contains(&short_hash(image))
    }

    /// For each class of the label config the starter's class it means; `None` unless every class means one and
    /// no two the same, of whole images.
    pub fn columns(&self, spec: &HeadSpec) -> Option<Vec<usize>> {
        if spec.kind != ChoiceKind::Single || !spec.is_of_image() {
            return None;
        }
        let mut columns = Vec::with_capacity(spec.classes.len());
        for class in &spec.classes {
            let names = [class.value.as_str(), class.name.as_str()];
            let names = class.predicted_values.iter().map(String::as_str).chain(names);
            let column = names.filter_map(|name| self.column(name)).next()?;
            if columns.contains(&column) {
                return None;
            }
            columns.push(column);
        }
        Some(columns)
    }

    fn column(&self, name: &str) -> Option<usize> {
        let meaning = meaning(name)?;
        self.classes.iter().position(|class| class == meaning)
    }
}

/// The weather a class name means, whatever its case, plural or surrounding space.
fn meaning(name: &str) -> Option<&'static str> {
    let name = name.trim().to_lowercase();
    let singular = name.strip_suffix('s').unwrap_or(&name);
    SYNONYMS
        .iter()
        .find(|(_, words)| words.contains(&name.as_str()) || words.contains(&singular))
        .map(|(class, _)| *class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_file_can_be_read_and_knows_its_training_images() {
        let starter = Starter::built_in().unwrap();
        assert_eq!(starter.classes, ["cloudy", "rain", "shine", "sunrise"]);
        // Some of the 896 are copies of each other, byte for byte.
        assert!(starter.evaluation.accuracy > 0.9 && starter.evaluation.n == 896);
        assert!((850..=896).contains(&starter.learnt.len()), "{}", starter.learnt.len());
        assert!(!starter.has_learnt(ContentHash::new([0; 32])));
    }

    #[test]
    fn names_match_by_case_plural_and_synonym_and_no_further() {
        for (name, class) in [
            ("Cloudy", "cloudy"),
            (" clouds ", "cloudy"),
            ("RAIN", "rain"),
            ("rainy", "rain"),
            ("Sunny", "shine"),
            ("sunrises", "sunrise"),
        ] {
            assert_eq!(meaning(name), Some(class), "{name}");
        }
        for name in ["very cloudy", "fog", "snow", "", "s", "sun rise"] {
            assert_eq!(meaning(name), None, "{name}");
        }
    }
}
