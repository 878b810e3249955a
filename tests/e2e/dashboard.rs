//! The dashboard in a browser.

use serde_json::json;

use crate::support::browser::{Browser, pictures};
use crate::support::until;

/// A phone, a laptop, a large screen; CSS pixels.
const WIDTHS: [u32; 3] = [390, 1280, 2560];

/// A page is there, and as wide as the window at most.
const SHOWN: &str = "return document.readyState == 'complete' && !!document.querySelector('main h1')
    && document.documentElement.scrollWidth <= innerWidth;";

/// Whatever the page took from another host.
const FOREIGN: &str = "return performance.getEntriesByType('resource').map(entry => entry.name)
    .filter(name => !name.startsWith(location.origin));";

/// Opens every page in every width: nothing on the console, nothing from another host, a picture of each. The project's
/// page also goes to the file that `WEATHERVANE_PICTURE` names.
pub async fn look_around(server: &str, project: i64) {
    let Some(browser) = Browser::open_or_say().await else { return };
    let of_project = |page: &str| format!("/ui/projects/{project}{page}");
    let pages = [
        ("projects", "/ui".to_owned()),
        ("project", of_project("")),
        ("queue", of_project("/queue")),
        ("suspects", of_project("/suspects")),
        ("versions", of_project("/versions")),
        ("health", "/ui/health".to_owned()),
    ];
    for width in WIDTHS {
        browser.resize(width, width.clamp(900, 1400)).await;
        for (name, path) in &pages {
            browser.go_to(&format!("{server}{path}")).await;
            until(&format!("{path} in {width} px"), async || {
                (browser.run(SHOWN).await == true).then_some(())
            })
            .await;
            assert_eq!(browser.run(FOREIGN).await, json!([]), "{path}");
            let picture = pictures().join(format!("dashboard-{name}-{width}.png"));
            browser.screenshot(&picture).await;
            if let Some(wanted) =
                std::env::var_os("WEATHERVANE_PICTURE").filter(|_| *name == "project" && width == 1280)
            {
                std::fs::copy(picture, wanted).expect("a writable file");
            }
        }
    }
    assert_eq!(browser.errors().await, Vec::<String>::new());
}
