//! The control tags whose answers are classes of an image.

use roxmltree::Node;
use serde::{Deserialize, Serialize};

use super::xml;

/// Kind of control tag, which gives the form of its answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Control {
    /// `<Choices>`: `{"choices": ["rain"]}`
    #[default]
    Choices,
    /// `<Taxonomy>`: `{"taxonomy": [["Eukarya", "Animals"]]}`. Each path that may be chosen is a class of one head. A head for
    /// each level wins only where parents are far apart (`docs/BENCHMARKS.md`, "Trees").
    Taxonomy,
    /// `<Rating>`: `{"rating": 4}`. Each number from 1 to `maxRating` is a class, and they are learnt as an order. What is
    /// answered, measured and told as certainty is about the most likely class, as for the others.
    Rating,
}

impl Control {
    const ALL: [Self; 3] = [Self::Choices, Self::Taxonomy, Self::Rating];

    /// The tag's name, as Label Studio writes it.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Choices => "Choices",
            Self::Taxonomy => "Taxonomy",
            Self::Rating => "Rating",
        }
    }

    /// The `type` of its results, which is also the key of the answer in their `value`.
    pub fn result_type(self) -> &'static str {
        match self {
            Self::Choices => "choices",
            Self::Taxonomy => "taxonomy",
            Self::Rating => "rating",
        }
    }

    /// The control tag that gives results of a type.
    pub fn of_result_type(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|control| control.result_type() == name)
    }

    /// `true` if it is [`Control::Choices`].
    pub fn is_choices(&self) -> bool {
        *self == Self::Choices
    }

    /// The control tag of an XML element, in any case of its name.
    pub(super) fn of(node: Node<'_, '_>) -> Option<Self> {
        Self::ALL.into_iter().find(|control| xml::is(node, control.tag()))
    }
}
