//! Projects as Label Studio refers to them.

use super::field::{FieldError, Record};
use super::ids::ProjectId;
use serde_json::Value;

/// The `project` of `/setup` and `/predict`: `"2.1795432467"`, id and Unix second of creation. The second tells a project
/// from an earlier one of the same id, after Label Studio's database was created again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProjectRef {
    /// The project.
    pub id: ProjectId,
    /// Unix seconds; absent where only the id is sent.
    pub created_at_secs: Option<i64>,
}

impl ProjectRef {
    /// Reads the string, or a plain number as older clients send. `None` for anything else.
    pub fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            // A fraction written as number has lost its trailing zeros, so only the id is certain.
            Value::Number(number) => {
                let text = number.to_string();
                let id = text.split('.').next()?.parse().ok()?;
                Some(Self { id: ProjectId(id), created_at_secs: None })
            }
            _ => None,
        }
    }

    /// Reads `2.1795432467` or `2`.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, created) = match text.trim().split_once('.') {
            Some((id, created)) => (id, Some(created.parse().ok()?)),
            None => (text.trim(), None),
        };
        Some(Self { id: ProjectId(id.parse().ok()?), created_at_secs: created })
    }
}

/// Project as a webhook describes it; every field but the id is optional. The rest of Label Studio's record, which holds
/// tokens and passwords, isn't kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProjectSeen {
    /// The project.
    pub id: ProjectId,
    /// Its name.
    pub title: Option<String>,
    /// Its label config, XML.
    pub label_config: Option<String>,
    /// Number of annotations that Label Studio wants before a training: 0 is its "never by itself".
    pub min_annotations_to_start_training: Option<i64>,
    /// The model version whose predictions Label Studio shows and sorts by.
    pub model_version: Option<String>,
    /// Unix microseconds.
    pub created_at: Option<i64>,
}

impl ProjectSeen {
    /// Reads a project as it stands in webhooks and the API; a plain id is a project as well.
    ///
    /// # Errors
    /// Names the field that is missing or of the wrong type.
    pub fn from_json(value: &Value) -> Result<Self, FieldError> {
        if let Some(reference) = ProjectRef::from_json(value) {
            return Ok(Self::only(reference.id));
        }
        let record = Record::of("project", value)?;
        let text = |field| Ok::<_, FieldError>(record.text(field)?.map(str::to_owned));
        Ok(Self {
            id: ProjectId(record.id()?),
            title: text("title")?,
            label_config: text("label_config")?,
            min_annotations_to_start_training: record.integer("min_annotations_to_start_training")?,
            model_version: text("model_version")?,
            created_at: record.micros("created_at"),
        })
    }

    /// A project of which only the id is known.
    pub fn only(id: ProjectId) -> Self {
        Self {
            id,
            title: None,
            label_config: None,
            min_annotations_to_start_training: None,
            model_version: None,
            created_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_project_reference_is_a_string_or_a_number() {
        let both = Some(ProjectRef { id: ProjectId(2), created_at_secs: Some(1_795_432_467) });
        let only = Some(ProjectRef { id: ProjectId(2), created_at_secs: None });
        for (value, expected) in [
            (json!("2.1795432467"), both),
            (json!("2"), only),
            (json!(2), only),
            (json!(2.179543), only),
            (json!(""), None),
            (json!("x.1"), None),
            (json!("2.x"), None),
            (json!("2.1.1"), None),
            (json!("99999999999999999999"), None),
            (json!(null), None),
            (json!([2]), None),
        ] {
            assert_eq!(ProjectRef::from_json(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_project_needs_only_its_id() {
        assert_eq!(ProjectSeen::from_json(&json!({"id": 3})), Ok(ProjectSeen::only(ProjectId(3))));
        assert_eq!(ProjectSeen::from_json(&json!(3)), Ok(ProjectSeen::only(ProjectId(3))));
        let error = ProjectSeen::from_json(&json!({"title": "x"})).unwrap_err();
        assert_eq!(error.to_string(), "project has no field `id`");
        let error = ProjectSeen::from_json(&json!({"id": 3, "label_config": 5})).unwrap_err();
        assert_eq!(error.to_string(), "field `label_config` of project 3 is the number 5, expected a string");
    }
}
