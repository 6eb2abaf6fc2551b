//! What goes into the history: about one publication for each topic and second, each once however many shards there are.

use darter_codec::{Connect, QoS};
use darter_testkit::packets::{connect, publish, publish_1, publish_2, resume, retained, subscribe, will};

fn texts(pair: &mut darter_testkit::Pair) -> Vec<String> {
    pair.run();
    let text = |message: &darter_codec::Message| {
        format!("{} {}", message.topic(), String::from_utf8_lossy(message.payload()))
    };
    let mut texts: Vec<_> = pair.records().iter().map(text).collect();
    texts.sort_unstable();
    texts
}

battery! {
    fn one_publication_of_a_topic_in_a_second(pair: &mut Pair) {
        for name in ["a", "b", "c", "d"] {
            let reader = pair.join(resume(name, 100));
            pair.subscribe(reader, subscribe("#", QoS::ExactlyOnce));
        }
        let p = pair.join(connect("p"));
        for number in 1..=5 {
            pair.exchange(p, publish("t/a", &number.to_string()));
            pair.exchange(p, publish_1("t/b", &number.to_string(), number));
        }
        assert_eq!(texts(pair), ["t/a 1", "t/b 1"]);
        assert_eq!(pair.counters().history_skipped, 8);
        pair.advance(1_000);
        pair.exchange(p, publish_2("t/a", "later", 1));
        pair.exchange(p, retained(publish("t/b", "later")));
        assert_eq!(texts(pair), ["t/a later", "t/b later"]);
    }

    fn wills_are_publications_and_topics_of_the_server_are_not(pair: &mut Pair) {
        let a = pair.join(Connect { will: Some(will("wills", "gone")), ..connect("a") });
        pair.exchange(a, publish("$mine/x", "x"));
        pair.lose(a);
        assert_eq!(texts(pair), ["wills gone"]);
        assert_eq!(pair.counters().history_skipped, 0);
    }

    fn large_payloads_are_left_out_and_counted(pair: &mut Pair) {
        pair.limit(|limits| limits.history_payload = 10);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish("t", "eleven byte"));
        pair.exchange(p, publish("t", "ten bytes!"));
        assert_eq!(texts(pair), ["t ten bytes!"]);
        assert_eq!(pair.counters().history_skipped, 1);
    }

    fn a_history_can_be_turned_off(pair: &mut Pair) {
        pair.limit(|limits| limits.history_points = 0);
        let p = pair.join(connect("p"));
        pair.exchange(p, publish("t", "x"));
        assert!(texts(pair).is_empty());
        assert_eq!(pair.counters().history_skipped, 0);
    }
}
