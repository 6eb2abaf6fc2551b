//! A certificate authority for tests.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use std::cell::Cell;
use std::path::Path;

/// Issues certificates (ECDSA on P-256) and takes them back.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    serial: Cell<u64>,
}

/// A certificate and its key, both in PEM.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// The private key, in PKCS#8.
    pub key: String,
    serial: u64,
}

impl Authority {
    /// An authority of this name.
    ///
    /// # Panics
    /// When there is no randomness for its key.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, serial: Cell::new(1) }
    }

    /// Its own certificate in PEM.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a server on this computer.
    #[must_use]
    pub fn server(&self) -> Issued {
        let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
        self.issue(CertificateParams::new(names).unwrap(), "a server", ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a client with this common name.
    #[must_use]
    pub fn client(&self, name: &str) -> Issued {
        self.issue(CertificateParams::default(), name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// A certificate for a client that has expired.
    #[must_use]
    pub fn expired_client(&self, name: &str) -> Issued {
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        self.issue(params, name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(&self, mut params: CertificateParams, name: &str, purpose: ExtendedKeyUsagePurpose) -> Issued {
        let serial = self.serial.get();
        self.serial.set(serial + 1);
        params.serial_number = Some(SerialNumber::from(serial));
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { certificate, key: key.serialize_pem(), serial }
    }

    /// A list in PEM that revokes these certificates.
    ///
    /// # Panics
    /// Never, as long as the dates in it are right.
    #[must_use]
    pub fn revoke(&self, revoked: &[&Issued]) -> String {
        let revoked_certs = revoked.iter().map(|issued| RevokedCertParams {
            serial_number: SerialNumber::from(issued.serial),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2124, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

impl Issued {
    /// Writes the certificate as `NAME.pem` and the key as `NAME.key`.
    ///
    /// # Panics
    /// When the folder is not there.
    pub fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(name).with_extension("pem"), &self.certificate).unwrap();
        std::fs::write(folder.join(name).with_extension("key"), &self.key).unwrap();
    }
}
