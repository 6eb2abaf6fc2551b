//! Client certificates: who has one that the listener's authorities vouch for needs no password.

use super::{Login, Method, Outcome, Verdict};
use darter_codec::ReasonCode;
use darter_engine::access::Identity;
use darter_net::CertificateNames;

/// Bytes of the longest user name that a CONNECT can carry.
const MOST_NAME: usize = 65_535;

/// The field of a certificate that names the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// The common name of its subject.
    CommonName,
    /// The first subject alternative name.
    AlternativeName,
}

/// The method for certificates. The user name and password of the CONNECT mean nothing where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certificate {
    field: Field,
}

impl Certificate {
    /// With the user in this field.
    #[must_use]
    pub fn new(field: Field) -> Self {
        Self { field }
    }

    fn user(self, names: &CertificateNames) -> Option<&str> {
        let name = match self.field {
            Field::CommonName => names.common_name.as_ref(),
            Field::AlternativeName => names.alternative_names.first(),
        };
        let fits = |name: &str| (1..=MOST_NAME).contains(&name.len()) && !name.contains(char::is_control);
        name.map(String::as_str).filter(|name| fits(name))
    }
}

impl Method for Certificate {
    fn name(&self) -> &'static str {
        "certificate"
    }

    fn check(&self, login: &Login<'_>) -> Outcome {
        let Some(names) = login.certificate else { return Outcome::Pass };
        Outcome::Done(match self.user(names) {
            Some(user) => Verdict::Accept(Identity::of_user(user)),
            None => Verdict::Refuse {
                reason: ReasonCode::NotAuthorized,
                what: "its certificate has no name that a user can have in the field that names the user",
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::{connect, login, refused};
    use super::*;

    fn check(field: Field, common: Option<&str>, alternative: &[&str]) -> Outcome {
        let names = CertificateNames {
            common_name: common.map(Into::into),
            alternative_names: alternative.iter().map(|name| (*name).into()).collect(),
        };
        let connect = connect(Some("eve"), Some("secret"));
        Certificate::new(field).check(&Login { certificate: Some(&names), ..login(&connect) })
    }

    fn user(outcome: Outcome) -> Option<String> {
        let Outcome::Done(Verdict::Accept(identity)) = outcome else { return None };
        identity.user.map(|user| user.to_string())
    }

    #[test]
    fn the_user_is_whom_the_certificate_names_and_not_who_it_says_it_is() {
        let names = &["board.example.org", "other"];
        assert_eq!(user(check(Field::CommonName, Some("ann"), names)).as_deref(), Some("ann"));
        assert_eq!(
            user(check(Field::AlternativeName, Some("ann"), names)).as_deref(),
            Some("board.example.org")
        );
    }

    #[test]
    fn a_certificate_without_a_name_lets_nobody_in() {
        let long = "x".repeat(65_536);
        for name in [None, Some(""), Some("a\0b"), Some(long.as_str())] {
            let outcome = check(Field::CommonName, name, &["board"]);
            assert_eq!(refused(outcome).0, ReasonCode::NotAuthorized, "{name:?}");
        }
        assert_eq!(refused(check(Field::AlternativeName, Some("ann"), &[])).0, ReasonCode::NotAuthorized);
    }

    #[test]
    fn who_has_no_certificate_is_left_to_other_methods() {
        let connect = connect(Some("ann"), Some("secret"));
        assert!(matches!(Certificate::new(Field::CommonName).check(&login(&connect)), Outcome::Pass));
    }
}
