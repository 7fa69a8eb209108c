//! Who sends a request: the other end of the connection, or whom a trusted proxy names.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use ipnet::IpNet;

use super::state::SharedState;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct WebPeer {
    pub address: IpAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebClient {
    pub address: IpAddr,
    /// Whether the browser's own connection is encrypted.
    pub https: bool,
    /// The host, with its port, that the browser asked for, if a proxy tells it.
    pub host: Option<String>,
}

/// Tells handlers who sends a request, and browsers to keep cookies of encrypted connections to those.
pub async fn tell(State(shared): State<SharedState>, mut request: Request, next: Next) -> Response {
    let Some(peer) = request.extensions().get::<WebPeer>().copied() else {
        unreachable!("every connection tells its other end");
    };
    let client = client(peer, request.headers(), &shared.trusted_proxies);
    let https = client.https;
    request.extensions_mut().insert(client);
    let mut response = next.run(request).await;
    if https && let header::Entry::Occupied(cookies) = response.headers_mut().entry(header::SET_COOKIE) {
        let secure = |cookie: HeaderValue| {
            let text = [cookie.as_bytes(), b"; Secure"].concat();
            HeaderValue::from_bytes(&text).unwrap_or(cookie)
        };
        let (name, cookies) = (header::SET_COOKIE, cookies.remove_entry_mult().1.map(secure).collect::<Vec<_>>());
        for cookie in cookies {
            response.headers_mut().append(&name, cookie);
        }
    }
    response
}

/// A network, or an address alone.
///
/// # Errors
/// In words: the text is neither.
pub fn network(text: &str) -> Result<IpNet, String> {
    let alone = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| alone()).map_err(|_| format!("{text:?} is no address and no network such as 10.0.0.0/8"))
}

/// What a proxy says counts only if the connection is its own.
fn client(peer: WebPeer, headers: &HeaderMap, trusted: &[IpNet]) -> WebClient {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address.to_canonical()));
    let mut found = WebClient { address: peer.address, https: peer.tls, host: None };
    if !is_trusted(peer.address) {
        return found;
    }
    let told = |name: &str| -> Vec<String> {
        // What a client has written before may be no text; the proxy's own word stands behind it.
        let lines = headers.get_all(name).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        lines.map(|hop| String::from_utf8_lossy(hop).trim().to_owned()).collect()
    };
    // Each proxy has added whom it heard from: what stands before the first stranger, anybody may have written.
    for hop in told("x-forwarded-for").into_iter().rev() {
        let Some(address) = address_of(&hop) else { break };
        found.address = address;
        if !is_trusted(address) {
            break;
        }
    }
    if let Some(scheme) = told("x-forwarded-proto").last() {
        found.https = scheme.eq_ignore_ascii_case("https");
    }
    found.host = told("x-forwarded-host").pop();
    found
}

/// The address of a hop, which some proxies write with its port.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    bare.parse().ok().or_else(|| hop.parse().ok().map(|socket: SocketAddr| socket.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).unwrap();
        pairs.iter().map(|(name, text)| (name.parse().unwrap(), value(text))).collect()
    }

    #[test]
    fn a_trusted_proxy_names_the_client_and_nobody_else_does() {
        let trusted = ["127.0.0.1", "10.0.0.0/8"].map(|text| network(text).unwrap());
        let from = |peer: &str, pairs: &[(&'static str, &'static str)]| {
            let peer = WebPeer { address: peer.parse().unwrap(), tls: false };
            let WebClient { address, https, host } = client(peer, &headers(pairs), &trusted);
            (address.to_string(), https, host)
        };
        let told =
            [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "w.example:8443")];
        assert_eq!(from("127.0.0.1", &told), ("1.2.3.4".into(), true, Some("w.example:8443".into())));
        assert_eq!(from("::ffff:10.1.2.3", &told).0, "1.2.3.4");
        assert_eq!(from("192.0.2.1", &told), ("192.0.2.1".into(), false, None), "anybody may write this");
        for (line, address) in [
            ("9.9.9.9, 1.2.3.4", "1.2.3.4"),
            ("\u{e4}, 1.2.3.4", "1.2.3.4"),
            ("9.9.9.9, 1.2.3.4, 10.0.0.7", "1.2.3.4"),
            ("10.0.0.8, 10.0.0.7", "10.0.0.8"),
            ("unknown", "127.0.0.1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("1.2.3.4:4711", "1.2.3.4"),
        ] {
            assert_eq!(from("127.0.0.1", &[("x-forwarded-for", line)]).0, address, "{line}");
        }
        assert!(network("10.0.0.0/33").is_err() && network("proxy").is_err());
    }
}
