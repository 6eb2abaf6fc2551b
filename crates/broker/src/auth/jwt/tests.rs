use super::super::scene::{connect, done, login, refused};
use super::*;
use crate::auth::encoding::BASE64_URL;
use base64::Engine;
use darter_engine::access::{Action, Identity, Policy};
use ring::hmac;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// Appendices A.1 to A.3 of RFC 7515: one payload, signed in three ways.
const PAYLOAD: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const HS256: (&str, &str) =
    ("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
const RS256: (&str, &str) = (
    "eyJhbGciOiJSUzI1NiJ9",
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
);
const ES256: (&str, &str) = (
    "eyJhbGciOiJFUzI1NiJ9",
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
);
/// Appendix A.4 of RFC 8037.
const EDDSA: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

const SECRET: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RSA_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAofgWCuLjybRlzo0tZWJj
NiuSfb4p4fAkd/wWJcyQoTbji9k0l8W26mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEz
P1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMsD1W/YpRPEwOWvG6b32690r2jZ47soMZo
9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTB
EMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxX
FvUK+DWNmoudF8NAco9/h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXp
oQIDAQAB
-----END PUBLIC KEY-----
";
const RSA_KEY_PEM: &str = "-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd/wWJcyQoTbji9k0l8W2
6mPddxHmfHQp+Vaw+4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL+yRT+SFd2lZS+pCgNMs
D1W/YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb/7OMg0LOL+bSf63kpaSHSXndS5
z5rexMdbBYUsLA9e+KXBdQOS+UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxv
b3qCo5ZwKh9kG4LT6/I5IhlJH7aGhyxXFvUK+DWNmoudF8NAco9/h9iaGNj8q2et
hFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQIDAQAB
-----END RSA PUBLIC KEY-----
";
const EC_PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7
6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==
-----END PUBLIC KEY-----
";
const ED_PEM: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";

/// The moment at which the RFC's tokens end.
const END: u64 = 1_300_819_380_000;

fn jwks() -> Value {
    json!({ "keys": [
        { "kty": "oct", "kid": "secret", "k": SECRET },
        { "kty": "RSA", "kid": "rsa", "use": "sig", "alg": "RS256", "n": N, "e": "AQAB" },
        {
            "kty": "EC", "crv": "P-256", "kid": "ec",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
        },
        { "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" },
    ] })
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, text: impl AsRef<[u8]>) -> PathBuf {
        let file = self.0.path().join("keys");
        fs::write(&file, text).unwrap();
        file
    }
}

fn keys(file: impl AsRef<[u8]>) -> Result<Vec<Key>, KeyError> {
    Keys::File(Folder::new().file(file)).read(|_| true)
}

fn key_set(set: &Value) -> Result<Vec<Key>, KeyError> {
    Keys::Set(Folder::new().file(set.to_string())).read(|_| true)
}

fn secret() -> Vec<u8> {
    BASE64_URL.decode(SECRET).unwrap()
}

fn signed((header, signature): (&str, &str)) -> String {
    format!("{header}.{PAYLOAD}.{signature}")
}

fn verified(token: &str, keys: &[Key]) -> Result<String, &'static str> {
    let payload = Token::read(token.as_bytes()).expect("it looks like a token").verified(keys)?;
    Ok(String::from_utf8(payload).unwrap())
}

/// A token of these claims, signed with the secret.
fn token_with(header: &Value, claims: &Value) -> String {
    let (header, claims) = (header.to_string(), claims.to_string());
    let signed = format!("{}.{}", BASE64_URL.encode(header), BASE64_URL.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret()), signed.as_bytes());
    format!("{signed}.{}", BASE64_URL.encode(signature))
}

fn token(claims: &Value) -> String {
    token_with(&json!({ "alg": "HS256", "typ": "JWT" }), claims)
}

fn options() -> Options {
    Options::new(Keys::File("unused".into()))
}

