//! Stylesheet, scripts and icon: part of the binary, at addresses that change with their content.

use std::sync::LazyLock;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse};

use super::{Entry, PATH, at, get};

pub(super) const ENTRIES: &[Entry] = &[at("/assets/{name}", || get().to(file))];

/// htmx without what the Content-Security-Policy forbids, and only for our own addresses.
pub(super) const HTMX_CONFIG: &str = r#"{"includeIndicatorStyles":false,"allowEval":false,"allowScriptTags":false,"selfRequestsOnly":true,"historyCacheSize":0}"#;

/// Hexadecimal digits of the content's hash in an address.
const DIGITS: usize = 16;

pub(super) struct Asset {
    bytes: &'static [u8],
    kind: &'static str,
    name: LazyLock<String>,
}

macro_rules! asset {
    ($stem:literal, $ending:literal, $kind:literal) => {
        Asset {
            bytes: include_bytes!(concat!("assets/", $stem, ".", $ending)),
            kind: $kind,
            name: LazyLock::new(|| {
                let hash = blake3::hash(include_bytes!(concat!("assets/", $stem, ".", $ending))).to_hex();
                format!("{}-{}.{}", $stem, &hash[..DIGITS], $ending)
            }),
        }
    };
}

pub(super) static STYLE: Asset = asset!("style", "css", "text/css; charset=utf-8");
pub(super) static SCRIPT: Asset = asset!("ui", "js", "text/javascript; charset=utf-8");
/// The npm package htmx.org 2.0.11, unchanged (0BSD).
pub(super) static HTMX: Asset = asset!("htmx.min", "js", "text/javascript; charset=utf-8");
pub(super) static ICON: Asset = asset!("icon", "svg", "image/svg+xml");

pub(super) static MAP_STYLE: Asset = asset!("map", "css", "text/css; charset=utf-8");
pub(super) static MAP_SCRIPT: Asset = asset!("map", "js", "text/javascript; charset=utf-8");

static ALL: [&Asset; 6] = [&STYLE, &SCRIPT, &HTMX, &ICON, &MAP_STYLE, &MAP_SCRIPT];

impl Asset {
    pub fn path(&self) -> String {
        format!("{PATH}/assets/{}", *self.name)
    }
}

/// `true` if this is the path of an asset, below the dashboard's: assets hold no secret and the login page needs them.
pub(super) fn is_asset(below: &str) -> bool {
    let name = below.strip_prefix("/assets/");
    name.is_some_and(|name| ALL.iter().any(|asset| *asset.name == name))
}

async fn file(request: HttpRequest) -> HttpResponse {
    let name = request.match_info().query("name");
    let Some(asset) = ALL.iter().find(|asset| *asset.name == name) else {
        return HttpResponse::NotFound().finish();
    };
    HttpResponse::Ok()
        .content_type(asset.kind)
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(asset.bytes)
}
