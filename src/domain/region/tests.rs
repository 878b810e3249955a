use super::*;
use crate::domain::label_config::LabelConfig;
use proptest::prelude::*;
use serde_json::json;

fn rectangle(x: f64, y: f64, width: f64, height: f64, rotation: f64) -> Value {
    json!({"id": "r", "value": {"x": x, "y": y, "width": width, "height": height, "rotation": rotation}})
}

fn crop(item: &Value, width: u32, height: u32) -> Option<[u32; 4]> {
    let crop = Place::of(item).unwrap().crop(width, height)?;
    Some([crop.x, crop.y, crop.width, crop.height])
}

#[test]
fn a_rectangle_covers_its_share_of_the_picture_and_is_clipped() {
    for (item, pixels) in [
        (rectangle(10.0, 20.0, 30.0, 40.0, 0.0), [20, 20, 60, 40]),
        (rectangle(-10.0, -10.0, 20.0, 20.0, 0.0), [0, 0, 20, 10]),
        (rectangle(90.0, 90.0, 50.0, 50.0, 0.0), [180, 90, 20, 10]),
        (rectangle(0.0, 0.0, 100.0, 100.0, 0.0), [0, 0, 200, 100]),
        (rectangle(50.1, 50.1, 0.001, 0.001, 0.0), [100, 50, 1, 1]),
        (rectangle(99.9999, 99.9999, 5.0, 5.0, 0.0), [199, 99, 1, 1]),
        (rectangle(-1e5, -1e5, 1e6, 1e6, 0.0), [0, 0, 200, 100]),
    ] {
        assert_eq!(crop(&item, 200, 100), Some(pixels), "{item}");
    }
}

#[test]
fn a_turned_region_is_cut_out_with_what_stands_around_it_upright() {
    // A quarter turn clockwise about the left upper corner: to the left of it, in pixels and not in percent.
    assert_eq!(crop(&rectangle(50.0, 10.0, 10.0, 20.0, 90.0), 200, 100), Some([80, 10, 20, 20]));
    assert_eq!(crop(&rectangle(50.0, 10.0, 10.0, 20.0, 180.0), 200, 100), Some([80, 0, 20, 10]));
    assert_eq!(crop(&rectangle(50.0, 50.0, 10.0, 10.0, 45.0), 100, 100), Some([43, 50, 14, 14]));
    assert_eq!(crop(&rectangle(50.0, 10.0, 10.0, 20.0, 360.0), 200, 100), Some([100, 10, 20, 20]));
    assert_eq!(crop(&rectangle(1.0, 1.0, 5.0, 5.0, 180.0), 10, 10), Some([0, 0, 1, 1]));
    assert_eq!(crop(&rectangle(0.0, 0.0, 50.0, 50.0, 180.0), 10, 10), None);
}

