//! Keys of model files: made of numbers, so that none can point out of its project's folder.

use std::fmt;
use std::str::FromStr;

use object_store::path::Path;

use super::BlobError;
use crate::domain::ids::ProjectId;

/// Hexadecimal characters of a digest in a key: 48 bits tell the versions of a project apart.
const DIGEST_CHARS: usize = 12;

/// Key of one version of a project's model, e.g. `project-2/v0007-00c0ffee1234.safetensors`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobKey {
    project: ProjectId,
    number: i64,
    digest: u64,
}

impl BlobKey {
    /// The key of a project's version: its number and the first 12 hexadecimal characters of its content's digest
    /// (anything else in the text is skipped).
    pub fn model(project: ProjectId, number: i64, digest_hex: &str) -> Self {
        let digits = digest_hex.chars().filter_map(|c| c.to_digit(16)).take(DIGEST_CHARS);
        let digest = digits.fold(0, |digest, digit| digest << 4 | u64::from(digit));
        Self { project, number, digest }
    }

    /// Reads a key as `to_string` writes it.
    ///
    /// # Errors
    /// The text is anything else.
    pub fn from_stored(text: &str) -> Result<Self, BlobError> {
        // The way back must give the same text: one key has one spelling.
        let key = parse(text).filter(|key| key.to_string() == text);
        key.ok_or_else(|| BlobError::Key { text: text.chars().take(100).collect() })
    }

    /// The project the blob belongs to.
    pub fn project(&self) -> ProjectId {
        self.project
    }

    /// The version's number.
    pub fn number(&self) -> i64 {
        self.number
    }

    pub(super) fn path(&self) -> Path {
        Path::from(self.to_string())
    }
}

/// The folder of a project's blobs.
pub(super) fn folder(project: ProjectId) -> String {
    format!("project-{project}")
}

fn parse(text: &str) -> Option<BlobKey> {
    let (project, file) = text.strip_prefix("project-")?.split_once('/')?;
    let (number, digest) = file.strip_prefix('v')?.strip_suffix(".safetensors")?.rsplit_once('-')?;
    let digest = u64::from_str_radix(digest, 16).ok()?;
    Some(BlobKey {
        project: ProjectId(i64::from_str(project).ok()?),
        number: i64::from_str(number).ok()?,
        digest,
    })
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { project, number, digest } = self;
        write!(f, "{}/v{number:04}-{digest:0DIGEST_CHARS$x}.safetensors", folder(*project))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_reads_as_project_number_and_digest() {
        let key = BlobKey::model(ProjectId(2), 7, "00C0ffee1234567890");
        assert_eq!(key.to_string(), "project-2/v0007-00c0ffee1234.safetensors");
        assert_eq!((key.project(), key.number()), (ProjectId(2), 7));
    }

    #[test]
    fn no_text_leads_out_of_the_folder() {
        let key = BlobKey::model(ProjectId(2), 7, "../../etc/passwd");
        assert_eq!(key.to_string(), "project-2/v0007-00000000eca d.safetensors".replace(' ', ""));
        for text in [
            "",
            "../secret",
            "/etc/passwd",
            "project-2/../v0007-00c0ffee1234.safetensors",
            "project-2/v0007-../../x.safetensors",
            "project-2/v7-00c0ffee1234.safetensors",
            "project-+2/v0007-00c0ffee1234.safetensors",
            "project-2/v0007-00C0FFEE1234.safetensors",
            "project-2/v0007-00c0ffee1234.safetensors#1",
            "project-2/v0007-00c0ffee1234.safetensors\0",
        ] {
            assert!(matches!(BlobKey::from_stored(text), Err(BlobError::Key { .. })), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_key_survives_its_text(project: i64, number: i64, digest in "[0-9a-f]{0,64}") {
            let key = BlobKey::model(ProjectId(project), number, &digest);
            prop_assert_eq!(BlobKey::from_stored(&key.to_string()).unwrap(), key);
            let text = key.to_string();
            let path = key.path();
            prop_assert_eq!(path.as_ref(), text.as_str());
        }

        #[test]
        fn any_text_is_a_key_or_an_error(text in ".{0,80}") {
            let _ = BlobKey::from_stored(&text);
        }
    }
}
