//! PROXY headers: what was said of the first bytes stays true of more, and a header is never longer than what is there.
#![no_main]

use darter_net::proxy::{LONGEST_HEADER, Scan, Source, scan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // Half of the inputs begin as version 2 does, so that the fuzzer need not find that out.
    let begun = [b"\r\n\r\n\0\r\nQUIT\n!", data].concat();
    for bytes in [data, &begun] {
        let last = scan(bytes);
        for end in 0..bytes.len() {
            let early = scan(&bytes[..end]);
            assert!(early == Ok(Scan::Partial) || early == last, "{end}: {early:?}, then {last:?}");
        }
        match last {
            Ok(Scan::Header { length, source }) => {
                assert!(length <= bytes.len() && length <= LONGEST_HEADER);
                if let Source::Client(address) = source {
                    assert_eq!(address.ip(), address.ip().to_canonical());
                }
            }
            Ok(Scan::Partial) => assert!(bytes.len() < LONGEST_HEADER),
            Err(_) => {}
        }
    }
});
