//! Tasks: what Label Studio asks people, and this backend, to label.

use std::borrow::Cow;

use super::field::{FieldError, Record, found, shown};
use super::ids::TaskId;
use serde_json::{Map, Value};

/// Files imported before the project has a label config stand under this key.
pub const UNDEFINED_KEY: &str = "$undefined$";

/// Reason why a task can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// The JSON isn't a task.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// No data under the key the label config names.
    #[error(
        "task {task} has no image: data has no key `{key}` (it has {keys}); check `value` of the `<Image>` tag"
    )]
    NoImage {
        /// The task.
        task: TaskId,
        /// The key looked for.
        key: String,
        /// The keys there are.
        keys: String,
    },
    /// Data under the key, but no address.
    #[error("task {task} has no image: `{key}` is {found}, expected the address of one image")]
    NotAnAddress {
        /// The task.
        task: TaskId,
        /// The key looked for.
        key: String,
        /// Type of the value found.
        found: String,
    },
}

/// A task: its id and whatever data was imported.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Label Studio's id, unique over all projects.
    pub id: TaskId,
    /// The imported fields, among them the image's address.
    pub data: Map<String, Value>,
    /// Time of creation in Label Studio, Unix microseconds; 0 where that is not known.
    pub created_at: i64,
}

impl Task {
    /// Reads a task as it stands in requests, webhooks and exports. Only `id` and `data` are needed.
    ///
    /// # Errors
    /// [`TaskError::Field`] names the field that is missing or of the wrong type.
    pub fn from_json(value: &Value) -> Result<Self, TaskError> {
        let record = Record::of("task", value)?;
        let id = TaskId(record.id()?);
        let data = record.object("data")?.ok_or_else(|| record.missing("data"))?.clone();
        Ok(Self { id, data, created_at: record.micros("created_at").unwrap_or(0) })
    }

    /// Reads a task leniently, for its image alone: an id that is no positive integer counts as 0, and the fields beside it
    /// count as its data where there is none. So the image of any object that has one is found.
    ///
    /// # Errors
    /// [`TaskError::Field`] where it is no object, or `data` is neither an object nor nothing.
    pub fn to_predict(value: &Value) -> Result<Self, TaskError> {
        let record = Record::of("task", value)?;
        let id = TaskId(record.get("id").and_then(whole).unwrap_or_default());
        let data = match record.object("data")? {
            Some(data) => data.clone(),
            None => value.as_object().cloned().unwrap_or_default(),
        };
        Ok(Self { id, data, created_at: record.micros("created_at").unwrap_or(0) })
    }

    /// Reads the `tasks` of a request, which clients send as a list or as a single object: one answer
    /// each, in order, so that a broken task doesn't take the others with it.
    pub fn all_from_json(value: &Value) -> Vec<Result<Self, TaskError>> {
        many(value).iter().map(Self::from_json).collect()
    }

    /// The address of the task's image. `value` is the data's key, or a text around variables (`https://host/$folder/$image`).
    /// A key is looked up as it stands, else along a dotted path (`photo.url`, `photos[0].url`, as Label Studio's editor reads
    /// it), else the address is taken from [`UNDEFINED_KEY`].
    ///
    /// # Errors
    /// [`TaskError::NoImage`] and [`TaskError::NotAnAddress`], whose text is the reason to log.
    pub fn image_source(&self, value: &str) -> Result<Cow<'_, str>, TaskError> {
        if let Some(found) = self.at_key(value) {
            return self.address(value, found).map(Cow::Borrowed);
        }
        let undefined = self.data.get(UNDEFINED_KEY);
        match undefined {
            None if value.contains('$') => self.filled(value).map(Cow::Owned),
            found => self.address(value, found.ok_or_else(|| self.no_image(value))?).map(Cow::Borrowed),
        }
    }

    fn at_key(&self, key: &str) -> Option<&Value> {
        self.data.get(key).or_else(|| self.at_path(key))
    }

    fn address<'a>(&self, key: &str, found_there: &'a Value) -> Result<&'a str, TaskError> {
        match found_there.as_str().map(str::trim) {
            Some("") => Err(self.not_an_address(key, "empty".to_owned())),
            Some(address) => Ok(address),
            None => Err(self.not_an_address(key, found(found_there))),
        }
    }

    /// The text with its variables filled in, as Label Studio's editor does.
    fn filled(&self, template: &str) -> Result<String, TaskError> {
        let mut filled = String::new();
        for piece in pieces(template) {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Variable(key) => match self.at_key(key).ok_or_else(|| self.no_image(key))? {
                    Value::Number(number) => filled.push_str(&number.to_string()),
                    other => filled.push_str(self.address(key, other)?),
                },
            }
        }
        Ok(filled)
    }

    fn at_path(&self, path: &str) -> Option<&Value> {
        let mut steps = path.split(['.', '[', ']']).filter(|step| !step.is_empty());
        let first = self.data.get(steps.next()?)?;
        steps.try_fold(first, |value, step| match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            other => other.get(step),
        })
    }

    fn no_image(&self, key: &str) -> TaskError {
        /// Keys a message repeats.
        const SHOWN_KEYS: usize = 8;
        let mut keys: Vec<String> = self.data.keys().map(|key| format!("`{}`", shown(key))).collect();
        keys.sort();
        keys.truncate(SHOWN_KEYS);
        let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
        TaskError::NoImage { task: self.id, key: shown(key), keys }
    }

    fn not_an_address(&self, key: &str, found: String) -> TaskError {
        TaskError::NotAnAddress { task: self.id, key: shown(key), found }
    }
}

