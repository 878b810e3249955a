//! Targets of the regions of an image, from its annotation.

use std::collections::HashSet;

use serde_json::Value;

use super::{Annotation, MAX_REGIONS, Target, control, read};
use crate::domain::label_config::HeadSpec;
use crate::domain::region::{Place, PlaceError, id, is_of_a_part, places};

/// The items of a result that are kept.
pub(super) fn kept(items: &[Value]) -> Vec<Value> {
    let answers = items.iter().filter(|item| control(item).is_some());
    let placeless: HashSet<&str> = answers.filter(|item| !is_of_a_part(item)).filter_map(id).collect();
    let is_asked_about = |item: &Value| {
        id(item).is_some_and(|id| placeless.contains(id))
            && !matches!(Place::of(item), Err(PlaceError::Kind(_)))
    };
    let kept = items.iter().filter(|item| control(item).is_some() || is_asked_about(item));
    kept.take(MAX_REGIONS).cloned().collect()
}

impl Annotation {
    /// Targets of a head of regions: each region's place with the answer, in their order. A region that can't be cut out and
    /// an answer that is no class are left out. Of several answers about one region the first counts, as in the editor.
    pub fn region_targets(&self, head: &HeadSpec) -> Vec<(Place, Target)> {
        if self.was_cancelled || head.is_of_image() {
            return Vec::new();
        }
        let placed = self.placed(head);
        placed.into_iter().filter_map(|(item, place)| Some((place.ok()?, read(item, head)?))).collect()
    }

    /// The items that answer a head of regions, one for each region, and where that lies.
    pub(super) fn placed<'a>(&'a self, head: &'a HeadSpec) -> Vec<(&'a Value, Result<Place, PlaceError>)> {
        let drawn = places(&self.result);
        let mut seen = HashSet::new();
        let first = self.answers(head).filter(|item| id(item).is_none_or(|id| seen.insert(id)));
        first
            .map(|item| {
                let place = Place::of(item);
                let elsewhere = || id(item).and_then(|id| drawn.get(id).copied());
                (item, place.or_else(|why| elsewhere().unwrap_or(Err(why))))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::annotation::{Unused, Why};
    use crate::domain::label_config::LabelConfig;
    use serde_json::json;

    fn config() -> LabelConfig {
        let xml = r#"<View><Image name="image" value="$image"/>
            <Choices name="part" toName="image" perRegion="true"><Choice value="a"/><Choice value="b"/></Choices>
            <Choices name="whole" toName="image"><Choice value="a"/><Choice value="b"/></Choices></View>"#;
        LabelConfig::parse(xml).unwrap()
    }

    fn annotation(result: Value) -> Annotation {
        Annotation::from_json(&json!({"id": 1, "task": 2, "result": result}), None).unwrap()
    }

    fn drawn(id: &str, x: usize) -> Value {
        json!({"id": id, "from_name": "box", "type": "rectanglelabels",
            "value": {"x": x, "y": 0, "width": 10, "height": 10, "rectanglelabels": ["car"]}})
    }

    fn answer(id: &str, from_name: &str, choice: &str) -> Value {
        json!({"id": id, "from_name": from_name, "type": "choices", "value": {"choices": [choice]}})
    }

    fn placed(id: &str, x: usize, choice: &str) -> Value {
        let mut item = answer(id, "part", choice);
        item["value"].as_object_mut().unwrap().extend(drawn(id, x)["value"].as_object().unwrap().clone());
        item
    }

    #[test]
    fn the_place_stands_in_the_answer_or_in_what_was_drawn() {
        let config = config();
        let head = &config.heads[0];
        let place = |x: usize| Place::of(&drawn("r", x)).unwrap();
        let said = annotation(json!([
            answer("1", "part", "b"),
            placed("2", 20, "a"),
            drawn("1", 10),
            drawn("2", 90),
            drawn("3", 30),
            answer("1", "part", "a"),
            answer("4", "part", "a"),
            placed("5", 50, "c"),
            answer("w", "whole", "b"),
        ]));
        let expected = vec![(place(10), Target::Single(1)), (place(20), Target::Single(0))];
        assert_eq!(said.region_targets(head), expected);
        assert_eq!(said.target(head), None, "it says nothing of the whole image");
        assert_eq!(said.target(&config.heads[1]), Some(Target::Single(1)));
        assert_eq!(said.region_targets(&config.heads[1]), []);
        let kept: Vec<&str> = said.result.iter().filter_map(|item| item["type"].as_str()).collect();
        assert_eq!(
            kept.iter().filter(|kind| **kind == "rectanglelabels").count(),
            1,
            "only what an answer lacks"
        );
        let skipped = Annotation { was_cancelled: true, ..said };
        assert_eq!(skipped.region_targets(head), []);
    }

    #[test]
    fn answers_about_regions_are_used_by_their_head_and_by_no_other() {
        let config = config();
        let unused = |result: Value| annotation(result).unused(&config);
        let why = |from_name: &str, why: Why| vec![Unused { from_name: from_name.to_owned(), why }];
        assert_eq!(unused(json!([placed("1", 10, "a"), answer("2", "part", "b"), drawn("2", 5)])), []);
        assert_eq!(unused(json!([placed("1", 10, "c")])), why("part", Why::NoSuchClass("c".to_owned())));
        let of_whole = why("part", Why::Place(PlaceError::Kind("no region")));
        assert_eq!(unused(json!([answer("1", "part", "a")])), of_whole);
        let mut of_region = placed("1", 10, "a");
        of_region["from_name"] = json!("whole");
        assert_eq!(unused(json!([of_region.clone()])), why("whole", Why::OfARegion));
        assert_eq!(annotation(json!([of_region])).target(&config.heads[1]), None);
    }

    #[test]
    fn many_regions_with_odd_ids_are_read() {
        let many: Vec<Value> = (0..2 * MAX_REGIONS).map(|_| placed("same", 10, "a")).collect();
        let said = annotation(json!(many));
        assert_eq!((said.result.len(), said.region_targets(&config().heads[0]).len()), (MAX_REGIONS, 1));
        let nameless = json!([{"id": 7, "from_name": "part", "type": "choices", "value": placed("x", 10, "a")["value"]}, 3, null]);
        assert_eq!(annotation(nameless).region_targets(&config().heads[0]).len(), 1);
    }
}
