//! Who may ask at all: hosts, origins, addresses.

use std::net::IpAddr;
use std::str::FromStr;

use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, HOST, ORIGIN, REFERER, USER_AGENT};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};

/// The names that this server goes by. A page of another site that had its name point here (DNS rebinding) is refused by it.
#[derive(Clone, Debug)]
pub struct Hosts {
    allowed: Vec<String>,
    any: bool,
    any_address: bool,
}

impl Hosts {
    /// Loopback names, the address that is listened on, and `more` (`*` allows all). A server that listens on every address goes by all
    /// of them: no other site can have a bare address as its name.
    #[must_use]
    pub fn new(listen: IpAddr, more: &[String]) -> Self {
        let mut allowed = vec!["localhost".to_owned(), listen.to_string()];
        allowed.extend(more.iter().map(|host| host.trim().to_ascii_lowercase()));
        Self {
            any: allowed.iter().any(|host| host == "*"),
            allowed,
            any_address: listen.is_unspecified(),
        }
    }

    /// Whether a request is for one of them.
    ///
    /// # Errors
    /// The name that it is for instead.
    pub fn check(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), String> {
        if self.any {
            return Ok(());
        }
        let Some(authority) = authority(headers, uri) else {
            return Err(String::new());
        };
        let host = authority.host().to_ascii_lowercase();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_ours = match bare.parse::<IpAddr>() {
            Ok(address) => {
                self.any_address || address.to_canonical().is_loopback() || self.is_listed(bare)
            }
            Err(_) => self.is_listed(bare) || bare.ends_with(".localhost"),
        };
        if is_ours { Ok(()) } else { Err(host) }
    }

    fn is_listed(&self, host: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == host)
    }
}

fn authority(headers: &HeaderMap, uri: &Uri) -> Option<Authority> {
    let named = || headers.get(HOST)?.to_str().ok()?.parse().ok();
    uri.authority().cloned().or_else(named)
}

/// Whether a request that changes something may come from where it comes from: a browser says `Sec-Fetch-Site` (to https and localhost
/// only) or `Origin`, and then it must be a page of ours. A client that says neither is no browser's page.
#[must_use]
pub fn is_same_site(headers: &HeaderMap, uri: &Uri) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Uri>().ok());
    let Some((origin, host)) = origin.zip(authority(headers, uri)) else {
        return false;
    };
    let default_port = match origin.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return false,
    };
    let Some(from) = origin.authority() else {
        return false;
    };
    from.host().eq_ignore_ascii_case(host.host())
        && from.port_u16().unwrap_or(default_port) == host.port_u16().unwrap_or(default_port)
}

/// Whether a client is plain: curl, a script. Every browser sends one of these headers with every request, and so does whatever fetches
/// pages ahead of a click or for a preview; such a one's GET must change nothing.
#[must_use]
pub fn is_plain_client(headers: &HeaderMap) -> bool {
    let browser_header = [&ORIGIN, &REFERER, &COOKIE, &ACCEPT_LANGUAGE]
        .iter()
        .any(|name| headers.contains_key(*name));
    let fetch_header = headers
        .keys()
        .any(|name| name.as_str().starts_with("sec-fetch-"));
    let mozilla = headers
        .get(USER_AGENT)
        .is_some_and(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
    !(browser_header || fetch_header || mozilla)
}

/// Some addresses: one, or a network as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        let width = |address| {
            if matches!(address, IpAddr::V4(_)) {
                32
            } else {
                128
            }
        };
        let number = |address| match address {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let address = address.to_canonical();
        let shift = width(self.address) - self.bits;
        let prefix = |address| u128::checked_shr(number(address), shift).unwrap_or(0);
        width(address) == width(self.address) && prefix(address) == prefix(self.address)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected an address or a network as 10.0.0.0/8, got {text:?}");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.trim().parse().map_err(|_| wrong())?,
            None => width,
        };
        if bits > width {
            return Err(wrong());
        }
        Ok(Self { address, bits })
    }
}

/// The address of the client: the peer's, or, if that is a proxy that we trust, the last one in `X-Forwarded-For` that is not.
#[must_use]
pub fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address| trusted.iter().any(|proxy| proxy.contains(address));
    let forwarded: Vec<_> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut client = peer.to_canonical();
    for hop in forwarded.into_iter().rev() {
        if !is_trusted(client) {
            break;
        }
        // What a trusted proxy heard from another program may be anything.
        let Ok(address) = hop.trim().parse::<IpAddr>() else {
            break;
        };
        client = address.to_canonical();
    }
    client
}

