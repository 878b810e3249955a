//! Certificates that TLS trusts: those of the system's authorities, and those a person named.

use std::sync::{Arc, OnceLock};

use reqwest::ClientBuilder;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;

/// webpki's error for a server's certificate that may sign others, as `openssl req -x509` makes them. It occurs only for one
/// that is within its validity period.
const IS_AUTHORITY: &str = "CaUsedAsEndEntity";

/// Certificates that are trusted beside the system's.
static NAMED: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();

/// Makes ring the process's TLS provider, because the HTTP client comes without one. Calling it again is
/// harmless.
pub fn install_tls() {
    // An error means that a provider is installed already.
    let _ = ring::default_provider().install_default();
}

/// Trusts the certificates of a PEM file beside the system's, in every client that is built from now on; only the first call
/// counts. One of an authority vouches for all that it signed, one of a server for this server. Gives how many are left out
/// because they can't be read.
///
/// # Errors
/// The text holds no certificate, or none that can be read; in words.
pub fn trust(pem: &[u8]) -> Result<usize, String> {
    let (certificates, unread) = read(pem)?;
    NAMED.get_or_init(|| certificates);
    Ok(unread)
}

fn read(pem: &[u8]) -> Result<(Vec<CertificateDer<'static>>, usize), String> {
    let all: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| format!("it is not a valid PEM file ({error})"))?;
    if all.is_empty() {
        return Err("it holds no certificate in PEM form (`-----BEGIN CERTIFICATE-----`)".to_owned());
    }
    let of = all.len();
    let is_read =
        |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    let usable: Vec<CertificateDer<'static>> = all.into_iter().filter(is_read).collect();
    match usable.len() {
        0 => Err(format!("none of its {of} certificates can be read")),
        some => Ok((usable, of - some)),
    }
}

/// Has a client trust what [`trust`] was told, if anything.
pub(super) fn trusting(builder: ClientBuilder) -> ClientBuilder {
    match NAMED.get().map(|named| tls(named)) {
        None => builder,
        Some(Ok(tls)) => builder.tls_backend_preconfigured(tls),
        Some(Err(error)) => {
            tracing::error!(%error, "the named certificates are not trusted");
            builder
        }
    }
}

fn tls(named: &[CertificateDer<'static>]) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(NamedToo::new(named, &provider)?);
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut tls = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

/// Takes what the system takes, what a named authority signed, and a named certificate itself.
#[derive(Debug)]
struct NamedToo {
    all: Verifier,
    /// The named ones alone, on every platform by the same rules.
    named: Arc<WebPkiServerVerifier>,
    certificates: Vec<CertificateDer<'static>>,
}

impl NamedToo {
    fn new(named: &[CertificateDer<'static>], provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in named {
            roots.add(certificate.clone())?;
        }
        let of_named = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .build()
            .map_err(|error| Error::Other(OtherError(Arc::new(error))))?;
        let all = Verifier::new_with_extra_roots(named.iter().cloned(), Arc::clone(provider))?;
        Ok(Self { all, named: of_named, certificates: named.to_vec() })
    }
}

impl ServerCertVerifier for NamedToo {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let refused = match self.all.verify_server_cert(shown, above, server, ocsp, now) {
            Err(error) if self.certificates.iter().any(|named| named.as_ref() == shown.as_ref()) => error,
            done => return done,
        };
        match self.named.verify_server_cert(shown, above, server, ocsp, now) {
            Err(error) if is_about_the_issuer(&error) => {
                verify_server_name(&ParsedCertificate::try_from(shown)?, server)?;
                Ok(ServerCertVerified::assertion())
            }
            Err(_) => Err(refused),
            taken => taken,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.named.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.named.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.named.supported_verify_schemes()
    }
}

/// `true` if nothing but the issuer is wrong with a certificate so far: its validity period is checked before that, its name
/// is not. A bad signature comes of another issuer of the same name.
fn is_about_the_issuer(error: &Error) -> bool {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => true,
        Error::InvalidCertificate(CertificateError::Other(OtherError(other))) => {
            other.to_string() == IS_AUTHORITY
        }
        _ => false,
    }
}

/// Advice for a refused server's certificate, by rustls's words.
pub(super) fn advice(refusal: &str) -> &'static str {
    if refusal.contains("UnknownIssuer") {
        ": name the file of your own authority with --ca-file"
    } else if refusal.contains(IS_AUTHORITY) {
        ": the server signed its certificate itself; name the file of that certificate with --ca-file"
    } else if refusal.contains("BadSignature") {
        ": its certificate has the name of one in --ca-file and is another; was it renewed? Then name the new file"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests;
