//! Why a hand-shake failed, in words that say what to do about it.

use crate::filter::Fault;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

/// The fault behind an error of rustls.
pub(super) fn fault(error: &Error) -> Fault {
    match error {
        Error::AlertReceived(alert) => refused_by_client(*alert),
        Error::InvalidCertificate(why) => Fault::new(certificate(why)),
        Error::NoCertificatesPresented => {
            Fault::new("it shows no certificate, and this listener asks for one")
        }
        Error::PeerIncompatible(why) => incompatible(why),
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerSentOversizedRecord => Fault::new("what it sends is no TLS, or is damaged"),
        Error::DecryptError => Fault::new("what it sends cannot be decrypted: it was changed on its way"),
        Error::PeerMisbehaved(why) => Fault::new(format!("it breaks the rules of TLS: {why:?}")),
        other => Fault::new(format!("TLS has failed: {other}")),
    }
}

/// What the first bytes say of somebody who does not begin with TLS.
pub(super) fn stranger(first: &[u8]) -> Fault {
    Fault::new(match first {
        // CONNECT.
        [0x10, ..] => "it speaks MQTT without TLS, and this listener wants TLS",
        [b'P', b'R', b'O', b'X', b'Y', ..] | [b'\r', b'\n', b'\r', b'\n', 0, ..] => {
            "it begins with the header of a proxy, and this listener takes none (proxy_protocol_from)"
        }
        [b'G' | b'P' | b'H' | b'O', ..] => "it speaks HTTP without TLS, and this listener wants TLS",
        _ => "it does not speak TLS",
    })
}

fn refused_by_client(alert: AlertDescription) -> Fault {
    Fault::new(match alert {
        AlertDescription::UnknownCA => {
            "the client does not trust the server's certificate: it needs that of the authority that has issued it"
        }
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown => {
            "the client does not accept the server's certificate; often it has another name for the server than \
             the certificate, or does not know the authority"
        }
        AlertDescription::CertificateExpired => {
            "the client says that the server's certificate has expired, or its clock is wrong"
        }
        AlertDescription::ProtocolVersion => "the client speaks no version of TLS that this listener takes",
        AlertDescription::HandshakeFailure => "the client gives the TLS hand-shake up",
        other => return Fault::new(format!("the client gives TLS up: {other:?}")),
    })
}

fn certificate(why: &CertificateError) -> &'static str {
    match why {
        CertificateError::Revoked => "its certificate is revoked",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet, or this computer's clock is wrong"
        }
        CertificateError::UnknownIssuer => "its certificate is of no authority that this listener trusts",
        CertificateError::UnknownRevocationStatus => {
            "its certificate is of an authority of which there is no revocation list"
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not one for clients"
        }
        CertificateError::BadSignature => "the signature of its certificate is wrong",
        // webpki's word for it is all that rustls hands on.
        CertificateError::Other(other) if other.to_string().contains("UnsupportedCertVersion") => {
            "its certificate is one of X.509 version 1, which does not count; 'darter cert make --client NAME' and openssl with \
             -extfile make such of version 3"
        }
        _ => "its certificate cannot be used",
    }
}

fn incompatible(why: &PeerIncompatible) -> Fault {
    Fault::new(match why {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::SupportedVersionsExtensionRequired
        // Clients of TLS 1.0 and 1.1 do not have it; rustls looks for it first.
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired => {
            "it offers no version of TLS that this listener takes"
        }
        PeerIncompatible::NoCipherSuitesInCommon => "it offers no cipher suite that this server has",
        PeerIncompatible::NoKxGroupsInCommon
        | PeerIncompatible::NamedGroupsExtensionRequired
        | PeerIncompatible::KeyShareExtensionRequired => {
            "it offers no way to agree on keys that this server has"
        }
        PeerIncompatible::NoSignatureSchemesInCommon
        | PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon => {
            "it does not know the kind of signature that the server's certificate has"
        }
        other => return Fault::new(format!("its TLS does not fit: {other:?}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_trouble_has_plain_words() {
        let cases = [
            (Error::AlertReceived(AlertDescription::UnknownCA), "does not trust the server's certificate"),
            (Error::AlertReceived(AlertDescription::CertificateExpired), "has expired"),
            (Error::AlertReceived(AlertDescription::InternalError), "gives TLS up: InternalError"),
            (Error::InvalidCertificate(CertificateError::Revoked), "its certificate is revoked"),
            (Error::NoCertificatesPresented, "shows no certificate"),
            (Error::PeerIncompatible(PeerIncompatible::Tls12NotOfferedOrEnabled), "no version of TLS"),
            (
                Error::PeerIncompatible(PeerIncompatible::SignatureAlgorithmsExtensionRequired),
                "no version of TLS",
            ),
            (Error::PeerIncompatible(PeerIncompatible::NullCompressionRequired), "NullCompressionRequired"),
            (Error::DecryptError, "cannot be decrypted"),
        ];
        for (error, words) in cases {
            let fault = fault(&error).to_string();
            assert!(fault.contains(words), "{fault}");
        }
    }

    #[test]
    fn who_does_not_speak_tls_is_known_by_the_first_bytes() {
        let cases: [(&[u8], &str); 6] = [
            (&[0x10], "MQTT without TLS"),
            (b"GET / HTTP/1.1", "HTTP without TLS"),
            (b"POST / HTTP/1.1", "HTTP without TLS"),
            (b"PROXY TCP4 ", "header of a proxy"),
            (b"\r\n\r\n\0\r\nQUIT\n", "header of a proxy"),
            (&[0], "not speak TLS"),
        ];
        for (first, words) in cases {
            assert!(stranger(first).to_string().contains(words), "{first:?}");
        }
    }
}