/// What a token comes to at the end of the RFC's tokens, at 1,000 of the engine's clock.
fn verdict(options: &Options, claims: &Value) -> Result<Identity, &'static str> {
    let token = Token::read(token(claims).as_bytes()).unwrap();
    let keys = [Key::secret(&secret()).unwrap()];
    match options.verdict(&token, &keys, Some("ann"), 1_000, END) {
        Verdict::Accept(identity) => Ok(identity),
        Verdict::Refuse { reason, what } => {
            assert_eq!(reason, ReasonCode::BadUserNameOrPassword);
            Err(what)
        }
    }
}

#[test]
fn the_examples_of_the_standards_are_verified_with_keys_of_every_form() {
    let joe = "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}";
    let set = key_set(&jwks()).unwrap();
    assert_eq!(set.len(), 4);
    for token in [HS256, RS256, ES256] {
        assert_eq!(verified(&signed(token), &set).unwrap(), joe);
    }
    assert_eq!(verified(EDDSA, &set).unwrap(), "Example of Ed25519 signing");
    assert_eq!(verified(&signed(HS256), &keys(secret()).unwrap()).unwrap(), joe);
    for pem in [RSA_PEM, RSA_KEY_PEM] {
        assert_eq!(verified(&signed(RS256), &keys(pem).unwrap()).unwrap(), joe);
    }
    assert_eq!(verified(&signed(ES256), &keys(EC_PEM).unwrap()).unwrap(), joe);
    assert_eq!(verified(EDDSA, &keys(ED_PEM).unwrap()).unwrap(), "Example of Ed25519 signing");
    let several = keys([ED_PEM, "some words between\n", RSA_PEM].concat()).unwrap();
    assert!(verified(EDDSA, &several).is_ok() && verified(&signed(RS256), &several).is_ok());
}

#[test]
fn every_change_makes_a_signature_wrong() {
    let set = key_set(&jwks()).unwrap();
    for token in [signed(HS256), signed(RS256), signed(ES256), EDDSA.to_owned()] {
        let end = token.rfind('.').unwrap();
        for at in (0..token.len()).filter(|at| token.as_bytes()[*at] != b'.') {
            // The last digit of base64 has bits that must be zero, so a change of it is damage.
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = Token::read(&changed);
            assert!(changed.is_none_or(|token| token.verified(&set).is_err()), "byte {at} of {token}");
        }
        assert_eq!(verified(&token[..=end], &set), Err("the token's signature is wrong"));
        assert_eq!(verified(&format!("{token}="), &set), Err("the token's signature is wrong"));
    }
}

#[test]
fn the_key_fixes_the_algorithm() {
    let with_header = |header: Value, key: &[u8]| {
        let signed = format!("{}.{PAYLOAD}", BASE64_URL.encode(header.to_string()));
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
        format!("{signed}.{}", BASE64_URL.encode(signature))
    };
    let no_key = Err("there is no key for the token's algorithm and key id");
    // A public key is known to everybody and must never serve as a secret.
    for pem in [RSA_PEM, EC_PEM, ED_PEM] {
        let keys = keys(pem).unwrap();
        for secret in [pem, pem.trim_end(), &pem.replace('\n', "")] {
            for alg in ["HS256", "RS256x", "hs256"] {
                assert_eq!(verified(&with_header(json!({ "alg": alg }), secret.as_bytes()), &keys), no_key);
            }
        }
    }
    let set = key_set(&jwks()).unwrap();
    for alg in [
        json!("none"),
        json!("None"),
        json!(""),
        json!("HS512"),
        json!("RS512"),
        json!(null),
        json!(["HS256"]),
    ] {
        for key in [secret(), Vec::new()] {
            assert_eq!(verified(&with_header(json!({ "alg": alg }), &key), &set), no_key, "{alg}");
        }
        let header = BASE64_URL.encode(json!({ "alg": alg }).to_string());
        assert_eq!(verified(&format!("{header}.{PAYLOAD}."), &set), no_key, "{alg}");
    }
    for alg in ["RS256", "ES256", "EdDSA"] {
        let wrong = verified(&with_header(json!({ "alg": alg }), &secret()), &set);
        assert_eq!(wrong, Err("the token's signature is wrong"), "{alg}");
    }
    let critical = with_header(json!({ "alg": "HS256", "crit": ["b64"], "b64": false }), &secret());
    assert_eq!(verified(&critical, &set), Err("the token asks for something that is not known here"));
}

