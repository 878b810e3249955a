//! Questions other than `<Choices>`, from answers in their form to predictions in it.

use serde_json::{Value, json};

use crate::support::pictures::data_uri;
use crate::support::{Server, annotation_event};

/// Teaches 12 pictures of three kinds, and gives what is predicted of one of each kind.
async fn taught(config: &str, region: impl Fn(usize) -> Value) -> Vec<Value> {
    let server = Server::start(&["--train-trigger", "manual"]).await;
    for id in 1..=12 {
        let kind = id as usize % 3;
        let mut event = annotation_event("ANNOTATION_CREATED", config, id, &data_uri(kind, id as u32), "");
        event["annotation"]["result"] = json!([region(kind)]);
        assert_eq!(server.post("/webhook", &event).await.status(), 201);
    }
    server.train().await;
    let tasks: Vec<(i64, String)> =
        (0..3).map(|kind| (90 + kind as i64, data_uri(kind, 70 + kind as u32))).collect();
    let predicted = server.predict(config, &tasks).await;
    let project = server.get_json("/api/projects/1").await;
    assert_eq!(project["heads"][0]["served_by"], "own", "{project:#}");
    assert_eq!(project["labels"]["unused"], json!([]), "{project:#}");
    server.stop().await;
    predicted
}

#[tokio::test]
async fn a_rating_is_learnt_and_predicted_as_a_number() {
    let config = r#"<View><Image name="image" value="$image"/><Rating name="stars" toName="image"/></View>"#;
    let ratings = [1, 3, 5];
    let predicted = taught(config, |kind| {
        json!({"id": "r", "from_name": "stars", "to_name": "image", "type": "rating",
            "value": {"rating": ratings[kind]}})
    })
    .await;
    for (prediction, rating) in predicted.iter().zip(ratings) {
        let region = &prediction["result"][0];
        assert_eq!((&region["type"], &region["from_name"]), (&json!("rating"), &json!("stars")));
        assert_eq!(region["value"], json!({"rating": rating}), "{prediction:#}");
        assert_eq!(region["score"], prediction["score"]);
    }
}

#[tokio::test]
async fn a_taxonomy_is_learnt_and_predicted_as_paths() {
    let config = |attributes: &str| {
        format!(
            r#"<View><Image name="image" value="$image"/><Taxonomy name="life" toName="image" {attributes}>
            <Choice value="Eukarya"><Choice value="Animals" alias="a"/><Choice value="Other"/></Choice>
            <Choice value="Bacteria"><Choice value="Other"/></Choice></Taxonomy></View>"#
        )
    };
    let paths = [json!(["Eukarya", "a"]), json!(["Eukarya", "Other"]), json!(["Bacteria", "Other"])];
    for attributes in [r#"leafsOnly="true" maxUsages="1""#, ""] {
        let predicted = taught(&config(attributes), |kind| {
            json!({"id": "r", "from_name": "life", "to_name": "image", "type": "taxonomy",
                "value": {"taxonomy": [paths[kind]]}})
        })
        .await;
        for (prediction, path) in predicted.iter().zip(&paths) {
            let region = &prediction["result"][0];
            assert_eq!(region["type"], "taxonomy", "{prediction:#}");
            assert_eq!(region["value"], json!({"taxonomy": [path]}), "{prediction:#}");
        }
    }
}
