//! Reason for a pick, in words.

use std::fmt;

/// The reason for a pick. `Display` names heads and classes by their numbers; [`Reason::with_names`] by their names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// Head number `head` can't decide between its two most probable classes.
    Between { head: usize, classes: [usize; 2], probabilities: [f32; 2] },
    /// A head of multiple choice can't decide whether a class applies.
    Undecided { head: usize, class: usize, probability: f32 },
    /// Far from every labelled image.
    Unlike,
    /// Near to many other images.
    Typical,
    /// Drawn by chance.
    Random,
}

impl Reason {
    /// The reason with class names; `names` holds each head's, and what it lacks is called by its number.
    pub fn with_names<Name: AsRef<str>>(&self, names: &[Vec<Name>]) -> String {
        let name = |head: usize, class: usize| {
            let found = names.get(head).and_then(|names| names.get(class));
            found.map_or_else(|| format!("class {class}"), |name| name.as_ref().to_owned())
        };
        match *self {
            Self::Between { head, classes: [first, second], probabilities: [p, q] } => {
                format!("between {} and {}: {p:.2} / {q:.2}", name(head, first), name(head, second))
            }
            Self::Undecided { head, class, probability } => {
                format!("unsure of {}: {probability:.2}", name(head, class))
            }
            Self::Unlike => "unlike anything labelled yet".to_owned(),
            Self::Typical => "stands for many alike".to_owned(),
            Self::Random => "random, to keep the estimate honest".to_owned(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_names::<&str>(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_words_with_or_without_names() {
        let names = [vec![], vec!["cloudy", "rain", "shine"]];
        let between = Reason::Between { head: 1, classes: [0, 1], probabilities: [0.412, 0.388] };
        assert_eq!(between.with_names(&names), "between cloudy and rain: 0.41 / 0.39");
        assert_eq!(between.to_string(), "between class 0 and class 1: 0.41 / 0.39");
        let undecided = Reason::Undecided { head: 1, class: 2, probability: 0.5 };
        assert_eq!(undecided.with_names(&names), "unsure of shine: 0.50");
        assert_eq!(
            Reason::Undecided { head: 3, class: 9, probability: 0.5 }.with_names(&names),
            "unsure of class 9: 0.50"
        );
        assert_eq!(Reason::Unlike.to_string(), "unlike anything labelled yet");
        assert_eq!(Reason::Typical.to_string(), "stands for many alike");
        assert_eq!(Reason::Random.with_names(&names), "random, to keep the estimate honest");
    }
}