#[test]
fn a_key_id_chooses_among_the_keys_that_have_one() {
    let set = key_set(&jwks()).unwrap();
    let by = |id: Value| verified(&token_with(&json!({ "alg": "HS256", "kid": id }), &json!({})), &set);
    assert!(by(json!("secret")).is_ok());
    for id in ["rsa", "other", ""] {
        assert_eq!(by(json!(id)), Err("there is no key for the token's algorithm and key id"), "{id}");
    }
    assert_eq!(by(json!(7)), Err("the token's header is damaged"));
    let file = keys(secret()).unwrap();
    assert!(verified(&token_with(&json!({ "alg": "HS256", "kid": "any" }), &json!({})), &file).is_ok());
}

#[test]
fn a_file_that_is_no_key_is_an_error_that_says_what_it_is() {
    let private = "-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n";
    let wrong = |file: &str| match keys(file) {
        Err(KeyError::Bad { why, .. }) => why,
        other => panic!("{:?}", other.map(|keys| keys.len())),
    };
    assert_eq!(wrong(private), BadKey::Private);
    assert_eq!(wrong(&private.replace("PRIVATE", "EC PRIVATE")), BadKey::Private);
    assert_eq!(wrong(&private.replace("PRIVATE KEY", "CERTIFICATE")), BadKey::Certificate);
    assert_eq!(wrong(&private.replace("PRIVATE KEY", "X509 CRL")), BadKey::Pem);
    assert_eq!(wrong(&ED_PEM.replace("END", "AND")), BadKey::Pem);
    assert_eq!(wrong(&ED_PEM.replace("MCow", "MC*w")), BadKey::Pem);
    for short in ["", "\n", "0123456789012345678901234567890\n"] {
        assert_eq!(wrong(short), BadKey::Short);
    }
    assert!(keys("01234567890123456789012345678901\r\n").is_ok());
    let body = RSA_PEM.lines().nth(1).unwrap();
    assert_eq!(wrong(&RSA_PEM.replace(body, "")), BadKey::Kind);
    assert_eq!(wrong(&format!("{RSA_PEM}{private}")), BadKey::Private, "among others too");
    let missing = Keys::File(Folder::new().0.path().join("none")).read(|_| true);
    assert!(matches!(missing, Err(KeyError::Unreadable { .. })));
}

#[test]
fn every_shortened_or_changed_public_key_is_refused_or_another_key() {
    for pem in [RSA_PEM, RSA_KEY_PEM, EC_PEM, ED_PEM] {
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = crate::auth::encoding::BASE64.decode(body).unwrap();
        let read = if pem == RSA_KEY_PEM { Key::from_rsa_key } else { Key::from_public_key };
        assert!(read(&der).is_some());
        for end in 0..der.len() {
            assert!(read(&der[..end]).is_none(), "{end} bytes");
        }
        assert!(read(&[&der[..], b"\0"].concat()).is_none());
        for at in 0..der.len() {
            let mut changed = der.clone();
            changed[at] ^= 0x80;
            let keys: Vec<_> = read(&changed).into_iter().collect();
            for token in [signed(RS256), signed(ES256), EDDSA.to_owned()] {
                assert!(verified(&token, &keys).is_err(), "byte {at}");
            }
        }
    }
}

#[test]
fn a_set_passes_over_keys_for_other_things() {
    let one = |change: Value| {
        let mut key = jwks()["keys"][1].clone();
        for (name, value) in change.as_object().unwrap() {
            key[name] = value.clone();
        }
        key_set(&json!({ "keys": [key] })).map(|keys| keys.len()).map_err(|error| error.to_string())
    };
    assert_eq!(one(json!({})), Ok(1));
    for other in [
        json!({ "use": "enc" }),
        json!({ "alg": "RS512" }),
        json!({ "alg": "HS256" }),
        json!({ "kty": "oct" }),
        json!({ "kty": "EC" }),
        json!({ "n": &N[..300] }),
        json!({ "n": "*" }),
        json!({ "n": null }),
        json!({ "e": "" }),
        json!({ "kty": 7 }),
    ] {
        let said = one(other.clone()).unwrap_err();
        assert!(said.contains("there is no key in it that can be used"), "{other}: {said}");
    }
    let said = Keys::Set(Folder::new().file("{}")).read(|_| true).err().unwrap().to_string();
    assert!(said.contains("this is no JSON Web Key Set: missing field `keys`"), "{said}");
    let many: Vec<_> = (0..33).map(|_| jwks()["keys"][0].clone()).collect();
    assert!(matches!(key_set(&json!({ "keys": many })), Err(KeyError::Bad { why: BadKey::Many, .. })));
}

