//! Files of certificates that are named by a flag, or by the variable of Python's programs.

use assert_cmd::Command;

use crate::support::Folder;

/// Stderr of a command that speaks to Label Studio, under an environment of its own.
fn says(folder: &Folder, variables: &[(&str, &str)], flags: &[&str]) -> String {
    let line = ["labels", "rename", "--project", "1", "a", "b", "--label-studio", "https://127.0.0.1:9"];
    let mut command = Command::cargo_bin("weathervane").unwrap();
    command.current_dir(folder.path("")).env_clear().envs(variables.iter().copied());
    let output = command.args(line).args(["--token", "0123456789abcdef"]).args(flags).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

const PYTHONS: &str = "REQUESTS_CA_BUNDLE";

#[test]
fn a_named_file_that_cannot_be_used_ends_the_command() {
    let folder = Folder::new();
    folder.write("empty.pem", b"");
    for (file, said) in [
        ("nowhere.pem", "No such file"),
        ("empty.pem", "it holds no certificate in PEM form"),
        ("images", "it is a folder; put its certificates into one file"),
    ] {
        let complaint = says(&folder, &[], &["--ca-file", file]);
        let named = format!("--ca-file `{file}` can't be used: ");
        assert!(complaint.contains(&named) && complaint.contains(said), "{file}: {complaint}");
    }
}

#[test]
fn a_file_that_the_environment_names_is_left_out_with_a_word_where_it_cannot_be_used() {
    let folder = Folder::new();
    for (file, said) in
        [("nowhere.pem", "No such file"), ("images", "it is a folder"), ("labels.csv", "no certificate")]
    {
        let complaint = says(&folder, &[(PYTHONS, file)], &[]);
        let named = format!("{PYTHONS} names `{file}`, which is left out: ");
        assert!(complaint.contains(&named) && complaint.contains(said), "{file}: {complaint}");
        assert!(complaint.contains("name a file with --ca-file"), "{complaint}");
        assert!(complaint.contains("can't be reached"), "it goes on: {complaint}");
    }
    assert!(!says(&folder, &[(PYTHONS, "")], &[]).contains(PYTHONS));
}

#[test]
fn a_check_that_is_off_is_said_at_every_start() {
    let folder = Folder::new();
    for off in ["false", "False", "0"] {
        let said = says(&folder, &[("VERIFY_SSL", off)], &[]);
        assert!(said.contains("VERIFY_SSL is off: 127.0.0.1 is taken for Label Studio whatever"), "{said}");
    }
    for on in ["", "true", "1"] {
        assert!(!says(&folder, &[("VERIFY_SSL", on)], &[]).contains("is off"));
    }
}
