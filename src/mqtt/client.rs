//! Addresses and options of an MQTT client.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rumqttc::v5::mqttbytes::v5::ConnectReturnCode;
use rumqttc::{QoS, Transport, v5};
use serde::Deserialize;

use super::protocol::Protocol;
use super::{Password, PublishMark, TlsMaterial, masked};

/// MQTT's largest packet: what exceeds our own limits is refused here, with a reason.
const LARGEST_PACKET: usize = 268_435_455;
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// `mqtt://user:password@host:port/topic`, or `mqtts://` with TLS; `ws://` and `wss://` over a WebSocket at the path
/// `/mqtt` of the host. It is shown without the login.
///
/// ```
/// use rowmill::mqtt::MqttUrl;
/// let url: MqttUrl = "mqtts://anna:s%40crt@broker/weather/#".parse().unwrap();
/// assert_eq!((&*url.host, url.port, &*url.topic, url.tls), ("broker", 8883, "weather/#", true));
/// assert_eq!(url.to_string(), "mqtts://broker:8883/weather/#");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttUrl {
    /// A name, or an address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The topic to publish to, or the filter to subscribe to.
    pub topic: String,
    /// Whether the connection uses TLS.
    pub tls: bool,
    /// Whether it goes over a WebSocket.
    pub web: bool,
    /// The login in the address.
    pub login: Option<Credentials>,
}

/// The login in an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The user's password.
    pub password: Option<Password>,
}

impl Credentials {
    /// From `user:password`, in which special characters may be escaped, as in `%40`.
    ///
    /// # Errors
    /// In words: what is wrong with it, without the password.
    pub fn read(text: &str) -> Result<Credentials, String> {
        let (user, password) = text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
        Ok(Credentials { user: unescaped(user)?, password: password.map(unescaped).transpose()?.map(Password::plain) })
    }
}

/// Undoes percent-encoding: `%40` is `@`.
fn unescaped(text: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    let mut parts = text.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let code = part.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        bytes.push(code.ok_or("in a login, write a percent sign as %25")?);
        bytes.extend(part.bytes().skip(2));
    }
    String::from_utf8(bytes).map_err(|_| "a login is UTF-8 text".into())
}

/// How an address begins.
struct MqttScheme {
    /// With the slashes behind it.
    text: &'static str,
    tls: bool,
    /// Whether the connection goes over a WebSocket.
    web: bool,
    /// The port if none is given.
    port: u16,
}

const SCHEMES: [MqttScheme; 4] = [
    MqttScheme { text: "mqtt://", tls: false, web: false, port: 1883 },
    MqttScheme { text: "mqtts://", tls: true, web: false, port: 8883 },
    MqttScheme { text: "ws://", tls: false, web: true, port: 80 },
    MqttScheme { text: "wss://", tls: true, web: true, port: 443 },
];

/// Where a broker's WebSocket is.
const WEB_PATH: &str = "/mqtt";

impl MqttUrl {
    /// The address without a topic.
    fn server(&self) -> String {
        let MqttUrl { host, port, tls, web, .. } = self;
        let scheme = SCHEMES.iter().find(|scheme| (scheme.tls, scheme.web) == (*tls, *web));
        let scheme = scheme.map_or("", |scheme| scheme.text);
        if host.contains(':') { format!("{scheme}[{host}]:{port}") } else { format!("{scheme}{host}:{port}") }
    }
}

impl FromStr for MqttUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<MqttUrl, String> {
        let scheme = SCHEMES.iter().find_map(|scheme| Some((text.strip_prefix(scheme.text)?, scheme)));
        let Some((rest, MqttScheme { tls, web, port, .. })) = scheme else {
            return Err("an MQTT address begins with mqtt://, mqtts://, ws:// or wss://".into());
        };
        let (tls, web, default) = (*tls, *web, *port);
        let (authority, topic) = rest.split_once('/').unwrap_or((rest, ""));
        if topic.is_empty() {
            return Err(format!("{:?} names no topic: write mqtt://host:port/topic", masked(text)));
        }
        let (login, authority) = match authority.rsplit_once('@') {
            Some((login, authority)) => (Some(Credentials::read(login)?), authority),
            None => (None, authority),
        };
        let escape = |reason| {
            let help = "in a password, write / as %2F and @ as %40";
            if topic.contains('@') { format!("{:?}: {help}", masked(text)) } else { reason }
        };
        let (host, port) = host_and_port(authority, default).map_err(escape)?;
        Ok(MqttUrl { host, port, topic: topic.to_owned(), tls, web, login })
    }
}

