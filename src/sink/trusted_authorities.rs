//! The authorities that a sink trusts to have signed its server's certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;

use crate::mqtt::named_certificate::verifier;
use crate::mqtt::tls::pem;

/// Verifies by the authorities of a PEM file, or those of the system.
///
/// # Errors
/// In words: a file that can't be read or holds no certificate, a system without authorities.
pub fn trusting(ca: Option<&Path>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    if let Some(path) = ca {
        return verifier(&pem(path, "CERTIFICATE")?).map_err(|error| format!("{}: {error}", path.display()));
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("this system trusts no authority: name the server's with `ca`".into());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let verifier = verifier.map_err(|error| error.to_string())?;
    Ok(verifier)
}
