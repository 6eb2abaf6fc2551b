//! Late verdicts, enhanced authentication (section 4.12), and logins that end.

use darter_codec::{Auth, ConnAck, Connect, Disconnect, Packet, Property, QoS, ReasonCode, Version};
use darter_engine::access::Identity;
use darter_engine::{Event, Step, Verdict};
use darter_testkit::packets::{connect, connect_as, properties, publish_1, resume, subscribe};
use darter_testkit::{Pair, RawId};

/// A server that knows a user `ann`: she says "I am ann", is asked "prove it", and says "proof". Everything else is wrong.
/// With "for a while" in her words her login ends at 60,000 ms of the server's clock.
fn ann(data: &[u8]) -> Step {
    let identity = |ends_at| Identity { ends_at, ..Identity::of_user("ann") };
    match data {
        b"I am ann" => Step::Challenge(b"prove it".to_vec()),
        b"proof" => Step::Accept { identity: identity(None), data: b"welcome".to_vec() },
        b"proof for a while" => Step::Accept { identity: identity(Some(60_000)), data: Vec::new() },
        b"proof for longer" => Step::Accept { identity: identity(Some(90_000)), data: Vec::new() },
        b"I am bob" => Step::Accept { identity: Identity::of_user("bob"), data: Vec::new() },
        b"a lot" => Step::Challenge(vec![b'x'; 500]),
        _ => Step::Refuse("the proof is wrong"),
    }
}

fn with_method(connect: Connect, data: &'static str) -> Connect {
    let mut list: Vec<Property> = connect.properties.into_iter().cloned().collect();
    list.push(Property::AuthenticationMethod("proof".into()));
    if !data.is_empty() {
        list.push(Property::AuthenticationData(data.into()));
    }
    Connect { properties: list.into(), ..connect }
}

fn auth(reason: ReasonCode, data: &'static str) -> Auth {
    let list = [Property::AuthenticationMethod("proof".into()), Property::AuthenticationData(data.into())];
    Auth { reason, properties: properties(list) }
}

fn go_on(data: &'static str) -> Auth {
    auth(ReasonCode::ContinueAuthentication, data)
}

fn anew(data: &'static str) -> Auth {
    auth(ReasonCode::ReAuthenticate, data)
}

/// Takes the only packet that has arrived.
fn only(pair: &mut Pair, raw: RawId) -> Packet {
    let mut packets = pair.received(raw);
    assert_eq!(packets.len(), 1, "{packets:?}");
    packets.remove(0)
}

fn is_challenge(packet: &Packet) {
    let Packet::Auth(auth) = packet else { panic!("{packet:?} instead of AUTH") };
    assert_eq!(auth.reason, ReasonCode::ContinueAuthentication, "[MQTT-4.12.0-2]");
    assert_eq!(auth.properties.authentication_method().map(|name| &**name), Some("proof"));
    assert_eq!(auth.properties.authentication_data().map(|data| &data[..]), Some(&b"prove it"[..]));
}

/// Ann, connected.
fn join(pair: &mut Pair, connect: Connect) -> RawId {
    pair.set_step(ann);
    let raw = pair.dial(with_method(connect, "I am ann"));
    is_challenge(&only(pair, raw));
    pair.send(raw, go_on("proof"));
    pair.run();
    let connack = only(pair, raw);
    assert!(
        matches!(&connack, Packet::ConnAck(connack) if connack.reason == ReasonCode::Success),
        "{connack:?}"
    );
    raw
}

fn refusal(pair: &mut Pair, raw: RawId) -> ConnAck {
    assert!(pair.is_closed(raw));
    match only(pair, raw) {
        Packet::ConnAck(connack) => connack,
        other => panic!("{other:?} instead of CONNACK"),
    }
}

