//! The client's side of TLS, blocking, over any stream.

use crate::authority::{Authority, Issued};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use std::io::{Read, Write};
use std::sync::Arc;

pub use rustls::version::{TLS12, TLS13};

/// A stream inside TLS. Its end without the server's `close_notify` is an error.
pub type TlsStream<S> = StreamOwned<ClientConnection, S>;

/// How a client speaks TLS.
#[derive(Debug, Clone)]
pub struct TlsSetup {
    config: Arc<ClientConfig>,
}

impl TlsSetup {
    /// For servers with certificates of this authority, with any version of TLS.
    ///
    /// # Panics
    /// Never, as long as authorities are right.
    #[must_use]
    pub fn new(authority: &Authority) -> Self {
        Self::with(authority, None, &[&TLS12, &TLS13])
    }

    /// The same with a certificate of one's own, and with these versions.
    ///
    /// # Panics
    /// Never, as long as authorities are right.
    #[must_use]
    pub fn with(
        authority: &Authority,
        client: Option<&Issued>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some(Issued { certificate, key, .. }) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        Self { config: Arc::new(config) }
    }

    /// TLS over a stream to a server on this computer. The hand-shake is done with the first bytes.
    ///
    /// # Panics
    /// Never.
    pub fn over<S: Read + Write>(&self, stream: S) -> TlsStream<S> {
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(self.config.clone(), name).unwrap(), stream)
    }
}
