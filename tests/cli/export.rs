//! `weathervane export model`, and the help of all new commands.

use serde_json::{Value, json};

use crate::support::Folder;

#[test]
fn a_model_is_copied_and_drawn_with_cards() {
    let folder = Folder::new();
    folder.trained();
    folder.prints("export model --model model.safetensors --out copy.safetensors");
    assert_eq!(folder.read("copy.safetensors"), folder.read("model.safetensors"));
    let said = folder.prints("export model --model model.safetensors --format onnx --out model.onnx");
    assert!(said.starts_with("model.onnx: version model-"), "{said}");
    let card: Value = serde_json::from_slice(&folder.read("model.onnx.json")).unwrap();
    assert_eq!(card["onnx"]["input"]["shape"], json!(["N", 3, 32, 32]));
    assert_eq!(card["heads"][0]["activation"], "softmax");
    let said = folder.complains("export model --format onnx --model model.safetensors --out no/model.onnx");
    assert!(said.contains("`no/model.onnx` can't be written: folder `no` does not exist"), "{said}");
}

#[test]
fn every_help_has_an_example() {
    let folder = Folder::new();
    for command in
        ["train", "predict", "evaluate", "versions", "export", "export model", "export predictions"]
    {
        let help = folder.prints(&format!("{command} --help"));
        assert!(help.contains(&format!("weathervane {command}")) && help.contains("Example"), "{help}");
    }
}
