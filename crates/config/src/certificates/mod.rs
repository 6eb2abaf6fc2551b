//! Certificates of the server's own: a private authority, and certificates for the server and for clients under it.
//!
//! A folder holds `ca.crt`, `ca.key`, `server.crt`, `server.key` and `NAME.crt`, `NAME.key` for each client, all PEM. The
//! chain is short, because boards have little memory: whoever trusts `ca.crt` needs nothing else.

mod machine;

pub use machine::Machine;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use thiserror::Error;
use time::{Duration, OffsetDateTime};

/// How long an authority is valid.
const AUTHORITY_DAYS: i64 = 3_650;
/// How long other certificates are valid: no longer than phones put up with.
const DAYS: i64 = 825;
/// Bits of an RSA key.
const RSA_BITS: usize = 2_048;
/// Certificates are valid from this day on, in seconds since 1970: clocks of boards may be slow.
const SINCE: i64 = 1_735_689_600;
/// No clock is before this day, in seconds since 1970. A computer without a battery begins in 1970.
const NOW_AT_LEAST: i64 = 1_767_225_600;

/// What kind of key a certificate has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on the curve P-256: small and quick.
    #[default]
    Ecdsa,
    /// RSA with 2048 bits, for boards that know nothing else.
    Rsa,
}

/// A private authority that certificates are made under.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    /// It was made just now.
    is_new: bool,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The file of its key, which only its owner can read.
    pub key: PathBuf,
    /// The day on which it ends to be valid, as `2028-09-30`.
    pub until: String,
}

/// Why a certificate cannot be made.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// The disk.
    #[error("cannot read or write {}: {source}", .file.display())]
    Disk {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is there and not what it should be.
    #[error("{} is no {what} that can be used: {why}; put it aside, and a new one is made", .file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// One of a pair of files is missing.
    #[error("{} is missing, and {} is there; put that aside, and both are made anew", .missing.display(), .there.display())]
    Half {
        /// The file that is missing.
        missing: PathBuf,
        /// The file that is there.
        there: PathBuf,
    },
    /// The client's files are there already.
    #[error("{} is there already; --force replaces it", .0.display())]
    Exists(PathBuf),
    /// A client has a name that a file cannot have.
    #[error(
        "{0:?} cannot be the name of a client's files: letters, digits, '.', '_' and '-' are allowed, and it is none of ca and server"
    )]
    Name(String),
    /// A name cannot stand in a certificate, or the keys do not work.
    #[error("the certificate cannot be made: {0}")]
    Making(String),
}

impl From<rcgen::Error> for CertificateError {
    fn from(error: rcgen::Error) -> Self {
        Self::Making(error.to_string())
    }
}

impl Authority {
    /// The authority in a folder, which is made with it if it is not there.
    ///
    /// # Errors
    /// When files cannot be read or written, or are damaged.
    pub fn open(folder: &Path, kind: KeyKind) -> Result<Self, CertificateError> {
        private_folder(folder)?;
        let (certificate, key) = (folder.join("ca.crt"), folder.join("ca.key"));
        match (certificate.exists(), key.exists()) {
            (true, true) => Self::load(folder, &certificate, &key),
            (false, false) => Self::make(folder, &certificate, &key, kind),
            (true, false) => Err(CertificateError::Half { missing: key, there: certificate }),
            (false, true) => Err(CertificateError::Half { missing: certificate, there: key }),
        }
    }

    fn load(folder: &Path, certificate: &Path, key: &Path) -> Result<Self, CertificateError> {
        let pair = read_key(key)?;
        let unusable = |error: rcgen::Error| CertificateError::Unusable {
            file: certificate.into(),
            what: "certificate of an authority",
            why: error.to_string(),
        };
        let issuer = Issuer::from_ca_cert_pem(&read(certificate)?, pair).map_err(unusable)?;
        Ok(Self { folder: folder.into(), issuer, is_new: false })
    }

    fn make(folder: &Path, certificate: &Path, key: &Path, kind: KeyKind) -> Result<Self, CertificateError> {
        let pair = make_key(kind)?;
        let mut params = params(&format!("Darter at {}", Machine::here().name), AUTHORITY_DAYS);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let made = params.self_signed(&pair)?;
        // The key goes first: without it the certificate is worth nothing.
        write(key, &pair.serialize_pem(), Access::Owner)?;
        write(certificate, &made.pem(), Access::Everybody)?;
        Ok(Self { folder: folder.into(), issuer: Issuer::new(params, pair), is_new: true })
    }