impl fmt::Display for MqttUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server(), self.topic)
    }
}

/// Splits `host:port`, `[v6]:port` or `host`.
pub fn host_and_port(authority: &str, default: u16) -> Result<(String, u16), String> {
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err(format!("{authority:?} names no host"));
    }
    let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| format!("{port:?} is not a port number")))?;
    Ok((host.to_owned(), port))
}

/// MQTT's quality of service: 0, 1 or 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u8")]
pub struct Qos(pub QoS);

impl Default for Qos {
    fn default() -> Qos {
        Qos(QoS::AtLeastOnce)
    }
}

impl TryFrom<u8> for Qos {
    type Error = String;

    fn try_from(value: u8) -> Result<Qos, String> {
        rumqttc::qos(value).map(Qos).map_err(|_| format!("{value} is not a quality of service: 0, 1 or 2"))
    }
}

impl Qos {
    /// The same for MQTT 5.
    pub fn v5(self) -> v5::mqttbytes::QoS {
        match self.0 {
            QoS::AtMostOnce => v5::mqttbytes::QoS::AtMostOnce,
            QoS::AtLeastOnce => v5::mqttbytes::QoS::AtLeastOnce,
            QoS::ExactlyOnce => v5::mqttbytes::QoS::ExactlyOnce,
        }
    }
}

/// A topic on a broker, and the client's login there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The broker and the topic.
    pub url: MqttUrl,
    /// The requested quality of service.
    pub qos: Qos,
    /// The user's name, where the broker wants one.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Password>,
    /// The id of a persistent session; without one the broker discards the session when the client disconnects.
    pub client_id: Option<String>,
    /// Trusted authorities and the client's certificate.
    pub tls: TlsMaterial,
    /// The version of MQTT; the broker's own if not given.
    pub protocol: Option<Protocol>,
    /// By which publishes of this dataflow are known, where they might come to its own source.
    pub mark: Option<PublishMark>,
}

impl Endpoint {
    /// An endpoint with the login of its address, if any.
    pub fn anonymous(url: MqttUrl) -> Endpoint {
        let (user, password) = url.login.clone().map(|login| (login.user, login.password)).unzip();
        Endpoint {
            url,
            qos: Qos::default(),
            user,
            password: password.flatten(),
            client_id: None,
            tls: TlsMaterial::default(),
            protocol: None,
            mark: None,
        }
    }

    /// The client's id; includes `role` where none is given.
    fn id(&self, role: &str) -> String {
        let own_id = || format!("rowmill-{role}-{}-{:08x}", std::process::id(), rand::random::<u32>());
        self.client_id.clone().unwrap_or_else(own_id)
    }

    /// The options of an MQTT 5 client; its id includes `role` where none is given. `window` publishes may wait for
    /// their acknowledgement, each way. With a client id of its own its session never expires.
    pub fn options(&self, role: &str, window: u16) -> v5::MqttOptions {
        let web = self.url.web.then(|| format!("{}{WEB_PATH}", self.url.server()));
        let host = web.unwrap_or_else(|| self.url.host.clone());
        let mut options = v5::MqttOptions::new(self.id(role), host, self.url.port);
        options.set_clean_start(self.client_id.is_none());
        options.set_session_expiry_interval(self.client_id.is_some().then_some(u32::MAX));
        options.set_receive_maximum(Some(window));
        options.set_outgoing_inflight_upper_limit(window);
        options.set_keep_alive(KEEP_ALIVE_INTERVAL);
        options.set_max_packet_size(Some(LARGEST_PACKET as u32));
        match (self.url.tls, self.url.web) {
            (false, false) => {}
            (true, false) => _ = options.set_transport(Transport::tls_with_config(self.tls.configuration())),
            (false, true) => _ = options.set_transport(Transport::ws()),
            (true, true) => _ = options.set_transport(Transport::wss_with_config(self.tls.configuration())),
        }
        if let Some(user) = &self.user {
            options.set_credentials(user, self.password.as_ref().map_or("", Password::reveal));
        }
        options
    }
}

