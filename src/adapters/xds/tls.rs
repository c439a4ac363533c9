//! [`Tls`]: the certificates of a server, which can be replaced while it runs.

use core::fmt;
use std::format;
use std::string::String;
use std::sync::{Arc, PoisonError, RwLock};
use std::vec::Vec;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Why a certificate or a key can't be used.
#[derive(Debug)]
pub struct TlsError(String);

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for TlsError {}

fn wrong(what: &str, error: impl fmt::Display) -> TlsError {
    TlsError(format!("{what}: {error}"))
}

/// The certificates and the key of a [`Server`](super::Server).
///
/// A handle: clones share what [`replace`](Tls::replace) replaces. Each handshake reads it once,
/// behind a read lock that is held for one clone of a pointer.
#[derive(Clone)]
pub struct Tls(Arc<RwLock<Arc<ServerConfig>>>);

impl Tls {
    /// The server's certificate chain and its key, in PEM. Clients are not asked who they are.
    ///
    /// # Errors
    ///
    /// What is wrong with the certificates or the key.
    pub fn new(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Tls::with(chain, key, None)
    }

    /// Both directions: a client has to show a certificate from one of `client_ca`, in PEM, and its
    /// [`Identity`](super::Identity) is known to the view function.
    ///
    /// # Errors
    ///
    /// What is wrong with the certificates or the key.
    pub fn mutual(chain: &[u8], key: &[u8], client_ca: &[u8]) -> Result<Self, TlsError> {
        Tls::with(chain, key, Some(client_ca))
    }

    /// Handshakes that begin from now on use the certificates of `with`. Connections that are
    /// established keep theirs; sessions of the old certificates are not resumed.
    ///
    /// To check a new pair before the old one is given up, make a [`Tls`] of it: a pair that does
    /// not fit is an error there, and nothing is replaced.
    pub fn replace(&self, with: &Tls) {
        let config = with.config();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config())
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn with(chain: &[u8], key: &[u8], client_ca: Option<&[u8]>) -> Result<Self, TlsError> {
        let provider = Arc::new(default_provider());
        let chain = certificates("the certificate chain", chain)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| wrong("the key", error))?;
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("TLS", error))?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                for one in certificates("the clients' CA", pem)? {
                    roots.add(one).map_err(|error| wrong("the clients' CA", error))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|error| wrong("the clients' CA", error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| wrong("certificate and key", error))?;
        config.alpn_protocols = Vec::from([b"h2".to_vec()]);
        Ok(Tls(Arc::new(RwLock::new(Arc::new(config)))))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

fn certificates(what: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err(wrong(what, "there is no certificate in it")),
        Ok(all) => Ok(all),
        Err(error) => Err(wrong(what, error)),
    }
}
