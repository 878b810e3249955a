//! `weathervane predict` and `export predictions` with a model file.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::{Folder, PICTURES};

#[test]
fn a_folder_is_predicted_in_all_three_formats() {
    let folder = Folder::new();
    folder.trained();
    folder.write("images/notes.txt", b"no picture");
    let predict = "predict images --model model.safetensors";
    let rows = folder.json(&format!("{predict} --format json"));
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), PICTURES);
    for row in rows {
        let head = &row["heads"]["weather"];
        let sum: f64 = head["probabilities"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-4, "{row}");
        let class = head["choices"][0].as_str().unwrap();
        assert!(row["image"].as_str().unwrap().starts_with(&format!("images/{class}")), "{row}");
    }
    let csv = folder.prints(&format!("{predict} --format csv"));
    assert!(csv.starts_with("image,task,version,weather,weather.certainty,weather.cloudy,"), "{csv}");
    assert_eq!(csv.lines().count(), 1 + PICTURES);
    let table = folder.prints(predict);
    assert!(
        table.lines().any(|line| line.starts_with("images/rain1.png  ") && line.contains("  rain")),
        "{table}"
    );
    let said = folder.advises(predict);
    assert!(said.contains("1 skipped") && said.contains("images/notes.txt"), "{said}");
}

#[test]
fn the_newest_frame_of_a_server_on_this_machine_is_one_line() {
    let folder = Folder::new();
    let picture = folder.read("images/sunrise2.png");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 2048];
        let _ = stream.read(&mut request).unwrap();
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {}\r\n\r\n",
            picture.len()
        )
        .unwrap();
        stream.write_all(&picture).unwrap();
    });
    folder.trained();
    let said =
        folder.prints(&format!("predict http://localhost:{port}/latest.png --model model.safetensors"));
    assert!(said.contains("/latest.png  sunrise"), "{said}");
    serving.join().unwrap();
}

#[test]
fn without_a_model_the_starter_answers_and_says_so() {
    let folder = Folder::new();
    let said = folder.advises("predict images/rain1.png");
    assert!(said.contains("the built-in weather model answers"), "{said}");
    let rows = folder.json("predict images/rain1.png --format json");
    assert!(rows[0]["version"].as_str().unwrap().starts_with("starter-"), "{rows}");
}

#[test]
fn predictions_are_written_for_other_programs() {
    let folder = Folder::new();
    folder.trained();
    let export = "export predictions --images images --model model.safetensors --out out.json";
    folder.prints(&format!("{export} --image-prefix /data/local-files/?d=images/"));
    let read = || -> Value { serde_json::from_slice(&folder.read("out.json")).unwrap() };
    let tasks = read();
    let first = &tasks[0];
    assert_eq!(first["data"], json!({"image": "/data/local-files/?d=images/cloudy0.png"}));
    let prediction = &first["predictions"][0];
    assert_eq!(prediction["result"][0]["value"]["choices"], json!(["cloudy"]), "{first}");
    assert_eq!(prediction["result"][0]["type"], "choices");
    assert!(prediction["model_version"].as_str().unwrap().starts_with("model-"), "{first}");

    folder.prints(&format!("{export} --format coco"));
    let coco = read();
    assert_eq!(coco["categories"].as_array().unwrap().len(), 3);
    let annotation = &coco["annotations"][0];
    let category =
        coco["categories"].as_array().unwrap().iter().find(|c| c["id"] == annotation["category_id"]);
    assert_eq!(category.unwrap()["name"], "cloudy");
    assert_eq!((&coco["images"][0]["id"], &annotation["image_id"]), (&json!(1), &json!(1)));

    folder.prints(&format!("{export} --format csv"));
    assert!(String::from_utf8(folder.read("out.json")).unwrap().contains("cloudy0.png,,model-"));
}

#[test]
fn each_wrong_input_gets_its_own_words() {
    let folder = Folder::new();
    folder.trained();
    folder.write("text.txt", b"no picture");
    folder.write("text.safetensors", b"no model");
    std::fs::create_dir(folder.path("empty")).unwrap();
    let model = "--model model.safetensors";
    for (line, words) in [
        (format!("predict nowhere.jpg {model}"), "`nowhere.jpg` is not a file, folder or http(s) address"),
        (format!("predict empty {model}"), "folder `empty` holds no files"),
        (format!("predict text.txt {model}"), "nothing could be predicted"),
        (format!("predict http://127.0.0.1:9/x.jpg {model}"), "can't be reached"),
        ("predict text.txt --model no.safetensors".to_owned(), "model `no.safetensors` can't be read"),
        ("predict text.txt --model text.safetensors".to_owned(), "is not a model file"),
        (format!("predict text.txt {model} --project 1"), "cannot be used with"),
        (format!("export predictions {model} --out x.json"), "name what to predict"),
        ("export".to_owned(), "--embeddings <FILE.npy>"),
    ] {
        let said = folder.complains(&line);
        assert!(said.contains(words), "{line}: {said} / {words}");
    }
}

#[test]
fn a_damaged_picture_is_predicted_and_named() {
    let folder = Folder::new();
    folder.trained();
    let whole = folder.read("images/rain1.png");
    folder.write("half.png", &whole[..whole.len() * 3 / 5]);
    let said = folder.advises("predict half.png --model model.safetensors");
    assert!(said.contains("1 damaged, taken as far as decoded:\n  half.png"), "{said}");
}
