//! A server of tests, which answers as it is told.

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use rcgen::{CertificateParams, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it came, its body decompressed.
#[derive(Clone, Debug)]
pub struct PlayedRequest {
    pub head: String,
    pub body: String,
}

/// A server on a port of its own, which serves one connection at a time.
pub struct PlayedServer {
    pub port: u16,
    requests: Arc<Mutex<Vec<PlayedRequest>>>,
}

trait Connection: Read + Write {}

impl<T: Read + Write> Connection for T {}

impl PlayedServer {
    /// Answers each request with a whole response, or by closing the connection if that is empty.
    pub fn start(answer: impl FnMut(&PlayedRequest) -> String + Send + 'static) -> PlayedServer {
        PlayedServer::serve(None, answer)
    }

    /// The same over TLS; its certificate for `localhost`, too.
    pub fn encrypted(answer: impl FnMut(&PlayedRequest) -> String + Send + 'static) -> (PlayedServer, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], private).unwrap();
        (PlayedServer::serve(Some(Arc::new(config)), answer), certificate.pem())
    }

    fn serve(
        tls: Option<Arc<ServerConfig>>,
        mut answer: impl FnMut(&PlayedRequest) -> String + Send + 'static,
    ) -> PlayedServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, requests) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
        let noted = requests.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let mut connection: Box<dyn Connection> = match &tls {
                    Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream)),
                    None => Box::new(stream),
                };
                while let Ok(Some(request)) = read(&mut connection) {
                    noted.lock().unwrap().push(request.clone());
                    let answer = answer(&request);
                    if answer.is_empty() || connection.write_all(answer.as_bytes()).is_err() {
                        break;
                    }
                    let _ = connection.flush();
                }
            }
        });
        PlayedServer { port, requests }
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<PlayedRequest> {
        self.requests.lock().unwrap().clone()
    }
}

/// The next request of a connection; none at its end.
fn read(connection: &mut impl Read) -> io::Result<Option<PlayedRequest>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 1 << 14]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end + 2].to_vec()).unwrap();
            let lower = head.to_lowercase();
            let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |length| length.parse().unwrap());
            if let Some(body) = bytes.get(end + 4..end + 4 + length) {
                let mut text = String::new();
                if lower.contains("content-encoding: gzip") {
                    flate2::read::GzDecoder::new(body).read_to_string(&mut text)?;
                } else {
                    text.push_str(std::str::from_utf8(body).unwrap());
                }
                return Ok(Some(PlayedRequest { head, body: text }));
            }
        }
        match connection.read(&mut piece)? {
            0 => return Ok(None),
            count => bytes.extend_from_slice(&piece[..count]),
        }
    }
}
