//! A public type's name stands for one thing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::rust_files;
use super::source::{without_comments_and_text, without_tests};

/// Describes to OpenAPI what other rooms have under the same names.
const DESCRIPTIONS: &str = "http/shapes.rs";

/// Names that may stand for more than one thing.
const ALLOWED: &[&str] = &[];

#[test]
fn no_public_type_name_stands_for_two_things() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut homes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in rust_files(&root) {
        let path = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        if path == DESCRIPTIONS {
            continue;
        }
        for name in public_types(&fs::read_to_string(&file).unwrap()) {
            homes.entry(name).or_default().push(path.clone());
        }
    }
    assert!(homes.len() > 100, "only {} public types found", homes.len());
    homes.retain(|name, homes| homes.len() > 1 && !ALLOWED.contains(&name.as_str()));
    assert!(homes.is_empty(), "{homes:#?}");
}

/// Names of the types that a file makes public.
fn public_types(text: &str) -> Vec<String> {
    let code = without_tests(&without_comments_and_text(text));
    let of_line = |line: &str| {
        let rest = line.trim_start().strip_prefix("pub ")?;
        let (kind, rest) = rest.split_once(' ')?;
        let is_type = ["struct", "enum", "type", "trait"].contains(&kind);
        let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
        is_type.then(|| name.to_owned())
    };
    code.lines().filter_map(of_line).collect()
}

#[test]
fn public_types_are_found() {
    let text = "pub struct A(u8);\npub(super) struct B;\n    pub enum C<T> {}\n// pub struct D\npub fn e() {}\npub trait F: G {}";
    assert_eq!(public_types(text), ["A", "C", "F"]);
}
