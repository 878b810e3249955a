//! Scope of an answer to a control tag: the whole image, or with `perRegion` a region of it.

use roxmltree::Node;
use serde::{Deserialize, Serialize};

use super::{HeadSpec, LabelConfig, xml};

/// Subject that a head classifies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Whole images.
    #[default]
    Image,
    /// `perRegion="true"`: each rectangle or ellipse that somebody drew, cut out of its image.
    Region,
}

/// Condition on the regions of an image that a person is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionCondition {
    /// Name of the control tag that labelled the region; `None`: any, or none.
    pub tag: Option<String>,
    /// The region has one of these labels; empty: it may have any, or none.
    pub labels: Vec<String>,
}

impl Scope {
    /// `true` if it is [`Scope::Image`].
    pub fn is_image(&self) -> bool {
        *self == Self::Image
    }

    pub(super) fn of(tag: Node<'_, '_>) -> Self {
        if xml::is_true(tag, "perRegion") { Self::Region } else { Self::Image }
    }
}

impl HeadSpec {
    /// `true` if the head classifies whole images.
    pub fn is_of_image(&self) -> bool {
        self.scope.is_image()
    }
}

impl LabelConfig {
    /// `true` if a question about regions is learnt.
    pub fn asks_about_regions(&self) -> bool {
        self.heads.iter().any(|head| !head.is_of_image() && !head.skip)
    }

    /// The head whose image stands for a task, where one is shown or compared: the first of whole images, else of regions; none
    /// that is skipped.
    pub fn main_head(&self) -> Option<&HeadSpec> {
        self.heads.iter().filter(|head| !head.skip).min_by_key(|head| !head.is_of_image())
    }

    /// The head that a class of a whole image belongs to where none is named: the first one of whole images.
    pub fn image_head(&self) -> Option<&HeadSpec> {
        self.heads.iter().find(|head| head.is_of_image())
    }

    /// The heads of whole images alone, and the names of the others.
    pub fn of_images(mut self) -> (Self, Vec<String>) {
        let left_out = self.heads.extract_if(.., |head| !head.is_of_image());
        let left_out = left_out.map(|head| head.from_name).collect();
        (self, left_out)
    }
}

/// The conditions on regions of a control tag with `perRegion` and of the tags around it, and messages about other
/// conditions: by those it counts as always visible. Its own `whenLabelValue` holds without `visibleWhen`, as in the editor.
pub(super) fn conditions(tag: Node<'_, '_>) -> (Vec<RegionCondition>, Vec<String>) {
    let mut conditions = Vec::new();
    let mut others = Vec::new();
    for around in tag.ancestors() {
        let when = xml::attribute(around, "visibleWhen");
        if when.is_some_and(|when| when != "region-selected") {
            others.push(
                "of a question about regions only `visibleWhen=\"region-selected\"` is looked at".to_owned(),
            );
        }
        if when != Some("region-selected") && around != tag {
            continue;
        }
        let labels = xml::attribute(around, "whenLabelValue").unwrap_or_default();
        let mut labels: Vec<String> =
            labels.split(',').filter(|label| !label.is_empty()).map(str::to_owned).collect();
        // A label may itself hold a comma.
        if labels.len() > 1 {
            labels.extend(xml::attribute(around, "whenLabelValue").map(str::to_owned));
        }
        let tag = xml::attribute(around, "whenTagName").filter(|_| when == Some("region-selected"));
        if tag.is_some() || !labels.is_empty() {
            conditions.push(RegionCondition { tag: tag.map(str::to_owned), labels });
        }
    }
    (conditions, others)
}
