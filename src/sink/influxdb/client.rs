//! Requests over HTTP/1.1, one after the other on a connection that is kept.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    USER_AGENT,
};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsConnector;

use super::address::WriteAddress;
use super::settings::InfluxDb;
use crate::mqtt::named_certificate::client_config;
use crate::mqtt::tls::pem;
use crate::sink::error::with_causes;
use crate::sink::known_secrets::KnownSecrets;
use crate::sink::trusted_authorities::trusting;

/// How long an attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take up to its body.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the body of an answer is read.
const BODY_TIMEOUT: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// How often the end of the wait is looked up.
const LOOK_UP_INTERVAL: Duration = Duration::from_millis(20);
/// The bytes of an answer that are read.
const LONGEST_ANSWER: usize = 64 << 10;

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    pub status: u16,
    pub retry_after: Option<String>,
    pub location: Option<String>,
    pub body: String,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NoAnswer {
    /// The server is out of reach: later it may answer.
    Absent(String),
    /// TLS fails until somebody changes something.
    Tls(String),
    /// The wait is over.
    Over,
}

/// How a server is asked for TLS, and by which name.
type TlsNames = (TlsConnector, ServerName<'static>);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Sends bodies to one address.
pub struct HttpClient {
    address: WriteAddress,
    headers: HeaderMap,
    /// What the server's words must not show.
    pub secrets: KnownSecrets,
    tls: Option<TlsNames>,
    connection: Option<SendRequest<Full<Bytes>>>,
    runtime: Runtime,
}

impl HttpClient {
    /// # Errors
    /// In words: certificates, a login or a token that can't be used.
    pub fn new(address: WriteAddress, settings: &InfluxDb) -> Result<HttpClient, String> {
        let (Headers { headers, secrets }, tls) = prepared(&address, settings)?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        Ok(HttpClient { address, headers, secrets, tls, connection: None, runtime })
    }

    /// Whether there can be one. It makes none: where another runtime runs, such as the page's, none can be dropped.
    ///
    /// # Errors
    /// As [`HttpClient::new`].
    pub fn check(address: &WriteAddress, settings: &InfluxDb) -> Result<(), String> {
        prepared(address, settings).map(drop)
    }

    /// Sends a body; the wait for an answer ends early where it is `over`.
    ///
    /// # Errors
    /// No answer.
    pub fn post(&mut self, body: Bytes, is_compressed: bool, over: impl Fn() -> bool) -> Result<HttpAnswer, NoAnswer> {
        let HttpClient { address, headers, secrets: _, tls, connection, runtime } = self;
        let answered = async {
            loop {
                let kept = connection.take().filter(|connection| !connection.is_closed());
                let is_kept = kept.is_some();
                let mut open = match kept {
                    Some(open) => open,
                    None => timely(CONNECT_TIMEOUT, "no connection", connect(address, tls.as_ref())).await?,
                };
                let request = request(address, headers, body.clone(), is_compressed);
                match timely(ANSWER_TIMEOUT, "no answer", exchange(&mut open, request)).await {
                    Ok(response) => {
                        let (answer, is_whole) = read(response).await;
                        // One with an answer that is not read to its end is of no more use.
                        *connection = is_whole.then_some(open);
                        return Ok(answer);
                    }
                    // The server may have closed it meanwhile: what is sent twice is there once.
                    Err(NoAnswer::Absent(_)) if is_kept => {}
                    Err(error) => return Err(error),
                }
            }
        };
        runtime.block_on(async {
            tokio::select! {
                answer = answered => answer,
                () = until(over) => Err(NoAnswer::Over),
            }
        })
    }
}

/// Ends when the wait is over.
async fn until(over: impl Fn() -> bool) {
    while !over() {
        tokio::time::sleep(LOOK_UP_INTERVAL).await;
    }
}

async fn timely<T>(
    timeout: Duration,
    what: &str,
    act: impl Future<Output = Result<T, NoAnswer>>,
) -> Result<T, NoAnswer> {
    let late = |_| NoAnswer::Absent(format!("{what} within {} s", timeout.as_secs()));
    tokio::time::timeout(timeout, act).await.map_err(late)?
}

async fn connect(address: &WriteAddress, tls: Option<&TlsNames>) -> Result<SendRequest<Full<Bytes>>, NoAnswer> {
    let absent = |error: &dyn std::error::Error| NoAnswer::Absent(with_causes(error));
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = stream.map_err(|error| absent(&error))?;
    stream.set_nodelay(true).map_err(|error| absent(&error))?;
    let stream: Box<dyn Stream> = match tls {
        Some((connector, name)) => {
            let encrypted = connector.connect(name.clone(), stream).await;
            Box::new(encrypted.map_err(|error| match is_of_tls(&error) {
                true => NoAnswer::Tls(format!("no TLS ({error}): check `ca`, `certificate` and `key`")),
                false => absent(&error),
            })?)
        }
        None => Box::new(stream),
    };
    let (open, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| absent(&error))?;
    // Its error is that of the request.
    tokio::spawn(async move { drop(connection.await) });
    Ok(open)
}

async fn exchange(
    open: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, NoAnswer> {
    let failed = |error: hyper::Error| match is_of_tls(&error) {
        // A client's certificate is refused behind the handshake.
        true => NoAnswer::Tls(format!("no TLS ({}): check `ca`, `certificate` and `key`", with_causes(&error))),
        false => NoAnswer::Absent(with_causes(&error)),
    };
    open.ready().await.map_err(failed)?;
    open.send_request(request).await.map_err(failed)
}

/// What a response says, and whether its body is read to its end: what is behind the bound is not, nor what does not come.
/// What the rows become is told by the status.
async fn read(response: Response<Incoming>) -> (HttpAnswer, bool) {
    let (parts, mut body) = response.into_parts();
    let header = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (retry_after, location) = (header(RETRY_AFTER), header(LOCATION));
    let mut bytes = Vec::new();
    let reading = async {
        while bytes.len() <= LONGEST_ANSWER {
            match body.frame().await {
                None => return true,
                Some(Ok(frame)) => bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
                Some(Err(_)) => return false,
            }
        }
        false
    };
    let is_whole = tokio::time::timeout(BODY_TIMEOUT, reading).await.unwrap_or(false);
    bytes.truncate(LONGEST_ANSWER);
    let body = String::from_utf8_lossy(&bytes).into_owned();
    (HttpAnswer { status: parts.status.as_u16(), retry_after, location, body }, is_whole)
}

fn request(address: &WriteAddress, headers: &HeaderMap, body: Bytes, is_compressed: bool) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = hyper::Method::POST;
    *request.uri_mut() = address.target.parse().expect("it was parsed when the address was read");
    request.headers_mut().clone_from(headers);
    if is_compressed {
        request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    request
}

/// What all requests and connections have.
fn prepared(address: &WriteAddress, settings: &InfluxDb) -> Result<(Headers, Option<TlsNames>), String> {
    let tls = address.is_encrypted.then(|| tls(&address.host, settings)).transpose()?;
    Ok((headers(address, settings)?, tls))
}

/// The headers of all requests, and the secrets in them.
struct Headers {
    headers: HeaderMap,
    secrets: KnownSecrets,
}

fn headers(address: &WriteAddress, settings: &InfluxDb) -> Result<Headers, String> {
    let (mut headers, mut secrets) = (HeaderMap::new(), KnownSecrets::default());
    let host = HeaderValue::try_from(&address.authority).map_err(|_| "the host is no name".to_owned())?;
    headers.insert(HOST, host);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("rowmill/", env!("CARGO_PKG_VERSION"))));
    let login = address.login.as_ref();
    let user = settings.user.as_deref().or(login.map(|login| login.user.as_str()));
    let password = settings.password.as_ref().or(login.and_then(|login| login.password.as_ref()));
    let authorization = match (&settings.token, user) {
        (Some(_), Some(_)) => return Err("a `token` stands instead of user and password, not beside them".into()),
        (Some(token), None) => {
            secrets.add(token.reveal());
            Some(format!("Token {}", token.reveal()))
        }
        (None, Some(user)) => {
            let password = password.map(|password| password.reveal()).unwrap_or_default();
            secrets.add_login(user, password);
            let both = format!("{user}:{password}");
            Some(format!("Basic {}", BASE64_STANDARD.encode(both)))
        }
        (None, None) if password.is_some() => return Err("a `password` needs its `user`".into()),
        (None, None) => None,
    };
    if let Some(text) = authorization {
        let value = HeaderValue::try_from(text).map_err(|_| "the token holds a line break or the like".to_owned())?;
        headers.insert(AUTHORIZATION, value);
    }
    Ok(Headers { headers, secrets })
}

fn tls(host: &str, settings: &InfluxDb) -> Result<TlsNames, String> {
    let client = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => Some((pem(certificate, "CERTIFICATE")?, pem(key, "PRIVATE KEY")?)),
        (None, None) => None,
        _ => return Err("`certificate` and `key` go together".into()),
    };
    let config = client_config(trusting(settings.ca.as_deref())?, client.as_ref())?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| format!("{host:?} is no name of a host"))?;
    Ok((Arc::new(config).into(), name))
}

/// Whether an error or one of its causes is of TLS: rustls reports it as invalid data.
fn is_of_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<rustls::Error>() || inner.is_some_and(|inner| is_of_tls(inner)) || error.source().is_some_and(is_of_tls)
}
