//! docs/METRICS.md lists the metrics that the sources record, each with its kind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::rust_files;

/// Name and kind.
type Metric = (String, String);

#[test]
fn the_document_lists_every_metric_and_no_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recorded: BTreeSet<Metric> = rust_files(&root.join("src"))
        .iter()
        .flat_map(|file| recorded_in(&fs::read_to_string(file).unwrap()))
        .collect();
    let listed = listed_in(&fs::read_to_string(root.join("docs/METRICS.md")).unwrap());
    assert!(recorded.len() > 5, "only {recorded:?} found in the sources");
    assert_eq!(listed, recorded, "docs/METRICS.md (left) and the sources (right) differ");
}

/// What `metrics::counter!("name", ...)` and its like record.
fn recorded_in(code: &str) -> Vec<Metric> {
    let metric = |call: &str| {
        let (kind, arguments) = call.split_once("!(")?;
        let name = arguments.trim_start().strip_prefix('"')?.split('"').next()?;
        Some((name.to_owned(), kind.to_owned()))
    };
    code.split("metrics::").skip(1).filter_map(metric).collect()
}

/// The first two columns of the table: `| name | kind | ...`.
fn listed_in(document: &str) -> BTreeSet<Metric> {
    let metric = |line: &str| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((name.to_owned(), rest.split(' ').next()?.to_owned()))
    };
    document.lines().filter_map(metric).collect()
}

#[test]
fn calls_and_lines_are_understood() {
    let metric = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
    let code = "metrics::counter!(\"a_total\").increment(1);\nmetrics::gauge!(\n    \"b\", \"c\" => d).set(1); metrics::Unit";
    assert_eq!(recorded_in(code), [metric("a_total", "counter"), metric("b", "gauge")]);
    let table =
        "| name | kind |\n| --- | --- |\n| `a_total` | counter | `reason` | how many |\ntext `b` | gauge";
    assert_eq!(listed_in(table), BTreeSet::from([metric("a_total", "counter")]));
}
