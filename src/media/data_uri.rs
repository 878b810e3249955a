//! Images inside of the address itself: `data:image/png;base64,...` (RFC 2397).

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use percent_encoding::percent_decode_str;

use super::ImageProblem;

/// As browsers decode: padding may be missing.
const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes a data URI to at most `limit` bytes; what would be larger is refused before it is decoded.
pub(super) fn decode(uri: &str, limit: usize) -> Result<Bytes, ImageProblem> {
    let damaged = |reason| ImageProblem::DataUri { reason };
    let (header, body) = uri.split_once(',').ok_or(damaged("it has no comma"))?;
    // At worst three characters make a byte (`%41`), so the text is as bounded as the image.
    if body.len() / 3 > limit {
        return Err(too_large(body.len() / 3, limit));
    }
    let raw = percent_decode_str(body);
    let is_base64 = header.rsplit(';').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("base64"));
    let bytes = if is_base64 {
        let text: Vec<u8> = raw.filter(|byte| !byte.is_ascii_whitespace()).collect();
        let length = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1) * 3 / 4;
        if length > limit {
            return Err(too_large(length, limit));
        }
        FORGIVING.decode(text).map_err(|_| damaged("it is not base64"))?
    } else {
        raw.take(limit + 1).collect()
    };
    match bytes.len() {
        0 => Err(ImageProblem::Empty),
        length if length > limit => Err(ImageProblem::TooLarge { bytes: None, limit }),
        _ => Ok(Bytes::from(bytes)),
    }
}

fn too_large(bytes: usize, limit: usize) -> ImageProblem {
    ImageProblem::TooLarge { bytes: Some(bytes as u64), limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_uris_decode_as_browsers_do() {
        for (uri, bytes) in [
            ("data:image/png;base64,aGVsbG8=", &b"hello"[..]),
            ("data:image/png;base64,aGVsbG8", b"hello"),
            ("data:image/png;base64,aGVs\n bG8=", b"hello"),
            ("data:;base64,aGVsbG8%3D", b"hello"),
            ("DATA:image/png;charset=utf-8;BASE64,aGVsbG8=", b"hello"),
            ("data:text/plain,he%6Clo%20%ff", b"hello \xff"),
            ("data:,hello", b"hello"),
        ] {
            assert_eq!(decode(uri, 100).unwrap(), bytes, "{uri}");
        }
    }

    #[test]
    fn damaged_empty_and_too_large_data_uris_are_refused() {
        for (uri, problem) in [
            ("data:image/png;base64".to_owned(), "no comma"),
            ("data:image/png;base64,@@@@".to_owned(), "not base64"),
            ("data:image/png;base64,".to_owned(), "is empty"),
            ("data:,".to_owned(), "is empty"),
            ("data:;base64,MTIzNDU2Nzg5MDE=".to_owned(), "is 11 bytes, limit is 10 bytes"),
            ("data:,12345678901".to_owned(), "is larger than 10 bytes"),
            (format!("data:;base64,{}", "A".repeat(4000)), "is 1333 bytes, limit is 10 bytes"),
        ] {
            let error = decode(&uri, 10).expect_err(&uri).to_string();
            assert!(error.contains(problem), "{error}");
        }
        assert_eq!(decode("data:;base64,MTIzNDU2Nzg5MA==", 10).unwrap(), &b"1234567890"[..]);
    }
}
