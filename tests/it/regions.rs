//! Questions about regions, from boxes that people drew to answers for boxes that nobody answered.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, RgbImage};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::browser::Visitor;
use crate::support::pictures::{CLASSES, data_uri, encode, picture};
use crate::support::{Server, annotation_event};

/// Boxes and ellipses, and a question about each.
const REGIONS: &str = r#"<View><Image name="image" value="$image"/>
    <RectangleLabels name="box" toName="image"><Label value="sky"/><Label value="ground"/></RectangleLabels>
    <Ellipse name="circle" toName="image"/>
    <Choices name="weather" toName="image" perRegion="true" whenLabelValue="sky">
    <Choice value="cloudy"/><Choice value="rain"/><Choice value="shine"/></Choices></View>"#;

/// Left and right half of a picture, in percent.
const HALVES: [[f64; 4]; 2] = [[0.0, 0.0, 50.0, 100.0], [50.0, 0.0, 50.0, 100.0]];

/// A picture whose halves show two classes.
fn halves(classes: [usize; 2], seed: u32) -> RgbImage {
    let [left, right] = classes.map(|class| picture(class, seed));
    let width = left.width();
    RgbImage::from_fn(2 * width, left.height(), |x, y| {
        if x < width { *left.get_pixel(x, y) } else { *right.get_pixel(x - width, y) }
    })
}

fn uri(picture: &RgbImage) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(encode(picture, ImageFormat::Png)))
}

/// A box as the editor writes it.
fn drawn(id: &str, [x, y, width, height]: [f64; 4], label: &str) -> Value {
    json!({"id": id, "from_name": "box", "to_name": "image", "type": "rectanglelabels", "origin": "manual",
        "original_width": 80, "original_height": 30, "image_rotation": 0,
        "value": {"x": x, "y": y, "width": width, "height": height, "rotation": 0, "rectanglelabels": [label]}})
}

/// An answer about a region, as the editor writes it: with the place of what was drawn.
fn answered(drawn: &Value, class: &str) -> Value {
    let mut answer = drawn.clone();
    answer["from_name"] = json!("weather");
    answer["type"] = json!("choices");
    let value = answer["value"].as_object_mut().expect("a value");
    value.remove("rectanglelabels");
    value.insert("choices".to_owned(), json!([class]));
    answer
}

async fn annotate(server: &Server, config: &str, id: i64, image: &str, result: Value) {
    let mut event = annotation_event("ANNOTATION_CREATED", config, id, image, "");
    event["annotation"]["result"] = result;
    assert_eq!(server.post("/webhook", &event).await.status(), 201);
}

/// Two classes of a task, another pair for each.
fn pair(id: i64) -> [usize; 2] {
    [id as usize % 3, (id as usize + 1 + id as usize % 2) % 3]
}

/// Teaches twelve pictures with two regions each, of every form that answers come in.
async fn taught(server: &Server, config: &str, more: impl Fn(i64) -> Vec<Value>) {
    for id in 1..=12 {
        let classes = pair(id);
        let mut result = more(id);
        for (half, class) in classes.into_iter().enumerate() {
            let region = match id % 3 {
                // An ellipse within the half.
                0 => {
                    json!({"id": format!("r{half}"), "from_name": "circle", "to_name": "image", "type": "ellipse",
                    "value": {"x": 25 + 50 * half, "y": 50, "radiusX": 20, "radiusY": 40, "rotation": 0}})
                }
                _ => drawn(&format!("r{half}"), HALVES[half], "sky"),
            };
            let answer = match id % 2 {
                // As programs write it that import annotations: the place is that of the drawn one.
                0 => {
                    json!({"id": format!("r{half}"), "from_name": "weather", "to_name": "image", "type": "choices",
                    "value": {"choices": [CLASSES[class]]}})
                }
                _ => answered(&region, CLASSES[class]),
            };
            result.extend([answer, region]);
        }
        annotate(server, config, id, &uri(&halves(classes, id as u32)), json!(result)).await;
    }
    server.train().await;
}

async fn predict(server: &Server, config: &str, tasks: Value, context: Value) -> Vec<Value> {
    let body = json!({"tasks": tasks, "project": "1.1700000000", "label_config": config, "params": {"context": context}});
    server.post_json("/predict", &body).await["results"].as_array().expect("results").clone()
}

/// What is said of each region of a prediction: id and class.
fn said(prediction: &Value) -> Vec<(&str, &str)> {
    let items = prediction["result"].as_array().map(Vec::as_slice).unwrap_or_default();
    let answers = items.iter().filter(|item| item["type"] == "choices" && item["value"]["x"].is_number());
    answers
        .map(|item| {
            (item["id"].as_str().expect("an id"), item["value"]["choices"][0].as_str().expect("a class"))
        })
        .collect()
}

