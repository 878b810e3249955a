//! Labels in use that a changed label config would drop.

use std::collections::BTreeMap;
use std::fmt;

use super::{HeadSpec, LabelConfig};

/// Similarity of two names from which one may be the other's new name, Jaro-Winkler: `ten` and `ten new` have 0.87.
const ALIKE: f64 = 0.8;

/// Annotations by label, by name of the control tag.
type Counts = BTreeMap<String, BTreeMap<String, i64>>;

/// A label that annotations use and a label config no longer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Name of the control tag.
    pub from_name: String,
    /// As the annotations have it.
    pub label: String,
    /// Annotations that use it.
    pub annotations: i64,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of `{}` ({} annotations)", self.label, self.from_name, self.annotations)
    }
}

impl LabelConfig {
    /// The labels in use that `after` would drop. `counts` are annotations by label, by name of the control tag, as Label
    /// Studio's project summary has them. Tags that are no head of this config are left to Label Studio.
    pub fn dropped_by(&self, after: &Self, counts: &Counts) -> Vec<Dropped> {
        let mut dropped = Vec::new();
        for (from_name, labels) in counts {
            if !self.heads.iter().any(|head| head.from_name == *from_name) {
                continue;
            }
            let head = after.heads.iter().find(|head| head.from_name == *from_name);
            let gone = labels.iter().filter(|(label, _)| !head.is_some_and(|head| head.knows(label)));
            dropped.extend(gone.filter(|(_, annotations)| **annotations > 0).map(|(label, annotations)| {
                Dropped { from_name: from_name.clone(), label: label.clone(), annotations: *annotations }
            }));
        }
        dropped
    }

    /// The class without labels that a dropped label may have been renamed to. Nested labels are counted by their last name
    /// alone, so that nothing is said of them.
    pub fn new_name_of(&self, dropped: &Dropped, counts: &Counts) -> Option<&str> {
        let head = self.heads.iter().find(|head| head.from_name == dropped.from_name)?;
        let in_use = counts.get(&dropped.from_name)?.iter().filter(|(_, annotations)| **annotations > 0);
        let in_use: Vec<usize> = in_use.filter_map(|(label, _)| head.class_index(label)).collect();
        let without = head.classes.iter().enumerate().filter(|(index, _)| !in_use.contains(index));
        let flat = without.filter(|(_, class)| class.path.len() <= 1);
        alike(&dropped.label, flat.map(|(_, class)| class.name.as_str()))
    }
}

/// The name that is most like another one, if it may be the new name of the same thing.
pub fn alike<'a>(old: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |name: &str| strsim::jaro_winkler(&old.to_lowercase(), &name.to_lowercase());
    let most = names.map(|name| (likeness(name), name)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (most.0 >= ALIKE).then_some(most.1)
}

impl HeadSpec {
    /// `true` if a label of a result is a class, or one of the choices above a nested class.
    fn knows(&self, label: &str) -> bool {
        self.class_index(label).is_some()
            || self.classes.iter().any(|class| class.path.iter().any(|name| name == label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(classes: &[&str], name: &str) -> LabelConfig {
        let choices: String = classes.iter().map(|class| format!("<Choice value=\"{class}\"/>")).collect();
        LabelConfig::parse(&format!(
            "<View><Image name=\"image\" value=\"$image\"/><Choices name=\"{name}\" toName=\"image\">{choices}</Choices></View>"
        ))
        .unwrap()
    }

    #[test]
    fn labels_in_use_are_missed_and_unused_ones_are_not() {
        let counts = BTreeMap::from([
            ("weather".to_owned(), BTreeMap::from([("rain".to_owned(), 3), ("sun".to_owned(), 0)])),
            ("boxes".to_owned(), BTreeMap::from([("car".to_owned(), 9)])),
        ]);
        let before = config(&["rain", "sun", "snow"], "weather");
        let missed = |after: &LabelConfig| -> Vec<String> {
            before.dropped_by(after, &counts).iter().map(Dropped::to_string).collect()
        };
        assert_eq!(missed(&config(&["rain", "fog"], "weather")), Vec::<String>::new());
        assert_eq!(missed(&config(&["sun", "snow"], "weather")), ["`rain` of `weather` (3 annotations)"]);
        assert_eq!(missed(&config(&["rain", "sun"], "sky")), ["`rain` of `weather` (3 annotations)"]);
    }

    #[test]
    fn a_class_without_labels_may_be_the_new_name() {
        let counts = BTreeMap::from([(
            "weather".to_owned(),
            BTreeMap::from([("rain".to_owned(), 3), ("sun".to_owned(), 2), ("sun new".to_owned(), 0)]),
        )]);
        let new_name = |classes: &[&str]| -> Option<String> {
            let config = config(classes, "weather");
            let dropped = config.dropped_by(&config, &counts);
            config.new_name_of(&dropped[0], &counts).map(str::to_owned)
        };
        assert_eq!(new_name(&["rainy", "sun"]).as_deref(), Some("rainy"));
        assert_eq!(new_name(&["sun new", "rain"]).as_deref(), Some("sun new"));
        assert_eq!(new_name(&["snow", "sun"]), None);
        assert_eq!(new_name(&["rain", "snow"]), None, "a class that has labels is no new name");
    }
}
