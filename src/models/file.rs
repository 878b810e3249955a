//! A version as one file: safetensors with a JSON card in its header and one entry per head.

use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::ids::{ContentHash, ProjectId, TaskId};
use crate::domain::label_config::{ChoiceKind, Class, Control, HeadSpec, Scope};
use crate::eval::Evaluation;
use crate::eval::calibration::CalibrationBin;
use crate::model::{Fitted, Head, ModelError};

/// Raised when the card changes so that older programs would misread it.
const FORMAT: u32 = 1;

/// Header entry that holds the card.
const CARD: &str = "weathervane";

/// Failure to write or read a model file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("not a safetensors file: {0}")]
    Container(#[from] safetensors::SafeTensorError),
    #[error("the header has no `{CARD}` card")]
    NoCard,
    #[error("the card can't be read: {0}")]
    Card(#[from] serde_json::Error),
    #[error("format {found} is newer than this program's {FORMAT}; update weathervane")]
    Newer { found: u32 },
    #[error("the head has no evaluation")]
    NoEvaluation,
    #[error("{cards} heads in the card, {heads} in the file")]
    Heads { cards: usize, heads: usize },
    #[error("head {index}: {source}")]
    Head { index: usize, source: ModelError },
}

/// A version: what it is, and its heads in the card's order.
#[derive(Debug)]
pub struct VersionFile {
    pub card: Card,
    pub heads: Vec<Head>,
}

/// Metadata of a version. Nothing in it depends on time or number, so that the same weights make the
/// same file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Card {
    pub format: u32,
    pub project: ProjectId,
    /// Digest of backbone weights and preprocessing.
    pub fingerprint: String,
    pub backbone: String,
    pub config_digest: String,
    /// Labelled tasks the version learnt from.
    pub labels: i64,
    /// Short hashes of the training images, one after the other, ascending; empty where nobody will ask.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub learnt: String,
    pub heads: Vec<HeadCard>,
}

/// Hexadecimal digits that tell one training image from others: 32 bits mistake one new image in five million for
/// one of a thousand.
pub(super) const SHORT_HASH: usize = 8;

/// The first digits of an image's hash.
pub(super) fn short_hash(hash: ContentHash) -> String {
    hash.to_hex()[..SHORT_HASH].to_owned()
}

/// Metadata of a head.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct HeadCard {
    pub from_name: String,
    pub to_name: String,
    /// Control tag it answers; absent for `<Choices>`, the only one of versions of older programs.
    #[serde(default, skip_serializing_if = "Control::is_choices")]
    pub control: Control,
    /// Scope of its classification; absent for whole images, the only scope of versions of older programs.
    #[serde(default, skip_serializing_if = "Scope::is_image")]
    pub scope: Scope,
    pub kind: ChoiceKind,
    /// Class names, in the order of the head's outputs.
    pub classes: Vec<String>,
    /// Path that a result holds for each class, where it is one; absent for flat choices, and in versions of older programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<Vec<String>>,
    pub source: HeadSource,
    /// Feature groups and the weight the labels' evidence gave each.
    pub groups: Vec<(String, f32)>,
    /// `true` if the gradient refinement was kept.
    pub refined: bool,
    /// Out-of-fold, on the labels of this version.
    pub evaluation: Option<Evaluation>,
    /// Out-of-fold confusion matrix: counts by `[label][answer]`. Absent for multiple choice, many classes, and versions of
    /// older programs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<usize>>,
    /// Reliability diagram: out-of-fold decisions by certainty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibration: Vec<CalibrationBin>,
    /// Training loss after each epoch, nats; one that diverged is cut off there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<f32>,
    /// Accuracy of the starter model on the same labels, where its classes match.
    pub starter_accuracy: Option<f64>,
    /// Labels that are probably wrong, the most suspicious first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspects: Vec<SuspectCard>,
    /// Labelled tasks whose images are near-duplicates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near_copies: Vec<Vec<TaskId>>,
}

/// A label that an out-of-fold model contradicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SuspectCard {
    pub task: TaskId,
    pub given: String,
    pub likely: String,
    pub p_given: f32,
    pub p_likely: f32,
}

/// Origin of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadSource {
    /// Trained on the project's labels
    Own,
    /// The starter's, while it is still better on the project's labels
    Starter,
}

impl HeadSource {
    /// Name in the status route.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Starter => "starter",
        }
    }
}

/// Key of the image in a task's data where the label config is not at hand, as Label Studio's templates name it.
const IMAGE_KEY: &str = "image";

