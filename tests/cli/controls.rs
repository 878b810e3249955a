//! Questions other than `<Choices>`: from an export to a model file, and from that to predictions.

use serde_json::{Value, json};

use crate::support::Folder;

/// The folder's export with its answers in another form: a type, and the answer that each class becomes.
fn answered(folder: &Folder, kind: &str, answer: impl Fn(&str) -> Value) {
    folder.exported(36);
    let mut tasks: Value = serde_json::from_slice(&folder.read("export.json")).unwrap();
    for task in tasks.as_array_mut().unwrap() {
        let region = &mut task["annotations"][0]["result"][0];
        let class = region["value"]["choices"][0].as_str().unwrap().to_owned();
        region["type"] = json!(kind);
        region["value"] = json!({kind: answer(&class)});
    }
    folder.write("export.json", tasks.to_string().as_bytes());
}

/// Trains with and without a label config, and gives what the files predict of the first picture, a cloudy one.
fn predicted(folder: &Folder, config: &str) -> [Value; 2] {
    folder.write(
        "controls.xml",
        format!("<View><Image name=\"image\" value=\"$image\"/>{config}</View>").as_bytes(),
    );
    ["--label-config controls.xml", ""].map(|given| {
        let train = "train --export export.json --images images --out model.safetensors --backbone tiny";
        folder.prints(&format!("{train} {given}"));
        folder.prints("export predictions --images images --model model.safetensors --out out.json");
        let tasks: Value = serde_json::from_slice(&folder.read("out.json")).unwrap();
        tasks[0]["predictions"][0]["result"][0].clone()
    })
}

#[test]
fn ratings_become_a_model_that_rates() {
    let folder = Folder::new();
    answered(&folder, "rating", |class| json!(class.len() - 3));
    for region in predicted(&folder, "<Rating name=\"weather\" toName=\"image\" maxRating=\"4\"/>") {
        assert_eq!((&region["type"], &region["value"]), (&json!("rating"), &json!({"rating": 3})));
    }
    let card: Value = serde_json::from_slice(&folder.read("model.safetensors.json")).unwrap();
    assert_eq!(
        (&card["heads"][0]["control"], &card["heads"][0]["classes"]),
        (&json!("rating"), &json!(["1", "3", "4"]))
    );
}

#[test]
fn a_taxonomy_becomes_a_model_that_answers_with_paths() {
    let folder = Folder::new();
    answered(&folder, "taxonomy", |class| json!([["sky", class]]));
    let config = r#"<Taxonomy name="weather" toName="image" leafsOnly="true" maxUsages="1"><Choice value="sky">
        <Choice value="cloudy"/><Choice value="rain"/><Choice value="sunrise"/></Choice></Taxonomy>"#;
    for region in predicted(&folder, config) {
        assert_eq!(
            (&region["type"], &region["value"]),
            (&json!("taxonomy"), &json!({"taxonomy": [["sky", "cloudy"]]}))
        );
    }
    folder.prints("export model --model model.safetensors --format onnx --out model.onnx");
    let card: Value = serde_json::from_slice(&folder.read("model.onnx.json")).unwrap();
    assert_eq!(card["heads"][0]["control"], "taxonomy");
}

#[test]
fn questions_about_regions_are_left_out_by_name() {
    let folder = Folder::new();
    folder.exported(36);
    let config = |more: &str| {
        format!(
            "<View><Image name=\"image\" value=\"$image\"/><Choices name=\"part\" toName=\"image\" perRegion=\"true\">\
             <Choice value=\"a\"/><Choice value=\"b\"/></Choices>{more}</View>"
        )
    };
    let weather = "<Choices name=\"weather\" toName=\"image\"><Choice value=\"cloudy\"/><Choice value=\"rain\"/>\
                   <Choice value=\"sunrise\"/></Choices>";
    folder.write("both.xml", config(weather).as_bytes());
    let train = "train --export export.json --images images --out model.safetensors --backbone tiny";
    let said = folder.advises(&format!("{train} --label-config both.xml"));
    assert!(said.contains("left out: `part` asks about regions of images"), "{said}");
    assert!(!said.contains("teach nothing"), "{said}");
    let card: Value = serde_json::from_slice(&folder.read("model.safetensors.json")).unwrap();
    let heads = card["heads"].as_array().unwrap();
    assert_eq!((heads.len(), &heads[0]["name"]), (1, &json!("weather")));
    folder.write("regions.xml", config("").as_bytes());
    let said = folder.complains(&format!("{train} --label-config regions.xml"));
    assert!(said.contains("weather") || said.contains("`part` asks about regions"), "{said}");
}
