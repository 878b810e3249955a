//! The plan of the house as a test: which room may use which, and what stays behind which wall.

mod circles;
mod metrics;
mod names;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::{used_rooms, uses, without_comments_and_text, without_tests};

/// Rooms by level; a room uses rooms of later levels only, never one of its own level.
const LEVELS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["app"],
    &["http", "dashboard"],
    &["training"],
    &["queue"],
    &["pool", "predict"],
    &["embed"],
    &["models", "media", "replay"],
    &["storage", "labelstudio", "ranking"],
    // A backbone says what input it wants in vision's words, so it stands above.
    &["model"],
    &["vision", "eval", "projection", "access", "turns"],
    &["domain", "matrix"],
];

/// Rooms that use no other, and the only ones that read them; all others receive plain values.
const SETTINGS: (&[&str], &[&str]) = (&["config", "telemetry"], &["main", "cli", "app"]);

/// What stays behind a wall, and the rooms that may reach for it.
const WALLS: &[(&str, &[&str])] = &[
    ("actix_web", &["http", "dashboard", "app"]),
    ("burn", &["model"]),
    ("sqlx", &["storage"]),
    ("object_store", &["models"]),
    ("reqwest", &["labelstudio", "media"]),
    ("clap", &["cli", "config", "main"]),
    ("utoipa", &["http"]),
    ("maud", &["dashboard"]),
    ("bhtsne", &["projection"]),
    ("SystemTime::now", &["config", "app", "cli", "main"]),
    ("Timestamp::now", &["config", "app", "cli", "main"]),
    ("Zoned::now", &["config", "app", "cli", "main"]),
    ("Utc::now", &["config", "app", "cli", "main"]),
    ("std::env", &["config", "app", "cli", "main"]),
    ("env::var", &["config", "app", "cli", "main"]),
];

/// Panics in waiting; bad input is an error, not a crash.
const FORBIDDEN: &[&str] = &[".unwrap()", ".expect(", "todo!", "unimplemented!"];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "helpers", "common", "manager", "service"];

/// A file this long wants to be a folder, in lines.
const MAX_LINES: usize = 400;

#[test]
fn the_house_keeps_its_plan() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&root);
    assert!(files.len() > 5, "only {} files in `{}`", files.len(), root.display());
    let mut broken = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        broken.extend(check(&path, &text));
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Everything a file does against the plan; `path` is relative to `src`.
fn check(path: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let lines = text.lines().count();
    if lines > MAX_LINES {
        broken.push(format!("{path}: {lines} lines, alarm is at {MAX_LINES}; make it a folder"));
    }
    for name in path.trim_end_matches(".rs").split('/').filter(|name| EMPTY_NAMES.contains(name)) {
        broken.push(format!("{path}: `{name}` names nothing; call it what it holds"));
    }
    if path.ends_with("/tests.rs") || path.contains("/tests/") {
        return broken;
    }
    let code = without_tests(&without_comments_and_text(text));
    let room = path.split('/').next().unwrap_or(path).trim_end_matches(".rs");
    if room != "lib" {
        broken.extend(
            used_rooms(&code).iter().filter_map(|used| order(room, used)).map(|why| format!("{path}: {why}")),
        );
    }
    for (name, rooms) in WALLS.iter().filter(|(_, rooms)| !rooms.contains(&room)) {
        if uses(&code, name) {
            broken.push(format!("{path}: `{name}` belongs to {}", rooms.join(", ")));
        }
    }
    for panic in FORBIDDEN.iter().filter(|panic| code.contains(**panic)) {
        broken.push(format!("{path}: `{panic}` outside tests; return an error"));
    }
    broken
}

