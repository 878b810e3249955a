//! Names of selections of images.

use std::fmt;
use std::str::FromStr;

/// Longest name, in characters.
pub const MAX_CHARS: usize = 64;

/// The name of a selection: letters, digits, spaces and `_ - . : +`, at most [`MAX_CHARS`] of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

/// Reason why a text names no selection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    #[error("a tag needs a name")]
    Empty,
    #[error("a tag has at most {MAX_CHARS} characters, this one has {0}")]
    TooLong(usize),
    #[error("a tag is made of letters, digits, spaces and _ - . : +, not of U+{:04X}", *.0 as u32)]
    Character(char),
}

impl Tag {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = TagError;

    /// Spaces around the name are left out.
    fn from_str(text: &str) -> Result<Self, TagError> {
        let text = text.trim();
        let count = text.chars().count();
        if count == 0 {
            return Err(TagError::Empty);
        }
        if count > MAX_CHARS {
            return Err(TagError::TooLong(count));
        }
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-' | '.' | ':' | '+');
        match text.chars().find(|c| !allowed(*c)) {
            Some(other) => Err(TagError::Character(other)),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_short() {
        for (text, name) in [("coreset_30", "coreset_30"), (" Über 9 ", "Über 9"), ("雲", "雲")] {
            assert_eq!(text.parse::<Tag>().unwrap().as_str(), name);
        }
        let long = "x".repeat(65);
        for (text, error) in [
            (" ", "a tag needs a name"),
            (long.as_str(), "a tag has at most 64 characters, this one has 65"),
            ("a<b", "a tag is made of letters, digits, spaces and _ - . : +, not of U+003C"),
            ("a\u{202e}b", "a tag is made of letters, digits, spaces and _ - . : +, not of U+202E"),
            ("a\nb", "a tag is made of letters, digits, spaces and _ - . : +, not of U+000A"),
        ] {
            assert_eq!(text.parse::<Tag>().unwrap_err().to_string(), error);
        }
    }
}
