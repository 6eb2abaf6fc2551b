//! TLS of a listener: from files, or by certificates of the server's own.

use crate::certificates::{Authority, CertificateError, KeyKind, Machine};
use crate::{ClientCertificate, Listener, Tls, TlsVersion};
use darter_broker::net::FileError;
use darter_broker::net::tls::{Acceptor, ClientCertificates, Files, Version};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The folder of the server's own certificates in the data folder.
pub const TLS_FOLDER: &str = "tls";

/// Why a listener cannot speak TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error("{section}: {source}")]
    File {
        /// The section of the listener.
        section: String,
        /// Which file, and why.
        source: FileError,
    },
    /// The server's own certificate cannot be made.
    #[error("{section} has tls = \"auto\": {source}")]
    Own {
        /// The section of the listener.
        section: String,
        /// Why.
        source: CertificateError,
    },
    /// Everything is in memory.
    #[error(
        "{section} has tls = \"auto\", which keeps its certificates in a data folder, and there is none; write tls = \"files\""
    )]
    Memory {
        /// The section of the listener.
        section: String,
    },
}

impl Listener {
    /// TLS, if the listener speaks it. `folder` is the data folder. With `tls = "auto"` the certificate is made for the names and
    /// addresses that this computer has now.
    pub(crate) fn acceptor(&self, folder: Option<&Path>) -> Result<Option<Acceptor>, TlsError> {
        let (mut files, own_authority) = match (self.tls, &self.certificate, &self.key) {
            (Tls::Auto, ..) => {
                let (files, authority) = self.own_files(folder)?;
                (files, Some(authority))
            }
            (Tls::Files, Some(certificate), Some(key)) => (Files::new(certificate, key), None),
            _ => return Ok(None),
        };
        files.least = match self.tls_min {
            TlsVersion::V1_2 => Version::V12,
            TlsVersion::V1_3 => Version::V13,
        };
        if self.client_certificate != ClientCertificate::Off
            && let Some(authorities) = self.client_ca.clone().or(own_authority)
        {
            files.clients = ClientCertificates::Asked {
                authorities,
                required: self.client_certificate == ClientCertificate::Required,
                revoked: self.crl.iter().cloned().collect(),
            };
        }
        let file = |source| TlsError::File { section: self.section(), source };
        Acceptor::open(files).map(Some).map_err(file)
    }

    /// The server's own certificate, and the authority that it is under.
    fn own_files(&self, folder: Option<&Path>) -> Result<(Files, PathBuf), TlsError> {
        let folder = folder.ok_or_else(|| TlsError::Memory { section: self.section() })?.join(TLS_FOLDER);
        let own = |source| TlsError::Own { section: self.section(), source };
        let authority = Authority::open(&folder, KeyKind::default()).map_err(own)?;
        let machine = Machine::here();
        let made =
            authority.server(&machine.names(), &machine.all_addresses(), KeyKind::default()).map_err(own)?;
        Ok((Files::new(made.certificate, made.key), authority.certificate()))
    }
}
