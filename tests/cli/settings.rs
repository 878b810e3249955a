//! docs/SETTINGS.md says what the flags' own help says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clap::{Arg, ArgAction, Command, CommandFactory};
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

/// Flags of the server's settings by group, as commands take them.
const GROUPS: [(&str, &[&str]); 7] = [
    ("address", &["host", "port", "basic-auth-user", "basic-auth-pass", "secret-path"]),
    ("storage", &["data-dir", "database-url"]),
    (
        "label-studio",
        &["label-studio-url", "label-studio-api-key", "ca-file", "verify-ssl", "local-files-root"],
    ),
    (
        "images",
        &[
            "fetch-allow-cidr",
            "max-image-bytes",
            "max-image-pixels",
            "image-timeout-seconds",
            "max-downloads",
        ],
    ),
    ("model", &["backbone", "device", "inference-threads", "model-score-threshold", "no-starter"]),
    ("pool", &["pool-memory-mb"]),
    ("projects", &["keep-sampling", "leave-projects-alone"]),
];

const RANKS: &[&str] = &["storage", "label-studio", "images", "model", "pool"];
const PREDICTS: &[&str] = &["storage", "label-studio", "images", "model"];

/// Groups that each command uses.
const COMMANDS: &[(&str, &[&str])] = &[
    ("demo", &[]),
    ("collect", &[]),
    ("select", RANKS),
    ("tags list", &["storage"]),
    ("tags rename", &["storage"]),
    ("tags remove", &["storage"]),
    ("connect", &["address", "label-studio", "projects"]),
    ("doctor", &["address", "storage", "label-studio", "model"]),
    ("rank", RANKS),
    ("labels rename", &["label-studio"]),
    ("train", PREDICTS),
    ("predict", PREDICTS),
    ("versions list", &["storage", "model"]),
    ("versions show", &["storage", "model"]),
    ("versions activate", &["storage", "model"]),
    ("versions pin", &["storage", "model"]),
    ("versions unpin", &["storage", "model"]),
    ("versions export", &["storage", "model"]),
    ("evaluate", PREDICTS),
    ("healthcheck", &[]),
    ("simulate", &[]),
    ("starter", &[]),
    ("export model", &["storage", "model"]),
    ("export predictions", PREDICTS),
    ("completions", &[]),
    ("man", &[]),
];

/// Full names of all commands that have none below them, but `serve`.
fn commands(above: &Command, prefix: &str) -> BTreeSet<String> {
    let below = above.get_subcommands().filter(|command| !["help", "serve"].contains(&command.get_name()));
    below
        .flat_map(|command| {
            let name = format!("{prefix}{}", command.get_name());
            match command.has_subcommands() {
                true => commands(command, &format!("{name} ")),
                false => BTreeSet::from([name]),
            }
        })
        .collect()
}

#[test]
fn each_command_takes_the_settings_that_it_uses_and_no_other() {
    let servers = flags("serve", "-h");
    assert_eq!(servers, flags("serve", "--help"));
    let grouped: BTreeSet<String> =
        GROUPS.iter().flat_map(|(_, flags)| *flags).map(|flag| (*flag).to_owned()).collect();
    assert!(grouped.is_subset(&servers), "{:?}", grouped.difference(&servers));
    let listed: BTreeSet<String> = COMMANDS.iter().map(|(command, _)| (*command).to_owned()).collect();
    assert_eq!(listed, commands(&Cli::command(), ""));
    for (command, groups) in COMMANDS {
        let own = flags(command, "-h");
        let hidden: BTreeSet<String> = flags(command, "--help").difference(&own).cloned().collect();
        let taken = GROUPS.iter().filter(|(name, _)| groups.contains(name)).flat_map(|(_, flags)| *flags);
        let taken: BTreeSet<String> =
            taken.map(|flag| (*flag).to_owned()).filter(|flag| !own.contains(flag)).collect();
        assert_eq!(hidden, taken, "{command}");
        let others: Vec<&String> = servers.difference(&grouped).filter(|flag| own.contains(*flag)).collect();
        assert!(others.is_empty(), "{command} takes {others:?}, which only the server uses");
    }
    assert_eq!(flags("export", "--help"), flags("export", "-h"));
    let own = ["project", "limit", "strategy", "format"].map(str::to_owned);
    assert_eq!(flags("rank", "-h"), BTreeSet::from(own));
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
