//! One snapshot of what predicts a project: its published heads, or the starter's where there is none.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::starter::{Starter, VERSION_PREFIX};
use super::{Published, Snapshot, UNTRAINED};
use crate::domain::label_config::{ChoiceKind, HeadSpec, LabelConfig, Scope};
use crate::model::{Head, ModelError};

/// Hexadecimal digits that tell label configs apart in the name of a version.
const CONFIG_DIGITS: usize = 4;

/// A consistent view for one request.
pub struct Serving {
    /// The version every prediction of this view carries.
    pub version: String,
    /// A head for each of the label config's, in its order; `None` where nothing can be predicted.
    pub heads: Vec<Option<ServingHead>>,
    /// Snapshot it was made of.
    pub snapshot: Snapshot,
}

/// A head together with the map from the label config's classes to its own.
pub struct ServingHead {
    model: HeadOf,
    /// For each class of the label config the head's class, or `None` for one it has not learnt.
    columns: Vec<Option<usize>>,
    multiple: bool,
}

enum HeadOf {
    Published(Arc<Published>, usize),
    Starter(Arc<Head>),
}

impl Serving {
    pub(super) fn new(
        current: Option<Arc<Published>>,
        starter: Option<&Starter>,
        config: &LabelConfig,
    ) -> Self {
        let digest = config.digest();
        let mut version =
            current.as_ref().map(|published| match published.file.card.config_digest == digest {
                true => published.name.clone(),
                false => asked_anew(&published.name, &digest),
            });
        let heads = config.heads.iter().map(|spec| {
            let own = current.as_ref().and_then(|published| ServingHead::published(published, spec));
            own.or_else(|| {
                let starter = starter?;
                let head = ServingHead::starter(starter, spec)?;
                version.get_or_insert_with(|| asked_anew(&starter.version, &digest));
                Some(head)
            })
        });
        let heads = heads.collect();
        let version = version.unwrap_or_else(|| UNTRAINED.to_owned());
        Self { version, heads, snapshot: Snapshot { published: current, config_digest: digest } }
    }

    /// View of one version by itself, without a starter in its gaps.
    pub fn of(published: Arc<Published>, config: &LabelConfig) -> Self {
        let version = published.name.clone();
        Self { version, ..Self::new(Some(published), None, config) }
    }

    /// Status of each head of the label config.
    pub fn describe(&self, config: &LabelConfig) -> Vec<HeadStatus> {
        let heads = config.heads.iter().zip(&self.heads).map(|(spec, head)| HeadStatus {
            from_name: spec.from_name.clone(),
            classes: spec.classes.iter().map(|class| class.name.clone()).collect(),
            served_by: head.as_ref().map_or("nothing", ServingHead::source),
            scope: spec.scope,
            missing: head.is_none().then_some(match spec.scope {
                Scope::Image => "labelled images of at least two classes",
                Scope::Region => "labelled regions of at least two classes",
            }),
            unlearnt_classes: head.as_ref().map(|head| head.unlearnt(spec)).unwrap_or_default(),
        });
        heads.collect()
    }
}

/// Status of a head of the label config: the model that serves it now.
#[derive(Clone, Debug, Serialize)]
pub struct HeadStatus {
    pub from_name: String,
    pub classes: Vec<String>,
    /// Scope: whole images or regions of them.
    pub scope: Scope,
    /// `own`, `starter` or `nothing`.
    pub served_by: &'static str,
    /// Requirement for predictions that is not met yet.
    pub missing: Option<&'static str>,
    /// Classes that were added since the training.
    pub unlearnt_classes: Vec<String>,
}

/// The name of a version under a label config it was not trained for. It answers otherwise than before, and Label Studio
/// asks again only where the name is another.
fn asked_anew(name: &str, digest: &str) -> String {
    format!("{name}-{}", &digest[..CONFIG_DIGITS])
}

/// A version's name for an order that is written again though Label Studio had the name before.
pub fn revised(name: &str, revision: usize) -> String {
    format!("{name}.{revision}")
}

/// The name without its revision.
pub fn unrevised(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((version, revision)) if revision.bytes().all(|digit| digit.is_ascii_digit()) => version,
        _ => name,
    }
}

/// The name under which a version was published, whatever label config it was asked with and however often its order was
/// written.
pub fn published_name(name: &str) -> &str {
    let name = unrevised(name);
    match name.rsplit_once('-') {
        Some((published, digits)) if digits.len() == CONFIG_DIGITS => published,
        _ => name,
    }
}

