//! Regions of a task that a prediction is asked for.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{PlaceError, Region};
use crate::domain::task::many;

/// Most regions of one task that are answered about; a person draws far fewer.
const MAX_ASKED: usize = 1_000;

/// The regions of a task as a request brings them, at most 1,000, and why others can't be cut out: those of the request's
/// context, which the editor sends of what was just drawn; without any, those that people drew (drafts, and annotations that
/// have none); and where nobody drew any, those of the newest prediction that `is_own` does not call one of this program.
/// Regions without an `id` can't be answered about.
pub fn asked(task: &Value, context: &Value, is_own: impl Fn(&str) -> bool) -> (Vec<Region>, Vec<PlaceError>) {
    if let Some(drawn) = result(context) {
        return together([drawn]);
    }
    let records = |field: &str| task.get(field).map(many).unwrap_or_default();
    let drafts = records("drafts");
    let annotations = records("annotations");
    // A draft of an annotation is what has become of it.
    let redone: BTreeSet<i64> = drafts.iter().filter_map(|draft| draft.get("annotation")?.as_i64()).collect();
    let stands = |annotation: &&Value| {
        let id = annotation.get("id").and_then(Value::as_i64);
        id.is_none_or(|id| !redone.contains(&id))
            && annotation.get("was_cancelled") != Some(&Value::Bool(true))
    };
    let people = together(drafts.iter().chain(annotations.iter().filter(stands)).filter_map(result));
    if people != (Vec::new(), Vec::new()) {
        return people;
    }
    let of_others =
        |prediction: &&Value| !prediction.get("model_version").and_then(Value::as_str).is_some_and(&is_own);
    let mut predictions: Vec<&Value> = records("predictions").iter().filter(of_others).collect();
    predictions.sort_by_key(|prediction| std::cmp::Reverse(prediction.get("id").and_then(Value::as_i64)));
    let found = predictions.into_iter().filter_map(result).map(|drawn| together([drawn]));
    let mut found = found.filter(|found| *found != (Vec::new(), Vec::new()));
    found.next().unwrap_or_default()
}

fn result(record: &Value) -> Option<&[Value]> {
    record.get("result")?.as_array().map(Vec::as_slice)
}

/// Of regions with one id the first counts.
fn together<'a>(results: impl IntoIterator<Item = &'a [Value]>) -> (Vec<Region>, Vec<PlaceError>) {
    let mut regions = Vec::new();
    let mut refused = Vec::new();
    let mut seen = BTreeSet::new();
    for result in results {
        let (found, problems) = Region::all(result);
        regions.extend(found.into_iter().filter(|region| seen.insert(region.id.clone())));
        refused.extend(problems);
    }
    regions.truncate(MAX_ASKED);
    (regions, refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn drawn(id: &str) -> Value {
        json!([{"id": id, "type": "rectangle", "from_name": "box", "to_name": "image",
            "value": {"x": 10, "y": 10, "width": 20, "height": 20, "rotation": 0}}])
    }

    fn ids(task: &Value, context: &Value) -> Vec<String> {
        let (regions, refused) = asked(task, context, |version| version.starts_with("v"));
        assert_eq!(refused, []);
        regions.into_iter().map(|region| region.id).collect()
    }

    #[test]
    fn what_was_just_drawn_comes_first_then_what_people_drew_then_what_others_predict() {
        let predictions = json!([
            {"id": 1, "model_version": "other-1", "result": drawn("old")},
            {"id": 3, "model_version": "other-2", "result": drawn("new")},
            {"id": 9, "model_version": "v3", "result": drawn("own")},
            {"id": 10, "model_version": "other-3", "result": []},
        ]);
        let annotations = json!([
            {"id": 4, "result": drawn("a")},
            {"id": 5, "result": drawn("redone")},
            {"id": 6, "was_cancelled": true, "result": drawn("skipped")},
        ]);
        let drafts =
            json!([{"annotation": 5, "result": drawn("d")}, {"annotation": null, "result": drawn("a")}]);
        let mut task = json!({"predictions": predictions});
        assert_eq!(ids(&task, &Value::Null), ["new"]);
        task["annotations"] = annotations;
        task["drafts"] = drafts;
        assert_eq!(ids(&task, &Value::Null), ["d", "a"]);
        assert_eq!(ids(&task, &json!({"result": drawn("now")})), ["now"]);
        assert_eq!(ids(&task, &json!({"result": []})), Vec::<String>::new(), "the editor asks about nothing");
    }

    #[test]
    fn odd_tasks_have_no_regions() {
        for task in [
            json!(null),
            json!([]),
            json!({"annotations": 7, "drafts": "x", "predictions": {"result": {}}}),
            json!({"annotations": [{"result": [1, null, {"id": 7, "value": {"x": 1}}, {"value": drawn("a")[0]["value"]}]}]}),
        ] {
            for context in [json!(null), json!(3), json!({"result": 3})] {
                assert_eq!(ids(&task, &context), Vec::<String>::new(), "{task}");
            }
        }
        let many: Vec<Value> = (0..2_000).map(|id| drawn(&id.to_string())[0].clone()).collect();
        assert_eq!(ids(&json!({"drafts": [{"result": many}]}), &Value::Null).len(), MAX_ASKED);
    }
}
