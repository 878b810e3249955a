//! Commands over many things leave out what can't be used: they name it, go on, and say how many they used.

use anyhow::bail;

/// Number of left-out items that are named; the rest is counted.
const NAMED: usize = 5;

/// Permission to leave something out.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Strictness {
    /// Fail if anything can't be used, in place of leaving it out
    #[arg(long)]
    strict: bool,
}

/// Items that can't be used, and the reasons.
#[derive(Debug)]
pub struct LeftOut {
    strict: bool,
    reasons: Vec<String>,
}

impl LeftOut {
    pub fn new(strictness: Strictness) -> Self {
        Self { strict: strictness.strict, reasons: Vec::new() }
    }

    /// Nothing may be left out.
    pub fn nothing() -> Self {
        Self { strict: true, reasons: Vec::new() }
    }

    /// This one can't be used.
    pub fn note(&mut self, reason: String) {
        self.reasons.push(reason);
    }

    /// Returns the value, or `None` after a note of the error.
    pub fn take<T>(&mut self, found: anyhow::Result<T>) -> Option<T> {
        found.map_err(|error| self.note(format!("{error:#}"))).ok()
    }

    /// Prints on stderr the items left out and the number of those used; prints nothing where none was left out.
    ///
    /// # Errors
    /// Nothing is left, or nothing may be left out; the message names the first five.
    pub fn close(&self, used: usize, things: &str) -> anyhow::Result<()> {
        let number = self.reasons.len();
        let of = used + number;
        if number == 0 {
            return Ok(());
        }
        let mut named: Vec<&str> = self.reasons.iter().take(NAMED).map(String::as_str).collect();
        let more = format!("and {} more", number.saturating_sub(NAMED));
        if number > NAMED {
            named.push(&more);
        }
        let named = named.join("\n  ");
        if used == 0 {
            bail!("none of {of} {things} can be used:\n  {named}");
        }
        if self.strict {
            bail!("{number} of {of} {things} can't be used:\n  {named}");
        }
        eprintln!("{number} left out:\n  {named}\nused {used} of {of} {things}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_an_error_only_where_it_must_be() {
        let with = |strict: bool, reasons: usize| {
            let reasons = (0..reasons).map(|reason| format!("row {reason} has no label")).collect();
            LeftOut { strict, reasons }
        };
        assert!(with(true, 0).close(0, "rows").is_ok());
        assert!(with(false, 7).close(3, "rows").is_ok());
        let strict = with(true, 7).close(3, "rows").unwrap_err().to_string();
        assert!(strict.starts_with("7 of 10 rows can't be used:\n  row 0 has no label\n"), "{strict}");
        assert!(strict.ends_with("row 4 has no label\n  and 2 more"), "{strict}");
        let none = with(false, 2).close(0, "rows").unwrap_err().to_string();
        assert_eq!(none, "none of 2 rows can be used:\n  row 0 has no label\n  row 1 has no label");
    }
}
