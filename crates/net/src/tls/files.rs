//! From PEM files to what rustls needs.

use super::names;
use crate::file_error::FileError;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig, version};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a TLS listener, all of them in PEM, and what it asks of its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The server's certificate, and behind it those that lead to an authority.
    pub certificate: PathBuf,
    /// The certificate's private key: PKCS#8, PKCS#1 or SEC 1, without a passphrase.
    pub key: PathBuf,
    /// Whether clients show certificates.
    pub clients: ClientCertificates,
    /// The oldest version that is spoken.
    pub least: Version,
}

/// What a listener does about certificates of clients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ClientCertificates {
    /// They are not asked for.
    #[default]
    Ignored,
    /// They are asked for. Those that are shown must come from an authority in the file, and must not be revoked.
    Asked {
        /// Certificates of the authorities.
        authorities: PathBuf,
        /// A client without a certificate is refused.
        required: bool,
        /// Certificate revocation lists; none for no revocation. When there is any, there must be one of each authority that
        /// issues certificates of clients. A list whose next update is overdue goes on to count.
        revoked: Vec<PathBuf>,
    },
}

/// Versions of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Version {
    /// TLS 1.2 (RFC 5246).
    #[default]
    V12,
    /// TLS 1.3 (RFC 8446).
    V13,
}

impl Files {
    /// Certificate and key, for clients that show no certificates.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            certificate: certificate.into(),
            key: key.into(),
            clients: ClientCertificates::default(),
            least: Version::default(),
        }
    }

    /// All of them.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let (authorities, revoked) = match &self.clients {
            ClientCertificates::Ignored => (None, &[][..]),
            ClientCertificates::Asked { authorities, revoked, .. } => (Some(authorities), &revoked[..]),
        };
        let own = [&self.certificate, &self.key];
        own.into_iter().chain(authorities).chain(revoked).map(PathBuf::as_path)
    }

    pub(super) fn load(&self) -> Result<Arc<ServerConfig>, FileError> {
        let provider = Arc::new(ring::default_provider());
        let versions: &[_] = match self.least {
            Version::V12 => &[&version::TLS12, &version::TLS13],
            Version::V13 => &[&version::TLS13],
        };
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(|error| FileError::new(&self.certificate, error.to_string()))?;
        let builder = match &self.clients {
            ClientCertificates::Ignored => builder.with_no_client_auth(),
            ClientCertificates::Asked { authorities, required, revoked } => {
                builder.with_client_cert_verifier(verifier(&provider, authorities, *required, revoked)?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(self.certified_key(&provider)?));
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        // A client whose certificate is revoked must not come back by what it got before.
        if self.clients == ClientCertificates::Ignored {
            config.ticketer = ring::Ticketer::new()
                .map_err(|error| FileError::new(&self.certificate, error.to_string()))?;
            config.send_tls13_tickets = 1;
        }
        Ok(Arc::new(config))
    }

    fn certified_key(&self, provider: &CryptoProvider) -> Result<SingleKey, FileError> {
        let chain = certificates(&self.certificate)?;
        let key = private_key(&self.key)?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|_| FileError::new(&self.key, "this kind of private key is not supported"))?;
        // Not rustls's own check: it takes no certificate of X.509 version 1, which openssl makes unless it is told otherwise.
        let Some(public) = names::public_key(&chain[0]) else {
            return Err(FileError::new(&self.certificate, "the first certificate is damaged"));
        };
        if key.public_key().is_some_and(|own| own.as_ref() != public) {
            let what = format!("it is not the key of the certificate in {}", self.certificate.display());
            return Err(FileError::new(&self.key, what));
        }
        let certified = CertifiedKey::new(chain, key);
        Ok(SingleKey(Arc::new(certified)))
    }
}

/// Whatever name a client asks for, it gets the one certificate that there is.
#[derive(Debug)]
struct SingleKey(Arc<CertifiedKey>);

impl rustls::server::ResolvesServerCert for SingleKey {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

fn verifier(
    provider: &Arc<CryptoProvider>,
    authorities: &Path,
    required: bool,
    revoked: &[PathBuf],
) -> Result<Arc<dyn ClientCertVerifier>, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(authorities)? {
        roots
            .add(certificate)
            .map_err(|_| FileError::new(authorities, "one of the certificates is damaged"))?;
    }
    let roots = Arc::new(roots);
    let empty = || WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone());
    let mut builder = empty();
    for file in revoked {
        let lists: Vec<CertificateRevocationListDer<'static>> = items(file, "certificate revocation list")?;
        empty().with_crls(lists.clone()).build().map_err(|error| FileError::new(file, error.to_string()))?;
        builder = builder.with_crls(lists);
    }
    // As mosquitto does: the lists are about certificates of clients.
    builder = builder.only_check_end_entity_revocation();
    if !required {
        builder = builder.allow_unauthenticated();
    }
    builder.build().map_err(|error| FileError::new(authorities, error.to_string()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    items(file, "certificate")
}

/// Everything of a kind in a PEM file; `what` is what one is called.
fn items<T: PemObject>(file: &Path, what: &str) -> Result<Vec<T>, FileError> {
    let text = read(file)?;
    let items: Result<Vec<_>, _> = T::pem_slice_iter(&text).collect();
    let items = items.map_err(|error| damaged(file, &error))?;
    if items.is_empty() {
        return Err(FileError::new(file, format!("there is no {what} in PEM in it")));
    }
    Ok(items)
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    let text = read(file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if is_locked(&text) => {
            let what =
                "the private key is locked with a passphrase; \"openssl pkey -in FILE -out NEW\" unlocks it";
            FileError::new(file, what)
        }
        pem::Error::NoItemsFound => FileError::new(file, "there is no private key in PEM in it"),
        error => damaged(file, &error),
    })
}

fn is_locked(text: &[u8]) -> bool {
    let has = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    has(b"ENCRYPTED PRIVATE KEY") || has(b"Proc-Type: 4,ENCRYPTED")
}

fn damaged(file: &Path, error: &pem::Error) -> FileError {
    // Not the error's own words: they have parts of what stands in the file.
    let what = match error {
        pem::Error::MissingSectionEnd { .. } => "the end of a section in PEM is missing",
        pem::Error::IllegalSectionStart { .. } => "the start of a section in PEM is not right",
        pem::Error::Base64Decode(_) => "a section in PEM is not in Base64",
        _ => "it is no right PEM",
    };
    FileError::new(file, what)
}

fn read(file: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(file).map_err(|error| FileError::new(file, error.to_string()))
}