/// Why a broker refuses a client; `None` for an error that a retry may resolve.
pub fn refusal(address: &str, error: &v5::ConnectionError) -> Option<String> {
    let v5::ConnectionError::ConnectionRefused(code) = error else { return None };
    Some(match code {
        ConnectReturnCode::RefusedProtocolVersion | ConnectReturnCode::UnsupportedProtocolVersion => {
            format!(
                "the broker at {address} does not speak this version of MQTT: leave `protocol` out, or give the other"
            )
        }
        ConnectReturnCode::ServiceUnavailable
        | ConnectReturnCode::ServerUnavailable
        | ConnectReturnCode::ServerBusy
        | ConnectReturnCode::ConnectionRateExceeded => return None,
        code => format!("the broker at {address} refuses the login: {code:?}"),
    })
}

/// Exponential back-off between attempts to connect, up to a bound.
pub struct Backoff {
    /// The next wait.
    pub next: Duration,
}

impl Backoff {
    const FIRST_INTERVAL: Duration = Duration::from_millis(100);
    const LONGEST_INTERVAL: Duration = Duration::from_secs(10);

    /// Returns the wait and doubles the next one, up to the bound.
    pub fn next_wait(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(Self::LONGEST_INTERVAL);
        now
    }

    /// Starts again with the shortest wait.
    pub fn reset(&mut self) {
        self.next = Self::FIRST_INTERVAL;
    }
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { next: Self::FIRST_INTERVAL }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        let url: MqttUrl = "mqtt://localhost/weather/#".parse().unwrap();
        assert_eq!((url.host.as_str(), url.port, url.topic.as_str()), ("localhost", 1883, "weather/#"));
        let url: MqttUrl = "mqtts://broker/a".parse().unwrap();
        assert_eq!((url.port, url.to_string().as_str()), (8883, "mqtts://broker:8883/a"));
        assert_eq!("mqtt://[::1]:99/a".parse::<MqttUrl>().unwrap().to_string(), "mqtt://[::1]:99/a");
        let url: MqttUrl = "mqtt://anna:s%40crt%25@host/a@b".parse().unwrap();
        assert_eq!(url.to_string(), "mqtt://host:1883/a@b");
        assert!(!format!("{url:?}").contains("crt"));
        let Endpoint { user, password, .. } = Endpoint::anonymous(url);
        assert_eq!((user.as_deref(), password.as_ref().map(Password::reveal)), (Some("anna"), Some("s@crt%")));
        let url: MqttUrl = "mqtts://a@b@host:7/t".parse().unwrap();
        let login = Credentials { user: "a@b".into(), password: None };
        assert_eq!((url.login, url.host.as_str()), (Some(login), "host"));
        for wrong in ["mqtt://anna:crt/x@host/t", "mqtt://anna:%zz@host/t", "mqtt://anna:crt@host"] {
            let reason = wrong.parse::<MqttUrl>().unwrap_err();
            assert!(!reason.contains("crt") && !reason.is_empty(), "{reason}");
        }
        for (text, shown) in [
            ("ws://broker/a/b", "ws://broker:80/a/b"),
            ("wss://anna:crt@broker/a", "wss://broker:443/a"),
            ("ws://[::1]:9001/a", "ws://[::1]:9001/a"),
        ] {
            let url: MqttUrl = text.parse().unwrap();
            assert!(url.web && url.tls == text.starts_with("wss") && url.to_string() == shown, "{url}");
        }
        for wrong in ["mqtt://host", "mqtt://:1883/a", "mqtt://host:x/a", "http://host/a"] {
            assert!(wrong.parse::<MqttUrl>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_broker_that_is_busy_refuses_nobody() {
        let said = |code| refusal("host:1883", &v5::ConnectionError::ConnectionRefused(code));
        assert_eq!(said(ConnectReturnCode::ServerBusy), None);
        assert_eq!(said(ConnectReturnCode::ServerUnavailable), None);
        let refused = said(ConnectReturnCode::NotAuthorized).unwrap();
        assert_eq!(refused, "the broker at host:1883 refuses the login: NotAuthorized");
    }

    #[test]
    fn waits_double_up_to_a_bound() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.next_wait().as_millis()).collect();
        assert_eq!((waits[0], waits[1], waits[8]), (100, 200, 10_000));
    }
}
