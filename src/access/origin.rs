//! Origin of a request, as its headers state it.

use std::net::IpAddr;

/// Headers that tell the origin of a request; each as the request holds it, or `None`.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestOrigin<'a> {
    /// The name the request was sent to.
    pub host: Option<&'a str>,
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`: browsers say it, and no page can set it.
    pub fetch_site: Option<&'a str>,
    /// `true` if a proxy passed it on.
    pub forwarded: bool,
}

/// Headers that proxies leave.
const OF_PROXIES: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "via"];

impl<'a> RequestOrigin<'a> {
    /// Takes what it needs by the headers' names in lower case.
    pub fn read(header: impl Fn(&'static str) -> Option<&'a [u8]>) -> Self {
        let text = |name| header(name).and_then(|value| std::str::from_utf8(value).ok());
        Self {
            host: text("host"),
            origin: text("origin"),
            fetch_site: text("sec-fetch-site"),
            forwarded: OF_PROXIES.iter().any(|name| header(name).is_some()),
        }
    }

    /// `true` if the request was sent to this machine by its own name or address and not through a proxy. A page of another
    /// site that lets its own name lead here (DNS rebinding) can't hide that name.
    pub fn is_local(&self) -> bool {
        !self.forwarded && self.host.is_some_and(|host| is_loopback(without_port(host)))
    }

    /// The name without the port.
    pub fn host_name(&self) -> Option<&'a str> {
        self.host.map(without_port)
    }

    /// `true` if a browser sent the request from another site's page. Programs that are no browsers send none of these headers.
    pub fn is_foreign(&self) -> bool {
        match (self.fetch_site, self.origin) {
            (Some(site), _) => !matches!(site, "same-origin" | "none"),
            (None, Some(origin)) => {
                let authority = origin.split_once("://").map(|(_, authority)| authority);
                authority.is_none() || authority != self.host
            }
            (None, None) => false,
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

pub(super) fn is_loopback(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    name == "localhost" || inner.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for host in ["localhost", "LOCALHOST:9090", "127.0.0.1:9090", "127.8.8.8", "[::1]:80", "[::1]"] {
            let place = RequestOrigin { host: Some(host), ..RequestOrigin::default() };
            assert!(place.is_local(), "{host}");
            assert!(!RequestOrigin { forwarded: true, ..place }.is_local(), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9090",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "10.0.0.1",
            "",
            ":9090",
            "[::2]",
            "0.0.0.0:9090",
            "127.0.0.1:9090:9090",
            "2130706433",
        ] {
            assert!(!RequestOrigin { host: Some(host), ..RequestOrigin::default() }.is_local(), "{host}");
        }
        assert!(!RequestOrigin::default().is_local());
    }

    #[test]
    fn a_browser_on_another_sites_page_is_foreign_and_a_program_is_not() {
        let at = |fetch_site, origin| RequestOrigin {
            host: Some("127.0.0.1:9090"),
            origin,
            fetch_site,
            forwarded: false,
        };
        for (fetch_site, origin, foreign) in [
            (None, None, false),
            (Some("same-origin"), Some("http://127.0.0.1:9090"), false),
            (Some("none"), None, false),
            (Some("same-site"), None, true),
            (Some("cross-site"), Some("http://127.0.0.1:9090"), true),
            (None, Some("http://127.0.0.1:9090"), false),
            (None, Some("https://127.0.0.1:9090"), false),
            (None, Some("http://127.0.0.1:9091"), true),
            (None, Some("http://evil.example"), true),
            (None, Some("null"), true),
        ] {
            assert_eq!(at(fetch_site, origin).is_foreign(), foreign, "{fetch_site:?} {origin:?}");
        }
    }
}
