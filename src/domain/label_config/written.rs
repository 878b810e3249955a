//! A label config written for a list of classes.

use super::{ChoiceKind, LabelConfig, MAX_CLASSES};
use crate::domain::field::shown;

/// Reason why a list of classes can't become a label config.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClassesError {
    /// Fewer than two, or more than [`MAX_CLASSES`].
    #[error("{0} classes; it takes 2 to {MAX_CLASSES}, separated by commas, such as robin,wren,other")]
    Number(usize),
    /// A name without a character.
    #[error("a class has no name; write them like robin,wren,other")]
    NoName,
    /// The same name twice, or in small and capital letters.
    #[error("class `{0}` is named twice")]
    Twice(String),
    /// A name that does not come back as it was given.
    #[error("class `{0}` can't stand in a label config; use letters, digits and plain signs")]
    Odd(String),
}

/// The XML of a project in which each image has one of these classes, or with `multiple` any number of them.
///
/// With one of several an answer is required. With any number nothing can be the answer; Label Studio then can't tell it from a
/// slip, so it is required there too: give such a project a class of its own for "none of these".
///
/// # Errors
/// The names are not two or more different ones that a label config can carry.
pub fn of_classes(names: &[String], multiple: bool) -> Result<String, ClassesError> {
    let names: Vec<&str> = names.iter().map(|name| name.trim()).collect();
    if !(2..=MAX_CLASSES).contains(&names.len()) {
        return Err(ClassesError::Number(names.len()));
    }
    let mut seen = std::collections::HashSet::new();
    for name in &names {
        if name.is_empty() {
            return Err(ClassesError::NoName);
        }
        if name.starts_with('$') || name.chars().any(char::is_control) {
            return Err(ClassesError::Odd(shown(name)));
        }
        if !seen.insert(name.to_lowercase()) {
            return Err(ClassesError::Twice(shown(name)));
        }
    }
    let choices: String =
        names.iter().map(|name| format!("    <Choice value=\"{}\"/>\n", escaped(name))).collect();
    let kind = if multiple { "multiple" } else { "single" };
    let xml = format!(
        "<View>
  <Header value=\"What does the picture show?\"/>
  <Image name=\"image\" value=\"$image\"/>
  <Choices name=\"class\" toName=\"image\" choice=\"{kind}\" required=\"true\" showInline=\"true\">
{choices}  </Choices>
</View>
"
    );
    let kind = if multiple { ChoiceKind::Multiple } else { ChoiceKind::Single };
    let read = LabelConfig::parse(&xml).ok().and_then(|mut config| config.heads.pop());
    let classes = read.filter(|head| head.kind == kind).map(|head| head.classes).unwrap_or_default();
    match names.iter().find(|name| !classes.iter().any(|class| class.name == **name)) {
        Some(odd) => Err(ClassesError::Odd(shown(odd))),
        None => Ok(xml),
    }
}

fn escaped(name: &str) -> String {
    name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn classes_come_back_as_they_were_given() {
        let names = named(&["robin", " wren ", "a < b & \"c\" > 'd'", "Zaunkönig", "其他"]);
        for multiple in [false, true] {
            let xml = of_classes(&names, multiple).unwrap();
            let head = LabelConfig::parse(&xml).unwrap().heads.remove(0);
            let read: Vec<&str> = head.classes.iter().map(|class| class.name.as_str()).collect();
            assert_eq!(read, names.iter().map(|name| name.trim()).collect::<Vec<_>>());
            assert_eq!(head.kind == ChoiceKind::Multiple, multiple);
            assert!(xml.contains("required=\"true\""));
        }
    }

    #[test]
    fn names_that_make_no_label_config_are_refused_with_the_name() {
        for (names, error) in [
            (vec![], ClassesError::Number(0)),
            (vec!["robin"], ClassesError::Number(1)),
            (vec!["robin", " "], ClassesError::NoName),
            (vec!["robin", "wren", "Robin "], ClassesError::Twice("Robin".to_owned())),
            (vec!["robin", "$wren"], ClassesError::Odd("$wren".to_owned())),
        ] {
            assert_eq!(of_classes(&named(&names), false), Err(error));
        }
        for odd in ["a\u{1}b", "a\nb", "a\u{fffe}b"] {
            assert!(
                matches!(of_classes(&named(&["robin", odd]), false), Err(ClassesError::Odd(_))),
                "{odd:?}"
            );
        }
        let many: Vec<String> = (0..=MAX_CLASSES).map(|number| format!("c{number}")).collect();
        assert_eq!(of_classes(&many, false), Err(ClassesError::Number(MAX_CLASSES + 1)));
    }
}