#[test]
fn an_ellipse_is_cut_out_with_the_rectangle_around_it() {
    let ellipse = |rotation: f64| json!({"value": {"x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "rotation": rotation}});
    assert_eq!(crop(&ellipse(0.0), 200, 100), Some([80, 30, 40, 40]));
    let narrow = json!({"value": {"x": 50, "y": 50, "radiusX": 5, "radiusY": 40}});
    assert_eq!(crop(&narrow, 100, 100), Some([45, 10, 10, 80]));
    let mut turned = narrow.clone();
    turned["value"]["rotation"] = json!(90);
    assert_eq!(crop(&turned, 100, 100), Some([10, 45, 80, 10]));
}

#[test]
fn what_cannot_be_cut_out_is_refused_with_its_name() {
    let with = |field: &str, value: Value| {
        let mut item = rectangle(10.0, 10.0, 20.0, 20.0, 0.0);
        item["value"][field] = value;
        item
    };
    let mut turned = rectangle(10.0, 10.0, 20.0, 20.0, 0.0);
    turned["image_rotation"] = json!(90);
    for (item, why) in [
        (json!({"value": {"points": [[1, 2]]}}), PlaceError::Kind("a polygon")),
        (json!({"value": {"rle": [1], "format": "rle"}}), PlaceError::Kind("a brush mask")),
        (json!({"value": {"vertices": []}}), PlaceError::Kind("a line")),
        (json!({"value": {"x": 1, "y": 2, "width": 0.5}}), PlaceError::Kind("a key point")),
        (
            json!({"value": {"sequence": [], "x": 1, "y": 1, "width": 1, "height": 1}}),
            PlaceError::Kind("a region of a video"),
        ),
        (json!({"value": {"choices": ["a"]}}), PlaceError::Kind("no region")),
        (json!({"value": null}), PlaceError::Kind("no region")),
        (json!(7), PlaceError::Kind("no region")),
        (with("x", json!("10")), PlaceError::Unreadable),
        (with("x", json!(null)), PlaceError::Unreadable),
        (with("y", json!([1])), PlaceError::Unreadable),
        (with("width", json!(1e308)), PlaceError::Unreadable),
        (with("x", json!(-1e300)), PlaceError::Unreadable),
        (with("rotation", json!(1e300)), PlaceError::Unreadable),
        (with("rotation", json!("up")), PlaceError::Unreadable),
        (with("width", json!(0)), PlaceError::Empty),
        (with("height", json!(-3)), PlaceError::Empty),
        (with("x", json!(100)), PlaceError::Outside),
        (with("y", json!(-20)), PlaceError::Outside),
        (turned, PlaceError::Turned),
    ] {
        assert_eq!(Place::of(&item), Err(why), "{item}");
    }
    assert!(Place::of(&with("rotation", json!(null))).is_ok());
}

#[test]
fn places_are_told_apart() {
    let place = |item: Value| Place::of(&item).unwrap().bytes();
    let here = rectangle(10.0, 10.0, 20.0, 20.0, 0.0);
    assert_eq!(place(here.clone()), place(rectangle(10.0, 10.0, 20.0, 20.0, -0.0)));
    for other in [
        rectangle(10.1, 10.0, 20.0, 20.0, 0.0),
        rectangle(10.0, 10.0, 20.0, 20.0, 1.0),
        json!({"value": {"x": 10, "y": 10, "radiusX": 20, "radiusY": 20}}),
    ] {
        assert_ne!(place(here.clone()), place(other));
    }
}

fn head(attributes: &str) -> HeadSpec {
    let xml = format!(
        r#"<View><Image name="image" value="$image"/><Choices name="part" toName="image" perRegion="true" {attributes}>
        <Choice value="a"/><Choice value="b"/></Choices></View>"#
    );
    LabelConfig::parse(&xml).unwrap().heads.remove(0)
}

#[test]
fn the_items_of_a_region_are_found_together_and_whether_it_is_asked_about() {
    let mut drawn = rectangle(10.0, 10.0, 20.0, 20.0, 0.0);
    drawn["type"] = json!("rectanglelabels");
    drawn["from_name"] = json!("box");
    drawn["to_name"] = json!("image");
    drawn["original_width"] = json!(40);
    drawn["value"]["rectanglelabels"] = json!(["car"]);
    let said = json!({"id": "r", "type": "textarea", "from_name": "note", "to_name": "image", "value": {"text": ["x"]}});
    let polygon = json!({"id": "p", "value": {"points": []}});
    let (regions, refused) =
        Region::all(&[said.clone(), polygon, drawn.clone(), json!({"type": "relation"})]);
    assert_eq!(refused, [PlaceError::Kind("a polygon")]);
    let [region] = regions.as_slice() else { panic!("{regions:?}") };
    assert_eq!(region.items, [said, drawn]);
    for (attributes, asked) in [
        ("", true),
        (r#"whenLabelValue="car""#, true),
        (r#"whenLabelValue="van,car""#, true),
        (r#"whenLabelValue="van""#, false),
        (r#"visibleWhen="region-selected" whenTagName="box""#, true),
        (r#"visibleWhen="region-selected" whenTagName="circle""#, false),
    ] {
        assert_eq!(region.is_asked(&head(attributes)), asked, "{attributes}");
    }
    let mut elsewhere = head("");
    elsewhere.to_name = "other".to_owned();
    assert!(!region.is_asked(&elsewhere) && !region.is_answered(&head("")));

    let answer = Map::from_iter([("choices".to_owned(), json!(["a"]))]);
    let item = region.item(&head(""), answer, 0.75);
    let expected = json!({"id": "r", "from_name": "part", "to_name": "image", "type": "choices", "score": 0.75,
        "original_width": 40,
        "value": {"x": 10.0, "y": 10.0, "width": 20.0, "height": 20.0, "rotation": 0.0, "choices": ["a"]}});
    assert_eq!(item, expected);
    let (answered, _) = Region::all(&[regions[0].items.clone(), vec![item]].concat());
    assert!(answered[0].is_answered(&head("")));
}

proptest! {
    #[test]
    fn every_place_is_within_the_picture_or_nowhere(
        numbers in prop::array::uniform5(prop_oneof![-200.0..200.0_f64, any::<f64>()]),
        ellipse in any::<bool>(), width in 1..5_000_u32, height in 1..5_000_u32,
    ) {
        let [x, y, w, h, rotation] = numbers;
        let value = match ellipse {
            true => json!({"x": x, "y": y, "radiusX": w, "radiusY": h, "rotation": rotation}),
            false => json!({"x": x, "y": y, "width": w, "height": h, "rotation": rotation}),
        };
        if let Ok(place) = Place::of(&json!({ "value": value }))
            && let Some(crop) = place.crop(width, height)
        {
            prop_assert!(crop.width > 0 && crop.x + crop.width <= width, "{crop:?}");
            prop_assert!(crop.height > 0 && crop.y + crop.height <= height, "{crop:?}");
        }
    }
}