    /// Whether it was made just now.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The file of its certificate, which clients have to trust.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// Makes the server's certificate for these names and addresses. It takes the place of an earlier one, whose key it keeps.
    ///
    /// # Errors
    /// When files cannot be read or written, or a name cannot stand in a certificate.
    pub fn server(
        &self,
        names: &[String],
        addresses: &[IpAddr],
        kind: KeyKind,
    ) -> Result<Made, CertificateError> {
        let key = self.folder.join("server.key");
        let is_there = key.exists();
        let pair = if is_there { read_key(&key)? } else { make_key(kind)? };
        let mut params = params(names.first().map_or("localhost", |name| name), DAYS);
        for name in names {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let until = day(params.not_after);
        let made = params.signed_by(&pair, &self.issuer)?;
        if !is_there {
            write(&key, &pair.serialize_pem(), Access::Owner)?;
        }
        let certificate = self.folder.join("server.crt");
        write(&certificate, &made.pem(), Access::Everybody)?;
        Ok(Made { certificate, key, until })
    }

    /// Makes a client's certificate and key; the name becomes the subject's common name.
    ///
    /// # Errors
    /// When files cannot be read or written, they are there and `replace` is not said, or the name cannot be one of a file.
    pub fn client(&self, name: &str, kind: KeyKind, replace: bool) -> Result<Made, CertificateError> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        if name.is_empty()
            || name.starts_with('.')
            || !name.chars().all(plain)
            || ["ca", "server"].contains(&name)
        {
            return Err(CertificateError::Name(name.into()));
        }
        let (certificate, key) =
            (self.folder.join(format!("{name}.crt")), self.folder.join(format!("{name}.key")));
        if let Some(file) = [&certificate, &key].into_iter().find(|file| file.exists() && !replace) {
            return Err(CertificateError::Exists(file.clone()));
        }
        let pair = make_key(kind)?;
        let mut params = params(name, DAYS);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let until = day(params.not_after);
        let made = params.signed_by(&pair, &self.issuer)?;
        write(&key, &pair.serialize_pem(), Access::Owner)?;
        write(&certificate, &made.pem(), Access::Everybody)?;
        Ok(Made { certificate, key, until })
    }
}

fn params(common_name: &str, days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = moment(SINCE);
    params.not_after = OffsetDateTime::now_utc().max(moment(NOW_AT_LEAST)) + Duration::days(days);
    params
}

fn moment(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn day(at: OffsetDateTime) -> String {
    at.date().to_string()
}

fn make_key(kind: KeyKind) -> Result<KeyPair, CertificateError> {
    match kind {
        KeyKind::Ecdsa => Ok(KeyPair::generate()?),
        KeyKind::Rsa => {
            let making = |error: &dyn std::fmt::Display| CertificateError::Making(error.to_string());
            let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, RSA_BITS)
                .map_err(|error| making(&error))?;
            let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| making(&error))?;
            Ok(KeyPair::from_pem(&pem)?)
        }
    }
}

fn read(file: &Path) -> Result<String, CertificateError> {
    fs::read_to_string(file).map_err(|source| CertificateError::Disk { file: file.into(), source })
}

fn read_key(file: &Path) -> Result<KeyPair, CertificateError> {
    KeyPair::from_pem(&read(file)?).map_err(|error| CertificateError::Unusable {
        file: file.into(),
        what: "key",
        why: error.to_string(),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Owner,
    Everybody,
}

/// Writes a file whole or not at all.
fn write(file: &Path, text: &str, access: Access) -> Result<(), CertificateError> {
    let unfinished = file.with_extension("unfinished");
    let _ = fs::remove_file(&unfinished);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if access == Access::Owner { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = access;
    options
        .open(&unfinished)
        .and_then(|mut open| open.write_all(text.as_bytes()).and_then(|()| open.sync_all()))
        .and_then(|()| fs::rename(&unfinished, file))
        .map_err(|source| CertificateError::Disk { file: file.into(), source })
}

fn private_folder(folder: &Path) -> Result<(), CertificateError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder).map_err(|source| CertificateError::Disk { file: folder.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_made_under_one_authority_and_keys_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), KeyKind::Ecdsa).unwrap();
        assert!(authority.is_new());
        let names = ["host".to_owned(), "localhost".to_owned()];
        let server = authority.server(&names, &["127.0.0.1".parse().unwrap()], KeyKind::Ecdsa).unwrap();
        let (first, key) = (read(&server.certificate).unwrap(), read(&server.key).unwrap());
        let again = Authority::open(folder.path(), KeyKind::Ecdsa).unwrap();
        assert!(!again.is_new());
        again.server(&names, &[], KeyKind::Ecdsa).unwrap();
        assert_ne!(read(&server.certificate).unwrap(), first);
        assert_eq!(read(&server.key).unwrap(), key);
        let client = again.client("board-7", KeyKind::Ecdsa, false).unwrap();
        assert!(client.certificate.ends_with("board-7.crt"));
        assert!(matches!(again.client("board-7", KeyKind::Ecdsa, false), Err(CertificateError::Exists(_))));
        again.client("board-7", KeyKind::Ecdsa, true).unwrap();
        for name in ["", "ca", "server", "a/b", "..", "a b"] {
            assert!(
                matches!(again.client(name, KeyKind::Ecdsa, false), Err(CertificateError::Name(_))),
                "{name}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn keys_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("tls");
        Authority::open(&inside, KeyKind::Ecdsa).unwrap();
        let mode = |file: &Path| fs::metadata(file).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&inside), mode(&inside.join("ca.key")), mode(&inside.join("ca.crt"))),
            (0o700, 0o600, 0o644)
        );
    }

    #[test]
    fn damaged_and_missing_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        Authority::open(folder.path(), KeyKind::Ecdsa).unwrap();
        let (certificate, key) = (folder.path().join("ca.crt"), folder.path().join("ca.key"));
        let whole = read(&key).unwrap();
        fs::write(&key, "nonsense").unwrap();
        let error = Authority::open(folder.path(), KeyKind::Ecdsa).unwrap_err().to_string();
        assert!(error.contains("ca.key") && error.contains("put it aside"), "{error}");
        fs::remove_file(&key).unwrap();
        let error = Authority::open(folder.path(), KeyKind::Ecdsa).unwrap_err().to_string();
        assert!(error.contains("ca.key") && error.contains("missing"), "{error}");
        fs::write(&key, whole).unwrap();
        fs::write(&certificate, "nonsense").unwrap();
        let error = Authority::open(folder.path(), KeyKind::Ecdsa).unwrap_err().to_string();
        assert!(error.contains("ca.crt"), "{error}");
    }
}
