//! Stands between a test and a server, packet by packet, and lets one rule be broken.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use darter_conformance::packet::Version;
use darter_conformance::received;

/// Which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client under the test's control to the server.
    ToServer,
    /// From the server to that client.
    ToClient,
}

/// What happens instead of passing a packet on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// These bytes go on in the packet's direction.
    Pass(Vec<u8>),
    /// These bytes go back to where the packet came from.
    Answer(Vec<u8>),
}

/// What a rule may remember about one connection.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Packets the rule has counted.
    pub(crate) count: usize,
    /// A packet the rule holds back.
    pub(crate) held: Option<Vec<u8>>,
}

/// Turns a packet into what is done instead; passing it on unchanged keeps the rule.
pub(crate) type Rule = fn(Version, Way, Vec<u8>, &mut Memory) -> Vec<Act>;

/// How the server behind the proxy appears to break a rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// Applied to every packet both ways.
    pub(crate) rule: Rule,
    /// Sent to the server when the client is gone.
    pub(crate) last_words: &'static [u8],
}

/// Keeps every rule.
pub(crate) fn honest(_: Version, _: Way, packet: Vec<u8>, _: &mut Memory) -> Vec<Act> {
    vec![Act::Pass(packet)]
}

/// Starts a proxy on a port of its own that lives as long as the process, and returns its address.
pub(crate) fn start(server: SocketAddr, version: Version, fault: Fault) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            if let Ok(server) = TcpStream::connect(server) {
                relay(&client, &server, version, fault);
            }
        }
    });
    address
}

fn relay(client: &TcpStream, server: &TcpStream, version: Version, fault: Fault) {
    let memory = Arc::new(Mutex::new(Memory::default()));
    for way in [Way::ToServer, Way::ToClient] {
        let (from, to) = if way == Way::ToServer { (client, server) } else { (server, client) };
        let (from, to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
        to.set_nodelay(true).expect("no delay");
        let memory = Arc::clone(&memory);
        std::thread::spawn(move || pump(from, to, way, version, fault, &memory));
    }
}

fn pump(
    mut from: TcpStream,
    mut to: TcpStream,
    way: Way,
    version: Version,
    fault: Fault,
    memory: &Mutex<Memory>,
) {
    let mut buffer = Vec::new();
    let mut chunk = [0; 16384];
    loop {
        match from.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(count) => buffer.extend(&chunk[..count]),
        }
        loop {
            match received::extent(&buffer) {
                Ok(Some((_, total))) => {
                    let packet = buffer.drain(..total).collect();
                    let acts = (fault.rule)(version, way, packet, &mut memory.lock().expect("a lock"));
                    for act in acts {
                        // A side that is gone is noticed by the next read.
                        drop(match act {
                            Act::Pass(bytes) => to.write_all(&bytes),
                            Act::Answer(bytes) => from.write_all(&bytes),
                        });
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    drop(to.write_all(&std::mem::take(&mut buffer)));
                    break;
                }
            }
        }
    }
    if way == Way::ToServer {
        drop(to.write_all(fault.last_words));
    }
    drop(to.shutdown(Shutdown::Write));
}
