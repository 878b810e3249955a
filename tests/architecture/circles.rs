//! No circle of imports between files: a file is understood with those it imports, and they without it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::rust_files;
use super::source::{without_comments_and_text, without_tests};

/// Path of a module below the crate, e.g. `["queue", "rank"]`.
type Module = Vec<String>;

#[test]
fn no_files_import_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: BTreeMap<Module, String> = rust_files(&root)
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&root).unwrap().with_extension("");
            let module: Module = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            (module, without_tests(&without_comments_and_text(&fs::read_to_string(file).unwrap())))
        })
        .filter(|(module, _)| !module.iter().any(|part| part == "tests"))
        .collect();
    let imports: BTreeMap<&Module, BTreeSet<Module>> =
        files.iter().map(|(module, code)| (module, imported(module, code, &files))).collect();
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 500, "the imports are found");
    let circles: Vec<String> = files.keys().filter_map(|start| circle(start, &imports)).collect();
    assert!(circles.is_empty(), "\n{}\n", circles.join("\n"));
}

/// Files that a file imports, but for those above and below it: a parent hands its children on.
fn imported(module: &Module, code: &str, files: &BTreeMap<Module, String>) -> BTreeSet<Module> {
    let paths = uses(code).into_iter().filter_map(|path| resolved(module, &path));
    let file =
        |path: Module| (1..=path.len()).rev().map(|n| path[..n].to_vec()).find(|p| files.contains_key(p));
    let is_apart = |other: &Module| !other.starts_with(module) && !module.starts_with(other);
    paths.filter_map(file).filter(is_apart).collect()
}

/// Full path of an import below the crate; `None` for other crates.
fn resolved(module: &Module, path: &[String]) -> Option<Module> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "super" => Some([&module[..module.len().checked_sub(ups)?], &path[ups..]].concat()),
        "self" => Some([module.as_slice(), &path[1..]].concat()),
        _ => None,
    }
}

/// Paths of all `use` items, groups taken apart.
fn uses(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for statement in code.split(';') {
        let Some((_, tree)) = statement.rsplit_once("use ") else { continue };
        expand(&tree.split_whitespace().collect::<String>(), &[], &mut found);
    }
    found
}

fn expand(tree: &str, prefix: &[String], found: &mut Vec<Vec<String>>) {
    let Some((head, group)) = tree.split_once('{') else {
        let parts = tree.split("::").map(str::to_owned);
        return found.push(prefix.iter().cloned().chain(parts).collect());
    };
    let head = head.split("::").filter(|part| !part.is_empty()).map(str::to_owned);
    let prefix: Vec<String> = prefix.iter().cloned().chain(head).collect();
    let (mut depth, mut entry) = (0, String::new());
    for c in group.strip_suffix('}').unwrap_or(group).chars().chain([',']) {
        match c {
            ',' if depth == 0 => expand(&std::mem::take(&mut entry), &prefix, found),
            c => {
                depth += i32::from(c == '{') - i32::from(c == '}');
                entry.push(c);
            }
        }
    }
}

/// A way from a file back to itself, if there is one; told of the first of its files alone.
fn circle(start: &Module, imports: &BTreeMap<&Module, BTreeSet<Module>>) -> Option<String> {
    let mut ways = vec![vec![start.clone()]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        for next in imports.get(way.last()?).into_iter().flatten() {
            if next == start {
                let named: Vec<String> = way.iter().map(|module| module.join("/")).collect();
                return named.iter().min().filter(|first| **first == named[0]).map(|_| named.join(" -> "));
            }
            if seen.insert(next.clone()) {
                ways.push(way.iter().cloned().chain([next.clone()]).collect());
            }
        }
    }
    None
}

#[test]
fn imports_are_taken_apart() {
    let paths = |code| uses(code).iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(
        paths("use super::a::{b, c::{D, self}};\nuse crate::x::Y; fn f() {}"),
        ["super::a::b", "super::a::c::D", "super::a::c::self", "crate::x::Y"]
    );
    let module = ["queue", "rank"].map(str::to_owned).to_vec();
    let path = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(resolved(&module, &path("super::pace::Pace")), Some(path("queue::pace::Pace")));
    assert_eq!(resolved(&module, &path("crate::pool::Pool")), Some(path("pool::Pool")));
    assert_eq!(resolved(&module, &path("serde::Serialize")), None);
}
