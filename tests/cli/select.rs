//! `weathervane select` on a folder of small pictures.

use std::collections::HashSet;

use serde_json::Value;

use crate::support::{Folder, PICTURES};

const LINE: &str = "select images --backbone tiny --data-dir data --format json";

fn chosen(folder: &Folder, rest: &str) -> Vec<String> {
    let printed: Value = serde_json::from_str(&folder.prints(&format!("{LINE} {rest}"))).unwrap();
    let images = printed["images"].as_array().unwrap();
    images.iter().map(|image| image["file"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_later_selection_leaves_the_earlier_ones_out() {
    let folder = Folder::new();
    let first = chosen(&folder, "-n 6 --tag first --copy-to to-label");
    assert_eq!(first.len(), 6);
    for file in &first {
        let name = file.trim_start_matches("images/");
        assert_eq!(folder.read(file), folder.read(&format!("to-label/{name}")));
    }
    // Six of three kinds are two of each at most.
    let kinds: HashSet<&str> = first
        .iter()
        .map(|file| {
            file.trim_end_matches(|c: char| !c.is_alphabetic()).split(char::is_numeric).next().unwrap()
        })
        .collect();
    assert_eq!(kinds.len(), 3, "{first:?}");

    let second = chosen(&folder, "-n 5 --tag second --strategy k-center");
    let third = chosen(&folder, "-n 100 --tag second --extend");
    let all: HashSet<&String> = first.iter().chain(&second).chain(&third).collect();
    assert_eq!((second.len(), third.len(), all.len()), (5, PICTURES - 11, PICTURES));
    assert!(folder.complains(&format!("{LINE} -n 1")).contains("--again"));
    assert_eq!(chosen(&folder, "-n 6 --again"), first);
}

#[test]
fn tags_are_listed_renamed_and_removed_and_a_removed_ones_images_are_chosen_again() {
    let folder = Folder::new();
    let tags = |rest: &str| format!("tags {rest} --data-dir data");
    let first = chosen(&folder, "-n 3 --tag first");
    chosen(&folder, "-n 1 --tag second");
    assert_eq!(folder.prints(&tags("list")), "  images  tag\n       3  first\n       1  second\n");
    let listed: Value = serde_json::from_str(&folder.prints(&tags("list --format json"))).unwrap();
    assert_eq!(listed[1], serde_json::json!({"tag": "second", "images": 1}));
    assert_eq!(folder.prints(&tags("rename second third")), "1 image is now called `third`\n");
    assert!(folder.complains(&tags("rename third first")).contains("there is a tag `first` already"));
    assert!(
        folder.complains(&tags("rename second new")).contains("no tag `second`; there are: first, third")
    );
    assert!(folder.complains(&tags("rename first a<b")).contains("not of U+003C"));
    assert_eq!(folder.prints(&tags("remove first")), "3 images are no longer tagged `first`\n");
    assert!(folder.complains(&tags("remove first")).contains("no tag `first`; there are: third"));
    let again: HashSet<String> = chosen(&folder, "-n 100").into_iter().collect();
    assert!(first.iter().all(|file| again.contains(file)));
}

#[test]
fn what_is_no_image_is_named_and_copies_count_once() {
    let folder = Folder::new();
    folder.write("images/notes.txt", b"nothing to see");
    folder.write("images/copy.png", &folder.read("images/cloudy0.png"));
    let output = folder.weathervane(&format!("{LINE} -n 100"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("notes.txt"), "{said}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["images"].as_array().unwrap().len(), PICTURES);
    assert_eq!(printed["of"], PICTURES + 1);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_behind_stdout_is_an_error_in_words() {
    let folder = Folder::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = std::process::Command::new(assert_cmd::cargo::cargo_bin("weathervane"))
        .current_dir(folder.path("."))
        .args(LINE.split_whitespace())
        .stdout(full)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the result can't be written to stdout: No space left"), "{said}");
}

#[test]
fn wrong_lines_say_what_to_do() {
    let folder = Folder::new();
    let said = |rest: &str| folder.complains(&format!("{LINE} {rest}"));
    assert!(said("--strategy margin").contains("needs a trained head"));
    assert!(said("--tag a --extend").contains("no tag `a`"));
    assert!(said("-n 0").contains("1.."));
    assert!(said("--tag a<b").contains("letters, digits"));
    chosen(&folder, "-n 2 --tag a");
    assert!(said("--tag a").contains("has 2 images already"));
    assert!(folder.complains("select nowhere --data-dir data").contains("not a folder"));
    folder.write("empty.txt", b"");
    std::fs::create_dir(folder.path("empty")).unwrap();
    assert!(folder.complains("select empty --backbone tiny --data-dir data").contains("no image in"));
}
