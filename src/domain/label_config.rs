//! Label configs: from Label Studio's XML to the heads this backend trains.
//!
//! Every `<Choices>`, `<Taxonomy>` or `<Rating>` that labels an `<Image>`, as a whole or region by region, is one head. Tag
//! and attribute names are read in any case, as Label Studio's editor does. A question that can't be classified here is left
//! out with a reason in [`LabelConfig::ignored`]; only a config without any head is an error.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

mod cache;
mod classes;
mod control;
mod dropped;
mod heads;
mod rating;
mod required;
mod scope;
mod visible;
mod written;
mod xml;

pub use cache::LabelConfigs;
pub(super) use classes::tell_apart;
pub use classes::{MAX_CHOICE_DEPTH, MAX_CLASSES, MAX_NAME_BYTES};
pub use control::Control;
pub use dropped::{Dropped, alike};
pub use heads::MAX_HEADS;
pub use required::with_answers_required;
pub use scope::{RegionCondition, Scope};
pub use visible::{Condition, visible};
pub use written::{ClassesError, of_classes};
pub use xml::{MAX_ATTRIBUTES, MAX_CONFIG_BYTES, MAX_DEPTH, MAX_NAMESPACES, MAX_NODES};

/// Reason for a label config without a head to train.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelConfigError {
    /// More than [`MAX_CONFIG_BYTES`].
    #[error(
        "label config is {:.1} MB, limit is {} MB; move long texts and styles out of it",
        *bytes as f64 / 1e6,
        MAX_CONFIG_BYTES / 1_000_000
    )]
    TooLarge {
        /// Size of the XML.
        bytes: usize,
    },
    /// More than [`MAX_NODES`].
    #[error("label config has more than {MAX_NODES} tags and texts; shorten it")]
    TooManyNodes,
    /// More than [`MAX_DEPTH`].
    #[error("label config nests tags deeper than {MAX_DEPTH} levels; flatten it")]
    TooDeep,
    /// More than [`MAX_ATTRIBUTES`].
    #[error("label config has a tag with more than {MAX_ATTRIBUTES} attributes; shorten it")]
    TooManyAttributes,
    /// More than [`MAX_NAMESPACES`].
    #[error("label config mentions `xmlns` more than {MAX_NAMESPACES} times; drop the namespaces")]
    TooManyNamespaces,
    /// A document type declaration, the vehicle of entity bombs; Label Studio refuses it as well.
    #[error("label config has a document type declaration (`<!DOCTYPE>`), which is refused; remove it")]
    Dtd,
    /// Not XML.
    #[error("label config is not XML: {0}")]
    Xml(String),
    /// Nothing that classifies.
    #[error(
        "label config has no `<Choices>`, `<Taxonomy>` or `<Rating>` tag: {found}; this backend only classifies images"
    )]
    NoChoices {
        /// Description of the tags that the config has instead.
        found: String,
    },
    /// Nothing to classify.
    #[error("label config has no `<Image>` tag: {found}; this backend only classifies images")]
    NoImage {
        /// Description of the tags that the config has instead.
        found: String,
    },
    /// Questions and images, but no pair of them that works.
    #[error("label config has no question that can be learnt: {}", reasons.join("; "))]
    NoUsableHead {
        /// A reason for each.
        reasons: Vec<String>,
    },
}

/// Questions of a project's label config that this backend can learn.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelConfig {
    /// One per usable control tag, in document order; never empty.
    pub heads: Vec<HeadSpec>,
    /// Reasons for leaving out other control tags, choices or settings, for the person who reads the log.
    pub ignored: Vec<String>,
}

/// One classification: a control tag on an `<Image>`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct HeadSpec {
    /// Name of the control tag.
    pub from_name: String,
    /// Kind of the control tag.
    #[serde(default)]
    pub control: Control,
    /// Subject of one answer: a whole image or a region.
    #[serde(default)]
    pub scope: Scope,
    /// Of a head with [`Scope::Region`]: a person is asked only about regions that meet all of these.
    #[serde(default)]
    pub regions: Vec<RegionCondition>,
    /// Name of the `<Image>`.
    pub to_name: String,
    /// Key of the image in a task's data, without the `$`; or its address around such variables, with `$`, as
    /// [`Task::image_source`](crate::domain::task::Task::image_source) takes it.
    pub image_key: String,
    /// One class per image or region, or any number.
    pub kind: ChoiceKind,
    /// At least two, in document order.
    pub classes: Vec<Class>,
    /// `model_score_threshold`, 0..=1: below it nothing is pre-selected.
    pub score_threshold: Option<f32>,
    /// `model_skip="true"`: learn nothing, predict nothing for this head.
    pub skip: bool,
    /// A person sees the question only where all of these hold.
    pub when: Vec<Condition>,
}

/// Number of classes of a head that an image may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceKind {
    /// `choice="single"` (the default) and `"single-radio"`: exactly one.
    Single,
    /// `choice="multiple"`: any number.
    Multiple,
}

/// One `<Choice>`.
///
/// With `allowNested="true"` of a `<Choices>` only choices without children are classes: the editor shows a parent as
/// ticked exactly when all its children are, so a parent carries nothing of its own. Without
/// `allowNested` the editor offers no choice that stands inside another, so those are no classes. In a `<Taxonomy>` a parent
/// is a class of its own, unless `leafsOnly="true"`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Class {
    /// Unique in its head: the alias, else the value. Nested choices whose own names collide are told
    /// apart by their whole path, joined by ` / `.
    pub name: String,
    /// The text people see; where there is no alias, the attribute `value`, beside which the editor prefers a text.
    pub value: String,
    /// Empty for a flat choice, whose result is its name. With `allowNested="true"` and of a `<Taxonomy>` what the result holds:
    /// the names from the topmost parent down to this choice.
    pub path: Vec<String>,
    /// `predicted_values`: names another model gives this class.
    pub predicted_values: Vec<String>,
}

