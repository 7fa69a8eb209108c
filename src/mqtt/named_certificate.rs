//! Trust in a server's certificate that is named itself as `ca`: a self-signed one is mostly an authority, too, and as
//! such no certificate of a server for the verifier of rustls.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// The settings of a client that trusts the authorities in `ca`, and servers whose certificate is in there; `client` is
/// its own certificate and key. All are PEM.
///
/// # Errors
/// In words: certificates or a key that can't be used.
pub fn trusting(ca: &[u8], client: Option<&(Vec<u8>, Vec<u8>)>) -> Result<ClientConfig, String> {
    client_config(verifier(ca)?, client)
}

/// The settings of a client that verifies servers so; `client` is its own certificate and key, both PEM.
///
/// # Errors
/// In words: a certificate or a key that can't be used.
pub fn client_config(
    verifier: Arc<dyn ServerCertVerifier>,
    client: Option<&(Vec<u8>, Vec<u8>)>,
) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?.dangerous();
    let config = config.with_custom_certificate_verifier(verifier);
    match client {
        None => Ok(config.with_no_client_auth()),
        Some((certificate, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| error.to_string())?;
            config.with_client_auth_cert(certificates(certificate)?, key).map_err(|error| error.to_string())
        }
    }
}

/// Trusts the authorities in `ca`, which is PEM, and servers whose certificate is in there.
///
/// # Errors
/// In words: certificates that can't be used.
pub fn verifier(ca: &[u8]) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let named = certificates(ca)?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(named.iter().cloned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| error.to_string())?;
    Ok(Arc::new(NamedCertificate { named, verifier }))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    all.map_err(|error| error.to_string())
}

#[derive(Debug)]
struct NamedCertificate {
    named: Vec<CertificateDer<'static>>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for NamedCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        // An authority is refused as a server after its dates were checked, and before its names are.
        let is_authority = matches!(&verified, Err(Error::InvalidCertificate(CertificateError::Other(_))));
        if is_authority && self.named.iter().any(|named| named == end_entity) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;

    /// A self-signed certificate for a host, as PEM and as it comes from the server.
    fn self_signed(host: &str, is_ca: IsCa) -> (String, CertificateDer<'static>) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.is_ca = is_ca;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        (certificate.pem(), certificate.der().clone())
    }

    fn verify(ca: &str, sent: &CertificateDer<'_>, host: &str, now: UnixTime) -> Result<(), Error> {
        let name = ServerName::try_from(host.to_owned()).unwrap();
        verifier(ca.as_bytes()).unwrap().verify_server_cert(sent, &[], &name, &[], now).map(drop)
    }

    #[test]
    fn a_self_signed_certificate_is_trusted_where_it_is_named_itself() {
        let now = UnixTime::now();
        for is_ca in [IsCa::Ca(BasicConstraints::Unconstrained), IsCa::NoCa] {
            let (pem, sent) = self_signed("broker.local", is_ca);
            assert_eq!(verify(&pem, &sent, "broker.local", now), Ok(()));
            assert!(verify(&pem, &sent, "other.local", now).is_err(), "another host");
            let (_, other) = self_signed("broker.local", is_ca);
            assert!(verify(&pem, &other, "broker.local", now).is_err(), "another certificate");
            let later = UnixTime::since_unix_epoch(Duration::from_secs(1 << 40));
            assert!(verify(&pem, &sent, "broker.local", later).is_err(), "it has expired");
            assert!(trusting(pem.as_bytes(), None).is_ok());
        }
    }
}
