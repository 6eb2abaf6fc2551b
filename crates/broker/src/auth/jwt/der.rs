//! Public keys in DER: as much of it as three kinds of keys need (RFC 5280, 5480, 8017 and 8410).

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const NULL: u8 = 0x05;
const OBJECT_ID: u8 = 0x06;

/// 1.2.840.113549.1.1.1
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// 1.2.840.10045.3.1.7
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// 1.3.101.112
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// What is in a `SubjectPublicKeyInfo`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PublicKey<'a> {
    /// An `RSAPublicKey`, in DER again.
    Rsa(&'a [u8]),
    /// A point.
    P256(&'a [u8]),
    /// A point.
    Ed25519(&'a [u8]),
}

/// Reads a `SubjectPublicKeyInfo`; none if it is damaged or of another kind.
pub(super) fn public_key(der: &[u8]) -> Option<PublicKey<'_>> {
    let mut whole = der;
    let mut info = whole_of(&mut whole, SEQUENCE)?;
    let mut algorithm = take(&mut info, SEQUENCE)?;
    // The first byte counts bits that are not used.
    let key = whole_of(&mut info, BIT_STRING)?.strip_prefix(&[0])?;
    let id = take(&mut algorithm, OBJECT_ID)?;
    if id == RSA_ENCRYPTION {
        return whole_of(&mut algorithm, NULL).map(|_| PublicKey::Rsa(key));
    }
    if id == EC_PUBLIC_KEY {
        return (whole_of(&mut algorithm, OBJECT_ID)? == PRIME256V1).then_some(PublicKey::P256(key));
    }
    (id == ED25519 && algorithm.is_empty()).then_some(PublicKey::Ed25519(key))
}

/// Reads an `RSAPublicKey`: modulus and exponent, without zeros before them.
pub(super) fn rsa_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut whole = der;
    let mut key = whole_of(&mut whole, SEQUENCE)?;
    let (n, e) = (take(&mut key, INTEGER)?, whole_of(&mut key, INTEGER)?);
    Some((positive(n)?, positive(e)?))
}

/// A zero stands before a positive number whose first bit is set.
fn positive(number: &[u8]) -> Option<&[u8]> {
    match number {
        [0, rest @ ..] if rest.first().is_some_and(|first| first & 0x80 != 0) => Some(rest),
        [first, ..] if first & 0x80 == 0 && *first != 0 => Some(number),
        _ => None,
    }
}

/// The content of the only element.
fn whole_of<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let content = take(input, tag)?;
    input.is_empty().then_some(content)
}

/// The content of the next element, if it has this tag.
fn take<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let rest = input.strip_prefix(&[tag])?;
    let (&first, mut rest) = rest.split_first()?;
    let length = match first {
        0..=0x7f => usize::from(first),
        0x81 | 0x82 => {
            let (digits, behind) = rest.split_at_checked(usize::from(first & 0x7f))?;
            rest = behind;
            digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some(content)
}
