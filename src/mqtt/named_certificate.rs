//! Trust in a server's certificate that is named itself as `ca`: whoever holds its key is the server, whatever names or
//! uses it states. A self-signed one is mostly an authority without the names of a host.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
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

/// Whether a flaw does not matter in a certificate that is named itself: in its names, its uses, or who signed it. Dates
/// are checked before any of them, and the signature of the handshake always.
fn is_outdone_by_name(flaw: &CertificateError) -> bool {
    use CertificateError::{
        BadSignature, InvalidPurpose, InvalidPurposeContext, NotValidForName, NotValidForNameContext, Other,
        UnknownIssuer,
    };
    match flaw {
        NotValidForName | NotValidForNameContext { .. } => true,
        UnknownIssuer | BadSignature | InvalidPurpose | InvalidPurposeContext { .. } => true,
        // An authority that is used as a server.
        Other(_) => true,
        _ => false,
    }
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
        if matches!(&verified, Err(Error::InvalidCertificate(flaw)) if is_outdone_by_name(flaw))
            && self.named.iter().any(|named| named == end_entity)
        {
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

    /// A self-signed certificate of these names, as PEM and as it comes from the server.
    fn self_signed(names: &[&str], is_ca: IsCa) -> (String, CertificateDer<'static>) {
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        params.is_ca = is_ca;
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        (certificate.pem(), certificate.der().clone())
    }

    fn verify(ca: &str, sent: &CertificateDer<'_>, host: &str, now: UnixTime) -> Result<(), Error> {
        let name = ServerName::try_from(host.to_owned()).unwrap();
        verifier(ca.as_bytes()).unwrap().verify_server_cert(sent, &[], &name, &[], now).map(drop)
    }

    #[test]
    fn a_certificate_is_trusted_where_it_is_named_itself_whatever_names_it_has() {
        let now = UnixTime::now();
        for is_ca in [IsCa::Ca(BasicConstraints::Unconstrained), IsCa::NoCa] {
            for names in [&[][..], &["broker.local"], &["127.0.0.1"]] {
                let (pem, sent) = self_signed(names, is_ca);
                for host in ["broker.local", "other.local", "127.0.0.1", "::1"] {
                    assert_eq!(verify(&pem, &sent, host, now), Ok(()), "{names:?} at {host}");
                    let (_, other) = self_signed(&[host], is_ca);
                    assert!(verify(&pem, &other, host, now).is_err(), "another certificate");
                    for date in [0, 1 << 40] {
                        let date = UnixTime::since_unix_epoch(Duration::from_secs(date));
                        assert!(verify(&pem, &sent, host, date).is_err(), "it is not valid at the time");
                    }
                }
                assert!(trusting(pem.as_bytes(), None).is_ok());
            }
        }
    }

    #[test]
    fn a_certificate_that_an_authority_signed_must_be_of_the_host_unless_it_is_named_itself() {
        let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::from_params(&params, &authority_key);
        let server = CertificateParams::new(vec!["broker.local".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let now = UnixTime::now();
        assert_eq!(verify(&authority.pem(), server.der(), "broker.local", now), Ok(()));
        assert!(verify(&authority.pem(), server.der(), "other.local", now).is_err(), "another host");
        assert_eq!(verify(&server.pem(), server.der(), "other.local", now), Ok(()), "it is named itself");
    }
}
