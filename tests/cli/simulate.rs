//! `weathervane simulate` and the `weathervane export` that feeds it.

use std::fs;

use serde_json::Value;

use crate::support::{Folder, PICTURES, npy};

const SMALL: &str = "--labels labels.csv --first 6 --batch 6 --rounds 2 --seeds 2";

#[test]
fn a_folder_of_images_is_replayed_in_all_three_formats() {
    let folder = Folder::new();
    let images = format!("simulate --images images --backbone tiny {SMALL}");
    let json: Value = serde_json::from_str(&folder.prints(&format!("{images} --format json"))).unwrap();
    let names: Vec<&Value> =
        json["strategies"].as_array().unwrap().iter().map(|strategy| &strategy["name"]).collect();
    assert_eq!((names.len(), names[0]), (2, &Value::from("random")));
    assert_eq!((&json["labels"], &json["full"]["labels"]), (&Value::from(vec![6, 12, 18]), &Value::from(36)));
    for strategy in json["strategies"].as_array().unwrap() {
        let last = &strategy["rounds"][2];
        assert!(last["accuracy"].as_f64().unwrap() > 0.8, "three plain colours: {last}");
        let picks: Vec<&str> = strategy["picks"][1]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|round| round.as_array().unwrap())
            .map(|name| name.as_str().unwrap())
            .collect();
        assert_eq!(picks.len(), 18);
    }
    let csv = folder.prints(&format!("{images} --format csv"));
    assert_eq!(csv.lines().count(), 1 + 2 * 3, "{csv}");
    let accuracy = json["strategies"][1]["rounds"][0]["accuracy"].as_f64().unwrap();
    let line = csv.lines().nth(4).unwrap();
    assert!(line.contains(&format!(",6,{accuracy:.5},")), "{line} / {accuracy}");
    let table = folder.prints(&images);
    assert!(
        table.contains(&format!("{:.1}±", 100.0 * accuracy)) && table.contains("all 36 labels"),
        "{table}"
    );
}

#[test]
fn exported_embeddings_replay_as_the_images_do() {
    let folder = Folder::new();
    let said = folder.prints("export --images images --labels labels.csv --embeddings x.npy --backbone tiny");
    let groups = said.trim().rsplit(' ').next().unwrap();
    assert!(said.starts_with(&format!("x.npy: {PICTURES} x ")), "{said}");
    assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), 3, "nothing unfinished stays");
    let json = |source: &str| -> Value {
        serde_json::from_str(&folder.prints(&format!("simulate {source} {SMALL} --format json"))).unwrap()
    };
    let images = json("--images images --backbone tiny");
    let features = json(&format!("--features x.npy --groups {groups}"));
    assert_eq!(images["strategies"][0]["picks"], features["strategies"][0]["picks"]);
    assert_eq!(images["full"]["validation"], features["full"]["validation"]);
    let one_group = folder.prints(&format!("simulate --features x.npy {SMALL}"));
    assert!(one_group.contains("all 36 labels"), "{one_group}");
}

#[test]
fn what_another_program_picked_is_judged() {
    let folder = Folder::new();
    let images = format!("simulate --images images --backbone tiny {SMALL} --format json");
    let ours: Value = serde_json::from_str(&folder.prints(&images)).unwrap();
    let mut picks = "strategy,seed,round,filename\n".to_owned();
    for (seed, rounds) in ours["strategies"][1]["picks"].as_array().unwrap().iter().enumerate() {
        for (round, names) in rounds.as_array().unwrap().iter().enumerate() {
            for name in names.as_array().unwrap() {
                picks += &format!("theirs,{seed},{round},{}\n", name.as_str().unwrap());
            }
        }
    }
    folder.write("picks.csv", picks.as_bytes());
    let both: Value = serde_json::from_str(&folder.prints(&format!("{images} --picks picks.csv"))).unwrap();
    assert_eq!(both["strategies"][2]["name"], "theirs");
    assert_eq!(both["strategies"][2]["rounds"], ours["strategies"][1]["rounds"]);
    for (content, words) in [
        ("strategy,seed,round,filename\n", "picks `picks.csv` are empty"),
        ("strategy,seed,round,filename\na,0,0,nowhere.png\n", "image `nowhere.png` is not in the labels"),
        ("strategy,seed,round,filename\na,x,0,rain1.png\n", "seed and round from 0"),
        ("strategy,seed,round,filename\na,0,99999999,rain1.png\n", "seed or round is 10000 or more"),
        ("strategy,seed,round,filename\na,1,0,rain1.png\n", "seed 0, round 0: 0 rows are picked, expected 6"),
    ] {
        folder.write("picks.csv", content.as_bytes());
        let error = folder.complains(&format!("{images} --picks picks.csv"));
        assert!(error.contains(words), "{error} / {words}");
    }
}

