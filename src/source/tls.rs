//! Encrypts the connection, with MySQL's four degrees of trust in the server's certificate.
//!
//! `preferred` and `required` take any certificate: they keep listeners out, not impostors. `verify-ca` checks that
//! the certificate is signed by (or is itself) one of the CA file's; `verify-identity` checks the host name too, by
//! the certificate's subject alternative names. Manual: "Using Encrypted Connections".

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::config::{SourceConfig, SslMode, TlsConfig};
use super::error::Failure;
use super::packet::Duplex;

/// Negotiates TLS over an open stream.
pub(super) async fn upgrade(io: Box<dyn Duplex>, config: &SourceConfig) -> Result<Box<dyn Duplex>, Failure> {
    let connector = TlsConnector::from(Arc::new(client_config(&config.tls)?));
    let name = match ServerName::try_from(config.host.clone()) {
        Ok(name) => name,
        Err(_) if config.tls.mode == SslMode::VerifyIdentity => {
            return Err(Failure::TlsOptions("ssl-mode verify-identity needs a host name that certificates can carry"));
        }
        Err(_) => ServerName::try_from("localhost").map_err(|_| Failure::TlsOptions("no server name"))?,
    };
    match connector.connect(name, io).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(handshake_failure(error)),
    }
}

/// A refusal by the TLS library is final; a broken connection is not.
fn handshake_failure(error: std::io::Error) -> Failure {
    let Some(reason) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
        return Failure::Io(error);
    };
    let hint = match reason {
        rustls::Error::InvalidCertificate(reason) => certificate_hint(reason),
        rustls::Error::AlertReceived(_) => {
            Some("the server refuses: a client certificate it does not accept, or no common TLS version")
        }
        _ => None,
    };
    Failure::Tls { what: reason.to_string(), hint }
}

/// In TLS 1.3 the server's refusal of our certificate comes only after the negotiation, as the answer to our login.
pub(super) fn login_failure(failure: Failure) -> Failure {
    match failure {
        Failure::Io(error) => handshake_failure(error),
        other => other,
    }
}

fn certificate_hint(reason: &CertificateError) -> Option<&'static str> {
    match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            Some("the server's certificate is not signed by the one in --ssl-ca")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Some(
            "the certificate names other hosts, or none as a subject alternative name (MySQL's automatic certificates have none): use --ssl-mode verify-ca, or a certificate with the host's name",
        ),
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => Some("check the certificate's dates and both clocks"),
        CertificateError::BadEncoding | CertificateError::Other(_) => {
            Some("the certificate is of X.509 version 1 or otherwise out of use: make a version 3 certificate")
        }
        _ => None,
    }
}

/// The TLS library's configuration for the wanted degree of trust.
fn client_config(tls: &TlsConfig) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(ring::default_provider());
    let trust = match tls.mode {
        SslMode::Disabled | SslMode::Preferred | SslMode::Required => None,
        SslMode::VerifyCa | SslMode::VerifyIdentity => Some(Trust::load(tls)?),
    };
    let verifier = Verifier { provider: Arc::clone(&provider), trust };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Tls { what: error.to_string(), hint: None })?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match (&tls.cert, &tls.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert), Some(key)) => {
            let identity = identity(cert, key, &provider)?;
            Ok(builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))))
        }
        _ => Err(Failure::TlsOptions("--ssl-cert and --ssl-key go together")),
    }
}

/// Our own certificate and key. The server judges it: one of X.509 version 1 is good here.
fn identity(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, Failure> {
    let private = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| bad_file(key, error))?;
    let signing = provider.key_provider.load_private_key(private).map_err(|error| bad_file(key, error))?;
    let identity = CertifiedKey::new(certificates(cert)?, signing);
    match identity.keys_match() {
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(bad_file(key, format!("it does not belong to {}", cert.display())))
        }
        _ => Ok(identity),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::TlsFile { path: path.to_owned(), what: error.to_string() })
}

fn bad_file(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::TlsFile { path: path.to_owned(), what: error.to_string() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(bad_file(path, "no certificate in it")),
        Ok(found) => Ok(found),
        Err(error) => Err(bad_file(path, error)),
    }
}

/// Whom to believe.
#[derive(Debug)]
struct Trust {
    roots: RootCertStore,
    /// The CA file's certificates: a server that shows one of them itself is known by it.
    pinned: Vec<CertificateDer<'static>>,
    check_name: bool,
}

impl Trust {
    fn load(tls: &TlsConfig) -> Result<Self, Failure> {
        let Some(path) = &tls.ca else {
            return Err(Failure::TlsOptions("ssl-mode verify-ca and verify-identity need --ssl-ca"));
        };
        let pinned = certificates(path)?;
        let mut roots = RootCertStore::empty();
        let (_, ignored) = roots.add_parsable_certificates(pinned.iter().cloned());
        if roots.is_empty() {
            return Err(bad_file(path, format!("{ignored} certificates, none that can be used")));
        }
        Ok(Self { roots, pinned, check_name: tls.mode == SslMode::VerifyIdentity })
    }

    fn check(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
        provider: &CryptoProvider,
    ) -> Result<(), rustls::Error> {
        let parsed = ParsedCertificate::try_from(certificate)?;
        if !self.pinned.iter().any(|pinned| pinned == certificate) {
            let algorithms = provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&parsed, &self.roots, chain, now, algorithms)?;
        }
        if self.check_name { verify_server_name(&parsed, name) } else { Ok(()) }
    }
}

/// Checks the server's certificate as far as the mode asks; without `trust`, not at all.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    trust: Option<Trust>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(trust) = &self.trust {
            trust.check(certificate, chain, name, now, &self.provider)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.trust {
            Some(_) => {
                verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
            }
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match self.trust {
            Some(_) => {
                verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
            }
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn verifying_modes_need_a_ca_and_certificate_and_key_go_together() {
        let with = |mode, ca, cert| TlsConfig { mode, ca, cert, key: None };
        for mode in [SslMode::VerifyCa, SslMode::VerifyIdentity] {
            assert!(matches!(client_config(&with(mode, None, None)), Err(Failure::TlsOptions(_))));
            let missing = with(mode, Some("/nonexistent/ca.pem".into()), None);
            assert!(matches!(client_config(&missing), Err(Failure::TlsFile { .. })));
        }
        let half = with(SslMode::Required, None, Some("/nonexistent/cert.pem".into()));
        assert!(matches!(client_config(&half), Err(Failure::TlsOptions(_))));
        assert!(client_config(&with(SslMode::Preferred, None, None)).is_ok());
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hello").unwrap();
        let tls = TlsConfig { mode: SslMode::VerifyCa, ca: Some(file.path().to_owned()), cert: None, key: None };
        let text = client_config(&tls).unwrap_err().to_string();
        assert!(text.contains(&file.path().display().to_string()), "{text}");
    }

    #[test]
    fn a_lost_connection_during_negotiation_is_retried_and_a_bad_certificate_is_not() {
        use crate::disposition::Disposition;
        let lost = handshake_failure(std::io::Error::from(std::io::ErrorKind::UnexpectedEof));
        assert_eq!(lost.disposition(), Disposition::Retry);
        let reason = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::DecryptError);
        let late = login_failure(Failure::Io(std::io::Error::new(std::io::ErrorKind::InvalidData, alert)));
        assert_eq!(late.disposition(), Disposition::Stop);
        let refused = handshake_failure(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
        assert_eq!(refused.disposition(), Disposition::Stop);
        assert!(refused.hint().unwrap().contains("--ssl-ca"));
    }
}
