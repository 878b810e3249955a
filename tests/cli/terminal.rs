//! Questions that are asked on a terminal.

use std::os::unix::fs::PermissionsExt;

use crate::support::Folder;
use crate::support::terminal::Terminal;

const QUESTION: &str = "separated by commas? ";

/// SIGINT.
const INTERRUPTED: i32 = -2;

/// A folder with images and what passes for Label Studio's program: it starts, and answers nobody.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("label-studio", b"#!/bin/sh\nexec sleep 300\n");
    let path = folder.path("label-studio");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn demo(folder: &Folder) -> Terminal {
    let line = ["demo", "--images", "images", "--label-studio-program", "./label-studio"];
    Terminal::open(&folder.path(""), &line)
}

#[test]
fn the_demo_asks_for_classes_until_they_can_be_used_and_goes_on() {
    let folder = folder();
    let mut terminal = demo(&folder);
    terminal.shows("Which classes have the images in");
    terminal.shows(QUESTION);
    for (odd, said) in [
        ("robin\n", "1 classes; it takes 2"),
        ("\n", "it takes 2"),
        ("robin,,wren\n", "a class has no name"),
        ("robin, Robin\n", "class `Robin` is named twice"),
    ] {
        terminal.types(odd);
        terminal.shows(said);
        terminal.shows(QUESTION);
    }
    terminal.types(" cloudy, rain,sunrise \n");
    terminal.shows("$ weathervane collect");
    terminal.types("\x03");
    terminal.shows("stopping; the same command finds everything again");
    assert_eq!(terminal.ends(), 0);
}

#[test]
fn ctrl_c_and_the_end_of_input_at_the_question_end_the_demo_before_anything_starts() {
    let folder = folder();
    let mut terminal = demo(&folder);
    terminal.shows(QUESTION);
    terminal.types("robi\x03");
    assert_eq!(terminal.ends(), INTERRUPTED);
    assert!(!terminal.rest().contains("weathervane collect"));

    let mut terminal = demo(&folder);
    terminal.shows(QUESTION);
    terminal.types("\x04");
    assert_eq!(terminal.ends(), 1, "the folder is free again, and the question is asked again");
    let said = terminal.rest();
    assert!(said.contains("no classes were named. Name them with --classes"), "{said}");
}

#[test]
fn without_a_terminal_nothing_is_asked() {
    let said = folder().complains("demo --images images --label-studio-program ./label-studio");
    assert!(
        said.contains("Name them with --classes robin,wren,other") && !said.contains("commas?"),
        "{said}"
    );
}
