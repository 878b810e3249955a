//! Tasks: what Label Studio asks people, and this backend, to label.

use super::field::{FieldError, Record, found, shown};
use super::ids::TaskId;
use serde_json::{Map, Value};

/// Files imported before the project has a label config stand under this key.
pub const UNDEFINED_KEY: &str = "$undefined$";

/// Why a task can't be used.
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
        /// What stands there.
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
    /// When Label Studio made it, Unix microseconds; 0 where that is not known.
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

    /// Reads the `tasks` of a request, which clients send as a list or as a single object: one answer
    /// each, in order, so that a broken task doesn't take the others with it.
    pub fn all_from_json(value: &Value) -> Vec<Result<Self, TaskError>> {
        many(value).iter().map(Self::from_json).collect()
    }

    /// The address of the task's image: data under the key as it stands, else along a dotted path
    /// (`photo.url`, `photos[0].url`, as Label Studio's editor reads it), else under [`UNDEFINED_KEY`].
    ///
    /// # Errors
    /// [`TaskError::NoImage`] and [`TaskError::NotAnAddress`], whose text is the reason to log.
    pub fn image_source(&self, image_key: &str) -> Result<&str, TaskError> {
        let at_key = self.data.get(image_key).or_else(|| self.at_path(image_key));
        let value =
            at_key.or_else(|| self.data.get(UNDEFINED_KEY)).ok_or_else(|| self.no_image(image_key))?;
        match value.as_str().map(str::trim) {
            Some("") => Err(self.not_an_address(image_key, "empty".to_owned())),
            Some(address) => Ok(address),
            None => Err(self.not_an_address(image_key, found(value))),
        }
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
            assert_eq!(task(data).image_source(key), Ok(source));
        }
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
