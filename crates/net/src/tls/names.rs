//! The names and the key in a certificate (RFC 5280), read out of its DER. Only clients' certificates come here that rustls has
//! checked, and the server's own.

use crate::peer::CertificateNames;

/// Tags of DER (X.690).
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const UTF8_STRING: u8 = 0x0C;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const UNIVERSAL_STRING: u8 = 0x1C;
const BMP_STRING: u8 = 0x1E;
/// The certificate's version and its extensions, in front of and behind the fields that are always there.
const VERSION: u8 = 0xA0;
const EXTENSIONS: u8 = 0xA3;
/// Kinds of alternative names.
const MAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;

/// 2.5.4.3 and 2.5.29.17.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1D, 0x11];

/// The names in a certificate; what cannot be read is left out.
pub(super) fn names(certificate: &[u8]) -> CertificateNames {
    read(certificate).unwrap_or_default()
}

/// The public key in a certificate of any version, with its algorithm: a SubjectPublicKeyInfo, as it stands there.
pub(super) fn public_key(certificate: &[u8]) -> Option<&[u8]> {
    let mut fields = fields(certificate)?;
    fields.enter(SEQUENCE)?;
    let from = fields.0;
    fields.enter(SEQUENCE)?;
    Some(&from[..from.len() - fields.0.len()])
}

/// The fields of a certificate from its subject on.
fn fields(certificate: &[u8]) -> Option<Reader<'_>> {
    let mut certificate = Reader(certificate).enter(SEQUENCE)?;
    let mut fields = certificate.enter(SEQUENCE)?;
    let _ = fields.enter(VERSION);
    // Serial number, algorithm of the signature, issuer, validity.
    for _ in 0..4 {
        fields.next()?;
    }
    Some(fields)
}

fn read(certificate: &[u8]) -> Option<CertificateNames> {
    let mut fields = fields(certificate)?;
    let mut names =
        CertificateNames { common_name: common_name(fields.enter(SEQUENCE)?), ..CertificateNames::default() };
    while let Some((tag, content)) = fields.next() {
        if tag == EXTENSIONS {
            names.alternative_names = alternative_names(Reader(content)).unwrap_or_default();
        }
    }
    Some(names)
}

/// The last common name counts: it is the most special one.
fn common_name(mut subject: Reader<'_>) -> Option<String> {
    let mut found = None;
    while let Some(mut parts) = subject.enter(SET) {
        while let Some(mut part) = parts.enter(SEQUENCE) {
            let (_, kind) = part.next().filter(|(tag, _)| *tag == OBJECT_IDENTIFIER)?;
            let (tag, value) = part.next()?;
            if kind == COMMON_NAME {
                found = text(tag, value);
            }
        }
    }
    found
}

fn alternative_names(mut extensions: Reader<'_>) -> Option<Vec<String>> {
    let mut extensions = extensions.enter(SEQUENCE)?;
    while let Some(mut extension) = extensions.enter(SEQUENCE) {
        let (_, kind) = extension.next()?;
        if kind != ALTERNATIVE_NAMES {
            continue;
        }
        let (mut tag, mut value) = extension.next()?;
        if tag == BOOLEAN {
            (tag, value) = extension.next()?;
        }
        if tag != OCTET_STRING {
            return None;
        }
        let mut names = Reader(value).enter(SEQUENCE)?;
        let mut found = Vec::new();
        while let Some((kind, name)) = names.next() {
            if matches!(kind, MAIL | DNS | URI) {
                found.extend(text(IA5_STRING, name));
            }
        }
        return Some(found);
    }
    None
}

/// The text of a string type. Text with control characters is none: two names must not look alike.
fn text(tag: u8, value: &[u8]) -> Option<String> {
    let text = match tag {
        UTF8_STRING => String::from_utf8(value.to_vec()).ok()?,
        PRINTABLE_STRING | IA5_STRING if value.is_ascii() => String::from_utf8(value.to_vec()).ok()?,
        TELETEX_STRING => value.iter().copied().map(char::from).collect(),
        BMP_STRING => {
            let units = value.chunks(2).map(|unit| unit.try_into().ok().map(u16::from_be_bytes));
            String::from_utf16(&units.collect::<Option<Vec<_>>>()?).ok()?
        }
        UNIVERSAL_STRING => {
            let units = value.chunks(4).map(|unit| unit.try_into().ok().map(u32::from_be_bytes));
            units.map(|unit| unit.and_then(char::from_u32)).collect::<Option<_>>()?
        }
        _ => return None,
    };
    let is_fit = !text.is_empty() && !text.contains(char::is_control);
    is_fit.then_some(text)
}

