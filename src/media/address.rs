//! Network addresses that may be fetched: public ones and those that the person who runs this allows.
//!
//! Names are checked where they are resolved, so the address that was checked is the one connected to.
//! Literal addresses never reach a resolver and are checked before each request.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// IPv4 networks that are not public: the IANA special-purpose registry (RFC 6890 and its updates),
/// multicast, and one address that clouds answer inside of every virtual machine.
const NOT_PUBLIC_V4: &[Ipv4Net] = &[
    v4([0, 0, 0, 0], 8),        // "this network"
    v4([10, 0, 0, 0], 8),       // private
    v4([100, 64, 0, 0], 10),    // carrier-grade NAT
    v4([127, 0, 0, 0], 8),      // loopback
    v4([168, 63, 129, 16], 32), // Azure's host agent
    v4([169, 254, 0, 0], 16),   // link-local, and the metadata services of most clouds
    v4([172, 16, 0, 0], 12),    // private
    v4([192, 0, 0, 0], 24),     // IETF protocol assignments
    v4([192, 0, 2, 0], 24),     // documentation
    v4([192, 88, 99, 0], 24),   // 6to4 relays, deprecated
    v4([192, 168, 0, 0], 16),   // private
    v4([198, 18, 0, 0], 15),    // benchmarking
    v4([198, 51, 100, 0], 24),  // documentation
    v4([203, 0, 113, 0], 24),   // documentation
    v4([224, 0, 0, 0], 4),      // multicast
    v4([240, 0, 0, 0], 4),      // reserved, and broadcast
];

/// The part of IPv6 that is handed out to the public; loopback, unique local, link-local and multicast lie
/// outside.
const GLOBAL_UNICAST_V6: Ipv6Net = v6([0x2000, 0, 0, 0], 3);

/// Networks of [`GLOBAL_UNICAST_V6`] that are not public, by the IANA special-purpose registry.
const NOT_PUBLIC_V6: &[Ipv6Net] = &[
    v6([0x2001, 0, 0, 0], 23), // IETF protocol assignments: Teredo, ORCHID, benchmarking
    v6([0x2001, 0xdb8, 0, 0], 32), // documentation
    v6([0x3fff, 0, 0, 0], 20), // documentation
];

/// Translates to the IPv4 address in its last 32 bits (RFC 6052).
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0], 96);

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c, d]: [u16; 4], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

/// `true` if an address belongs to the public internet. An IPv4 address wrapped in IPv6 counts as IPv4.
fn is_public(address: IpAddr) -> bool {
    match unwrapped(address) {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_UNICAST_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|net| net.contains(&address))
        }
    }
}

/// The IPv4 address inside of an IPv4-mapped (`::ffff:0:0/96`), NAT64 or 6to4 (`2002::/16`) one.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let inside = match v6.segments() {
        [0x2002, high, low, ..] => Some((high, low)),
        [.., high, low] if NAT64.contains(&v6) || v6.to_ipv4_mapped().is_some() => Some((high, low)),
        _ => None,
    };
    inside.map_or(address, |(high, low)| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)).into())
}

/// An address that may not be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotPublic(pub(super) IpAddr);

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "address {} is not public", self.0)
    }
}

impl std::error::Error for NotPublic {}

/// The policy, as a check of literal addresses and as a resolver of names.
#[derive(Clone, Debug)]
pub(super) struct AddressPolicy {
    allow: Arc<[IpNet]>,
}

impl AddressPolicy {
    /// Public addresses and those in `allow`.
    pub(super) fn new(allow: Vec<IpNet>) -> Self {
        Self { allow: allow.into() }
    }

    fn permits(&self, address: IpAddr) -> bool {
        let unwrapped = unwrapped(address);
        is_public(address) || self.allow.iter().any(|net| net.contains(&address) || net.contains(&unwrapped))
    }

    /// Checks an address whose host is an IP address; a name is left to the resolver.
    pub(super) fn check(&self, url: &Url) -> Result<(), NotPublic> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.permits(address) { Ok(()) } else { Err(NotPublic(address)) }
    }
}

impl Resolve for AddressPolicy {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.clone();
        Box::pin(async move {
            // Port 0 stands for the scheme's own.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let permitted: Vec<_> =
                found.iter().copied().filter(|found| policy.permits(found.ip())).collect();
            match found.first() {
                Some(first) if permitted.is_empty() => Err(NotPublic(first.ip()).into()),
                _ => Ok(Box::new(permitted.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "2001:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2002:808:808::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for closed in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::8.8.8.8",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "3fff::1",
            "5f00::1",
            "100::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(closed.parse().unwrap()), "{closed}");
        }
    }

    #[test]
    fn allowed_networks_open_only_themselves_in_each_spelling() {
        let policy = AddressPolicy::new(vec!["10.1.0.0/16".parse().unwrap(), "fd00::/64".parse().unwrap()]);
        for (host, open) in [
            ("10.1.2.3", true),
            ("10.2.0.1", false),
            ("[::ffff:10.1.2.3]", true),
            ("[fd00::5]", true),
            ("[fd01::5]", false),
            ("1.1.1.1", true),
            ("0x0a010203", true),
            ("0x7f000001", false),
            ("2130706433", false),
            ("127.1", false),
            ("0177.0.0.1", false),
            ("a-name.example", true),
        ] {
            let url = Url::parse(&format!("http://{host}/x.png")).unwrap();
            assert_eq!(policy.check(&url).is_ok(), open, "{host}");
        }
    }

    #[tokio::test]
    async fn a_name_of_this_machine_resolves_to_nothing_unless_allowed() {
        let closed = AddressPolicy::new(Vec::new());
        let error = closed.resolve("localhost".parse().unwrap()).await.err().expect("refused");
        assert!(error.downcast_ref::<NotPublic>().is_some_and(|refused| refused.0.is_loopback()), "{error}");
        let open = AddressPolicy::new(vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        let found = open.resolve("localhost".parse().unwrap()).await.expect("allowed");
        assert!(found.count() > 0);
    }
}