#[test]
fn a_token_is_for_its_time() {
    let now = END / 1_000;
    let at = |claims: Value| verdict(&options(), &claims).map(|identity| identity.ends_at.unwrap());
    let with = |name: &str, time: Value| at(json!({ "sub": "ann", "exp": now + 60, name: time }));
    assert_eq!(at(json!({ "sub": "ann", "exp": now + 60 })), Ok(1_000 + 90_000), "with the leeway");
    assert_eq!(with("exp", json!(now - 29)), Ok(2_000));
    assert_eq!(with("exp", json!(now as f64 - 29.5)), Ok(1_500));
    assert_eq!(with("exp", json!(1e300)), Ok(u64::MAX));
    for over in [json!(now - 30), json!(0), json!(-1e300)] {
        assert_eq!(with("exp", over), Err("the token has expired"));
    }
    assert!(with("nbf", json!(now + 30)).is_ok() && with("iat", json!(now + 30)).is_ok());
    let slow = "or this computer's clock is slow";
    for name in ["nbf", "iat"] {
        assert!(with(name, json!(now + 31)).unwrap_err().ends_with(slow));
    }
    for name in ["exp", "nbf", "iat"] {
        for odd in [json!("1300819380"), json!(null), json!([1]), json!(true)] {
            assert_eq!(with(name, odd), Err("a time in the token is not a number"), "{name}");
        }
    }
    let endless = json!({ "sub": "ann" });
    assert_eq!(verdict(&options(), &endless), Err("the token has no end: the claim exp is missing"));
    let allowed = Options { must_expire: false, ..options() };
    assert_eq!(verdict(&allowed, &endless).unwrap().ends_at, None);
}

#[test]
fn a_token_is_for_its_place() {
    let claims =
        |iss: Value, aud: Value| json!({ "sub": "ann", "exp": 2_000_000_000, "iss": iss, "aud": aud });
    let options = Options { issuer: Some("https://id".into()), audience: Some("mqtt".into()), ..options() };
    for aud in [json!("mqtt"), json!(["web", "mqtt"])] {
        assert!(verdict(&options, &claims(json!("https://id"), aud)).is_ok());
    }
    for iss in [json!("https://id/"), json!(["https://id"]), json!(null)] {
        assert_eq!(verdict(&options, &claims(iss, json!("mqtt"))), Err("the token is from another issuer"));
    }
    for aud in [json!("MQTT"), json!([]), json!(null), json!([["mqtt"]]), json!({ "mqtt": 1 })] {
        assert_eq!(
            verdict(&options, &claims(json!("https://id"), aud)),
            Err("the token is for another audience")
        );
    }
}

#[test]
fn claims_say_who_it_is_and_what_is_permitted() {
    let with = |more: Value| {
        let mut claims = json!({ "sub": "ann", "exp": 2_000_000_000 });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        verdict(&options(), &claims)
    };
    let plain = with(json!({})).unwrap();
    assert_eq!((plain.user.as_deref(), plain.roles.len(), plain.rules.len()), (Some("ann"), 0, 0));
    for nobody in [json!(""), json!(null), json!(7), json!("a\u{0}b"), json!("x".repeat(65_536))] {
        assert_eq!(with(json!({ "sub": nobody })), Err("the token names no user"));
    }
    let roles = with(json!({ "roles": ["staff", "night"] })).unwrap().roles;
    assert_eq!(roles.iter().map(|role| &**role).collect::<Vec<_>>(), ["staff", "night"]);
    let may = |permissions: Value| {
        let identity = with(json!({ "permissions": permissions })).unwrap();
        let grant = Policy::open().grant(&identity, "dev").expect("there are rules");
        ["home/ann", "home/bob"].map(|topic| grant.may(Action::Publish, topic))
    };
    assert_eq!(may(json!(["publish home/%u", "read #"])), [true, false]);
    assert_eq!(may(json!([])), [false, false], "nothing is permitted");
    for odd in [json!("staff"), json!(null), json!({})] {
        assert_eq!(with(json!({ "roles": odd })), Err("the token's roles or permissions are not an array"));
    }
    assert_eq!(
        with(json!({ "permissions": [1] })),
        Err("the token's roles or permissions are not all texts")
    );
    assert_eq!(with(json!({ "permissions": ["home/#"] })), Err("a permission in the token is no rule"));
}

