//! HTML document with its stylesheet and scripts.

use maud::{DOCTYPE, Markup, html};

use super::assets;

/// A page without navigation: refusals and the login.
pub(super) fn bare(title: &str, body: &Markup) -> Markup {
    shell(title, &html! { main #main.bare { (body) } })
}

/// A whole document.
pub(super) fn shell(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="htmx-config" content=(assets::HTMX_CONFIG);
                title { (title) " · weathervane" }
                link rel="icon" href=(assets::ICON.path()) type="image/svg+xml";
                link rel="stylesheet" href=(assets::STYLE.path());
                script src=(assets::HTMX.path()) defer {}
                script src=(assets::SCRIPT.path()) defer {}
            }
            body { (body) }
        }
    }
}