impl ServingHead {
    /// The published head of this name, kind and scope, if they still share a class: a label config may have changed
    /// since the training.
    fn published(published: &Arc<Published>, spec: &HeadSpec) -> Option<Self> {
        let cards = &published.file.card.heads;
        let index = cards.iter().position(|card| card.from_name == spec.from_name)?;
        let card = &cards[index];
        if card.kind != spec.kind || card.scope != spec.scope {
            return None;
        }
        let own: HashMap<&str, usize> =
            card.classes.iter().enumerate().map(|(column, class)| (class.as_str(), column)).collect();
        let columns: Vec<Option<usize>> =
            spec.classes.iter().map(|class| own.get(class.name.as_str()).copied()).collect();
        columns.iter().any(Option::is_some).then(|| Self {
            model: HeadOf::Published(Arc::clone(published), index),
            columns,
            multiple: spec.kind == ChoiceKind::Multiple,
        })
    }

    fn starter(starter: &Starter, spec: &HeadSpec) -> Option<Self> {
        let columns = starter.columns(spec)?.into_iter().map(Some).collect();
        Some(Self { model: HeadOf::Starter(Arc::clone(&starter.head)), columns, multiple: false })
    }

    /// Classes of the label config it answers for.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    fn head(&self) -> &Head {
        match &self.model {
            HeadOf::Published(published, index) => &published.file.heads[*index],
            HeadOf::Starter(head) => head,
        }
    }

    fn source(&self) -> &'static str {
        match &self.model {
            HeadOf::Published(published, index) => published.file.card.heads[*index].source.name(),
            HeadOf::Starter(_) => "starter",
        }
    }

    fn unlearnt(&self, spec: &HeadSpec) -> Vec<String> {
        let classes = spec.classes.iter().zip(&self.columns).filter(|(_, column)| column.is_none());
        classes.map(|(class, _)| class.name.clone()).collect()
    }

    /// Calibrated probabilities in the order of the label config's classes. Where a class was added since the
    /// training it has 0; where one was removed, the rest is rescaled to sum to one (single choice).
    ///
    /// # Errors
    /// The embedding's length is not the head's.
    pub fn probabilities(&self, embedding: &[f32]) -> Result<Vec<f32>, ModelError> {
        let all = self.head().probabilities(embedding)?;
        let mut row: Vec<f32> =
            self.columns.iter().map(|column| column.map_or(0.0, |column| all[column])).collect();
        if !self.multiple {
            let sum: f32 = row.iter().sum();
            if sum > 0.0 {
                row.iter_mut().for_each(|value| *value /= sum);
            }
        }
        Ok(row)
    }
}

/// Returns `true` if a prediction's version is one that this program gives, of whatever project.
pub fn is_own_name(name: &str) -> bool {
    let name = published_name(name);
    let is_digits = |text: &str, of: fn(&u8) -> bool| !text.is_empty() && text.as_bytes().iter().all(of);
    let of_training = name.strip_prefix('v').and_then(|rest| rest.split_once('-'));
    name == UNTRAINED
        || name.strip_prefix(VERSION_PREFIX).is_some_and(|digest| is_digits(digest, u8::is_ascii_hexdigit))
        || of_training.is_some_and(|(number, digest)| {
            is_digits(number, u8::is_ascii_digit)
                && digest.len() == 12
                && is_digits(digest, u8::is_ascii_hexdigit)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_under_the_name_it_has_with_another_label_config() {
        for (name, published) in [
            ("v3-1f0c9a7be2d4", "v3-1f0c9a7be2d4"),
            ("v3-1f0c9a7be2d4-09af", "v3-1f0c9a7be2d4"),
            ("v3-1f0c9a7be2d4.2", "v3-1f0c9a7be2d4"),
            ("v3-1f0c9a7be2d4-09af.12", "v3-1f0c9a7be2d4"),
            ("untrained", "untrained"),
            ("", ""),
        ] {
            assert_eq!(published_name(name), published);
        }
        for name in [
            "v3-1f0c9a7be2d4",
            "v3-1f0c9a7be2d4-09af.12",
            "untrained",
            "starter-09af77aa",
            "starter-09af77aa-1f0c",
        ] {
            assert!(is_own_name(name), "{name}");
        }
        for name in ["", "v", "v3", "yolo-v8", "v3-1f0c", "vx-1f0c9a7be2d4", "starter-", "1f0c9a7be2d4"] {
            assert!(!is_own_name(name), "{name}");
        }
        let anew = asked_anew("v3-1f0c9a7be2d4", "09af77");
        assert_eq!(published_name(&anew), "v3-1f0c9a7be2d4");
        assert_eq!((unrevised(&anew), unrevised(&revised(&anew, 3))), (anew.as_str(), anew.as_str()));
    }
}
