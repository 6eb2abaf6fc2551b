//! Base64 and random bytes, as the ways to log in need them.

use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ring::rand::{SecureRandom, SystemRandom};

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Writes `=` at the end, and reads base64 with and without it.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, LENIENT);
/// The same without `=`.
pub(super) const BASE64_UNPADDED: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, LENIENT.with_encode_padding(false));
/// The alphabet of tokens (section 2 of RFC 7515): never with `=`, and read strictly, so that a token has one form.
pub(super) const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// Random bytes of the system; none if it gives none.
pub(super) fn random<const COUNT: usize>() -> Option<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}
