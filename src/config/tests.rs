use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    settings: Settings,
}

fn check(arguments: &[&str]) -> Result<(), String> {
    let line = Line::try_parse_from([&["test"], arguments].concat()).map_err(|error| error.to_string())?;
    line.settings.validate().map_err(|error| error.to_string())
}

#[test]
fn the_defaults_are_valid() {
    assert_eq!(check(&[]), Ok(()));
}

#[test]
fn each_wrong_setting_is_refused_by_its_name() {
    for (arguments, flag) in [
        (vec!["--basic-auth-user", "me"], "--basic-auth-pass"),
        (vec!["--basic-auth-pass", "hidden-value"], "--basic-auth-user"),
        (vec!["--basic-auth-user", "a:b", "--basic-auth-pass", "x"], "--basic-auth-user"),
        (vec!["--secret-path", "short"], "--secret-path"),
        (vec!["--secret-path", "with/slash/with/slash"], "--secret-path"),
        (vec!["--label-studio-url", "localhost:8080"], "--label-studio-url"),
        (vec!["--label-studio-url", "http://me:pw@host"], "--label-studio-url"),
        (vec!["--model-score-threshold", "1.5"], "--model-score-threshold"),
        (vec!["--train-quiet-ms", "10", "--train-max-wait-ms", "5"], "--train-max-wait-ms"),
        (vec!["--local-files-root", "/no/such/directory"], "--local-files-root"),
        (vec!["--fetch-allow-cidr", "10.0.0.0/40"], "--fetch-allow-cidr"),
        (vec!["--verify-ssl", "never"], "--verify-ssl"),
    ] {
        let message = check(&arguments).expect_err(flag);
        assert!(message.contains(flag), "{message}");
        assert!(!message.contains("hidden-value"), "{message}");
    }
}

#[test]
fn secrets_do_not_appear_in_debug_output() {
    let line = Line::parse_from([
        "test",
        "--label-studio-api-key",
        "hush-hush",
        "--database-url",
        "postgres://u:hush-hush@h/d",
    ]);
    assert!(!format!("{:?}", line.settings).contains("hush-hush"));
}

#[test]
fn a_switch_is_read_as_other_backends_read_it() {
    for (text, verify) in
        [("", true), ("True", true), ("1", true), ("False", false), ("0", false), ("off", false)]
    {
        let line = Line::parse_from(["test", "--verify-ssl", text]);
        assert_eq!(line.settings.label_studio.verify_ssl, verify, "{text}");
    }
}
