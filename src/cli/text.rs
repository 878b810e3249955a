//! Text files as people have them: in UTF-8, or as spreadsheets and editors of other systems write them.

use std::path::Path;

use anyhow::{Context, bail};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Bytes from which UTF-16 without a byte order mark is told.
const SNIFFED: usize = 1_000;

/// Separators that spreadsheets write.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Reads a text file: UTF-8, UTF-16, or what else is not UTF-8 as Windows-1252, which is Latin-1 with more signs; said on
/// stderr then, since it is a guess. `what` names the file in messages: `labels`.
///
/// # Errors
/// The file can't be read, or is no text.
pub fn read(path: &Path, what: &str) -> anyhow::Result<String> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("{what} `{shown}` can't be read"))?;
    let encoding = encoding_of(&bytes);
    // A byte order mark is taken off.
    let (text, encoding, _) = encoding.decode(&bytes);
    if text.contains('\0') {
        bail!("{what} `{shown}` is not a text file: it holds zero bytes");
    }
    if encoding == WINDOWS_1252 {
        eprintln!(
            "{what} `{shown}` is not UTF-8 and read as Windows-1252 (Latin-1); save it as UTF-8 if letters are wrong"
        );
    }
    Ok(text.into_owned())
}

fn encoding_of(bytes: &[u8]) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return encoding;
    }
    // In UTF-16 every second byte of what is mostly Latin letters is zero.
    let head = &bytes[..bytes.len().min(SNIFFED)];
    let zeros = |from: usize| head.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    match (zeros(0), zeros(1)) {
        (0, odd) if 4 * odd > head.len() => UTF_16LE,
        (even, 0) if 4 * even > head.len() => UTF_16BE,
        _ if std::str::from_utf8(bytes).is_ok() => UTF_8,
        _ => WINDOWS_1252,
    }
}

/// The separator of a table: the one by which its first line has a column of this name, else the most frequent there.
pub fn separator(text: &str, column: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    let has_column = |separator: &u8| {
        header.split(char::from(*separator)).any(|name| name.trim().trim_matches('"').trim() == column)
    };
    let count = |separator: &u8| header.bytes().filter(|byte| byte == separator).count();
    let named = SEPARATORS.into_iter().filter(has_column).max_by_key(count);
    named.or_else(|| SEPARATORS.into_iter().rev().max_by_key(count)).unwrap_or(b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_in_the_encodings_that_people_have() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        let utf16 = |little: bool, mark: bool| -> Vec<u8> {
            let units = mark.then_some(0xFEFF).into_iter().chain("Düne;x".encode_utf16());
            units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
        };
        for bytes in [
            "Düne;x".as_bytes().to_vec(),
            [b"\xEF\xBB\xBF", "Düne;x".as_bytes()].concat(),
            b"D\xFCne;x".to_vec(),
            utf16(true, true),
            utf16(false, true),
            utf16(true, false),
            utf16(false, false),
        ] {
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(read(&path, "labels").unwrap(), "Düne;x", "{bytes:?}");
        }
        std::fs::write(&path, b"a\0\0\0b").unwrap();
        assert!(read(&path, "labels").unwrap_err().to_string().contains("is not a text file"));
        assert!(read(folder.path(), "labels").is_err());
    }

    #[test]
    fn the_separator_is_told_from_the_first_line() {
        for (text, found) in [
            ("filename,label\na;b,c", b','),
            ("filename;label\na,b;c", b';'),
            ("\"filename\"\t\"label\"", b'\t'),
            ("id;filename;label, or class", b';'),
            ("image|class", b'|'),
            ("image;class", b';'),
            ("", b','),
        ] {
            assert_eq!(separator(text, "filename"), found, "{text}");
        }
    }
}