/// What is left of some DER.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The next value: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let [tag, first, rest @ ..] = self.0 else { return None };
        let (length, rest) = match usize::from(*first) {
            short @ 0..0x80 => (short, rest),
            long => {
                let (length, rest) = rest.split_at_checked(long & 0x7F)?;
                if !(1..=4).contains(&length.len()) {
                    return None;
                }
                (length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// Goes into the next value if it has this tag, and past it; otherwise stays where it is.
    fn enter(&mut self, tag: u8) -> Option<Reader<'a>> {
        let mut ahead = Reader(self.0);
        let (found, content) = ahead.next()?;
        if found != tag {
            return None;
        }
        self.0 = ahead.0;
        Some(Reader(content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::string::Ia5String;
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn ia5(text: &str) -> Ia5String {
        text.try_into().unwrap()
    }

    #[test]
    fn names_are_found_in_their_order() {
        let der = certificate(|params| {
            params.distinguished_name.push(DnType::OrganizationName, "Möwe");
            params.distinguished_name.push(DnType::CommonName, "böard-7");
            params.subject_alt_names = vec![
                SanType::DnsName(ia5("b.example")),
                SanType::IpAddress("10.0.0.1".parse().unwrap()),
                SanType::Rfc822Name(ia5("a@example")),
                SanType::URI(ia5("urn:board:7")),
            ];
        });
        let names = names(&der);
        assert_eq!(names.common_name.as_deref(), Some("böard-7"));
        assert_eq!(names.alternative_names, ["b.example", "a@example", "urn:board:7"]);
    }

    #[test]
    fn the_key_is_found() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        let expected = rcgen::PublicKeyData::subject_public_key_info(&key);
        assert_eq!(public_key(certificate.der()), Some(&expected[..]));
    }

    #[test]
    fn a_certificate_without_names_has_none() {
        assert_eq!(names(&certificate(|_| {})), CertificateNames::default());
    }

    #[test]
    fn every_kind_of_string_is_read() {
        let kinds = [
            DnValue::PrintableString("plain".try_into().unwrap()),
            DnValue::Utf8String("plain".into()),
            DnValue::Ia5String(ia5("plain")),
            DnValue::TeletexString("plain".try_into().unwrap()),
            DnValue::BmpString("plain".try_into().unwrap()),
            DnValue::UniversalString("plain".try_into().unwrap()),
        ];
        for kind in kinds {
            let der = certificate(|params| params.distinguished_name.push(DnType::CommonName, kind.clone()));
            assert_eq!(names(&der).common_name.as_deref(), Some("plain"), "{kind:?}");
        }
    }

    #[test]
    fn a_name_with_a_zero_in_it_is_none() {
        let der = certificate(|params| {
            params.distinguished_name.push(DnType::CommonName, "admin\0.example");
            params.subject_alt_names = vec![SanType::DnsName(ia5("admin\0x")), SanType::DnsName(ia5("b"))];
        });
        let names = names(&der);
        assert_eq!(names.common_name, None);
        assert_eq!(names.alternative_names, ["b"]);
    }

    #[test]
    fn damage_never_panics() {
        let der = certificate(|params| {
            params.distinguished_name.push(DnType::CommonName, "board");
            params.subject_alt_names = vec![SanType::DnsName(ia5("b.example"))];
        });
        for cut in 0..der.len() {
            let _ = names(&der[..cut]);
            assert!(public_key(&der[..cut]).is_none());
            for value in [0, 0x7F, 0x80, 0x84, 0xFF] {
                let mut damaged = der.clone();
                damaged[cut] = value;
                let _ = names(&damaged);
                let _ = public_key(&damaged);
            }
        }
    }
}
