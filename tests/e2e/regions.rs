//! Questions about regions, in every way that Label Studio brings them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use serde_json::{Value, json};

use crate::support::pictures::{CLASSES, drawn, png};
use crate::support::{Backend, stage};

const CONFIG: &str = r#"<View><Image name="image" value="$image"/>
    <RectangleLabels name="box" toName="image"><Label value="part"/></RectangleLabels>
    <Choices name="weather" toName="image" perRegion="true" required="true">
    <Choice value="cloudy"/><Choice value="rain"/><Choice value="shine"/><Choice value="sunrise"/></Choices></View>"#;

/// Two pictures side by side.
fn halves(classes: [usize; 2], seed: u32) -> String {
    let [left, right] = classes.map(|class| drawn(CLASSES[class], seed));
    let width = left.width();
    let both = RgbImage::from_fn(2 * width, left.height(), |x, y| {
        if x < width { *left.get_pixel(x, y) } else { *right.get_pixel(x - width, y) }
    });
    format!("data:image/png;base64,{}", STANDARD.encode(png(&both)))
}

/// The items of a half of the picture, as the editor writes them: what is drawn, and the answer where there is one.
fn half(side: usize, class: Option<usize>) -> Vec<Value> {
    let item = |from_name: &str, kind: &str, chosen: &str| {
        json!({"id": format!("half{side}"), "from_name": from_name, "to_name": "image", "type": kind, "origin": "manual",
            "original_width": 320, "original_height": 120, "image_rotation": 0,
            "value": {"x": 50 * side, "y": 0, "width": 50, "height": 100, "rotation": 0, kind: [chosen]}})
    };
    let answer = class.map(|class| item("weather", "choices", CLASSES[class]));
    std::iter::once(item("box", "rectanglelabels", "part")).chain(answer).collect()
}

fn both(classes: Option<[usize; 2]>) -> Value {
    json!((0..2).flat_map(|side| half(side, classes.map(|classes| classes[side]))).collect::<Vec<_>>())
}

/// Asserts that a prediction holds both halves, each with its class.
fn assert_shows(prediction: &Value, classes: [usize; 2]) {
    let items = prediction["result"].as_array().expect("items");
    let kinds: Vec<&str> = items.iter().filter_map(|item| item["type"].as_str()).collect();
    assert_eq!(kinds, ["rectanglelabels", "choices", "rectanglelabels", "choices"], "{prediction:#}");
    for (side, class) in classes.into_iter().enumerate() {
        let answer = &items[2 * side + 1];
        assert_eq!(
            (&answer["id"], &answer["value"]["x"]),
            (&json!(format!("half{side}")), &json!(50 * side))
        );
        assert_eq!(answer["value"]["choices"], json!([CLASSES[class]]), "{prediction:#}");
    }
}

fn classes_of(task: usize) -> [usize; 2] {
    [task % 4, (task + 1 + task % 3) % 4]
}

#[tokio::test]
async fn regions_are_learnt_from_submits_and_answered_about_wherever_label_studio_asks() {
    let Some(stage) = stage().await else { return };
    let project = stage.label_studio.project_with("questions about regions", CONFIG).await;
    let tasks: Vec<Value> =
        (0..16).map(|task| json!({"image": halves(classes_of(task), task as u32)})).collect();
    let made = project.import(&json!(tasks)).await;
    let ids: Vec<i64> = made["task_ids"].as_array().expect("ids").iter().filter_map(Value::as_i64).collect();
    let backend = Backend::start(&stage.label_studio, &[]).await;
    let connected = project.connect(&backend).await;
    for (task, id) in ids[..12].iter().enumerate() {
        project.answer(*id, &both(Some(classes_of(task)))).await;
    }
    let version = backend.version_over(project.id, 12).await;
    let shown = backend.project(project.id).await;
    assert_eq!(shown["versions"][0]["heads"][0]["evaluation"]["n"], 24, "{shown:#}");
    assert_eq!(shown["labels"]["unused"], json!([]), "{shown:#}");

    // Label Studio follows the version without rows of an order, which would stand in the way of answers about regions.
    backend.queue_of(project.id, |queue| queue == version).await;
    assert!(!project.stored_versions().await.contains(&version));

    // Boxes of another model: answered about when the label stream serves a task, and in a batch.
    let boxes: Vec<Value> = ids[12..]
        .iter()
        .map(|task| json!({"task": task, "result": both(None), "score": 0.5, "model_version": "boxes-1"}))
        .collect();
    let path = format!("/api/projects/{}/import/predictions", project.id);
    let imported = project.label_studio().post(&path, &json!(boxes)).await;
    assert_eq!(imported["created"], 4, "{imported:#}");
    let next = project.next().await.expect("a task");
    let served = ids.iter().position(|id| *id == next).expect("one of ours");
    let own = async |task: usize| -> Vec<Value> {
        let kept = project.predictions(ids[task]).await;
        kept.into_iter().filter(|kept| kept["model_version"] == *version).collect()
    };
    assert_shows(&own(served).await[0], classes_of(served));
    let path = format!("/api/dm/actions?id=retrieve_tasks_predictions&project={}", project.id);
    let selected = json!({"selectedItems": {"all": false, "included": &ids[12..]}});
    project.label_studio().post(&path, &selected).await;
    for task in 12..16 {
        let own = own(task).await;
        assert_eq!(own.len(), 1, "{own:#?}");
        assert_shows(&own[0], classes_of(task));
    }

    // A box that was just drawn, as the editor asks of an interactive backend.
    let at = format!("/api/ml/{connected}");
    let interactive = json!({"url": backend.url, "project": project.id, "is_interactive": true});
    project.label_studio().patch(&at, &interactive).await;
    let drawn = json!({"task": ids[15], "context": {"result": half(1, None)}});
    let answer = project.label_studio().post(&format!("{at}/interactive-annotating"), &drawn).await;
    let items = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
    assert_eq!((items.len(), &items[0]), (2, &half(1, None)[0]), "{answer:#}");
    assert_eq!(items[1]["value"]["choices"], json!([CLASSES[classes_of(15)[1]]]), "{answer:#}");

    // A box that a person drew and nobody answered, asked about directly.
    let task = json!({"id": ids[14], "data": tasks[14], "annotations": [{"id": 1, "result": both(None)}]});
    let body = json!({"tasks": [task], "project": project.id.to_string(), "label_config": CONFIG});
    let answer = backend.post("/predict", &body).await;
    assert_shows(&answer["results"][0], classes_of(14));
}
