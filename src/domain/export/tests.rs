use serde_json::{Value, json};

use super::*;
use crate::domain::annotation::Target;
use crate::domain::consensus::consensus;
use crate::domain::label_config::ChoiceKind;

const CONFIG: &str = r#"<View><Image name="image" value="$image"/><Choices name="weather" toName="image">
    <Choice value="rain"/><Choice value="shine"/></Choices></View>"#;

fn config() -> LabelConfig {
    LabelConfig::parse(CONFIG).unwrap()
}

fn task(id: i64, from_name: &str, choice: &str) -> Value {
    let region = json!({"type": "choices", "from_name": from_name, "to_name": "image", "value": {"choices": [choice]}});
    json!({"id": id, "data": {"image": format!("/data/upload/1/{id}.png"), "camera": "roof"},
        "annotations": [{"id": id, "result": [region]}]})
}

#[test]
fn both_formats_say_the_same() {
    let full = [task(1, "weather", "rain"), task(2, "weather", "shine")];
    let min = [
        json!({"id": 2, "image": "/data/upload/1/2.png", "weather": "shine", "annotation_id": 2}),
        json!({"id": 1, "image": "/data/upload/1/1.png", "weather": {"choices": ["rain"]}, "annotation_id": 1}),
    ];
    assert!(!is_min(&full) && is_min(&min));
    let config = config();
    let answers = |tasks: Vec<Answered>| -> Vec<(String, Option<Target>)> {
        tasks
            .iter()
            .map(|row| {
                let head = &config.heads[0];
                let source = row.task.image_source(&head.image_key).unwrap().into_owned();
                (source, consensus(&row.annotations, head))
            })
            .collect()
    };
    let full = answers(read_json(&full).tasks);
    let min = answers(read_min(&min, &config).tasks);
    assert_eq!(full, min);
    assert_eq!(full[1], ("/data/upload/1/2.png".to_owned(), Some(Target::Single(1))));
}

#[test]
fn another_label_config_is_named() {
    let said = |rows: &[Value]| check(&read_json(rows).tasks, &config()).unwrap_err().to_string();
    let foreign = said(&[task(1, "sky", "rain")]);
    assert!(foreign.contains("it answers `sky`, the label config asks `weather`"), "{foreign}");
    let fog = said(&[task(2, "weather", "fog")]);
    assert!(fog.contains("it answers `weather` with `fog`, the label config has `rain`, `shine`"), "{fog}");
    // One class more beside ours is named elsewhere.
    let more = [task(1, "weather", "rain"), task(2, "weather", "fog")];
    assert_eq!(check(&read_json(&more).tasks, &config()), Ok(()));
    // A further question beside all of ours does no harm.
    let both = [task(1, "weather", "rain"), task(2, "sky", "blue")];
    assert_eq!(check(&read_json(&both).tasks, &config()), Ok(()));
}

#[test]
fn a_label_config_is_told_from_answers() {
    let tasks = read_json(&[task(1, "weather", "rain"), task(2, "weather", "shine")]).tasks;
    let told = infer(&tasks).unwrap();
    assert_eq!((told.heads[0].image_key.as_str(), told.digest()), ("image", config().digest()));
    let one = read_json(&[task(1, "weather", "rain")]).tasks;
    assert!(infer(&one).unwrap_err().to_string().contains("two different choices"));
}

#[test]
fn what_is_no_export_is_refused() {
    for (export, words) in [
        (json!({"id": 1}), "an export is a list of tasks, this is an object"),
        (json!([]), "it holds no task"),
    ] {
        assert!(rows(&export).unwrap_err().to_string().contains(words));
    }
    let error =
        read_json(&[task(1, "weather", "rain"), json!({"data": {}})]).whole().unwrap_err().to_string();
    assert!(error.starts_with("task 1 of the list: task has no field `id`"), "{error}");
}

#[test]
fn one_odd_row_takes_no_other_with_it() {
    let mut odd = task(4, "weather", "rain");
    odd["annotations"][0] = Value::Null;
    let mut text_id = task(5, "weather", "rain");
    text_id["id"] = json!("5");
    let mut no_image = task(6, "weather", "shine");
    no_image["data"] = json!({"camera": "roof"});
    let rows = [
        task(1, "weather", "rain"),
        json!({"data": {}}),
        odd,
        text_id,
        no_image,
        task(7, "weather", "shine"),
    ];
    let read = read_json(&rows);
    let ids: Vec<i64> = read.tasks.iter().map(|row| row.task.id.0).collect();
    assert_eq!(ids, [1, 4, 6, 7]);
    let problems: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "task 1 of the list: task has no field `id`",
            "task 2 of the list: annotation is null, expected an object",
            "task 3 of the list: field `id` of task is a string, expected an integer",
        ]
    );
    // The image's key is that of most tasks.
    assert_eq!(infer(&read.tasks).unwrap().heads[0].image_key, "image");
    let two = |other: &str| {
        let mut row = task(1, "weather", "rain");
        row["data"] = json!({"image": "a.png", "thumbnail": other});
        let mut next = task(2, "weather", "shine");
        next["data"] = row["data"].clone();
        infer(&read_json(&[row, next]).tasks)
    };
    let error = two("b.png").unwrap_err().to_string();
    assert!(error.contains("several keys of its data may hold the image: `image`, `thumbnail`"), "{error}");
    assert_eq!(two("north").unwrap().heads[0].image_key, "image");
}