/// A part of a text around variables.
#[derive(Debug, PartialEq)]
enum Piece<'a> {
    Text(&'a str),
    /// Without the `$`.
    Variable(&'a str),
}

/// The parts of a text by the editor's own rule, `/\$[\w[\].{}]+/`.
fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        let (text, from) = rest.split_at(at);
        let name = from[1..].trim_start_matches(is_of_variable);
        let name = &from[1..from.len() - name.len()];
        if name.is_empty() {
            pieces.push(Piece::Text(&rest[..=at]));
        } else {
            pieces.push(Piece::Text(text));
            pieces.push(Piece::Variable(name));
        }
        rest = &from[1 + name.len()..];
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// `true` if a character is part of a variable's name.
pub(super) fn is_of_variable(char: char) -> bool {
    char.is_ascii_alphanumeric() || "_[].{}".contains(char)
}

/// Names of the variables in what an `<Image>` has as `value`.
pub fn variables(value: &str) -> Vec<&str> {
    let names = pieces(value).into_iter().filter_map(|piece| match piece {
        Piece::Variable(name) => Some(name),
        Piece::Text(_) => None,
    });
    names.collect()
}

/// A positive integer, also as `7.0` or `"7"`.
fn whole(value: &Value) -> Option<i64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok(),
        // Label Studio's ids are 32-bit: each is exact as a float.
        Value::Number(number) => number.as_i64().or_else(|| {
            number
                .as_f64()
                .filter(|number| number.fract() == 0.0 && number.abs() < 1e15)
                .map(|number| number as i64)
        }),
        _ => None,
    };
    number.filter(|number| *number > 0)
}

