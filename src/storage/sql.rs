//! Placeholders for many rows or values, and text that both engines accept.

use std::borrow::Cow;
use std::fmt::Write;

/// Values of one `IN` list. SQLite looks named parameters up one after the other, so time grows with the square.
pub(super) const LIST_CHUNK: usize = 512;

/// Rows of one `INSERT`, for the same reason: about a thousand parameters per statement.
pub(super) const ROW_CHUNK: usize = 100;

/// `($1, $2), ($3, $4)` for two rows of two columns.
pub(super) fn rows(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * columns * 7);
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        text.push_str(&placeholders(row * columns + 1, columns));
        text.push(')');
    }
    text
}

/// `$3, $4` for two placeholders from the third on.
pub(super) fn placeholders(first: usize, count: usize) -> String {
    let mut text = String::with_capacity(count * 6);
    for index in first..first + count {
        let comma = if index == first { "" } else { ", " };
        // Writing to a string can't fail.
        let _ = write!(text, "{comma}${index}");
    }
    text
}

/// Chunks of `values`, each filled up to a power of two by repeating its last value: an `IN` list means the same, and
/// there are only ten statements for the engine to prepare and keep.
pub(super) fn lists<T: Copy>(values: &[T]) -> impl Iterator<Item = Vec<T>> {
    values.chunks(LIST_CHUNK).map(|chunk| {
        let mut list = chunk.to_vec();
        if let Some(&last) = chunk.last() {
            list.resize(chunk.len().next_power_of_two(), last);
        }
        list
    })
}

/// Returns `true` if a statement for that many rows comes often enough to keep it prepared.
pub(super) fn keep_prepared(rows: usize) -> bool {
    rows == 1 || rows == ROW_CHUNK
}

/// PostgreSQL refuses U+0000 in text, and nobody can read it: it becomes U+FFFD. (JSON needs no such care: there it is
/// written as `\u0000`, six plain characters.)
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// Reads JSON of `column`; what can't be read is damage.
pub(super) fn json<T: serde::de::DeserializeOwned>(column: &str, text: &str) -> sqlx::Result<T> {
    serde_json::from_str(text)
        .map_err(|error| sqlx::Error::ColumnDecode { index: column.to_owned(), source: error.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_count_on_from_row_to_row() {
        assert_eq!(rows(2, 2), "($1, $2), ($3, $4)");
        assert_eq!(placeholders(3, 2), "$3, $4");
        assert_eq!(rows(0, 2), "");
    }

    #[test]
    fn lists_have_lengths_of_powers_of_two_and_hold_every_value() {
        let values: Vec<i64> = (0..1_300).collect();
        let lists: Vec<_> = lists(&values).collect();
        assert_eq!(lists.iter().map(Vec::len).collect::<Vec<_>>(), [512, 512, 512]);
        let mut seen: Vec<i64> = lists.concat();
        seen.dedup();
        assert_eq!(seen, values);
        assert_eq!(super::lists::<i64>(&[]).count(), 0);
    }

    #[test]
    fn a_nul_character_is_replaced_and_nothing_else() {
        assert_eq!(clean("a\0b"), "a\u{fffd}b");
        assert!(matches!(clean("Wolken ☁"), Cow::Borrowed(_)));
    }
}
