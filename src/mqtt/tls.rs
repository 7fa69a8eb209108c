//! TLS to a broker: trusted authorities and the client's certificate.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use rumqttc::v5::mqttbytes::Error as PacketError;
use rumqttc::v5::{ConnectionError, StateError};
use rumqttc::{TlsConfiguration, TlsError};

use super::named_certificate::trusting;
use crate::disk;

/// The most bytes of a file of certificates or of a key.
const PEM_BYTES_MAX: u64 = 1 << 26;

/// The paths of PEM files as a dataflow file gives them.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// The authority that signed the broker's certificate, or that certificate itself; those of the system if not given.
    pub ca: Option<PathBuf>,
    /// The client's certificate and its key.
    pub certificate: Option<PathBuf>,
    /// The key of the client's certificate.
    pub key: Option<PathBuf>,
}

/// Contents of PEM files.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsMaterial {
    ca: Option<Vec<u8>>,
    /// Certificate and key.
    client: Option<(Vec<u8>, Vec<u8>)>,
}

impl TlsFiles {
    /// Whether any file is given.
    pub fn any(&self) -> bool {
        self.ca.is_some() || self.certificate.is_some() || self.key.is_some()
    }

    /// Reads the files.
    ///
    /// # Errors
    /// A file that can't be read or holds something else, or a certificate without key or authority.
    pub fn read(&self) -> Result<TlsMaterial, String> {
        let ca = self.ca.as_deref().map(|path| pem(path, "CERTIFICATE")).transpose()?;
        let client = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some((pem(certificate, "CERTIFICATE")?, pem(key, "PRIVATE KEY")?)),
            (None, None) => None,
            _ => return Err("`certificate` and `key` go together".into()),
        };
        if client.is_some() && ca.is_none() {
            return Err("a client's `certificate` needs the broker's `ca` too".into());
        }
        Ok(TlsMaterial { ca, client })
    }
}

/// A PEM file.
///
/// # Errors
/// In words: one that can't be read, or that does not hold `what`.
pub(crate) fn pem(path: &Path, what: &str) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let text = disk::read_text_at_most(path, PEM_BYTES_MAX).map_err(|error| format!("{shown}: {error}"))?;
    let begins = |line: &str| line.starts_with("-----BEGIN ") && line.ends_with(&format!("{what}-----"));
    if text.lines().any(|line| begins(line.trim_end())) {
        return Ok(text.into_bytes());
    }
    Err(format!("{shown} holds no {what} in PEM form"))
}

impl TlsMaterial {
    /// The settings of the client's TLS.
    pub fn configuration(&self) -> TlsConfiguration {
        static PROVIDER: std::sync::Once = std::sync::Once::new();
        PROVIDER.call_once(|| {
            // Fails only if a provider is installed already, which serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        match &self.ca {
            Some(ca) => match trusting(ca, self.client.as_ref()) {
                Ok(config) => TlsConfiguration::Rustls(Arc::new(config)),
                // The client says what is wrong with them when it connects.
                Err(_) => TlsConfiguration::Simple { ca: ca.clone(), alpn: None, client_auth: self.client.clone() },
            },
            None => TlsConfiguration::default(),
        }
    }
}

/// Keys are never shown.
impl fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// The message for an error of TLS, over a WebSocket or not, which a retry will not resolve; `None` for any other.
pub fn refusal(address: &str, web: bool, error: &ConnectionError) -> Option<String> {
    let of_tls = error_of_tls(error);
    if !matches!(error, ConnectionError::Tls(_)) && of_tls.is_none() {
        return None;
    }
    let remedy = match without_tls(web, error, of_tls) {
        Some(scheme) => format!("if it speaks without TLS, write {scheme}"),
        None => "check `ca`, `certificate` and `key`".to_owned(),
    };
    Some(format!("no TLS with the broker at {address} ({error}): {remedy}"))
}

/// The error of TLS that is this one or one of its causes: an alert of the broker arrives as a read error.
fn error_of_tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let inner = |error: &'a io::Error| error.get_ref().and_then(|inner| error_of_tls(inner));
    // It does not return its cause as a source.
    let packet = match error.downcast_ref::<StateError>() {
        Some(StateError::Deserialization(PacketError::Io(error))) => inner(error),
        _ => None,
    };
    let own = error.downcast_ref::<rustls::Error>().or(packet);
    own.or_else(|| error.downcast_ref::<io::Error>().and_then(inner)).or_else(|| error.source().and_then(error_of_tls))
}

/// The scheme of a server without TLS, if an attempt with TLS has failed as it does there: the answer is no TLS, or the
/// connection is closed.
fn without_tls(web: bool, error: &ConnectionError, of_tls: Option<&rustls::Error>) -> Option<&'static str> {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let is_closed = match error {
        ConnectionError::Tls(TlsError::Io(error)) => {
            matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
        }
        _ => false,
    };
    let is_other = matches!(of_tls, Some(rustls::Error::InvalidMessage(_)));
    (is_other || of_tls.is_none() && is_closed).then_some(if web { "ws://" } else { "mqtt://" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_tls_is_known_by_its_type() {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
        let read = || io::Error::new(io::ErrorKind::InvalidData, alert.clone());
        for state in [StateError::Io(read()), StateError::Deserialization(PacketError::Io(read()))] {
            let refused = refusal("h:8883", false, &ConnectionError::MqttState(state));
            assert!(refused.unwrap().contains("no TLS with the broker at h:8883"));
        }
        // The text of an error does not decide.
        let words = ConnectionError::Io(io::Error::other("TLS: a certificate, a fatal alert"));
        assert_eq!(refusal("h:8883", false, &words), None);
    }

    #[test]
    fn a_server_without_tls_is_told_from_one_whose_certificate_is_not_trusted() {
        use io::ErrorKind;
        let closed = ConnectionError::Tls(TlsError::Io(ErrorKind::UnexpectedEof.into()));
        assert_eq!(without_tls(false, &closed, None), Some("mqtt://"));
        let other = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        let invalid = ConnectionError::Tls(TlsError::Io(io::Error::new(ErrorKind::InvalidData, other.clone())));
        assert_eq!(without_tls(false, &invalid, Some(&other)), Some("mqtt://"));
        assert_eq!(without_tls(true, &invalid, Some(&other)), Some("ws://"));
        let untrusted = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let refused = ConnectionError::Tls(TlsError::Io(io::Error::new(ErrorKind::InvalidData, untrusted.clone())));
        assert_eq!(without_tls(false, &refused, Some(&untrusted)), None);
    }

    #[test]
    fn files_are_checked_before_anything_connects() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n").unwrap();
        let path = Some(file.path().to_owned());
        let read = |ca: &Option<PathBuf>, certificate: &Option<PathBuf>, key: &Option<PathBuf>| {
            TlsFiles { ca: ca.clone(), certificate: certificate.clone(), key: key.clone() }.read()
        };
        assert!(read(&path, &None, &None).is_ok());
        assert!(read(&path, &path, &None).unwrap_err().contains("go together"));
        assert!(read(&path, &path, &path).unwrap_err().contains("holds no PRIVATE KEY"));
        assert!(read(&Some("/no/such".into()), &None, &None).unwrap_err().contains("/no/such"));
    }
}