battery! {
    fn a_challenge_comes_before_connack_and_its_method_stands_in_all_of_them(pair: &mut Pair) {
        pair.set_step(ann);
        let raw = pair.dial(with_method(connect("a"), "I am ann"));
        is_challenge(&only(pair, raw));
        pair.send(raw, go_on("proof"));
        pair.run();
        let Packet::ConnAck(connack) = only(pair, raw) else { panic!("no CONNACK") };
        assert_eq!(connack.reason, ReasonCode::Success);
        assert_eq!(connack.properties.authentication_method().map(|name| &**name), Some("proof"), "[MQTT-4.12.0-5]");
        assert_eq!(connack.properties.authentication_data().map(|data| &data[..]), Some(&b"welcome"[..]));
        assert_eq!(pair.exchange(raw, Packet::PingReq), [Packet::PingResp]);
    }

    fn a_client_without_a_method_hears_nothing_of_methods(pair: &mut Pair) {
        pair.set_step(ann);
        let (raw, connack) = pair.connect(connect("a"));
        assert_eq!(connack.properties.authentication_method(), None, "[MQTT-4.12.0-6]");
        pair.send(raw, go_on("proof"));
        pair.run();
        assert_eq!(pair.farewell(raw), ReasonCode::ProtocolError);
    }

    fn a_method_that_is_not_known_is_refused(pair: &mut Pair) {
        let raw = pair.dial(with_method(connect("a"), "I am ann"));
        assert_eq!(refusal(pair, raw).reason, ReasonCode::BadAuthenticationMethod);
    }

    fn a_wrong_proof_is_refused_without_a_word_why(pair: &mut Pair) {
        pair.set_step(ann);
        let raw = pair.dial(with_method(connect("a"), "I am ann"));
        is_challenge(&only(pair, raw));
        pair.send(raw, go_on("guess"));
        pair.run();
        let connack = refusal(pair, raw);
        assert_eq!(connack.reason, ReasonCode::NotAuthorized);
        assert_eq!(connack.properties.reason_string(), None);
        let told = pair.events().into_iter().any(
            |event| matches!(event, Event::Refused { what: "the proof is wrong", client: Some(client), .. } if &*client == "a"),
        );
        assert!(told, "the log does say it");
        assert_eq!(pair.counters().sessions, 0);
    }

    fn only_auth_of_the_same_method_answers_a_challenge(pair: &mut Pair) {
        pair.set_step(ann);
        let other = Auth {
            reason: ReasonCode::ContinueAuthentication,
            properties: properties([Property::AuthenticationMethod("other".into())]),
        };
        let wrong: [Packet; 7] = [
            publish_1("t", "x", 1).into(),
            Packet::PingReq,
            connect("a").into(),
            other.into(),
            Auth::new(ReasonCode::ContinueAuthentication).into(),
            anew("I am ann").into(),
            Auth::new(ReasonCode::Success).into(),
        ];
        for packet in wrong {
            let raw = pair.dial(with_method(connect("a"), "I am ann"));
            is_challenge(&only(pair, raw));
            pair.send(raw, packet.clone());
            pair.run();
            assert_eq!(refusal(pair, raw).reason, ReasonCode::ProtocolError, "{packet:?}");
        }
    }

    fn bytes_that_are_no_packet_end_an_exchange(pair: &mut Pair) {
        pair.set_step(ann);
        let raw = pair.dial(with_method(connect("a"), "I am ann"));
        is_challenge(&only(pair, raw));
        pair.send_bytes(raw, &[0xF3, 0x00]);
        pair.run();
        assert_eq!(refusal(pair, raw).reason, ReasonCode::MalformedPacket);
    }

    fn who_leaves_instead_of_an_answer_is_gone(pair: &mut Pair) {
        pair.set_step(ann);
        let raw = pair.dial(with_method(connect("a"), "I am ann"));
        is_challenge(&only(pair, raw));
        pair.send(raw, Disconnect { reason: ReasonCode::Success, properties: properties([]) });
        pair.run();
        assert!(pair.is_closed(raw));
        assert!(pair.received(raw).is_empty());
    }

    fn who_never_answers_a_challenge_is_closed(pair: &mut Pair) {
        pair.set_step(ann);
        let timeout = darter_engine::Limits::default().connect_timeout;
        let raw = pair.dial(with_method(connect("a"), "I am ann"));
        is_challenge(&only(pair, raw));
        pair.advance(timeout - 1_000);
        assert!(!pair.is_closed(raw));
        pair.advance(2_000);
        assert!(pair.is_closed(raw));
    }

    fn a_challenge_that_the_client_cannot_take_is_a_refusal(pair: &mut Pair) {
        pair.set_step(ann);
        let small = Connect { properties: properties([Property::MaximumPacketSize(100)]), ..connect("a") };
        let raw = pair.dial(with_method(small, "a lot"));
        assert_eq!(refusal(pair, raw).reason, ReasonCode::PacketTooLarge);
    }

    fn packets_behind_connect_wait_for_the_end_of_an_exchange(pair: &mut Pair) {
        // No client may do this, but what comes of it must be the client's harm alone.
        pair.set_step(ann);
        let raw = pair.open(Version::V5);
        pair.send(raw, with_method(resume("a", 100), "I am ann"));
        pair.send(raw, go_on("proof"));
        pair.send(raw, subscribe("t", QoS::AtMostOnce));
        pair.run();
        let received = pair.received(raw);
        assert!(matches!(&received[..], [Packet::Auth(_), Packet::ConnAck(_), Packet::SubAck(_)]), "{received:?}");
    }

    fn packets_go_on_during_re_authentication(pair: &mut Pair) {
        let raw = join(pair, resume("a", 100));
        pair.subscribe(raw, subscribe("t", QoS::AtLeastOnce));
        pair.send(raw, anew("I am ann"));
        pair.run();
        is_challenge(&only(pair, raw));
        let publisher = pair.join(connect("p"));
        pair.exchange(publisher, publish_1("t", "meanwhile", 1));
        assert_eq!(pair.drain_texts(raw), ["meanwhile"]);
        let answer = pair.exchange(raw, go_on("proof"));
        let [Packet::Auth(success)] = &answer[..] else { panic!("{answer:?}") };
        assert_eq!(success.reason, ReasonCode::Success);
        assert_eq!(success.properties.authentication_method().map(|name| &**name), Some("proof"));
        assert_eq!(success.properties.authentication_data().map(|data| &data[..]), Some(&b"welcome"[..]));
        pair.exchange(publisher, publish_1("t", "afterwards", 2));
        assert_eq!(pair.drain_texts(raw), ["afterwards"]);
        // And once more.
        let answer = pair.exchange(raw, anew("proof"));
        assert!(matches!(&answer[..], [Packet::Auth(auth)] if auth.reason == ReasonCode::Success), "{answer:?}");
    }

    fn re_authentication_that_fails_ends_the_connection(pair: &mut Pair) {
        for (first, second) in [("guess", None), ("I am ann", Some("guess")), ("I am bob", None)] {
            let raw = join(pair, connect("a"));
            pair.send(raw, anew(first));
            pair.run();
            if let Some(second) = second {
                is_challenge(&only(pair, raw));
                pair.send(raw, go_on(second));
                pair.run();
            }
            assert_eq!(pair.farewell(raw), ReasonCode::NotAuthorized, "{first}");
        }
    }

    fn auth_at_the_wrong_time_breaks_the_protocol(pair: &mut Pair) {
        let other = Auth {
            reason: ReasonCode::ReAuthenticate,
            properties: properties([Property::AuthenticationMethod("other".into())]),
        };
        let wrong = [go_on("proof"), auth(ReasonCode::Success, "proof"), Auth::new(ReasonCode::ReAuthenticate), other];
        for packet in wrong {
            let raw = join(pair, connect("a"));
            pair.send(raw, packet.clone());
            pair.run();
            assert_eq!(pair.farewell(raw), ReasonCode::ProtocolError, "{packet:?}");
        }
        let raw = join(pair, connect("a"));
        pair.send(raw, anew("I am ann"));
        pair.run();
        is_challenge(&only(pair, raw));
        pair.send(raw, anew("I am ann"));
        pair.run();
        assert_eq!(pair.farewell(raw), ReasonCode::ProtocolError, "it has one to end first");
    }

    fn auth_of_a_client_of_version_3_breaks_the_protocol(pair: &mut Pair) {
        pair.set_step(ann);
        let raw = pair.join(connect_as(Version::V311, "a", true));
        pair.send_bytes(raw, &[0xF0, 0x00]);
        pair.run();
        assert!(pair.is_closed(raw));
    }

    fn a_verdict_may_come_late(pair: &mut Pair) {
        pair.hold_verdicts();
        let raw = pair.open(Version::V5);
        pair.send(raw, resume("a", 100));
        pair.send(raw, subscribe("t", QoS::AtMostOnce));
        pair.run();
        assert!(pair.received(raw).is_empty());
        pair.advance(60_000);
        assert!(!pair.is_closed(raw), "it is not the client who takes so long");
        assert!(pair.decide());
        pair.run();
        let received = pair.received(raw);
        assert!(matches!(&received[..], [Packet::ConnAck(_), Packet::SubAck(_)]), "{received:?}");
    }

    fn a_verdict_on_a_connection_that_is_gone_is_ignored(pair: &mut Pair) {
        pair.hold_verdicts();
        let gone = pair.dial(connect("a"));
        pair.lose(gone);
        pair.run();
        // It gets the same slot.
        let silent = pair.open(Version::V5);
        assert!(pair.decide());
        pair.run();
        assert!(pair.received(silent).is_empty());
        assert_eq!(pair.counters().sessions, 0);
        pair.send(silent, connect("b"));
        pair.run();
        assert!(pair.decide());
        pair.run();
        assert!(matches!(only(pair, silent), Packet::ConnAck(_)));
        assert_eq!(pair.counters().connected, 1);
    }

    fn late_verdicts_on_one_client_identifier_leave_one_connection(pair: &mut Pair) {
        pair.hold_verdicts();
        let first = pair.dial(resume("a", 100));
        let second = pair.dial(resume("a", 100));
        while pair.decide() {
            pair.commit_all();
        }
        assert_eq!(pair.farewell(first), ReasonCode::SessionTakenOver);
        assert!(matches!(only(pair, second), Packet::ConnAck(_)));
        assert_eq!((pair.counters().connected, pair.counters().sessions), (1, 1));
    }

    fn a_login_that_ends_disconnects_its_client(pair: &mut Pair) {
        pair.set_verdict(|connect| {
            let ends_at = connect.username.is_some().then_some(60_000);
            Verdict::Accept(Identity { ends_at, ..Identity::default() })
        });
        for version in [Version::V5, Version::V311] {
            assert!(pair.now() < 30_000);
            let name = format!("client-{}", version.level());
            let hello = Connect { username: Some("ann".into()), ..connect_as(version, &name, true) };
            pair.join(hello);
        }
        let back = |pair: &mut Pair| {
            pair.join(Connect { username: Some("ann".into()), ..resume("back", 600) })
        };
        let first = back(pair);
        pair.lose(first);
        let other = pair.join(connect("other"));
        let last = back(pair);
        pair.advance(60_000 - pair.now() - 1);
        assert_eq!(pair.counters().connected, 4);
        pair.advance(2);
        assert_eq!(pair.farewell(last), ReasonCode::NotAuthorized);
        assert_eq!(pair.counters().connected, 1);
        assert!(!pair.is_closed(other));
        assert_eq!(pair.counters().sessions, 2, "the session goes on");
    }

    fn a_login_that_ended_with_its_connection_ends_no_other(pair: &mut Pair) {
        pair.set_verdict(|connect| {
            let ends_at = connect.username.is_some().then_some(60_000);
            Verdict::Accept(Identity { ends_at, ..Identity::default() })
        });
        let first = pair.join(Connect { username: Some("ann".into()), ..resume("a", 600) });
        pair.lose(first);
        let second = pair.join(resume("a", 600));
        pair.advance(120_000);
        assert!(!pair.is_closed(second));
    }

    fn re_authentication_prolongs_a_login(pair: &mut Pair) {
        let raw = join(pair, connect("a"));
        for (proof, until) in [("proof for a while", 60_000), ("proof for longer", 90_000)] {
            let answer = pair.exchange(raw, anew(proof));
            assert!(matches!(&answer[..], [Packet::Auth(auth)] if auth.reason == ReasonCode::Success), "{answer:?}");
            pair.advance(until - 1_000 - pair.now());
            assert!(!pair.is_closed(raw));
        }
        pair.advance(2_000);
        assert_eq!(pair.farewell(raw), ReasonCode::NotAuthorized);
    }
}
