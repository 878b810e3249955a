//! Reading the fields of Label Studio's JSON records, with errors that name record and field.

use serde_json::{Map, Value};

/// A record of Label Studio's JSON that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The record itself is a list, a number, ...
    #[error("{record} is {found}, expected an object")]
    NotAnObject {
        /// `task`, `annotation`, `project`.
        record: &'static str,
        /// Type of the value found instead.
        found: String,
    },
    /// A required field is absent or null.
    #[error("{record} has no field `{field}`")]
    Missing {
        /// The record, with its id where known.
        record: String,
        /// Name of the field.
        field: &'static str,
    },
    /// A field holds another type than Label Studio sends.
    #[error("field `{field}` of {record} is {found}, expected {expected}")]
    WrongType {
        /// The record, with its id where known.
        record: String,
        /// Name of the field.
        field: &'static str,
        /// The type it should have.
        expected: &'static str,
        /// Type of the value found instead.
        found: String,
    },
}

/// One JSON object with the name it has in messages.
pub(super) struct Record<'a> {
    kind: &'static str,
    fields: &'a Map<String, Value>,
}

impl<'a> Record<'a> {
    pub(super) fn of(kind: &'static str, value: &'a Value) -> Result<Self, FieldError> {
        match value.as_object() {
            Some(fields) => Ok(Self { kind, fields }),
            None => Err(FieldError::NotAnObject { record: kind, found: found(value) }),
        }
    }

    /// The record's own `id`, which every record has.
    pub(super) fn id(&self) -> Result<i64, FieldError> {
        self.integer("id")?.ok_or_else(|| self.missing("id"))
    }

    /// The field unless absent or null: Label Studio sends both for "nothing".
    pub(super) fn get(&self, field: &'static str) -> Option<&'a Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn integer(&self, field: &'static str) -> Result<Option<i64>, FieldError> {
        self.read(field, "an integer", Value::as_i64)
    }

    /// A foreign key: the integer itself, or the record it points to.
    pub(super) fn reference(&self, field: &'static str) -> Result<Option<i64>, FieldError> {
        self.read(field, "an integer or an object with an `id`", |value| {
            value.as_i64().or_else(|| value.get("id")?.as_i64())
        })
    }

    /// A boolean; absent means false.
    pub(super) fn flag(&self, field: &'static str) -> Result<bool, FieldError> {
        Ok(self.read(field, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    pub(super) fn text(&self, field: &'static str) -> Result<Option<&'a str>, FieldError> {
        self.read(field, "a string", Value::as_str)
    }

    pub(super) fn list(&self, field: &'static str) -> Result<Option<&'a Vec<Value>>, FieldError> {
        self.read(field, "a list", Value::as_array)
    }

    pub(super) fn object(&self, field: &'static str) -> Result<Option<&'a Map<String, Value>>, FieldError> {
        self.read(field, "an object", Value::as_object)
    }

    /// An ISO-8601 time as Unix microseconds. A time that can't be read counts as absent: it only
    /// decides which of two answers is newer, and is no reason to lose either.
    pub(super) fn micros(&self, field: &'static str) -> Option<i64> {
        let text = self.get(field)?.as_str()?;
        text.parse::<jiff::Timestamp>().ok().or_else(|| utc(text)).map(|time| time.as_microsecond())
    }

    pub(super) fn missing(&self, field: &'static str) -> FieldError {
        FieldError::Missing { record: self.name(), field }
    }

    /// `task 7`, or `task` where the id itself can't be read.
    fn name(&self) -> String {
        match self.get("id").and_then(Value::as_i64) {
            Some(id) => format!("{} {id}", self.kind),
            None => self.kind.to_owned(),
        }
    }

    fn read<T>(
        &self,
        field: &'static str,
        expected: &'static str,
        as_type: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, FieldError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        as_type(value).map(Some).ok_or_else(|| FieldError::WrongType {
            record: self.name(),
            field,
            expected,
            found: found(value),
        })
    }
}

/// A time without offset is UTC: Label Studio runs with `USE_TZ` and always writes `Z`,
/// others may not.
fn utc(text: &str) -> Option<jiff::Timestamp> {
    let local: jiff::civil::DateTime = text.parse().ok()?;
    jiff::tz::Offset::UTC.to_timestamp(local).ok()
}

/// Type of a value, for a message: never its content, which may be long or private.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A name from outside, short enough for a message.
pub(super) fn shown(name: &str) -> String {
    /// Characters of a foreign name that a message repeats.
    const SHOWN_CHARS: usize = 60;
    match name.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_read_with_offset_without_offset_and_not_at_all() {
        let value = json!({
            "utc": "2026-11-23T11:14:31.437106Z", "east": "2026-11-23T12:14:31.437106+01:00",
            "bare": "2026-11-23T11:14:31.437106", "bad": "yesterday", "number": 7, "null": null
        });
        let record = Record::of("task", &value).unwrap();
        for field in ["utc", "east", "bare"] {
            assert_eq!(record.micros(field), Some(1_795_432_471_437_106), "{field}");
        }
        for field in ["bad", "number", "null", "absent"] {
            assert_eq!(record.micros(field), None, "{field}");
        }
    }

    #[test]
    fn an_error_names_the_record_the_field_and_what_stands_there() {
        let value = json!({"id": 7, "task": "x"});
        let record = Record::of("annotation", &value).unwrap();
        assert_eq!(
            record.reference("task").unwrap_err().to_string(),
            "field `task` of annotation 7 is a string, expected an integer or an object with an `id`"
        );
        assert_eq!(record.missing("data").to_string(), "annotation 7 has no field `data`");
        let list = json!([1, 2]);
        let error = Record::of("task", &list).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("task is a list of 2, expected an object"));
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        assert_eq!(shown("rain"), "rain");
        assert_eq!(shown(&"é".repeat(70)), format!("{}…", "é".repeat(60)));
    }
}