#[tokio::test]
async fn each_region_is_learnt_and_predicted_by_what_it_shows() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    taught(&server, REGIONS, |_| Vec::new()).await;
    let project = server.get_json("/api/projects/1").await;
    let (head, card) = (&project["heads"][0], &project["versions"][0]["heads"][0]);
    assert_eq!((&head["served_by"], &head["scope"]), (&json!("own"), &json!("region")), "{project:#}");
    assert_eq!((&project["labels"]["unused"], &project["ignored"]), (&json!([]), &json!([])), "{project:#}");
    assert_eq!(
        (&project["versions"][0]["labels"], &card["evaluation"]["n"]),
        (&json!(12), &json!(24)),
        "{card:#}"
    );

    let image = uri(&halves([0, 2], 70));
    let boxes = || vec![drawn("a", HALVES[0], "sky"), drawn("b", HALVES[1], "sky")];
    let with_ground = [boxes(), vec![drawn("g", [10.0, 10.0, 5.0, 5.0], "ground")]].concat();
    let half_answered = [boxes(), vec![answered(&boxes()[0], "rain")]].concat();
    let tasks = json!([
        {"id": 90, "data": {"image": image}, "annotations": [{"id": 1, "result": with_ground}]},
        {"id": 91, "data": {"image": image}, "predictions": [{"id": 5, "model_version": "boxes-1", "result": boxes()}]},
        {"id": 92, "data": {"image": image}, "drafts": [{"id": 2, "result": half_answered}]},
        {"id": 93, "data": {"image": image}},
        {"id": 94, "data": {"image": "data:,no"}, "annotations": [{"id": 3, "result": boxes()}]},
    ]);
    let results = predict(&server, REGIONS, tasks.clone(), json!(null)).await;
    for result in &results[..2] {
        assert_eq!(said(result), [("a", "cloudy"), ("b", "shine")], "{result:#}");
        // The regions come as they were sent, each before what is said of it.
        let items = result["result"].as_array().expect("items");
        assert_eq!((&items[0], &items[2]), (&boxes()[0], &boxes()[1]), "{result:#}");
        let answer = &items[1];
        assert_eq!((&answer["original_width"], &answer["to_name"]), (&json!(80), &json!("image")));
        let value =
            json!({"x": 0.0, "y": 0.0, "width": 50.0, "height": 100.0, "rotation": 0, "choices": ["cloudy"]});
        assert_eq!(answer["value"], value);
        assert!(answer["score"].as_f64() >= result["score"].as_f64(), "the least certain counts: {result:#}");
        assert_eq!(result["model_version"], project["version"]);
    }
    assert_eq!(said(&results[2]), [("b", "shine")], "what a person answered stays: {:#}", results[2]);
    assert_eq!(results[3..], [json!([]), json!([])], "no regions, and no image");

    // What was just drawn is answered about alone.
    let now = json!({"result": [drawn("now", [60.0, 20.0, 20.0, 50.0], "sky")]});
    let results = predict(&server, REGIONS, json!([tasks[0]]), now).await;
    assert_eq!(said(&results[0]), [("now", "shine")]);

    let mut visitor = Visitor::of(&server);
    for below in ["", "/map", "/queue", "/label-errors", "/versions"] {
        let page = visitor.get(&format!("/ui/projects/1{below}")).await;
        assert_eq!(page.status, 200, "{below}: {}", page.text);
    }
    for path in ["/api/projects", "/api/projects/1/queue", "/api/projects/1/review", "/metrics"] {
        assert!(server.get(path).await.status().is_success(), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn whole_images_and_regions_are_answered_about_side_by_side() {
    let config = REGIONS.replace(
        "</View>",
        r#"<Choices name="both" toName="image"><Choice value="alike"/><Choice value="mixed"/></Choices></View>"#,
    );
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    taught(&server, &config, |id| {
        let both = if pair(id).contains(&0) { "alike" } else { "mixed" };
        vec![json!({"id": "w", "from_name": "both", "to_name": "image", "type": "choices", "value": {"choices": [both]}})]
    })
    .await;
    let project = server.get_json("/api/projects/1").await;
    let served: Vec<&Value> =
        project["heads"].as_array().expect("heads").iter().map(|head| &head["served_by"]).collect();
    assert_eq!(served, ["own", "own"], "{project:#}");
    let scopes: Vec<(usize, &Value)> = project["versions"][0]["heads"]
        .as_array()
        .expect("heads")
        .iter()
        .map(|head| (head["evaluation"]["n"].as_u64().unwrap_or(0) as usize, &head["scope"]))
        .collect();
    assert_eq!(scopes, [(24, &json!("region")), (12, &Value::Null)]);

    let image = uri(&halves([1, 2], 71));
    let tasks = json!([
        {"id": 90, "data": {"image": image}, "annotations": [{"id": 1, "result": [drawn("a", HALVES[0], "sky")]}]},
        {"id": 91, "data": {"image": image}},
    ]);
    let results = predict(&server, &config, tasks, json!(null)).await;
    assert_eq!(said(&results[0]), [("a", "rain")], "{results:#?}");
    for result in &results {
        assert_eq!(result["result"][0]["from_name"], "both", "{result:#}");
        assert_eq!(result["score"], result["result"][0]["score"], "whole images decide the score");
    }
    assert_eq!(results[1]["result"].as_array().map(Vec::len), Some(1));
    // The ranking is that of whole images.
    let open = json!({"action": "TASKS_CREATED", "project": {"id": 1, "label_config": config},
        "tasks": [{"id": 95, "data": {"image": data_uri(0, 95)}}]});
    server.post("/webhook", &open).await;
    server.pool_filled(13, 0).await;
    let queue = server.get_json("/api/projects/1/queue").await;
    assert_eq!(queue["tasks"][0]["prediction"]["result"].as_array().map(Vec::len), Some(1), "{queue:#}");
    server.stop().await;
}

#[tokio::test]
async fn regions_of_one_image_come_with_one_download_and_are_embedded_once() {
    let host = MockServer::start().await;
    for id in 1..=6_u32 {
        let classes = [id as usize % 2, (id as usize + 1) % 2];
        let bytes = encode(&halves(classes, id), ImageFormat::Png);
        Mock::given(method("GET"))
            .and(path(format!("/{id}.png")))
            .respond_with(ResponseTemplate::new(200).set_body_bytes(bytes))
            // Once for its regions, and once more where the pool looks at the whole image.
            .expect(1..=2)
            .mount(&host)
            .await;
    }
    let arguments = ["--no-starter", "--train-trigger", "manual", "--fetch-allow-cidr", "127.0.0.1/32"];
    let server = Server::start(&arguments).await;
    for id in 1..=6_i64 {
        let boxes = [drawn("a", HALVES[0], "sky"), drawn("b", HALVES[1], "sky")];
        let classes = [id as usize % 2, (id as usize + 1) % 2].map(|class| CLASSES[class]);
        let answers = [answered(&boxes[0], classes[0]), answered(&boxes[1], classes[1])];
        annotate(&server, REGIONS, id, &format!("{}/{id}.png", host.uri()), json!(answers)).await;
    }
    server.train().await;
    let boxes = vec![drawn("c", HALVES[0], "sky"), drawn("d", HALVES[1], "sky")];
    let task = json!([{"id": 1, "data": {"image": format!("{}/1.png", host.uri())}, "annotations": [{"id": 9, "result": boxes}]}]);
    let results = predict(&server, REGIONS, task, json!(null)).await;
    assert_eq!(said(&results[0]), [("c", CLASSES[1]), ("d", CLASSES[0])], "{results:#?}");
    server.train().await;
    server.stop().await;
    host.verify().await;
}

#[tokio::test]
async fn what_cannot_be_cut_out_is_named_and_harms_nothing() {
    let server = Server::start(&["--no-starter", "--train-trigger", "manual"]).await;
    taught(&server, REGIONS, |_| Vec::new()).await;
    let place = |value: Value| {
        let mut value = value;
        value["choices"] = json!(["rain"]);
        json!({"id": value.to_string(), "from_name": "weather", "to_name": "image", "type": "choices", "value": value})
    };
    let odd = json!([
        place(json!({"points": [[1, 2], [3, 4], [5, 1]]})),
        place(json!({"format": "rle", "rle": [1, 2, 3]})),
        place(json!({"x": 10, "y": 10, "width": 0, "height": 10, "rotation": 0})),
        place(json!({"x": 300, "y": 10, "width": 10, "height": 10, "rotation": 0})),
        place(json!({"x": "left", "y": 1e308, "width": -5, "height": null})),
        place(json!({})),
    ]);
    annotate(&server, REGIONS, 50, &data_uri(1, 50), odd.clone()).await;
    server.train().await;
    let project = server.get_json("/api/projects/1").await;
    assert_eq!(project["versions"][0]["heads"][0]["evaluation"]["n"], 24, "{project:#}");
    let reasons: Vec<&str> = project["labels"]["unused"]
        .as_array()
        .expect("reasons")
        .iter()
        .filter_map(|unused| unused["reason"].as_str())
        .collect();
    for part in [
        "a polygon",
        "a brush mask",
        "without width or height",
        "outside of its picture",
        "not a number",
        "no region",
    ] {
        assert!(reasons.iter().any(|reason| reason.contains(part)), "{part}: {reasons:#?}");
    }
    let tasks = json!([
        {"id": 51, "data": {"image": data_uri(1, 51)}, "annotations": [{"id": 1, "result": odd}]},
        {"id": 52, "data": {"image": data_uri(1, 52)}, "annotations": [{"id": 2, "result": [
            {"id": "turned", "from_name": "box", "to_name": "image", "type": "rectanglelabels",
             "value": {"x": 0, "y": 0, "width": 10, "height": 10, "rotation": 180, "rectanglelabels": ["sky"]}},
            drawn("good", HALVES[1], "sky"),
        ]}]},
    ]);
    let results = predict(&server, REGIONS, tasks, json!(null)).await;
    assert_eq!(results[0], json!([]));
    assert_eq!(said(&results[1]), [("good", "rain")], "{results:#?}");
    server.stop().await;
}
