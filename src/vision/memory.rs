//! Memory that decoding takes.

/// Memory that decoding takes for each pixel, in bytes, about.
pub const DECODED_BYTES_PER_PX: u64 = 11;

/// Memory that a decoder may allocate beside the pixels, in bytes: tables, rows, metadata.
pub(super) const DECODER_BYTES: u64 = 16 * 1024 * 1024;
