//! Numbers and times as people read them.

use jiff::Timestamp;

/// `12,345`.
pub(super) fn count(n: impl TryInto<i64>) -> String {
    let Ok(n) = n.try_into() else { return "many".to_owned() };
    let digits = n.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if n < 0 { format!("-{text}") } else { text }
}

/// `1 task`, `2 tasks`.
pub(super) fn of(n: i64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// `92.3 %`; a dash for what is no number.
pub(super) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.1} %", 100.0 * share) } else { "–".to_owned() }
}

/// `92.3 % (74.4 to 96.5)`.
pub(super) fn with_interval(share: f64, (low, high): (f64, f64)) -> String {
    format!("{} ({:.1} to {:.1})", percent(share), 100.0 * low, 100.0 * high)
}

/// `2026-01-31 12:00:05 UTC`.
pub(super) fn time(micros: i64) -> String {
    Timestamp::from_microsecond(micros)
        .map_or_else(|_| "–".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// `340 ms`, `12.3 s`, `4 min 5 s`, `3 h 2 min`, from microseconds.
pub(super) fn duration(micros: i64) -> String {
    let ms = micros / 1_000;
    let seconds = micros / 1_000_000;
    match seconds {
        ..0 => "–".to_owned(),
        0 => format!("{ms} ms"),
        1..60 => format!("{:.1} s", micros as f64 / 1e6),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// `12.3 MB`.
pub(super) fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.2} GB", n as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_read_well() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (-1_234_567, "-1,234,567"),
            (i64::MAX, "9,223,372,036,854,775,807"),
        ] {
            assert_eq!(count(n), text);
        }
        assert_eq!(
            (of(1, "task", "tasks"), of(1_000, "task", "tasks")),
            ("1 task".into(), "1,000 tasks".into())
        );
        assert_eq!(with_interval(0.9, (0.744, 0.965)), "90.0 % (74.4 to 96.5)");
        assert_eq!((percent(f64::NAN), percent(1.0)), ("–".into(), "100.0 %".into()));
        for (micros, text) in [
            (-1_000_000, "–"),
            (340_000, "340 ms"),
            (12_340_000, "12.3 s"),
            (245_000_000, "4 min 5 s"),
            (10_920_000_000, "3 h 2 min"),
        ] {
            assert_eq!(duration(micros), text);
        }
        assert_eq!((time(0), time(i64::MAX)), ("1970-01-01 00:00:00 UTC".into(), "–".into()));
        for (n, text) in [(999, "999 bytes"), (12_300_000, "12.3 MB"), (3_210_000_000, "3.21 GB")] {
            assert_eq!(bytes(n), text);
        }
    }
}
