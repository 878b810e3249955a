//! The host of an address that a person typed: it may be private, unlike those in task data.

use ipnet::IpNet;
use url::{Host, Url};

/// The network addresses of the host; none if it is not found, which the download will say.
pub async fn networks(url: &Url) -> Vec<IpNet> {
    match url.host() {
        Some(Host::Ipv4(address)) => vec![IpNet::from(std::net::IpAddr::from(address))],
        Some(Host::Ipv6(address)) => vec![IpNet::from(std::net::IpAddr::from(address))],
        Some(Host::Domain(name)) => {
            let found = tokio::net::lookup_host((name, url.port_or_known_default().unwrap_or(80))).await;
            found.map(|found| found.map(|address| address.ip().into()).collect()).unwrap_or_default()
        }
        None => Vec::new(),
    }
}
