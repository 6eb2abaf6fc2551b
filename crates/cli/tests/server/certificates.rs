//! `darter cert make`, looked at by OpenSSL.

use crate::started::{Home, finished};
use std::path::Path;
use std::process::Command;

fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn certificates_hold_together_and_name_this_computer() {
    for rsa in [false, true] {
        let home = Home::new();
        let folder = home.data().join("tls");
        let mut arguments =
            vec!["cert", "make", "--name", "mqtt.example.org", "--ip", "192.0.2.7", "--client", "board-7"];
        arguments.extend(rsa.then_some("--rsa"));
        let ended = finished(home.darter(&arguments));
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
        let ca = path(&folder, "ca.crt");
        assert!(ended.out.contains(&ca) && ended.out.contains("mosquitto_sub"), "{}", ended.out);
        for (name, purpose) in [("server", "sslserver"), ("board-7", "sslclient")] {
            let certificate = path(&folder, &format!("{name}.crt"));
            let told =
                openssl(&["verify", "-CAfile", &ca, "-purpose", purpose, "-x509_strict", &certificate]);
            assert!(told.ends_with("OK\n"), "{told}");
            let key = path(&folder, &format!("{name}.key"));
            let of_key = openssl(&["pkey", "-in", &key, "-pubout"]);
            assert_eq!(of_key, openssl(&["x509", "-in", &certificate, "-pubkey", "-noout"]));
        }
        let server = openssl(&["x509", "-in", &path(&folder, "server.crt"), "-text", "-noout"]);
        for part in ["DNS:mqtt.example.org", "DNS:localhost", "IP Address:192.0.2.7", "IP Address:127.0.0.1"]
        {
            assert!(server.contains(part), "{part}: {server}");
        }
        assert!(server.contains(if rsa { "rsaEncryption" } else { "prime256v1" }), "{server}");
    }
}

#[test]
fn made_again_the_authority_stays_and_a_client_is_not_replaced() {
    let home = Home::new();
    let make = || finished(home.darter(&["cert", "make", "--client", "board-7"]));
    assert_eq!(make().code, Some(0));
    let authority = || std::fs::read(home.data().join("tls/ca.crt")).unwrap();
    let before = authority();
    let again = make();
    assert_eq!(again.code, Some(1));
    assert!(again.err.contains("board-7.crt") && again.err.contains("--force"), "{}", again.err);
    assert_eq!(authority(), before);
    assert_eq!(finished(home.darter(&["cert", "make", "--client", "board-7", "--force"])).code, Some(0));
}
