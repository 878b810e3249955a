//! What axe-core finds on a page: rules of the WCAG that a program can check.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::browser::Browser;
use super::say;

/// Runs the rules of WCAG 2.2 A and AA and of good practice; gives the findings as "impact rule: elements".
const CHECK: &str = "
    const done = arguments[arguments.length - 1];
    const about = (found) => `${found.impact} ${found.id}: ` +
        found.nodes.map((node) => `${node.target.join(' ')} (${node.failureSummary})`).join('; ');
    axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
        .then((report) => done(report.violations.map(about)), (error) => done([`critical axe: ${error}`]));";

/// The checker's text.
pub struct Axe(String);

impl Axe {
    /// Reads `WEATHERVANE_TEST_AXE`, or what `scripts/setup.sh test` installed; `None`, with a word on stderr, where there
    /// is neither.
    pub fn read_or_say() -> Option<Self> {
        let installed =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools/node_modules/axe-core/axe.min.js");
        let file = std::env::var_os("WEATHERVANE_TEST_AXE").map_or(installed, PathBuf::from);
        match std::fs::read_to_string(&file) {
            Ok(text) => Some(Self(text)),
            Err(error) => {
                let why = format!("no axe-core in `{}` ({error}); scripts/setup.sh test", file.display());
                let required = std::env::var("WEATHERVANE_REQUIRE_BROWSER").is_ok_and(|value| value == "1");
                assert!(!required, "{why}");
                say(&format!("not checked with axe-core: {why}"));
                None
            }
        }
    }

    /// Serious findings on the page the browser shows; the others are told on stderr.
    pub async fn serious(&self, browser: &Browser) -> Vec<String> {
        browser.run(&self.0).await;
        let found = browser.run_until_told(CHECK, &[]).await;
        let found = found.as_array().expect("findings").iter().filter_map(Value::as_str).map(str::to_owned);
        let (serious, others): (Vec<String>, Vec<String>) =
            found.partition(|finding| finding.starts_with("serious") || finding.starts_with("critical"));
        let address = browser.address().await;
        others.iter().for_each(|finding| say(&format!("{address}: {finding}")));
        serious
    }
}
