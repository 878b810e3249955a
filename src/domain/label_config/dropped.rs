//! Which answers people gave would have no class any more.

use std::collections::BTreeMap;
use std::fmt;

use super::{HeadSpec, LabelConfig};

/// A label that annotations use and a label config no longer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Name of the `<Choices>`.
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
    pub fn dropped_by(&self, after: &Self, counts: &BTreeMap<String, BTreeMap<String, i64>>) -> Vec<Dropped> {
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
}

impl HeadSpec {
    /// Whether a label of a result is a class, or one of the choices above a nested class.
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
}
