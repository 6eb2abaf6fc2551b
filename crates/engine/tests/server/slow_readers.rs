//! Clients that read too slowly, and that nobody else notices.

use darter_codec::{Packet, Publish, QoS, Version};
use darter_engine::DropReason;
use darter_testkit::packets::{connect, connect_as, publish, publish_1, resume, subscribe};

fn numbers(messages: &[Publish]) -> Vec<u32> {
    messages.iter().map(|one| String::from_utf8_lossy(&one.payload[..4]).parse().unwrap()).collect()
}

fn text(number: u32) -> String {
    format!("{number:04}{}", "x".repeat(396))
}

battery! {
    fn a_slow_reader_loses_the_oldest_qos_0_and_disturbs_nobody(pair: &mut Pair) {
        pair.limit(|limits| limits.output_bytes = 8_000);
        let slow = pair.join(connect("slow"));
        let quick = pair.join(connect("quick"));
        for client in [slow, quick] {
            pair.subscribe(client, subscribe("t", QoS::AtMostOnce));
        }
        pair.stop_reading(slow, 1_000);
        let p = pair.join(connect("p"));
        for number in 1..=200 {
            pair.exchange(p, publish("t", &text(number)));
        }
        assert_eq!(numbers(&pair.drain(quick)), (1..=200).collect::<Vec<_>>());
        let dropped = pair.dropped("slow", "t", DropReason::SlowReader);
        assert!(dropped > 100, "{dropped}");
        pair.read_again(slow);
        let seen = numbers(&pair.drain(slow));
        assert_eq!(seen.len() as u64 + dropped, 200, "each is delivered or counted");
        assert!(seen.is_sorted());
        assert_eq!(seen.last(), Some(&200), "the newest are kept");
        let gap = seen.windows(2).filter(|two| two[1] != two[0] + 1).count();
        assert_eq!(gap, 1, "what went is the oldest that had not been written: {seen:?}");
        pair.exchange(p, publish("t", &text(201)));
        assert_eq!(numbers(&pair.drain(slow)), [201]);
    }

    fn a_slow_reader_loses_no_qos_1(pair: &mut Pair) {
        pair.limit(|limits| limits.output_bytes = 8_000);
        let slow = pair.join(connect_as(Version::V311, "slow", true));
        pair.subscribe(slow, subscribe("t", QoS::AtLeastOnce));
        pair.stop_reading(slow, 1_000);
        let p = pair.join(connect("p"));
        for number in 1..=200 {
            let answer = pair.exchange(p, publish_1("t", &text(number), u16::try_from(number).unwrap()));
            assert!(matches!(&answer[..], [Packet::PubAck(_)]), "the publisher is not held up");
        }
        pair.read_again(slow);
        assert_eq!(numbers(&pair.drain(slow)), (1..=200).collect::<Vec<_>>());
        assert_eq!(pair.counters().dropped, 0);
    }

    fn a_slow_reader_that_is_lost_gets_the_rest_later(pair: &mut Pair) {
        pair.limit(|limits| limits.output_bytes = 8_000);
        let slow = pair.join(resume("slow", 100));
        pair.subscribe(slow, subscribe("t", QoS::AtLeastOnce));
        pair.stop_reading(slow, 1_000);
        let p = pair.join(connect("p"));
        for number in 1..=100 {
            pair.exchange(p, publish_1("t", &text(number), u16::try_from(number).unwrap()));
        }
        pair.lose(slow);
        let again = pair.join(resume("slow", 100));
        let seen = numbers(&pair.drain(again));
        assert_eq!(seen, (1..=100).collect::<Vec<_>>(), "nothing was read, so everything comes again");
    }

    fn a_client_that_reads_no_answers_is_not_read_from(pair: &mut Pair) {
        pair.limit(|limits| limits.output_bytes = 1_000);
        let rude = pair.join(connect("rude"));
        let polite = pair.join(connect("polite"));
        pair.stop_reading(rude, 100);
        for _ in 0..5_000 {
            pair.send(rude, Packet::PingReq);
        }
        pair.run();
        assert_eq!(pair.exchange(polite, Packet::PingReq), [Packet::PingResp]);
        pair.read_again(rude);
        pair.run();
        assert_eq!(pair.received(rude).len(), 5_000, "it gets all of them once it reads");
    }

    fn large_bodies_for_a_slow_reader_are_written_whole(pair: &mut Pair) {
        pair.limit(|limits| limits.output_bytes = 20_000);
        let slow = pair.join(connect("slow"));
        pair.subscribe(slow, subscribe("t", QoS::AtLeastOnce));
        pair.stop_reading(slow, 700);
        let p = pair.join(connect("p"));
        for number in 1..=30u32 {
            let body = format!("{number:04}{}", "y".repeat(3_000 + usize::try_from(number).unwrap()));
            pair.exchange(p, publish_1("t", &body, u16::try_from(number).unwrap()));
            pair.exchange(p, publish("t", &body));
        }
        pair.read_again(slow);
        let messages = pair.drain(slow);
        for message in &messages {
            let number: usize = String::from_utf8_lossy(&message.payload[..4]).parse().unwrap();
            assert_eq!(message.payload.len(), 4 + 3_000 + number);
        }
        let once: Vec<_> = messages.iter().filter(|one| one.qos == QoS::AtLeastOnce).cloned().collect();
        assert_eq!(numbers(&once), (1..=30).collect::<Vec<_>>());
    }
}
