//! The `tasks` of a request, read so that a short text can't take any amount of memory.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Tasks that are kept of one request, whatever the limit on their number: `[0,0,..]` takes 16 bytes of memory for each of its
/// own.
const KEPT: usize = 1_000_000;

/// A list of tasks, or one task alone.
#[derive(Debug)]
pub struct Tasks {
    /// At most a million.
    pub kept: Vec<Value>,
    /// All there were.
    pub count: usize,
}

impl<'de> Deserialize<'de> for Tasks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TasksVisitor)
    }
}

struct TasksVisitor;

impl<'de> Visitor<'de> for TasksVisitor {
    type Value = Tasks;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tasks")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tasks, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < KEPT
            && let Some(task) = list.next_element()?
        {
            kept.push(task);
        }
        let mut count = kept.len();
        while count >= KEPT && list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Tasks { kept, count })
    }

    fn visit_map<A: MapAccess<'de>>(self, task: A) -> Result<Tasks, A::Error> {
        let task = Map::deserialize(MapAccessDeserializer::new(task))?;
        Ok(Tasks { kept: vec![Value::Object(task)], count: 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_or_one_task_is_read_and_the_rest_only_counted() {
        let read =
            |text: &str| serde_json::from_str::<Tasks>(text).map(|tasks| (tasks.kept.len(), tasks.count));
        assert_eq!(read("[]").unwrap(), (0, 0));
        assert_eq!(read(r#"[{"id": 1}, 2]"#).unwrap(), (2, 2));
        assert_eq!(read(r#"{"id": 1}"#).unwrap(), (1, 1));
        let many = format!("[{}0]", "0,".repeat(KEPT + 4));
        assert_eq!(read(&many).unwrap(), (KEPT, KEPT + 5));
        for (text, found) in [("7", "integer `7`"), ("null", "null"), ("\"x\"", "string")] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("expected a list of tasks") && error.contains(found), "{error}");
        }
    }
}
