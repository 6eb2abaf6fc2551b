//! TLS without sockets: a good client whose bytes are changed on their way.
#![allow(clippy::unwrap_used, reason = "a test that goes wrong shall end at once")]

use base64::prelude::{BASE64_STANDARD, Engine};
use darter_net::tls::{Acceptor, ClientCertificates, Files};
use darter_net::{Fault, Filter, Layer, Peer, Received};
use darter_testkit::tls_stream::{TLS12, TLS13};
use darter_testkit::{Authority, Dice, TlsSetup};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::fs;
use std::io::{self, Cursor, Read, Write};

/// How many clients there are; `TLS_CLIENTS` says otherwise.
fn clients() -> u64 {
    std::env::var("TLS_CLIENTS").ok().and_then(|text| text.parse().ok()).unwrap_or(400)
}

struct Rig {
    acceptor: Acceptor,
    setups: Vec<TlsSetup>,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("the authority");
        authority.server().write(folder.path(), "server");
        let authorities = folder.path().join("authority.pem");
        fs::write(&authorities, authority.certificate()).unwrap();
        let mut files = Files::new(folder.path().join("server.pem"), folder.path().join("server.key"));
        files.clients = ClientCertificates::Asked { authorities, required: false, revoked: Vec::new() };
        let board = authority.client("board");
        let setups = [&TLS12, &TLS13].into_iter().flat_map(|version| {
            [None, Some(&board)].map(|client| TlsSetup::with(&authority, client, &[version]))
        });
        Self { setups: setups.collect(), acceptor: Acceptor::open(files).unwrap() }
    }
}

/// What a client has written and what it may read.
#[derive(Default)]
struct Wire {
    to_server: Vec<u8>,
    to_client: Cursor<Vec<u8>>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.to_client.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to_server.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Changes something, most of the time.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    if bytes.is_empty() {
        return;
    }
    let place = dice.below(bytes.len());
    match dice.below(8) {
        0 => bytes[place] ^= 1 << dice.below(8),
        1 => bytes.truncate(place),
        2 => bytes.insert(place, u8::try_from(dice.below(256)).unwrap()),
        3 => bytes.extend_from_within(place..),
        4 => {
            bytes.drain(..place);
        }
        // The header of the first record, or of the first message in it.
        5 => {
            let place = place.min(dice.below(9));
            bytes[place] = u8::try_from(dice.below(256)).unwrap();
        }
        _ => {}
    }
}

/// Hands bytes over in pieces.
fn hand_over(
    filter: &mut dyn Filter,
    mut bytes: &[u8],
    up: &mut Vec<u8>,
    down: &mut Vec<u8>,
    dice: &mut Dice,
) -> Result<Received, Fault> {
    let mut received = Received::More;
    while !bytes.is_empty() {
        let most = [1, 7, 300, 100_000][dice.below(4)];
        let (piece, rest) = bytes.split_at(bytes.len().min(1 + dice.below(most)));
        received = filter.receive(&mut piece.to_vec(), up, down)?;
        bytes = rest;
    }
    Ok(received)
}

/// A client says hello, is echoed a few times, and says good-bye. True when all of that worked.
fn talk(rig: &Rig, dice: &mut Dice, damages: bool) -> bool {
    let setup = &rig.setups[dice.below(rig.setups.len())];
    let mut client = setup.over(Wire::default());
    let mut filter = rig.acceptor.begin(Peer::Local { user: None }).unwrap();
    let mut echoed = 0;
    for turn in 0..12 {
        let _ = client.flush();
        if client.conn.is_handshaking() {
            let _ = client.conn.complete_io(&mut client.sock);
        } else if turn % 2 == 0
            && client.write_all(&vec![7; 1 + dice.below(40_000)]).and_then(|()| client.flush()).is_err()
        {
            return false;
        }
        let mut bytes = std::mem::take(&mut client.sock.to_server);
        if damages && dice.below(4) == 0 {
            damage(&mut bytes, dice);
        }
        let (mut up, mut down) = (Vec::new(), Vec::new());
        let outcome = hand_over(&mut *filter, &bytes, &mut up, &mut down, dice);
        assert!(up.len() <= bytes.len() + 70_000 && down.len() <= 70_000, "{} {}", up.len(), down.len());
        if outcome.is_ok() && !up.is_empty() {
            echoed += up.len();
            filter.send(&up, &mut down).unwrap();
        }
        client.sock.to_client = Cursor::new(down);
        let mut echo = Vec::new();
        let _ = client.read_to_end(&mut echo);
        if outcome.is_err() {
            return false;
        }
    }
    let mut down = Vec::new();
    filter.close(&mut down);
    echoed > 0 && !down.is_empty()
}

#[test]
fn a_good_client_is_served_however_its_bytes_are_cut() {
    let rig = Rig::new();
    for seed in 0..clients() / 4 {
        assert!(talk(&rig, &mut Dice::new(seed), false), "{seed}");
    }
}

#[test]
fn damage_ends_a_connection_and_nothing_else() {
    let rig = Rig::new();
    let served = (0..clients()).filter(|seed| talk(&rig, &mut Dice::new(*seed), true)).count() as u64;
    assert!(served > 0 && served < clients(), "{served}");
}

#[test]
fn a_hand_shake_in_crumbs_is_not_kept_for_ever() {
    let rig = Rig::new();
    let mut filter = rig.acceptor.begin(Peer::Local { user: None }).unwrap();
    // Records of one byte that begin the longest message there may be.
    let mut crumb = |byte| filter.receive(&mut [0x16, 3, 1, 0, 1, byte], &mut Vec::new(), &mut Vec::new());
    let mut sent = 0;
    let fault = loop {
        sent += 6;
        match crumb([1, 0, 0xFF, 0xFF].get(sent / 6 - 1).copied().unwrap_or(0)) {
            Ok(_) => assert!(sent < 256 * 1024, "{sent} bytes are kept"),
            Err(fault) => break fault,
        }
    };
    assert!(fault.to_string().contains("too small pieces"), "{fault}");
}

/// The certificate as one of X.509 version 1: without the field that says otherwise. Nobody could check its signature any more.
fn of_version_1(pem: &str) -> String {
    let mut der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec();
    let version = [0xA0, 3, 2, 1, 2];
    assert_eq!(der[8..13], version, "two sequences with lengths of two bytes, and the version");
    der.drain(8..13);
    for start in [2, 6] {
        let length = u16::from_be_bytes([der[start], der[start + 1]]) - 5;
        der[start..start + 2].copy_from_slice(&length.to_be_bytes());
    }
    let body: Vec<_> = BASE64_STANDARD.encode(der).into_bytes().chunks(64).map(<[u8]>::to_vec).collect();
    let body = String::from_utf8(body.join(&b'\n')).unwrap();
    format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
}

#[test]
fn a_certificate_of_version_1_serves_and_has_to_fit_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("an authority with a name that makes certificates longer than 256 bytes");
    let (one, other) = (authority.server(), authority.server());
    one.write(folder.path(), "server");
    let files = Files::new(folder.path().join("server.pem"), folder.path().join("server.key"));
    fs::write(&files.certificate, of_version_1(&one.certificate)).unwrap();
    Acceptor::open(files.clone()).unwrap();
    fs::write(&files.key, other.key).unwrap();
    let error = Acceptor::open(files.clone()).unwrap_err();
    assert_eq!(error.file(), files.key);
    assert!(error.to_string().contains("not the key of the certificate"), "{error}");
}
