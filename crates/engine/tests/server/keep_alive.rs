//! Keep alive (section 3.1.2.10).

use darter_codec::{Connect, Packet, ReasonCode, Version};
use darter_testkit::packets::{connect, connect_as, publish};

/// The wheel looks twice a second.
const COARSE: u64 = 500;

battery! {
    fn a_silent_client_is_closed_after_one_and_a_half_times_the_keep_alive(pair: &mut Pair) {
        let a = pair.join(Connect { keep_alive: 10, ..connect("a") });
        pair.advance(15_000 - 1);
        assert!(!pair.is_closed(a), "too early [MQTT-3.1.2-22]");
        pair.advance(1 + COARSE);
        assert_eq!(pair.farewell(a), ReasonCode::KeepAliveTimeout);
    }

    fn any_packet_keeps_a_client_alive(pair: &mut Pair) {
        let a = pair.join(Connect { keep_alive: 10, ..connect("a") });
        for round in 0..20 {
            pair.advance(14_000);
            if round % 2 == 0 {
                let answer = pair.exchange(a, Packet::PingReq);
                assert_eq!(answer, [Packet::PingResp]);
            } else {
                pair.exchange(a, publish("t", "x"));
            }
            assert!(!pair.is_closed(a));
        }
        pair.advance(15_000 + COARSE);
        assert!(pair.is_closed(a));
    }

    fn keep_alive_zero_means_never(pair: &mut Pair) {
        let a = pair.join(connect("a"));
        let b = pair.join(connect_as(Version::V311, "b", true));
        pair.advance(100 * 24 * 3600 * 1000);
        assert!(!pair.is_closed(a) && !pair.is_closed(b));
    }

    fn the_longest_keep_alive_is_kept(pair: &mut Pair) {
        let a = pair.join(Connect { keep_alive: u16::MAX, ..connect("a") });
        let silence = u64::from(u16::MAX) * 1500;
        pair.advance(silence - 1);
        assert!(!pair.is_closed(a));
        pair.advance(1 + COARSE);
        assert!(pair.is_closed(a));
    }

    fn a_connection_without_connect_is_closed(pair: &mut Pair) {
        let silent = pair.open(Version::V311);
        let slow = pair.open(Version::V311);
        pair.send_bytes(slow, &[0x10]);
        pair.advance(9_999);
        assert!(!pair.is_closed(silent) && !pair.is_closed(slow));
        pair.advance(1 + COARSE);
        assert!(pair.is_closed(silent) && pair.is_closed(slow));
    }
}

#[test]
fn the_server_may_ask_for_a_shorter_keep_alive() {
    let mut pair = darter_testkit::Pair::new(1);
    pair.limit(|limits| limits.keep_alive = Some(20));
    for keep_alive in [0, 21, 3600] {
        let (a, connack) = pair.connect(Connect { keep_alive, ..connect("a") });
        assert_eq!(connack.properties.server_keep_alive(), Some(20));
        pair.advance(30_000 + COARSE);
        assert_eq!(pair.farewell(a), ReasonCode::KeepAliveTimeout);
    }
    let (_, connack) = pair.connect(Connect { keep_alive: 20, ..connect("a") });
    assert_eq!(connack.properties.server_keep_alive(), None);
}