/// A list's elements, or the single value that stands for a list of one; null is an empty list.
pub(super) fn many(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(items) => items,
        single => std::slice::from_ref(single),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn task(data: Value) -> Task {
        Task::from_json(&json!({"id": 7, "data": data})).unwrap()
    }

    #[test]
    fn a_task_needs_an_id_and_data_and_says_what_is_missing() {
        for (value, message) in [
            (json!([]), "task is a list of 0, expected an object"),
            (json!({"data": {}}), "task has no field `id`"),
            (json!({"id": "7", "data": {}}), "field `id` of task is a string, expected an integer"),
            (json!({"id": 1.5, "data": {}}), "field `id` of task is the number 1.5, expected an integer"),
            (json!({"id": 7}), "task 7 has no field `data`"),
            (json!({"id": 7, "data": null}), "task 7 has no field `data`"),
            (json!({"id": 7, "data": [1]}), "field `data` of task 7 is a list of 1, expected an object"),
        ] {
            assert_eq!(Task::from_json(&value).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_task_to_predict_needs_no_id() {
        for (id, read) in [
            (json!(7), 7),
            (json!(7.0), 7),
            (json!("7"), 7),
            (Value::Null, 0),
            (json!(7.5), 0),
            (json!(-7), 0),
            (json!("41f0c2d4-63b6-4d0c-9f1c-1d2f0f3f2b11"), 0),
            (json!([7]), 0),
        ] {
            let task = Task::to_predict(&json!({"id": id, "data": {"image": "a.png"}})).unwrap();
            assert_eq!((task.id, task.image_source("image")), (TaskId(read), Ok("a.png".into())));
        }
        let bare = Task::to_predict(&json!({"image": "a.png"})).unwrap();
        assert_eq!((bare.id, bare.image_source("image")), (TaskId(0), Ok("a.png".into())));
        assert!(Task::to_predict(&json!("a.png")).is_err() && Task::to_predict(&json!({"data": 3})).is_err());
    }

    #[test]
    fn a_single_task_is_a_list_of_one_and_a_broken_one_harms_no_other() {
        let all = Task::all_from_json(&json!([{"id": 1, "data": {}}, {"id": 2}, 3, {"id": 4, "data": {}}]));
        let ids: Vec<_> = all.iter().map(|task| task.as_ref().ok().map(|task| task.id.0)).collect();
        assert_eq!(ids, [Some(1), None, None, Some(4)]);
        assert_eq!(Task::all_from_json(&json!({"id": 1, "data": {}})).len(), 1);
        assert_eq!(Task::all_from_json(&Value::Null).len(), 0);
    }

    #[test]
    fn the_image_is_found_flat_dotted_and_under_the_undefined_key() {
        for (data, key, source) in [
            (json!({"image": "a.png"}), "image", "a.png"),
            (json!({"image": " a.png\n"}), "image", "a.png"),
            (json!({"photo.url": "flat", "photo": {"url": "deep"}}), "photo.url", "flat"),
            (json!({"photo": {"url": "deep"}}), "photo.url", "deep"),
            (json!({"photos": [{"url": "a"}, {"url": "b"}]}), "photos[1].url", "b"),
            (json!({"$undefined$": "/data/upload/1/a.png"}), "image", "/data/upload/1/a.png"),
            (json!({"$undefined$": "b", "image": "a"}), "image", "a"),
        ] {
            assert_eq!(task(data).image_source(key), Ok(source.into()));
        }
    }

    #[test]
    fn an_address_around_variables_is_filled_in() {
        let data = json!({"image": "a.png", "dir": {"name": "2026"}, "number": 7, "text": "x", "list": [1], "mail@x": "m"});
        for (value, source) in [
            ("https://host/$image", Ok("https://host/a.png")),
            ("https://host/$dir.name/$number/$image?x=$text", Ok("https://host/2026/7/a.png?x=x")),
            ("/data/local-files/?d=$dir.name/$image", Ok("/data/local-files/?d=2026/a.png")),
            ("$dir.name/$image", Ok("2026/a.png")),
            ("https://host/$$image", Ok("https://host/$a.png")),
            ("mail@x", Ok("m")),
            ("https://host/$image.png", Err("data has no key `image.png`")),
            ("https://host/$list/$image", Err("`list` is a list of 1")),
            ("https://host/$missing", Err("data has no key `missing`")),
        ] {
            match (task(data.clone()).image_source(value), source) {
                (Ok(found), Ok(source)) => assert_eq!(found, source),
                (Err(error), Err(words)) => assert!(error.to_string().contains(words), "{value}: {error}"),
                (found, source) => panic!("{value}: {found:?} in place of {source:?}"),
            }
        }
        assert_eq!(variables("https://host/$dir.name/$image"), ["dir.name", "image"]);
        assert_eq!(task(json!({"$undefined$": "b"})).image_source("https://host/$image"), Ok("b".into()));
    }

    #[test]
    fn a_task_without_an_image_says_what_it_has() {
        for (data, message) in [
            (
                json!({"text": "x", "id": 3}),
                "task 7 has no image: data has no key `image` (it has `id`, `text`); check `value` of the `<Image>` tag",
            ),
            (
                json!({}),
                "task 7 has no image: data has no key `image` (it has none); check `value` of the `<Image>` tag",
            ),
            (
                json!({"image": ["a", "b"]}),
                "task 7 has no image: `image` is a list of 2, expected the address of one image",
            ),
            (
                json!({"image": null}),
                "task 7 has no image: `image` is null, expected the address of one image",
            ),
            (
                json!({"image": "  "}),
                "task 7 has no image: `image` is empty, expected the address of one image",
            ),
        ] {
            assert_eq!(task(data).image_source("image").unwrap_err().to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn no_key_makes_it_panic(key in any::<String>(), name in any::<String>()) {
            let task = task(json!({ name.as_str(): "a", "list": [[1], {"x": []}] }));
            let _ = task.image_source(&key);
            prop_assert_eq!(task.image_source(&name).is_ok(), name != "list");
        }
    }
}