#[test]
fn ratings_are_read_in_both_formats() {
    let config = LabelConfig::parse(
        r#"<View><Image name="image" value="$image"/><Rating name="stars" toName="image" maxRating="10"/></View>"#,
    )
    .unwrap();
    let task = |id: i64, rating: i64| {
        let region =
            json!({"type": "rating", "from_name": "stars", "to_name": "image", "value": {"rating": rating}});
        json!({"id": id, "data": {"image": format!("{id}.png")}, "annotations": [{"id": id, "result": [region]}]})
    };
    let tasks = read_json(&[task(1, 2), task(2, 10), task(3, 9)]).tasks;
    let told = |tasks: &[Answered], config: &LabelConfig| -> Vec<Option<Target>> {
        tasks.iter().map(|row| consensus(&row.annotations, &config.heads[0])).collect()
    };
    let classes = [1, 9, 8].map(|class| Some(Target::Single(class)));
    assert_eq!(told(&tasks, &config), classes);
    assert_eq!(check(&tasks, &config), Ok(()));
    let min = [json!([{"rating": 2}]), json!(10), json!({"rating": 9})];
    let min: Vec<Value> = min
        .iter()
        .enumerate()
        .map(|(index, stars)| json!({"id": index + 1, "image": "a.png", "stars": stars, "annotation_id": index}))
        .collect();
    assert_eq!(told(&read_min(&min, &config).tasks, &config), classes);
    let inferred = infer(&tasks).unwrap();
    let names: Vec<&str> = inferred.heads[0].classes.iter().map(|class| class.name.as_str()).collect();
    assert_eq!((inferred.heads[0].control, names), (Control::Rating, vec!["2", "9", "10"]));
}

#[test]
fn taxonomies_are_read_in_both_formats() {
    let config = LabelConfig::parse(
        r#"<View><Image name="image" value="$image"/><Taxonomy name="life" toName="image" leafsOnly="true" maxUsages="1">
        <Choice value="Eukarya"><Choice value="Animals"/><Choice value="Other"/></Choice>
        <Choice value="Bacteria"><Choice value="Other"/></Choice></Taxonomy></View>"#,
    )
    .unwrap();
    let paths =
        [json!([["Eukarya", "Animals"]]), json!([["Eukarya", "Other"]]), json!([["Bacteria", "Other"]])];
    let rows = paths.iter().enumerate();
    let full: Vec<Value> = rows
        .clone()
        .map(|(id, paths)| {
            let region = json!({"type": "taxonomy", "from_name": "life", "to_name": "image", "value": {"taxonomy": paths}});
            json!({"id": id, "data": {"image": "a.png"}, "annotations": [{"id": id, "result": [region]}]})
        })
        .collect();
    let min: Vec<Value> = rows
        .map(|(id, paths)| {
            // As Label Studio's converter writes it, and bare.
            let field = if id == 0 { paths.clone() } else { json!([{"taxonomy": paths}]) };
            json!({"id": id, "image": "a.png", "life": field, "annotation_id": id})
        })
        .collect();
    let full = read_json(&full).tasks;
    let told = |tasks: &[Answered], config: &LabelConfig| -> Vec<Option<Target>> {
        tasks.iter().map(|row| consensus(&row.annotations, &config.heads[0])).collect()
    };
    let classes = [0, 1, 2].map(|class| Some(Target::Single(class)));
    assert_eq!(told(&full, &config), classes);
    assert_eq!(told(&read_min(&min, &config).tasks, &config), classes);
    assert_eq!(check(&full, &config), Ok(()));
    let inferred = infer(&full).unwrap();
    let head = &inferred.heads[0];
    let names: Vec<&str> = head.classes.iter().map(|class| class.name.as_str()).collect();
    assert_eq!((head.control, head.kind), (Control::Taxonomy, ChoiceKind::Single));
    assert_eq!(names, ["Bacteria / Other", "Animals", "Eukarya / Other"]);
    assert_eq!(told(&full, &inferred), [1, 2, 0].map(|class| Some(Target::Single(class))));
}

#[test]
fn answers_for_regions_are_not_taken_for_those_of_the_image() {
    let answered = |id: i64, choice: &str| {
        let place = |x: f64, choice: &str| {
            json!({"id": format!("r{x}"), "type": "choices", "from_name": "car", "to_name": "image",
                "value": {"x": x, "y": 1.5, "width": 20, "height": 10, "rotation": 0, "choices": [choice]}})
        };
        let mut row = task(id, "weather", choice);
        let result = row["annotations"][0]["result"].as_array_mut().unwrap();
        result.extend([place(1.0, "red"), place(40.0, "blue")]);
        row
    };
    let rows = [answered(1, "rain"), answered(2, "shine")];
    let told = infer(&read_json(&rows).tasks).unwrap();
    assert_eq!(told.digest(), config().digest());
    let regions_only = rows.map(|mut row| {
        row["annotations"][0]["result"].as_array_mut().unwrap().remove(0);
        row
    });
    let error = infer(&read_json(&regions_only).tasks).unwrap_err().to_string();
    assert!(error.contains("`car` is answered for regions, not for whole images"), "{error}");
}