#[test]
fn each_wrong_input_gets_its_own_words() {
    let folder = Folder::new();
    let names = String::from_utf8(folder.read("labels.csv")).unwrap();
    let dim = 4;
    let numbers: Vec<f32> = (0..PICTURES * dim).map(|index| (index as f32).sin()).collect();
    let mut hole = numbers.clone();
    hole[dim + 2] = f32::NAN;
    folder.write("x.npy", &npy(PICTURES, dim, "<f4", "False", &numbers));
    folder.write("hole.npy", &npy(PICTURES, dim, "<f4", "False", &hole));
    folder.write("fortran.npy", &npy(PICTURES, dim, "<f4", "True", &numbers));
    folder.write("integers.npy", &npy(PICTURES, dim, "<i4", "False", &numbers));
    folder.write("short.npy", &npy(PICTURES - 1, dim, "<f4", "False", &numbers[dim..]));
    folder.write("text.npy", b"filename,label");
    folder.write("one.csv", b"filename,label,split\na.png,rain,train\nb.png,rain,val\n");
    folder.write("twice.csv", b"filename,label\na.png,rain\na.png,shine\n");
    folder.write("columns.csv", b"file,label\na.png,rain\n");
    folder.write("no-val.csv", names.replace(",val\n", ",test\n").as_bytes());
    let one_trained: String = names
        .lines()
        .map(|line| match line.contains(",rain,") {
            true => format!("{line}\n"),
            false => format!("{}\n", line.replace(",train", ",val")),
        })
        .collect();
    folder.write("one-trained.csv", one_trained.as_bytes());
    let small = "--first 6 --batch 6 --rounds 2 --seeds 2";
    for (line, words) in [
        ("--labels labels.csv", "required arguments were not provided"),
        ("--features x.npy --images images --labels labels.csv", "cannot be used with"),
        ("--images images --groups 4 --labels labels.csv", "cannot be used with"),
        ("--features x.npy --labels labels.csv --strategy luck", "[possible values: random,"),
        ("--features x.npy --labels labels.csv --start margin", "`margin` needs a trained head"),
        (
            "--features x.npy --labels labels.csv --first 30 --batch 3",
            "48 labels are asked for, but there are 36",
        ),
        ("--features x.npy --labels labels.csv --seeds 0", "0 seeds"),
        ("--features x.npy --labels labels.csv --random-share 2", "--random-share 2 is not a valid share"),
        ("--features x.npy --labels one.csv", "name 1 classes, at least 2 are needed"),
        ("--features x.npy --labels one-trained.csv --first 6", "are all of one class"),
        ("--features x.npy --labels twice.csv", "has image `a.png` twice"),
        ("--features x.npy --labels columns.csv", "have no column `filename`: found file,label"),
        ("--features x.npy --labels no-val.csv", "no row with `val` in column `split`"),
        ("--features x.npy --labels no-val.csv", "found `test`, `train`"),
        ("--features x.npy --labels labels.csv --split fold", "have no column `fold`"),
        ("--features x.npy --labels nowhere.csv", "labels `nowhere.csv` can't be read"),
        ("--features hole.npy --labels labels.csv", "image `rain1.png`"),
        ("--features hole.npy --labels labels.csv", "are not finite: column 2 is NaN"),
        ("--features fortran.npy --labels labels.csv", "is in Fortran order"),
        ("--features integers.npy --labels labels.csv", "holds `<i4`"),
        ("--features short.npy --labels labels.csv", "have 47 rows, labels `labels.csv` have 48"),
        ("--features text.npy --labels labels.csv", "is not a .npy file"),
        ("--features nowhere.npy --labels labels.csv", "features `nowhere.npy`"),
        ("--features x.npy --groups 1,2 --labels labels.csv", "add up to 3 columns, the features have 4"),
        ("--features x.npy --groups 4,0 --labels labels.csv", "a group has no columns"),
    ] {
        let given = ["--first", "--seeds"].iter().any(|flag| line.contains(flag));
        let line = if given { format!("simulate {line}") } else { format!("simulate {line} {small}") };
        let error = folder.complains(&line);
        assert!(error.contains(words), "{line}: {error} / {words}");
    }
}

#[test]
fn tables_as_people_have_them_are_read_and_one_odd_line_takes_no_other_with_it() {
    let folder = Folder::new();
    let names = String::from_utf8(folder.read("labels.csv")).unwrap();
    let odd = format!("{names}nowhere.png,rain,train\n,rain,train\nrain1.png,rain,train\nlast.png\n");
    folder.write("odd.csv", odd.as_bytes());
    folder.write("semicolon.csv", names.replace(',', ";").as_bytes());
    folder.write("tab.csv", names.replace(',', "\t").as_bytes());
    let utf16: Vec<u8> = format!("\u{feff}{names}").encode_utf16().flat_map(u16::to_be_bytes).collect();
    folder.write("utf16.csv", &utf16);
    let line = "simulate --images images --first 6 --batch 6 --rounds 1 --seeds 1 --backbone tiny --labels";
    let plain = folder.prints(&format!("{line} labels.csv --format csv"));
    let accuracies = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(',').take(5).collect::<Vec<_>>().join(",")).collect()
    };
    for table in ["odd.csv", "semicolon.csv", "tab.csv", "utf16.csv"] {
        let told = folder.prints(&format!("{line} {table} --format csv"));
        assert_eq!(accuracies(&told), accuracies(&plain), "{table}");
    }
    let said = folder.advises(&format!("{line} odd.csv"));
    for words in
        ["used 48 of 52 rows", "4 left out:", "nowhere.png", "line 51 of labels `odd.csv` has no filename"]
    {
        assert!(said.contains(words), "{said} / {words}");
    }
    let strict = folder.complains(&format!("{line} odd.csv --strict"));
    assert!(strict.contains("4 of 52 rows can't be used"), "{strict}");
}

#[test]
fn an_export_that_fails_leaves_no_file() {
    let folder = Folder::new();
    folder.write("images/rain1.png", b"no picture");
    let error =
        folder.complains("export --images images --labels labels.csv --embeddings x.npy --backbone tiny");
    assert!(error.contains("image `images/rain1.png`"), "{error}");
    assert!(!folder.path("x.npy").exists());
    let folder = Folder::new();
    let error =
        folder.complains("export --images images --labels labels.csv --embeddings no/x.npy --backbone tiny");
    assert!(error.contains("`no/x.npy` can't be written"), "{error}");
}

#[test]
fn the_help_has_examples_and_names_the_strategies() {
    let folder = Folder::new();
    let help = folder.prints("simulate --help");
    assert!(help.contains("Examples:") && help.contains("possible values: random,"), "{help}");
}
