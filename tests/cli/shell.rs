//! What a shell and `man` get from the definitions of the flags.

use std::fs;

use crate::support::Folder;

#[test]
fn every_shell_gets_a_script_that_knows_the_commands_and_their_flags() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = folder.prints(&format!("completions {shell}"));
        assert!(script.contains("healthcheck") && script.contains("secret-path"), "{shell}: {script}");
    }
}

#[test]
fn an_unknown_shell_is_answered_with_those_there_are() {
    let said = Folder::new().complains("completions tcsh");
    assert!(said.contains("bash") && said.contains("zsh") && said.contains("fish"), "{said}");
}

#[test]
fn the_manual_page_names_the_commands_and_gives_the_examples() {
    let page = Folder::new().prints("man");
    assert!(page.contains(".TH weathervane 1"), "{page}");
    assert!(page.contains("weathervane\\-serve(1)"), "{page}");
    assert!(page.contains("Exit codes"), "{page}");
}

#[test]
fn every_command_has_a_manual_page_with_an_example() {
    let folder = Folder::new();
    assert_eq!(folder.prints("man --out share/man1"), "");
    let pages: Vec<String> = fs::read_dir(folder.path("share/man1"))
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.contains("help"))
        .collect();
    assert!(pages.contains(&"weathervane-serve.1".to_owned()), "{pages:?}");
    for name in pages {
        let page = String::from_utf8(folder.read(&format!("share/man1/{name}"))).unwrap();
        assert!(page.contains("Example"), "{name}: {page}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = Folder::new();
    folder.write("file", b"");
    let said = folder.complains("man --out file/man1");
    assert!(said.contains("file/man1"), "{said}");
}
