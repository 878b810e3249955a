//! Errors of images that can't be used, and a guess at the kind of bytes that are no image.

use std::io::ErrorKind;
use std::time::Duration;

use image::ImageError;

use super::{MAX_SIDE_PX, MAX_TIME};

/// Longest part of a decoder's own words that is passed on, in characters.
const MAX_REASON_CHARS: usize = 120;

/// Reason why an image gives no pixels. The texts follow a prefix that names the image, e.g. `image for task 812: ...`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VisionError {
    #[error("the file is empty (0 bytes); upload it again")]
    Empty,
    #[error("{:.1} MB, limit is {:.1} MB; raise --max-image-bytes or resize the source", mega(*bytes), mega(*limit))]
    TooManyBytes { bytes: u64, limit: u64 },
    #[error(
        "{width} x {height} px are {:.1} megapixels, limit is {:.1}; raise --max-image-pixels or resize the source",
        mega(u64::from(*width) * u64::from(*height)), mega(*limit)
    )]
    TooManyPixels { width: u32, height: u32, limit: u64 },
    #[error("{width} x {height} px, no side may be above {MAX_SIDE_PX} px; resize the source")]
    TooLong { width: u32, height: u32 },
    #[error(
        "looks like {looks_like}; only JPEG, PNG, WebP, BMP, GIF and TIFF are read, whatever the file's name{}",
        saved(looks_like)
    )]
    UnknownFormat { looks_like: &'static str },
    #[error("the {format} is damaged: {reason}; upload it again")]
    Damaged { format: &'static str, reason: String },
    #[error("the {format} uses what can't be read here: {reason}; save it as plain JPEG or PNG")]
    Unsupported { format: &'static str, reason: String },
    #[error("the {format} needs more than {:.1} MB to decode; resize the source", mega(*limit))]
    TooMuchMemory { format: &'static str, limit: u64 },
    #[error("the {format} takes more than {} s to decode; resize the source or save it again", limit.as_secs())]
    TooSlow { format: &'static str, limit: Duration },
    #[error("the backbone asks for {px} px a side, possible are 1 to {MAX_SIDE_PX}; check the backbone file")]
    Side { px: usize },
    #[error("the region lies outside of the picture ({width} x {height} px); correct it in Label Studio")]
    Outside { width: u32, height: u32 },
    #[error("resizing failed: {reason}")]
    Resize { reason: String },
}

fn mega(count: u64) -> f64 {
    count as f64 / 1e6
}

impl VisionError {
    /// A decoder's complaint in this room's words; `limit` is the memory it was given, in bytes.
    pub(super) fn decoding(format: &'static str, error: &ImageError, limit: u64) -> Self {
        let reason = shortened(
            match error {
                ImageError::Decoding(decoding) => {
                    std::error::Error::source(decoding).map(ToString::to_string)
                }
                _ => None,
            }
            .unwrap_or_else(|| error.to_string()),
        );
        match error {
            ImageError::IoError(error) if error.kind() == ErrorKind::TimedOut => {
                Self::TooSlow { format, limit: MAX_TIME }
            }
            ImageError::Limits(_) => Self::TooMuchMemory { format, limit },
            ImageError::Unsupported(_) => Self::Unsupported { format, reason },
            _ => Self::Damaged { format, reason },
        }
    }

    /// A picture of which nothing can be read, in the words of its decoder.
    pub(super) fn damaged(format: &'static str, error: &impl std::fmt::Display) -> Self {
        Self::Damaged { format, reason: shortened(error.to_string()) }
    }
}

/// Advice for a picture of a format that is not read.
fn saved(looks_like: &str) -> &'static str {
    let is_picture = ["image", "drawing", "Photoshop document", "icon (ICO)"]
        .iter()
        .any(|kind| looks_like.ends_with(kind));
    if is_picture { "; save it as JPEG or PNG" } else { "" }
}

/// One line of at most [`MAX_REASON_CHARS`].
fn shortened(text: String) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.trim().trim_end_matches('.');
    match line.char_indices().nth(MAX_REASON_CHARS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

/// Kind of a file that no decoder here takes, with its article.
pub(super) fn looks_like(bytes: &[u8]) -> &'static str {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let at = |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    if at(4, b"ftyp") {
        return match bytes.get(8..12) {
            Some(b"avif" | b"avis") => "an AVIF image",
            // The brand of both; those it is compatible with follow.
            Some(b"mif1" | b"msf1") if holds_avif(bytes) => "an AVIF image",
            Some([b'h', b'e', ..] | b"mif1" | b"msf1") => "a HEIC image",
            _ => "an MP4 or MOV video",
        };
    }
    match bytes {
        _ if starts(b"\x1aE\xdf\xa3") => "a WebM or Matroska video",
        _ if starts(b"RIFF") && at(8, b"AVI ") => "an AVI video",
        _ if starts(b"%PDF") => "a PDF document",
        _ if starts(b"PK\x03\x04") => "a ZIP archive",
        _ if starts(b"\x1f\x8b") => "gzip data",
        _ if starts(b"II+\0") || starts(b"MM\0+") => "a BigTIFF image",
        _ if starts(b"\0\0\x01\0") => "an icon (ICO)",
        _ if starts(b"8BPS") => "a Photoshop document",
        _ if starts(b"\0\0\0\x0cJXL ") || starts(b"\xff\x0a") => "a JPEG XL image",
        _ => text_like(bytes),
    }
}

/// `true` if AV1 is among the brands of a file of boxes, of which the first names them.
fn holds_avif(bytes: &[u8]) -> bool {
    bytes.get(16..64.min(bytes.len())).is_some_and(|brands| brands.chunks(4).any(|brand| brand == b"avif"))
}

/// Tells kinds of text apart; the first kilobyte is enough, and nothing of it is repeated.
fn text_like(bytes: &[u8]) -> &'static str {
    let head = &bytes[..bytes.len().min(1024)];
    let head = String::from_utf8_lossy(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head));
    let head = head.trim_start().to_ascii_lowercase();
    if head.starts_with("<!doctype html") || head.contains("<html") {
        "an HTML page (a login or error page?)"
    } else if head.contains("<svg") {
        "an SVG drawing"
    } else if head.starts_with('<') {
        "an XML document"
    } else if head.starts_with(['{', '[']) {
        "JSON (an error message?)"
    } else if head.chars().all(|c| !c.is_control() || c.is_whitespace()) && !head.contains('\u{fffd}') {
        "plain text"
    } else {
        "unknown data"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_image_is_called_by_its_name() {
        for (bytes, name) in [
            (&b"\n<!DOCTYPE HTML><html><body>Log in"[..], "an HTML page (a login or error page?)"),
            (b"\xef\xbb\xbf<?xml version='1.0'?><svg xmlns=''/>", "an SVG drawing"),
            (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "an XML document"),
            (b"{\"detail\": \"not found\"}", "JSON (an error message?)"),
            (b"not found", "plain text"),
            (b"\0\0\0\x20ftypisom....", "an MP4 or MOV video"),
            (b"\0\0\0\x20ftypavif....", "an AVIF image"),
            (b"\0\0\0\x20ftypmif1\0\0\0\0mif1avif", "an AVIF image"),
            (b"\0\0\0\x20ftypmif1\0\0\0\0mif1heic", "a HEIC image"),
            (b"\0\0\0\x20ftypheix....", "a HEIC image"),
            (b"\0\0\0\x20ftyp", "an MP4 or MOV video"),
            (b"\x1aE\xdf\xa3....", "a WebM or Matroska video"),
            (b"%PDF-1.7", "a PDF document"),
            (b"II+\0....", "a BigTIFF image"),
            (b"\x80\x81\x82", "unknown data"),
            (b"\0", "unknown data"),
        ] {
            assert_eq!(looks_like(bytes), name);
        }
    }

    #[test]
    fn an_error_says_value_limit_and_advice() {
        insta::assert_snapshot!(VisionError::TooManyBytes { bytes: 41_200_000, limit: 20_000_000 },
            @"41.2 MB, limit is 20.0 MB; raise --max-image-bytes or resize the source");
        insta::assert_snapshot!(VisionError::TooManyPixels { width: 50_000, height: 50_000, limit: 100_000_000 },
            @"50000 x 50000 px are 2500.0 megapixels, limit is 100.0; raise --max-image-pixels or resize the source");
        insta::assert_snapshot!(VisionError::UnknownFormat { looks_like: "an SVG drawing" },
            @"looks like an SVG drawing; only JPEG, PNG, WebP, BMP, GIF and TIFF are read, whatever the file's name; save it as JPEG or PNG");
        insta::assert_snapshot!(VisionError::UnknownFormat { looks_like: looks_like(b"\0\0\0\x20ftypheic....") },
            @"looks like a HEIC image; only JPEG, PNG, WebP, BMP, GIF and TIFF are read, whatever the file's name; save it as JPEG or PNG");
        insta::assert_snapshot!(VisionError::UnknownFormat { looks_like: "plain text" },
            @"looks like plain text; only JPEG, PNG, WebP, BMP, GIF and TIFF are read, whatever the file's name");
    }

    #[test]
    fn a_decoder_s_words_stay_on_one_short_line() {
        let reason = shortened(format!("bad\nmarker {}", "ä".repeat(500)));
        assert!(reason.starts_with("bad marker ä") && reason.ends_with("ä..."));
        assert_eq!(reason.chars().count(), MAX_REASON_CHARS + 3);
    }
}