/// Whether the client's own connection is encrypted: `X-Forwarded-Proto` says so, and the peer is a proxy that we trust.
#[must_use]
pub fn is_encrypted(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> bool {
    let said = headers
        .get("x-forwarded-proto")
        .and_then(|value| value.to_str().ok());
    // Of several proxies the first one met the client.
    let said = said.and_then(|text| text.split(',').next());
    let is_trusted = trusted.iter().any(|proxy| proxy.contains(peer));
    is_trusted && said.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
}

/// The address of this server as the client wrote it, as `https://pets.example.org`; `None` if it named none.
#[must_use]
pub fn base_url(headers: &HeaderMap, uri: &Uri, encrypted: bool) -> Option<String> {
    let scheme = if encrypted { "https" } else { "http" };
    authority(headers, uri).map(|authority| format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().expect("a header"));
        }
        headers
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_server_goes_by_loopback_names_its_address_and_what_it_is_told() {
        let path = Uri::from_static("/");
        let hosts = Hosts::new(ip("192.0.2.1"), &["Pets.Example".to_owned()]);
        for host in [
            "localhost",
            "localhost:5000",
            "pets.localhost",
            "127.0.0.1:5000",
            "127.9.9.9",
            "[::1]:5000",
            "192.0.2.1:80",
            "pets.example",
            "PETS.example:8443",
        ] {
            let headers = headers(&[("host", host)]);
            assert_eq!(hosts.check(&headers, &path), Ok(()), "{host}");
        }
        for host in ["evil.example", "192.0.2.2", "localhost.evil.example", ""] {
            let headers = headers(&[("host", host)]);
            assert!(hosts.check(&headers, &path).is_err(), "{host}");
        }
        assert!(hosts.check(&HeaderMap::new(), &path).is_err());

        let everywhere = Hosts::new(ip("0.0.0.0"), &[]);
        let by_address = headers(&[("host", "192.0.2.77:5000")]);
        assert_eq!(everywhere.check(&by_address, &path), Ok(()));
        let by_name = headers(&[("host", "evil.example")]);
        assert!(everywhere.check(&by_name, &path).is_err());
        let all = Hosts::new(ip("127.0.0.1"), &["*".to_owned()]);
        assert_eq!(all.check(&by_name, &path), Ok(()));
    }

    #[test]
    fn a_change_from_another_site_is_told_apart() {
        let path = Uri::from_static("/");
        let host = ("host", "127.0.0.1:5000");
        for (site, same) in [
            ("same-origin", true),
            ("none", true),
            ("cross-site", false),
            ("same-site", false),
            ("", false),
        ] {
            let headers = headers(&[host, ("sec-fetch-site", site)]);
            assert_eq!(is_same_site(&headers, &path), same, "{site}");
        }
        for (origin, same) in [
            ("http://127.0.0.1:5000", true),
            ("http://127.0.0.1:5001", false),
            ("http://127.0.0.1", false),
            ("http://evil.example", false),
            ("null", false),
            ("file://", false),
        ] {
            let headers = headers(&[host, ("origin", origin)]);
            assert_eq!(is_same_site(&headers, &path), same, "{origin}");
        }
        let behind_tls = headers(&[("host", "pets.example"), ("origin", "https://pets.example")]);
        assert!(is_same_site(&behind_tls, &path));
        assert!(is_same_site(&headers(&[host]), &path));
    }

    #[test]
    fn a_browser_is_no_plain_client() {
        assert!(is_plain_client(&headers(&[
            ("user-agent", "curl/8.5.0"),
            ("accept", "*/*")
        ])));
        assert!(is_plain_client(&HeaderMap::new()));
        for header in [
            ("sec-fetch-mode", "navigate"),
            ("origin", "http://localhost"),
            ("referer", "http://localhost/"),
            ("cookie", "a=b"),
            ("accept-language", "en"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
        ] {
            assert!(!is_plain_client(&headers(&[header])), "{header:?}");
        }
    }

    #[test]
    fn the_client_is_the_last_one_that_is_no_trusted_proxy() {
        let trusted: Vec<Network> = ["127.0.0.1", "10.0.0.0/8"]
            .map(|text| text.parse().expect("a network"))
            .into();
        let via = |forwarded| headers(&[("x-forwarded-for", forwarded)]);
        let client = |peer, headers: &HeaderMap| client_address(ip(peer), headers, &trusted);
        assert_eq!(client("192.0.2.9", &via("198.51.100.1")), ip("192.0.2.9"));
        assert_eq!(
            client("127.0.0.1", &via("198.51.100.1")),
            ip("198.51.100.1")
        );
        let chain = via("203.0.113.5, 198.51.100.1, 10.1.2.3");
        assert_eq!(client("127.0.0.1", &chain), ip("198.51.100.1"));
        assert_eq!(client("127.0.0.1", &via("nonsense")), ip("127.0.0.1"));
        assert_eq!(
            client("::ffff:10.0.0.1", &via("198.51.100.1")),
            ip("198.51.100.1")
        );
        assert_eq!(
            client_address(ip("127.0.0.1"), &via("198.51.100.1"), &[]),
            ip("127.0.0.1")
        );
    }

    #[test]
    fn a_trusted_proxy_says_whether_the_client_came_by_tls() {
        let trusted = ["127.0.0.1".parse().expect("a network")];
        for (peer, said, encrypted) in [
            ("127.0.0.1", "https", true),
            ("127.0.0.1", "HTTPS, http", true),
            ("127.0.0.1", "http", false),
            ("127.0.0.1", "", false),
            ("192.0.2.9", "https", false),
        ] {
            let headers = headers(&[("x-forwarded-proto", said)]);
            let told = is_encrypted(ip(peer), &headers, &trusted);
            assert_eq!(told, encrypted, "{peer} {said}");
        }
        let none = is_encrypted(ip("127.0.0.1"), &HeaderMap::new(), &trusted);
        assert!(!none);
    }

    #[test]
    fn networks_are_read_with_care() {
        for text in ["10.0.0.0/33", "10.0.0/8", "::/129", "x", "", "10.0.0.0/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
        let everything: Network = "0.0.0.0/0".parse().expect("a network");
        assert!(everything.contains(ip("203.0.113.5")) && !everything.contains(ip("::1")));
        let v6: Network = "2001:db8::/32".parse().expect("a network");
        assert!(v6.contains(ip("2001:db8:1::9")) && !v6.contains(ip("2001:db9::")));
    }
}
