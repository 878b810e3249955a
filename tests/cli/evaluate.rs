//! `weathervane evaluate` with a model file.

use serde_json::{Value, json};

use crate::support::{CONFIG, Folder};

const EVALUATE: &str = "evaluate --images images --labels labels.csv --model model.safetensors";

#[test]
fn a_model_is_measured_on_images_it_has_not_seen() {
    let folder = Folder::new();
    folder.trained();
    let told = folder.json(&format!("{EVALUATE} --only val --format json"));
    assert_eq!((&told["n"], &told["classes"]), (&json!(12), &json!(["cloudy", "rain", "sunrise"])));
    let accuracy = told["accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.9, "three plain colours: {told}");
    let low = told["interval"][0].as_f64().unwrap();
    assert!(low > 0.5 && low < accuracy, "{told}");
    let confusion: u64 = told["confusion"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|row| row.as_array().unwrap())
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(confusion, 12);
    assert!(told["log_loss"].is_f64() && told["brier"].is_f64() && told["majority"].is_f64(), "{told}");

    let table = folder.prints(&format!("{EVALUATE} --only val"));
    assert!(
        table.contains("images    12") && table.contains("taken for") && table.contains("Brier"),
        "{table}"
    );
    let said = folder.advises(EVALUATE);
    assert!(said.contains("36 of 48 images were learnt by this model"), "{said}");
}

#[test]
fn a_multiple_choice_model_is_measured_by_image_and_by_class() {
    let folder = Folder::new();
    folder.exported(36);
    folder.write("label_config.xml", CONFIG.replace("<Choices", "<Choices choice=\"multiple\"").as_bytes());
    // Whatever is not sunny is grey, too.
    let mut tasks: Value = serde_json::from_slice(&folder.read("export.json")).unwrap();
    for task in tasks.as_array_mut().unwrap() {
        let choices = &mut task["annotations"][0]["result"][0]["value"]["choices"];
        if choices[0] == "rain" {
            *choices = json!(["cloudy", "rain"]);
        }
    }
    folder.write("export.json", tasks.to_string().as_bytes());
    folder.prints(
        "train --export export.json --label-config label_config.xml --images images --out model.safetensors --backbone tiny",
    );
    let labels = String::from_utf8(folder.read("labels.csv")).unwrap().replace(",rain,", ",rain; cloudy,");
    folder.write("labels.csv", labels.as_bytes());
    let told = folder.json(&format!("{EVALUATE} --only val --format json"));
    assert_eq!((&told["n"], &told["support"]), (&json!(12), &json!([8, 4, 4])), "{told}");
    let (exact, single) = (told["exact_match"].as_f64().unwrap(), told["accuracy"].as_f64().unwrap());
    assert!(exact > 0.7 && exact <= single, "three plain colours: {told}");
    assert!(told["precision"][0].as_f64().unwrap() > 0.7 && told.get("confusion").is_none(), "{told}");
    let table = folder.prints(&format!("{EVALUATE} --only val"));
    assert!(table.contains("of the single decisions") && table.contains("precision"), "{table}");

    folder.write("labels.csv", b"filename,label\nrain1.png,rain;fog\ncloudy0.png,\n");
    let said = folder.advises(EVALUATE);
    assert!(said.contains("label `fog` is not a class of `weather`"), "{said}");
    assert!(said.contains("used 1 of 2 rows"), "none of the classes is an answer: {said}");
}

#[test]
fn each_wrong_input_gets_its_own_words() {
    let folder = Folder::new();
    folder.trained();
    folder.write("fog.csv", b"filename,label\ncloudy0.png,fog\n");
    folder.write("other.csv", b"filename,label\nrain1.png,rain\ncloudy0.png,fog\n");
    for (line, words) in [
        (
            format!("{EVALUATE} --only test"),
            "no row of the labels has `test` in column `split`; found `train`, `val`",
        ),
        (format!("{EVALUATE} --head sky"), "no such head; it has weather"),
        (
            EVALUATE.replace("labels.csv", "other.csv") + " --strict",
            "label `fog` is not a class of `weather`",
        ),
        (EVALUATE.replace("labels.csv", "fog.csv"), "none of 1 rows can be used"),
        ("evaluate --images images --labels labels.csv".to_owned(), "--project ID or --model FILE"),
    ] {
        let said = folder.complains(&line);
        assert!(said.contains(words), "{line}: {said} / {words}");
    }
    let said = folder.advises(&EVALUATE.replace("labels.csv", "other.csv"));
    assert!(
        said.contains("label `fog` is not a class of `weather`") && said.contains("used 1 of 2 rows"),
        "{said}"
    );
}

#[test]
fn whatever_looks_at_damaged_pictures_names_them() {
    let folder = Folder::new();
    folder.trained();
    for name in ["cloudy0", "rain1"] {
        let name = format!("images/{name}.png");
        let whole = folder.read(&name);
        folder.write(&name, &whole[..whole.len() * 3 / 5]);
    }
    let small = "--first 6 --batch 6 --rounds 1 --seeds 1 --backbone tiny";
    for (line, named) in [
        (EVALUATE.to_owned(), "  images/cloudy0.png\n  images/rain1.png\n"),
        (
            format!("simulate --images images --labels labels.csv {small}"),
            "  images/cloudy0.png\n  images/rain1.png\n",
        ),
        (
            "train --export export.json --images images --out again.safetensors --backbone tiny".to_owned(),
            "  image of task 1\n  image of task 2\n",
        ),
    ] {
        let said = folder.advises(&line);
        assert!(said.contains(&format!("2 damaged, taken as far as decoded:\n{named}")), "{line}: {said}");
    }
}
