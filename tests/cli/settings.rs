//! The README's table of settings says what the flags' own help says.

use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, CommandFactory};
use weathervane::cli::Cli;

const BEGIN: &str = "<!-- settings: begin -->\n";
const END: &str = "<!-- settings: end -->\n";

#[test]
fn the_readme_lists_every_setting_as_its_help_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).expect("README.md has the marker where the table begins");
    let (table, after) = rest.split_once(END).expect("README.md has the marker where the table ends");
    let right = settings_table();
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(&path, [before, BEGIN, &right, END, after].concat()).unwrap();
    } else {
        assert!(
            table == right,
            "README.md lists other settings than the program has; \
             `UPDATE_README=1 cargo test --test cli settings` writes this table:\n{right}"
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
