//! `weathervane train --export`: a model file from an export, without a server.

use serde_json::{Value, json};

use crate::support::{CONFIG, Folder};

const TRAIN: &str = "train --images images --out model.safetensors --backbone tiny";

#[test]
fn an_export_becomes_a_model_file_with_a_card() {
    let folder = Folder::new();
    folder.exported(30);
    let said = folder.prints(&format!("{TRAIN} --export export.json --label-config label_config.xml"));
    assert!(said.starts_with("version model-") && said.contains("30 labelled images"), "{said}");
    assert!(said.contains("weather (cloudy, rain, sunrise): ") && said.contains("of 30 right"), "{said}");
    let card: Value = serde_json::from_slice(&folder.read("model.safetensors.json")).unwrap();
    assert_eq!(card["heads"][0]["classes"], json!(["cloudy", "rain", "sunrise"]));
    assert_eq!((&card["input"]["size"], &card["labelled_images"]), (&json!([32, 32]), &json!(30)));
    assert!(card["licence"].as_str().unwrap().contains("Apache"), "{card}");

    let first = folder.read("model.safetensors");
    let inferred = folder.advises(&format!("{TRAIN} --export export.json"));
    assert!(inferred.contains("`weather` is taken to have the classes cloudy, rain, sunrise"), "{inferred}");
    assert_eq!(folder.read("model.safetensors"), first, "the same labels and classes give the same file");
    let left: Vec<_> =
        std::fs::read_dir(folder.path("")).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".part")), "{left:?}");
}

#[test]
fn json_min_gives_the_same_model_as_json() {
    let folder = Folder::new();
    folder.exported(18);
    let with_config = format!("{TRAIN} --label-config label_config.xml");
    folder.prints(&format!("{with_config} --export export.json"));
    let full = folder.read("model.safetensors");
    let tasks: Value = serde_json::from_slice(&folder.read("export.json")).unwrap();
    let min = tasks.as_array().unwrap().iter().map(|task| {
        let class = &task["annotations"][0]["result"][0]["value"]["choices"][0];
        json!({"id": task["id"], "image": task["data"]["image"], "weather": class, "annotation_id": task["id"],
            "annotator": 1, "created_at": "2026-01-01T00:00:00Z", "lead_time": 1.5})
    });
    folder.write("min.json", Value::from_iter(min).to_string().as_bytes());
    folder.prints(&format!("{with_config} --export min.json"));
    assert_eq!(folder.read("model.safetensors"), full);
    let said = folder.complains(&format!("{TRAIN} --export min.json"));
    assert!(said.contains("JSON-MIN") && said.contains("--label-config"), "{said}");
}

#[test]
fn an_image_that_is_nowhere_is_left_out_and_named() {
    let folder = Folder::new();
    folder.exported(30);
    std::fs::remove_file(folder.path("images/rain1.png")).unwrap();
    folder.write("images/cloudy0.png", b"no picture");
    let said = folder.advises(&format!("{TRAIN} --export export.json"));
    assert!(said.contains("2 left out:") && said.contains("-rain1.png` is not in `images`"), "{said}");
    assert!(said.contains("used 28 of 30 labelled tasks"), "{said}");
    let card: Value = serde_json::from_slice(&folder.read("model.safetensors.json")).unwrap();
    assert_eq!(card["labelled_images"], json!(28));
}

#[test]
fn one_odd_task_takes_no_other_with_it() {
    let folder = Folder::new();
    folder.exported(30);
    let mut tasks: Value = serde_json::from_slice(&folder.read("export.json")).unwrap();
    tasks[0]["data"] = json!({"camera": "roof"});
    tasks[1].as_object_mut().unwrap().remove("id");
    tasks[2]["id"] = json!("three");
    tasks[3]["annotations"][0] = Value::Null;
    tasks[4]["annotations"][0].as_object_mut().unwrap().remove("id");
    tasks[5]["annotations"][0]["result"][0]["value"]["choices"] = json!(["fog"]);
    let text = format!("\u{feff}{tasks}");
    folder.write("export.json", text.as_bytes());
    folder.write("utf16.json", &text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    for export in ["export.json", "utf16.json"] {
        let line = format!("{TRAIN} --export {export} --label-config label_config.xml");
        let said = folder.advises(&line);
        for words in [
            "used 24 of 30 labelled tasks",
            "6 left out:",
            "task 1 of the list: task has no field `id`",
            "and 1 more",
            "1 answer teaches nothing: `weather` has no class `fog` (task 6)",
        ] {
            assert!(said.contains(words), "{said} / {words}");
        }
        let strict = folder.complains(&format!("{line} --strict"));
        assert!(strict.contains("6 of 30 labelled tasks can't be used"), "{strict}");
    }
}

#[test]
fn each_wrong_input_gets_its_own_words() {
    let folder = Folder::new();
    folder.exported(6);
    std::fs::create_dir(folder.path("empty")).unwrap();
    folder.write("sky.xml", CONFIG.replace("\"weather\"", "\"sky\"").as_bytes());
    folder.write("boxes.xml", b"<View><RectangleLabels name='a' toName='b'/></View>");
    folder.write("text.json", b"filename,label");
    folder.write("object.json", b"{}");
    folder.write("none.json", b"[]");
    for (line, words) in [
        ("--export export.json --label-config sky.xml", "answers `weather`, the label config asks `sky`"),
        (
            "--export export.json --label-config boxes.xml",
            "has no `<Choices>`, `<Taxonomy>` or `<Rating>` tag",
        ),
        ("--export export.json --label-config no.xml", "label config `no.xml`"),
        ("--export no.json", "export `no.json` can't be read"),
        ("--export text.json", "is not valid JSON"),
        ("--export object.json", "this is an object"),
        ("--export none.json", "it holds no task"),
        ("", "required arguments were not provided"),
    ] {
        let said = folder.complains(&format!("{TRAIN} {line}"));
        assert!(said.contains(words), "{line}: {said} / {words}");
        assert!(!folder.path("model.safetensors").exists());
    }
    let said =
        folder.complains("train --export export.json --images empty --out m.safetensors --backbone tiny");
    assert!(said.contains("none of 6 labelled tasks can be used"), "{said}");
    let said = folder.complains("train --export export.json --images images --out no/m.safetensors");
    assert!(said.contains("folder `no` does not exist"), "{said}");
    let said = folder.complains("train --project 1 --data-dir nowhere");
    assert!(said.contains("no database"), "{said}");
}