#[test]
fn other_claims_can_be_named_and_the_user_name_can_be_asked_for() {
    let options = Options {
        user_claim: "device".into(),
        roles_claim: "groups".into(),
        permissions_claim: "rules".into(),
        user_must_match: true,
        ..options()
    };
    let claims =
        json!({ "device": "ann", "groups": ["a"], "rules": ["all #"], "roles": 7, "exp": 2_000_000_000 });
    let identity = verdict(&options, &claims).unwrap();
    assert_eq!((identity.roles.len(), identity.rules.len()), (1, 1));
    let other = json!({ "device": "bob", "sub": "ann", "exp": 2_000_000_000 });
    assert_eq!(verdict(&options, &other), Err("the user name is not the token's user"));
    assert!(verdict(&Options { user_must_match: false, ..options }, &other).is_ok());
}

#[test]
fn logins_with_tokens_are_decided_and_others_left_to_other_methods() {
    let folder = Folder::new();
    let jwt = Jwt::open(Options::new(Keys::File(folder.file(secret())))).unwrap();
    let check = |password: &str| jwt.check(&login(&connect(None, Some(password))));
    let good = token(&json!({ "sub": "ann", "exp": 99_999_999_999_u64 }));
    let Outcome::Done(Verdict::Accept(identity)) = done(check(&good)) else { panic!() };
    assert_eq!(identity.user.as_deref(), Some("ann"));
    assert_eq!(refused(check(&signed(HS256))).1, "the token has expired");
    assert_eq!(refused(check(&signed(RS256))).1, "there is no key for the token's algorithm and key id");
    assert_eq!(refused(check(EDDSA)).1, "there is no key for the token's algorithm and key id");
    let no_alg = token_with(&json!({ "typ": "JWT" }), &json!({}));
    for other in
        ["", "secret", "a.b.c", ".", "..", "...", "e30.e30.e30", &no_alg, &format!("{good}.x"), "é.é.é"]
    {
        assert!(matches!(check(other), Outcome::Pass), "{other}");
    }
    assert!(matches!(jwt.check(&login(&connect(Some("ann"), None))), Outcome::Pass));
    folder.file("short");
    assert!(
        jwt.reload()
            .unwrap_err()
            .to_string()
            .ends_with("keys: the secret has less than 32 bytes; 'openssl rand -hex 32' makes one")
    );
    assert!(matches!(done(check(&good)), Outcome::Done(Verdict::Accept(_))), "the old key is still there");
    folder.file(RSA_PEM);
    assert_eq!(jwt.reload().unwrap(), 1);
    assert_eq!(refused(check(&good)).1, "there is no key for the token's algorithm and key id");
}

#[test]
fn algorithms_can_be_restricted_to_some() {
    let folder = Folder::new();
    let options = |algorithms: &[&str]| {
        let algorithms = algorithms.iter().map(|name| name.parse().unwrap()).collect();
        Options { algorithms, ..Options::new(Keys::Set(folder.file(jwks().to_string()))) }
    };
    assert_eq!(Jwt::open(options(&["RS256", "ES256"])).unwrap().reload().unwrap(), 2);
    assert_eq!(Jwt::open(options(&[])).unwrap().reload().unwrap(), 4);
    let only = Jwt::open(options(&["EdDSA"])).unwrap();
    let keys = only.keys.read().unwrap();
    assert_eq!(verified(&signed(HS256), &keys), Err("there is no key for the token's algorithm and key id"));
    assert_eq!("none".parse::<Algorithm>(), Err(UnknownAlgorithm));
}