impl HeadCard {
    /// A head just trained for `spec`, without what only its project knows.
    pub fn trained(spec: &HeadSpec, fitted: &Fitted) -> Self {
        Self {
            from_name: spec.from_name.clone(),
            to_name: spec.to_name.clone(),
            control: spec.control,
            scope: spec.scope,
            kind: spec.kind,
            classes: spec.classes.iter().map(|class| class.name.clone()).collect(),
            paths: paths(spec),
            source: HeadSource::Own,
            groups: fitted.group_weights.clone(),
            refined: fitted.refined,
            evaluation: Some(fitted.evaluation.clone()),
            confusion: fitted.confusion.clone(),
            calibration: fitted.calibration.clone(),
            losses: fitted.losses.iter().copied().take_while(|loss| loss.is_finite()).collect(),
            starter_accuracy: None,
            suspects: Vec::new(),
            near_copies: Vec::new(),
        }
    }

    /// The head as a label config would describe it, as far as the card tells.
    pub fn spec(&self) -> HeadSpec {
        let class = |(index, name): (usize, &String)| Class {
            path: self.paths.get(index).cloned().unwrap_or_default(),
            ..Class::flat(name.clone())
        };
        HeadSpec {
            from_name: self.from_name.clone(),
            control: self.control,
            scope: self.scope,
            regions: Vec::new(),
            to_name: self.to_name.clone(),
            image_key: IMAGE_KEY.to_owned(),
            kind: self.kind,
            classes: self.classes.iter().enumerate().map(class).collect(),
            score_threshold: None,
            skip: false,
            when: Vec::new(),
        }
    }
}

/// The classes' paths; empty where no class has one.
fn paths(spec: &HeadSpec) -> Vec<Vec<String>> {
    if spec.classes.iter().all(|class| class.path.is_empty()) {
        return Vec::new();
    }
    spec.classes.iter().map(|class| class.path.clone()).collect()
}

impl Card {
    /// A card of this program's format.
    pub fn new(
        project: ProjectId,
        fingerprint: &str,
        backbone: &str,
        config_digest: String,
        labels: i64,
    ) -> Self {
        let fingerprint = fingerprint.to_owned();
        let backbone = backbone.to_owned();
        let learnt = String::new();
        let heads = Vec::new();
        Self { format: FORMAT, project, fingerprint, backbone, config_digest, labels, learnt, heads }
    }

    /// Returns `true` if the version learnt from this image, by its short hash.
    pub fn has_learnt(&self, image: ContentHash) -> bool {
        let digits = short_hash(image);
        self.learnt.as_bytes().chunks_exact(SHORT_HASH).any(|hash| hash == digits.as_bytes())
    }

    /// Sets the images that the version learnt from.
    pub fn set_learnt(&mut self, images: &[ContentHash]) {
        let mut hashes: Vec<String> = images.iter().copied().map(short_hash).collect();
        hashes.sort();
        hashes.dedup();
        self.learnt = hashes.concat();
    }

    /// Names, kinds and classes, for the database row.
    ///
    /// # Errors
    /// Never for a card of finite numbers.
    pub fn heads_json(&self) -> Result<Value, FileError> {
        let heads: Vec<_> =
            self.heads.iter().map(|head| (&head.from_name, head.kind, &head.classes)).collect();
        Ok(serde_json::to_value(&heads)?)
    }

    /// The heads' cards with their evaluations, for the database row.
    ///
    /// # Errors
    /// Never for a card of finite numbers.
    pub fn metrics_json(&self) -> Result<Value, FileError> {
        Ok(serde_json::to_value(&self.heads)?)
    }
}

impl VersionFile {
    /// The file's bytes; the same version always gives the same ones.
    ///
    /// # Errors
    /// A head can't be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, FileError> {
        let mut heads = Vec::with_capacity(self.heads.len());
        for (index, head) in self.heads.iter().enumerate() {
            heads.push(head.to_bytes().map_err(|source| FileError::Head { index, source })?);
        }
        let mut views = Vec::with_capacity(heads.len());
        for (index, bytes) in heads.iter().enumerate() {
            views.push((format!("head.{index:04}"), TensorView::new(Dtype::U8, vec![bytes.len()], bytes)?));
        }
        let header = HashMap::from([(CARD.to_owned(), serde_json::to_string(&self.card)?)]);
        Ok(safetensors::serialize(views, Some(header))?)
    }

    /// Reads what [`VersionFile::to_bytes`] wrote.
    ///
    /// # Errors
    /// The bytes are damaged, or of a newer program.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FileError> {
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let card =
            header.metadata().as_ref().and_then(|entries| entries.get(CARD)).ok_or(FileError::NoCard)?;
        let card: Card = serde_json::from_str(card)?;
        if card.format > FORMAT {
            return Err(FileError::Newer { found: card.format });
        }
        let file = SafeTensors::deserialize(bytes)?;
        let mut heads = Vec::with_capacity(card.heads.len());
        for index in 0..card.heads.len() {
            let view = file.tensor(&format!("head.{index:04}"))?;
            heads.push(Head::from_bytes(view.data()).map_err(|source| FileError::Head { index, source })?);
        }
        if heads.len() != file.len() {
            return Err(FileError::Heads { cards: heads.len(), heads: file.len() });
        }
        Ok(Self { card, heads })
    }
}