/// Why `room` may not use `used`, if so.
fn order(room: &str, used: &str) -> Option<String> {
    let level = |name: &str| LEVELS.iter().position(|rooms| rooms.contains(&name));
    let (settings, readers) = SETTINGS;
    if room == used {
        return None;
    }
    if settings.contains(&used) {
        let allowed = readers.contains(&room) || settings.contains(&room);
        return (!allowed).then(|| format!("`{used}` is read by {}; take a plain value", readers.join(", ")));
    }
    if settings.contains(&room) {
        return Some(format!("`{room}` may not use `{used}`"));
    }
    match (level(room), level(used)) {
        (None, _) => Some(format!("room `{room}` is not in the plan")),
        (_, None) => Some(format!("uses `{used}`, which is not in the plan")),
        (Some(from), Some(to)) => (from >= to).then(|| format!("`{room}` may not use `{used}`")),
    }
}

#[test]
fn a_broken_plan_is_noticed() {
    for (path, code, complaint) in [
        ("domain/task.rs", "use crate::storage::Storage;", "`domain` may not use `storage`"),
        ("storage.rs", "use crate::models::Blobs;", "`storage` may not use `models`"),
        ("embed.rs", "fn f() { crate::http::go() }", "`embed` may not use `http`"),
        ("vision.rs", "use crate::{domain::{ids::TaskId, task}, eval::F};", "`vision` may not use `eval`"),
        (
            "training.rs",
            "use crate::config::Settings;",
            "`config` is read by main, cli, app; take a plain value",
        ),
        ("config.rs", "use crate::storage::Storage;", "`config` may not use `storage`"),
        ("kitchen.rs", "use crate::domain::ids;", "room `kitchen` is not in the plan"),
        ("http/x.rs", "use crate::kitchen;", "uses `kitchen`, which is not in the plan"),
        ("training/x.rs", "use actix_web::web;", "`actix_web` belongs to http, dashboard, app"),
        ("eval.rs", "fn f(x: burn::Tensor) {}", "`burn` belongs to model"),
        ("models.rs", "use sqlx;", "`sqlx` belongs to storage"),
        (
            "domain.rs",
            "let now = jiff::Timestamp::now();",
            "`Timestamp::now` belongs to config, app, cli, main",
        ),
        (
            "model.rs",
            "use std::{env, fs}; fn f() { env::var(x) }",
            "`env::var` belongs to config, app, cli, main",
        ),
        ("http/x.rs", "let a = '\"'; b.unwrap(); // \"", "`.unwrap()` outside tests; return an error"),
        ("http/x.rs", "let a: &'a str = b.expect(\"it\");", "`.expect(` outside tests; return an error"),
        (
            "http/x.rs",
            "#[cfg(test)] mod tests { fn f() {} } fn g() { todo!() }",
            "`todo!` outside tests; return an error",
        ),
        ("http/utils.rs", "", "`utils` names nothing; call it what it holds"),
        ("http/x.rs", &"\n".repeat(401), "401 lines, alarm is at 400; make it a folder"),
    ] {
        assert_eq!(check(path, code), [format!("{path}: {complaint}")], "{code}");
    }
}

#[test]
fn a_kept_plan_is_left_alone() {
    for (path, code) in [
        ("storage.rs", "use crate::domain::ids::TaskId; use sqlx::Row; use crate::storage::x;"),
        ("main.rs", "use weathervane::{cli, telemetry};"),
        ("cli/serve.rs", "use crate::app; use crate::config; let t = std::time::SystemTime::now();"),
        (
            "http/x.rs",
            "/* .unwrap() */ // crate::cli\nlet a = \"crate::cli .unwrap()\"; let b = r#\"todo!\"#; let burn = burn + 1;",
        ),
        (
            "eval.rs",
            "fn f<'a>(x: &'a str) {} let t = Instant::now(); x.unwrap_or(1); let c = '\\''; let d = env!(\"A\");",
        ),
        (
            "eval.rs",
            "#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod more { use crate::http::X; fn f() { x.unwrap() } }",
        ),
        ("vision/tests.rs", "use crate::http::X; x.unwrap();"),
        ("lib.rs", "pub mod http;"),
    ] {
        assert_eq!(check(path, code), Vec::<String>::new(), "{code}");
    }
}
