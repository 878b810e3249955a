//! docs/SETTINGS.md says what the flags' own help says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, CommandFactory};
use weathervane::cli::Cli;

use crate::support::Folder;

const BEGIN: &str = "<!-- settings: begin -->\n";
const END: &str = "<!-- settings: end -->\n";

#[test]
fn the_documented_settings_are_those_of_the_help() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SETTINGS.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) =
        text.split_once(BEGIN).expect("docs/SETTINGS.md has the marker where the table begins");
    let (table, after) = rest.split_once(END).expect("docs/SETTINGS.md has the marker where the table ends");
    let right = settings_table();
    if std::env::var_os("UPDATE_SETTINGS").is_some() {
        fs::write(&path, [before, BEGIN, &right, END, after].concat()).unwrap();
    } else {
        assert!(
            table == right,
            "docs/SETTINGS.md lists other settings than the program has; \
             `UPDATE_SETTINGS=1 cargo test --test cli settings` writes this table:\n{right}"
        );
    }
}

/// One line for each flag of `serve`, then those that every command has.
fn settings_table() -> String {
    let cli = Cli::command();
    let serve = cli.find_subcommand("serve").expect("a command `serve`");
    let own = |arg: &&Arg| arg.get_long().is_some_and(|long| long != "help" && long != "version");
    let rows = serve.get_arguments().chain(cli.get_arguments()).filter(own).map(row);
    ["| variable | default | meaning |\n| --- | --- | --- |\n".to_owned()].into_iter().chain(rows).collect()
}

/// The long names of the flags in a command's help.
fn flags(command: &str, help: &str) -> BTreeSet<String> {
    let text = Folder::new().prints(&format!("{command} {help}"));
    let options = text.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let names = options.filter_map(|line| line.split_once("--")).map(|(_, rest)| {
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>()
    });
    names.filter(|name| !["help", "log-level", "log-format"].contains(&name.as_str())).collect()
}

#[test]
fn the_short_help_of_a_command_lists_its_own_flags_and_the_long_one_the_servers_too() {
    let servers = flags("serve", "-h");
    assert_eq!(servers, flags("serve", "--help"));
    assert!(servers.contains("train-quiet-ms") && servers.len() > 30, "{servers:?}");
    let own = ["project", "limit", "strategy", "format"].map(str::to_owned);
    assert_eq!(flags("rank", "-h"), BTreeSet::from(own.clone()));
    assert_eq!(flags("rank", "--help"), servers.union(&own.into()).cloned().collect());
    for command in [
        "connect",
        "doctor",
        "select",
        "train",
        "evaluate",
        "predict",
        "export predictions",
        "versions list",
        "labels rename",
    ] {
        let shared: Vec<String> = flags(command, "-h").intersection(&servers).cloned().collect();
        assert_eq!(shared, Vec::<String>::new(), "{command}");
    }
}

fn row(arg: &Arg) -> String {
    let help = arg.get_help().unwrap_or_else(|| panic!("`{}` has no help", arg.get_id())).to_string();
    format!("| {} | {} | {} |\n", variable(arg), default(arg), help.replace('|', "\\|") + &choices(arg))
}

/// The environment variable, and the flag where its name is another.
fn variable(arg: &Arg) -> String {
    let flag = arg.get_long().expect("only flags are listed");
    let Some(variable) = arg.get_env().and_then(|name| name.to_str()) else { return format!("`--{flag}`") };
    let same = variable.to_lowercase().replace('_', "-") == flag;
    if same { format!("`{variable}`") } else { format!("`{variable}` (`--{flag}`)") }
}

fn default(arg: &Arg) -> String {
    let values: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    match arg.get_action() {
        ArgAction::SetTrue => "`false`".to_owned(),
        _ if values.is_empty() => String::new(),
        _ => format!("`{}`", values.join(",")),
    }
}

/// What a setting with fixed values can be, with the help of each.
fn choices(arg: &Arg) -> String {
    if !arg.get_action().takes_values() {
        return String::new();
    }
    let values = arg.get_possible_values();
    let listed: Vec<String> = values
        .iter()
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}` ({help})", value.get_name()),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if listed.is_empty() { String::new() } else { format!(": {}", listed.join(", ")) }
}