impl Class {
    /// A choice without parents whose name is what people see.
    pub fn flat(name: String) -> Self {
        Self { value: name.clone(), name, path: Vec::new(), predicted_values: Vec::new() }
    }
}

impl LabelConfigError {
    /// `true` if the text is of a size or shape that nobody writes: then it isn't kept.
    pub fn is_hostile(&self) -> bool {
        match self {
            Self::TooLarge { .. }
            | Self::TooManyNodes
            | Self::TooDeep
            | Self::TooManyAttributes
            | Self::TooManyNamespaces
            | Self::Dtd => true,
            Self::Xml(_) | Self::NoChoices { .. } | Self::NoImage { .. } | Self::NoUsableHead { .. } => false,
        }
    }
}

impl LabelConfig {
    /// Bytes in memory, about.
    pub fn bytes(&self) -> usize {
        let class = |class: &Class| {
            let texts = class.path.iter().chain(&class.predicted_values).chain([&class.name, &class.value]);
            size_of::<Class>() + texts.map(|text| size_of::<String>() + text.len()).sum::<usize>()
        };
        let head = |head: &HeadSpec| size_of::<HeadSpec>() + head.classes.iter().map(class).sum::<usize>();
        let ignored = self.ignored.iter().map(|reason| size_of::<String>() + reason.len());
        self.heads.iter().map(head).chain(ignored).sum()
    }

    /// Reads the XML of a project's label config.
    ///
    /// # Errors
    /// XML that is broken, too large or hostile, and configs without any image classification.
    pub fn parse(xml: &str) -> Result<Self, LabelConfigError> {
        heads::read(&xml::open(xml)?)
    }

    /// BLAKE3 of everything a trained head depends on, in hexadecimal. Layout, colours, headers, hotkeys,
    /// thresholds and the shown text of a choice with an alias don't change it.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for head in &self.heads {
            feed(&mut hasher, &head.digest());
        }
        hasher.finalize().to_hex().to_string()
    }
}

impl HeadSpec {
    /// Like [`LabelConfig::digest`], for one head.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let kind = match self.kind {
            ChoiceKind::Single => "single",
            ChoiceKind::Multiple => "multiple",
        };
        for text in [&self.from_name, &self.to_name, &self.image_key, kind] {
            feed(&mut hasher, text);
        }
        for class in &self.classes {
            feed(&mut hasher, &class.name);
            hasher.update(&(class.path.len() as u64).to_le_bytes());
            class.path.iter().for_each(|name| feed(&mut hasher, name));
        }
        // The digest of a `<Choices>` is that of versions that knew no other control tag.
        if !self.control.is_choices() {
            feed(&mut hasher, self.control.tag());
        }
        if !self.scope.is_image() {
            feed(&mut hasher, "perRegion");
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Index of the class a name stands for: its [`Class::name`], else the one class with that value, else the one that
    /// differs only in how text can be written (spaces at the ends, Unicode form).
    pub fn class_index(&self, name: &str) -> Option<usize> {
        let by_name = self.classes.iter().position(|class| class.name == name);
        let by_value = || self.only(|class| class.value == name);
        by_name.or_else(by_value).or_else(|| {
            let name = plain(name);
            self.only(|class| plain(&class.name) == name || plain(&class.value) == name)
        })
    }

    /// Index of the class at a nested result's path, its last name being the alias or the value. A path of
    /// one name is a flat choice's; in a `<Taxonomy>` it is one without parents.
    pub fn path_index(&self, path: &[&str]) -> Option<usize> {
        let (name, parents) = path.split_last()?;
        let exact = self.classes.iter().position(|class| class.path == path);
        if parents.is_empty() && self.control != Control::Taxonomy || exact.is_some() {
            return exact.or_else(|| self.class_index(name));
        }
        let at = |same: fn(&str, &str) -> bool| {
            self.only(|class| {
                class.path.split_last().is_some_and(|(own, above)| {
                    (same(own, name) || same(&class.value, name))
                        && above.len() == parents.len()
                        && above.iter().zip(parents).all(|(a, b)| same(a, b))
                })
            })
        };
        at(|a, b| a == b).or_else(|| at(|a, b| plain(a) == plain(b)))
    }

    /// Index of the class for which something holds, if it is the only one.
    fn only(&self, holds: impl Fn(&Class) -> bool) -> Option<usize> {
        let mut those = (0..self.classes.len()).filter(|index| holds(&self.classes[*index]));
        those.next().filter(|_| those.next().is_none())
    }
}

/// A name without what nobody sees: spaces at its ends, and which of several ways of writing an accented letter was taken
/// (Unicode normal form C, UAX 15).
pub fn plain(name: &str) -> Cow<'_, str> {
    let name = name.trim();
    match is_nfc_quick(name.chars()) {
        IsNormalized::Yes => Cow::Borrowed(name),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(name.nfc().collect()),
    }
}

/// Hashes a text with its length, so that neighbours can't run into each other.
fn feed(hasher: &mut blake3::Hasher, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

#[cfg(test)]
mod tests;
