//! Capture time of a picture, from its task or its name.

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use serde_json::{Map, Value};

/// Fields of a task that may hold the time.
const FIELDS: [&str; 6] = ["time", "date", "datetime", "timestamp", "taken_at", "captured_at"];

/// Characters at an address's end that are searched: file names are at most 255 long.
const SEARCHED_BYTES: usize = 320;

/// Years a camera may say; other numbers of four digits mean something else.
const YEARS: std::ops::RangeInclusive<i16> = 1990..=2099;

/// Unix microseconds, a time without a zone being taken as UTC: from a task's own field of a telling name, else from its
/// image's address (`2020-01-15T13-00-00.jpg`, `cam_m202001151300.jpg`); the last date in its path counts, else in its query.
pub fn taken_at(data: &Map<String, Value>, address: &str) -> Option<i64> {
    let told = FIELDS.iter().filter_map(|field| data.get(*field)?.as_str()).find_map(in_text);
    told.or_else(|| {
        if address.starts_with("data:") {
            return None;
        }
        // A signature in the query holds the time of signing.
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        in_text(path).or_else(|| in_text(query))
    })
}

fn in_text(text: &str) -> Option<i64> {
    let text = text.as_bytes();
    let text = &text[text.len().saturating_sub(SEARCHED_BYTES)..];
    let starts = (0..text.len()).rev().filter(|&at| at == 0 || !text[at - 1].is_ascii_digit());
    let moment = starts.filter_map(|at| moment(&text[at..])).next()?;
    Some(Offset::UTC.to_timestamp(moment).ok()?.as_microsecond())
}

/// The moment a text begins with.
fn moment(text: &[u8]) -> Option<DateTime> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // In one piece: a day, with hour and minute, or with seconds too.
    if !matches!(digits, 4 | 8 | 12 | 14) {
        return None;
    }
    let (year, rest) = number(text, 4)?;
    let parted = digits == 4;
    let (month, rest) = number(if parted { after(rest, b"-_./")? } else { rest }, 2)?;
    let (day, rest) = number(if parted { after(rest, b"-_./")? } else { rest }, 2)?;
    let day = Date::new(year, month as i8, day as i8).ok().filter(|_| YEARS.contains(&year))?;
    let time = || {
        let (hour, rest) = number(after(rest, b"T_- ").unwrap_or(rest), 2)?;
        let (minute, _) = number(after(rest, b":-._h").unwrap_or(rest), 2)?;
        (hour < 24 && minute < 60).then(|| day.at(hour as i8, minute as i8, 0, 0))
    };
    Some(time().unwrap_or_else(|| day.at(0, 0, 0, 0)))
}

/// The rest of the text after one of these characters.
fn after<'a>(text: &'a [u8], one_of: &[u8]) -> Option<&'a [u8]> {
    let (first, rest) = text.split_first()?;
    one_of.contains(first).then_some(rest)
}

fn number(text: &[u8], digits: usize) -> Option<(i16, &[u8])> {
    let (head, rest) = text.split_at_checked(digits)?;
    Some((std::str::from_utf8(head).ok()?.parse().ok().filter(|n| *n >= 0)?, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(data: Value, address: &str) -> Option<String> {
        let micros = taken_at(data.as_object().unwrap(), address)?;
        Some(jiff::Timestamp::from_microsecond(micros).unwrap().strftime("%Y-%m-%d %H:%M").to_string())
    }

    #[test]
    fn dates_in_addresses_and_fields_are_read() {
        for (address, time) in [
            ("/data/local-files/?d=frames/2020-01-15T13-00-00.jpg", "2020-01-15 13:00"),
            ("http://cam/pano/2020/0115/Jungfraujoch_m202001151300.jpg", "2020-01-15 13:00"),
            ("/data/upload/1/3f2a1b-20200115.png", "2020-01-15 00:00"),
            ("http://cam/2020/01/15/1305.jpg", "2020-01-15 00:00"),
            ("s3://bucket/2019-12-31/2020_01_15_0930.jpg", "2020-01-15 09:30"),
            ("20200115130059.webp", "2020-01-15 13:00"),
            ("http://b/2020-01-15.jpg?X-Amz-Date=20240101T000000Z", "2020-01-15 00:00"),
        ] {
            assert_eq!(read(json!({}), address).as_deref(), Some(time), "{address}");
        }
        let told = json!({"date": "15 January", "time": "2021-05-01T10:00:00Z", "image": "2020-01-15.jpg"});
        assert_eq!(read(told, "2020-01-15.jpg").as_deref(), Some("2021-05-01 10:00"));
    }

    #[test]
    fn other_numbers_are_no_dates() {
        for address in [
            "",
            "cloudy12.jpg",
            "2020.jpg",
            "2020-13-01.jpg",
            "20200230.jpg",
            "1234-01-01.jpg",
            "0x20200115999.jpg",
            "data:image/png;base64,2020-01-15",
            "2020-0",
            "99920200115.jpg",
        ] {
            assert_eq!(read(json!({"time": 3, "date": null}), address), None, "{address}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at_without_a_panic(text in ".*") {
            let _ = taken_at(&Map::new(), &text);
        }
    }
}
