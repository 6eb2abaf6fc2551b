//! Several clients with one client identifier, and refusals that come later.

use darter_codec::{Connect, Packet, QoS, ReasonCode, Version};
use darter_engine::{Event, Verdict};
use darter_testkit::packets::{connect, connect_as, publish, resume, subscribe};
use darter_testkit::{Pair, RawId};

/// Two clients that connect again as soon as they are disconnected, until the clock shows `until`; gives how often one of
/// them was let in.
fn fight(pair: &mut Pair, hello: &Connect, until: u64) -> usize {
    let mut clients = [pair.dial(hello.clone()), pair.dial(hello.clone())];
    let mut admitted = 0;
    let mut passes = 0;
    while pair.now() < until {
        for client in &mut clients {
            let received = pair.received(*client);
            admitted += received
                .iter()
                .filter(|packet| matches!(packet, Packet::ConnAck(connack) if !connack.reason.is_error()))
                .count();
            if pair.is_closed(*client) {
                *client = pair.dial(hello.clone());
            }
        }
        passes += 1;
        assert!(admitted < 1_000, "nothing damps it");
        if passes % 10 == 0 {
            pair.advance(10);
        }
    }
    admitted
}

fn told(pair: &mut Pair) -> Vec<(String, u32)> {
    let told = pair.events().into_iter().filter_map(|event| match event {
        Event::Fight { client, takeovers, .. } => Some((client.to_string(), takeovers)),
        _ => None,
    });
    told.collect()
}

fn is_admitted(pair: &mut Pair, raw: RawId) -> bool {
    pair.received(raw)
        .iter()
        .any(|packet| matches!(packet, Packet::ConnAck(connack) if !connack.reason.is_error()))
}

battery! {
    fn a_fight_over_a_client_identifier_is_told_once_and_damped(pair: &mut Pair) {
        for hello in [resume("twin", 600), connect_as(Version::V311, "clean-twin", true)] {
            pair.events();
            let start = pair.now();
            let admitted = fight(pair, &hello, start + 60_000);
            // A few at once, then after 0.5, 1, 2, 4 and from then on 5 seconds each.
            assert!((15..=25).contains(&admitted), "{admitted}");
            assert_eq!(told(pair), [(hello.client_id.to_string(), 5)]);
        }
        assert_eq!(pair.counters().fights, 2);
        assert!(pair.counters().takeovers < 60);
    }

    fn a_few_take_overs_are_not_a_fight(pair: &mut Pair) {
        for _ in 0..5 {
            let raw = pair.dial(resume("a", 600));
            assert!(is_admitted(pair, raw));
            pair.vanish(raw);
        }
        assert!(told(pair).is_empty());
        for _ in 0..20 {
            pair.advance(61_000);
            let raw = pair.dial(resume("a", 600));
            assert!(is_admitted(pair, raw), "one who comes back now and then is never held up");
            pair.vanish(raw);
        }
        assert!(told(pair).is_empty());
    }

    fn who_returns_after_a_fight_is_not_held_up_when_nobody_is_there(pair: &mut Pair) {
        let start = pair.now();
        let hello = resume("twin", 600);
        fight(pair, &hello, start + 20_000);
        pair.advance(6_000);
        let last = pair.dial(hello.clone());
        pair.advance(6_000);
        assert!(is_admitted(pair, last));
        pair.lose(last);
        let again = pair.dial(hello);
        assert!(is_admitted(pair, again));
    }

    fn of_many_newcomers_only_the_last_one_waits(pair: &mut Pair) {
        let hello = resume("twin", 600);
        for _ in 0..6 {
            pair.dial(hello.clone());
        }
        let newcomers: Vec<_> = (0..100).map(|_| pair.dial(hello.clone())).collect();
        let (last, others) = newcomers.split_last().unwrap();
        for other in others {
            assert!(pair.is_closed(*other));
            let packets = pair.received(*other);
            assert!(matches!(&packets[..], [Packet::ConnAck(connack)] if connack.reason == ReasonCode::ServerBusy), "{packets:?}");
        }
        assert!(!pair.is_closed(*last));
        pair.advance(5_001);
        assert!(is_admitted(pair, *last));
        assert_eq!(pair.counters().connected, 1);
    }

    fn nobody_else_waits_for_a_fight(pair: &mut Pair) {
        let hello = resume("twin", 600);
        let other = pair.join(connect("other"));
        pair.subscribe(other, subscribe("t", QoS::AtMostOnce));
        for round in 0..1_000 {
            pair.dial(hello.clone());
            if round % 50 == 0 {
                let name = format!("new-{round}");
                let raw = pair.join(connect(&name));
                pair.exchange(raw, publish("t", &name));
                assert_eq!(pair.drain_texts(other), [name]);
                pair.lose(raw);
            }
        }
        assert!(pair.counters().connected <= 2);
        assert_eq!(pair.counters().sessions, 2);
    }

    fn a_fight_goes_on_at_full_speed_if_so_set(pair: &mut Pair) {
        pair.limit(|limits| limits.takeover_delay = 0);
        let hello = resume("twin", 600);
        for _ in 0..50 {
            let raw = pair.dial(hello.clone());
            assert!(is_admitted(pair, raw));
        }
        assert_eq!(told(pair).len(), 1, "told all the same");
    }

    fn a_refusal_may_come_later_and_holds_up_nobody_else(pair: &mut Pair) {
        pair.set_verdict(|connect| match connect.username.as_deref() {
            Some("stranger") => Verdict::Refuse { reason: ReasonCode::BadUserNameOrPassword, what: "unknown" },
            _ => Verdict::Accept(darter_engine::access::Identity::default()),
        });
        pair.delay_refusals(3_000);
        let stranger = Connect { username: Some("stranger".into()), ..connect("a") };
        let waits: Vec<_> = (0..10).map(|_| pair.dial(stranger.clone())).collect();
        let gone = pair.dial(stranger);
        pair.lose(gone);
        pair.advance(2_900);
        let other = pair.join(connect("a"));
        for raw in &waits {
            assert!(!pair.is_closed(*raw));
            assert!(pair.received(*raw).is_empty());
        }
        pair.advance(200);
        for raw in waits {
            assert!(pair.is_closed(raw));
            let packets = pair.received(raw);
            assert!(matches!(&packets[..], [Packet::ConnAck(connack)] if connack.reason == ReasonCode::BadUserNameOrPassword), "{packets:?}");
        }
        assert!(!pair.is_closed(other));
    }

    fn some_clients_at_a_time_are_disconnected(pair: &mut Pair) {
        let mut clients: Vec<_> = (0..40).map(|number| pair.join(connect(&format!("c{number}")))).collect();
        let mut left = 40;
        for _ in 0..10 {
            left = pair.shut_down_some(10);
            let closed = clients.iter().filter(|raw| pair.is_closed(**raw)).count();
            assert_eq!(closed, 40 - left);
            if left == 0 {
                break;
            }
            let open = *clients.iter().find(|raw| !pair.is_closed(**raw)).unwrap();
            assert_eq!(pair.exchange(open, Packet::PingReq), [Packet::PingResp], "the others are served");
        }
        assert_eq!(left, 0);
        for raw in clients.drain(..) {
            assert_eq!(pair.farewell(raw), ReasonCode::ServerShuttingDown);
        }
    }
}
