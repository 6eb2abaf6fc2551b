//! Keys that sign tokens (RFC 7517, 7518 and 8037).

use super::super::encoding::BASE64_URL;
use super::der;
use base64::Engine;
use ring::{hmac, signature};
use serde::Deserialize;
use std::str::FromStr;

/// Bytes of the shortest secret (section 3.2 of RFC 7518).
pub(super) const SHORTEST_SECRET: usize = 32;
/// Bytes of an RSA key's modulus.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// How a token is signed. Each goes with one kind of key and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC with SHA-256, with a secret that both sides know.
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, with an RSA key of 2,048 to 8,192 bits.
    Rs256,
    /// ECDSA with SHA-256, with a P-256 key.
    Es256,
    /// EdDSA, with an Ed25519 key.
    EdDsa,
}

impl Algorithm {
    const ALL: [Self; 4] = [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa];

    /// Its name in tokens.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or(UnknownAlgorithm)
    }
}

/// It is none of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the algorithms are HS256, RS256, ES256 and EdDSA")]
pub struct UnknownAlgorithm;

/// A key, which fixes the algorithm.
pub(super) struct Key {
    /// Its name, for tokens that name it.
    pub(super) id: Option<String>,
    material: Material,
}

enum Material {
    Secret(hmac::Key),
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256([u8; 65]),
    Ed25519([u8; 32]),
}

impl Key {
    pub(super) fn secret(secret: &[u8]) -> Option<Self> {
        let secret = (secret.len() >= SHORTEST_SECRET).then(|| hmac::Key::new(hmac::HMAC_SHA256, secret))?;
        Some(Self { id: None, material: Material::Secret(secret) })
    }

    /// From what a PEM file holds under `PUBLIC KEY`.
    pub(super) fn from_public_key(der: &[u8]) -> Option<Self> {
        Some(Self::of(match der::public_key(der)? {
            der::PublicKey::Rsa(key) => Material::rsa(key)?,
            der::PublicKey::P256(point) => Material::P256(point.try_into().ok()?),
            der::PublicKey::Ed25519(point) => Material::Ed25519(point.try_into().ok()?),
        }))
    }

    /// From what a PEM file holds under `RSA PUBLIC KEY`.
    pub(super) fn from_rsa_key(der: &[u8]) -> Option<Self> {
        Material::rsa(der).map(Self::of)
    }

    fn of(material: Material) -> Self {
        Self { id: None, material }
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        match &self.material {
            Material::Secret(_) => Algorithm::Hs256,
            Material::Rsa { .. } => Algorithm::Rs256,
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Whether it has signed this.
    pub(super) fn has_signed(&self, message: &[u8], signed: &[u8]) -> bool {
        let verified = match &self.material {
            Material::Secret(secret) => hmac::verify(secret, message, signed),
            Material::Rsa { n, e } => {
                let key = signature::RsaPublicKeyComponents { n, e };
                key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signed)
            }
            Material::P256(point) => {
                signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, signed)
            }
            Material::Ed25519(point) => {
                signature::UnparsedPublicKey::new(&signature::ED25519, point).verify(message, signed)
            }
        };
        verified.is_ok()
    }
}

impl Material {
    fn rsa(der: &[u8]) -> Option<Self> {
        let (n, e) = der::rsa_key(der)?;
        Self::rsa_of(n, e)
    }

    /// Numbers without zeros before them.
    fn rsa_of(n: &[u8], e: &[u8]) -> Option<Self> {
        let whole = MODULUS.contains(&n.len()) && !e.is_empty() && n[0] != 0 && e[0] != 0;
        whole.then(|| Self::Rsa { n: n.to_vec(), e: e.to_vec() })
    }
}

/// A key in a set (section 4 of RFC 7517).
#[derive(Deserialize)]
pub(super) struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    k: Option<String>,
}

impl Jwk {
    /// The key; none if it is for something else, or damaged.
    pub(super) fn key(&self) -> Option<Key> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let mut key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("oct", _) => Key::secret(&decoded(self.k.as_deref())?)?,
            ("RSA", _) => {
                Key::of(Material::rsa_of(&decoded(self.n.as_deref())?, &decoded(self.e.as_deref())?)?)
            }
            ("EC", Some("P-256")) => {
                let (x, y) = (decoded(self.x.as_deref())?, decoded(self.y.as_deref())?);
                // The form without compression (section 2.3.3 of SEC 1).
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                Key::of(Material::P256(point.try_into().ok().filter(|_| x.len() == 32)?))
            }
            ("OKP", Some("Ed25519")) => {
                Key::of(Material::Ed25519(decoded(self.x.as_deref())?.try_into().ok()?))
            }
            _ => return None,
        };
        key.id.clone_from(&self.kid);
        let fits = |alg: &str| alg == key.algorithm().name();
        self.alg.as_deref().is_none_or(fits).then_some(key)
    }
}

fn decoded(text: Option<&str>) -> Option<Vec<u8>> {
    BASE64_URL.decode(text?).ok()
}
