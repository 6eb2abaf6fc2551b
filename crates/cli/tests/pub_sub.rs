//! `darter pub` and `darter sub` beside mosquitto_pub and mosquitto_sub: the same options must give the same bytes on
//! standard output, the same bytes on the wire and the same exit code.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod programs;

use nix::sys::signal::Signal;
use programs::{
    MAKERS, Maker, Outcome, Script, Server, Watched, conversation, conversation_with, unique, words,
};

/// Prints messages that came in while nobody was there: a session is made, `publish` runs, then `options` print them.
#[track_caller]
fn printed(
    maker: Maker,
    server: &Server,
    filter: &str,
    options: &[&str],
    publish: impl Fn(&Server),
) -> Outcome {
    let id = unique("session");
    let session = ["-c", "-i", &id, "-q", "2", "-t", filter];
    let version = if options.contains(&"-V") { &options[..2] } else { &[] };
    let made = Maker::Mosquitto.run("sub", &server.at(&[&session[..], version, &["-E"]].concat()), b"");
    assert_eq!(made.code, Some(0));
    publish(server);
    let outcome = maker.run("sub", &server.at(&[options, &session[..]].concat()), b"");
    let gone = Maker::Mosquitto.run("sub", &server.at(&["-i", &id, "-t", "none", "-E"]), b"");
    assert_eq!(gone.code, Some(0));
    outcome
}

#[track_caller]
fn same_print(filter: &str, options: &[&str], publish: impl Fn(&Server)) -> Outcome {
    let mut first = None;
    for server in Server::both() {
        let [mosquitto, darter] = MAKERS.map(|maker| printed(maker, &server, filter, options, &publish));
        assert_eq!(mosquitto, darter, "{options:?}");
        first = Some(darter);
    }
    first.unwrap()
}

fn send(server: &Server, options: &str, payload: &[u8]) {
    let sent = Maker::Mosquitto.run("pub", &server.at(&[words(options), vec!["-s"]].concat()), payload);
    assert_eq!(sent.code, Some(0), "{options}");
}

/// Publishes with both programs and compares what a subscriber sees.
#[track_caller]
fn same_publish(options: &[&str], count: &str, input: &[u8]) -> String {
    let mut seen = None;
    for server in Server::both() {
        let [mosquitto, darter] = MAKERS.map(|maker| {
            let format = "%t|%q|%r|%l|%x|%C|%E|%F|%R|%D|%P|";
            let see = ["-V", "5", "-x", "60", "-W", "10", "-F", format, "-C", count];
            let published = std::cell::RefCell::new(None);
            let printed = printed(Maker::Mosquitto, &server, "#", &see, |server| {
                *published.borrow_mut() = Some(maker.run("pub", &server.at(options), input));
            });
            assert_eq!(printed.code, Some(0), "{maker:?} {options:?} {printed:?}");
            (published.into_inner(), printed.out)
        });
        assert_eq!(mosquitto, darter, "{options:?}");
        seen = Some(darter.1);
    }
    seen.unwrap()
}

/// All with one QoS: mosquitto_sub prints a QoS 2 message at its PUBREL only, and thus behind later ones with less QoS;
/// darter prints in the order of the server.
#[test]
fn messages_are_printed_alike() {
    let publish = |server: &Server| {
        send(server, "-t a/b -q 1", b"hello");
        Maker::Mosquitto.run("pub", &server.at(&words("-t a/c -q 1 -n")), b"");
        send(server, "-t a/skip -q 1", b"left out");
        send(server, "-t a/d -q 1", b"two\nlines\x00\xff");
    };
    for options in ["", "-v", "-N", "-v -N", "-T a/skip", "-v -T a/skip -T a/+/x -T a/d"] {
        let count = if options.contains("-T") { "1" } else { "4" };
        let outcome = same_print("a/#", &[words(options), vec!["-C", count, "-W", "10"]].concat(), publish);
        assert_eq!(outcome.code, Some(0), "{options}");
        assert!(outcome.out.contains("hello"), "{options}: {outcome:?}");
    }
}

#[test]
fn formats_are_printed_alike() {
    let formats = [
        "%t|%10t|%-10t|%.2t|%10.2t|%-10.2t|%2t|",
        "%p|%10p|%-10p|%.2p|%010p|%2p|%-010p|",
        "%x|%X|%10x|%-10x|%010x|%4x|%5x|%-5X|%05X|%3x|%1x|",
        "%l|%5l|%-5l|%05l|%m|%05m|%-5m|%q|%r|%5q|%5r|",
        "%A|%5A|%05A|%C|%5C|%D|%E|%3E|%F|%3F|%P|%R|%5R|%S|%3S|%-3S|",
        "%%|@@|\\\\|\\n|\\t|\\v|\\a|\\e|\\r|\\0|plain \u{e9}",
        "%.0t|%.t|%-.1t|%0t|%-0l|",
    ];
    for format in formats {
        let outcome = same_print("f/#", &["-F", format, "-C", "2", "-W", "10"], |server| {
            send(server, "-t f/one -q 2", b"abc");
            send(server, "-t f/two -q 2", b"0123456789ABCDEF");
        });
        assert_eq!(outcome.code, Some(0), "{format}");
    }
}

#[test]
fn properties_are_printed_alike() {
    let formats = ["%C|%20C|%-20C|%.4C|%D|%E|%9E|%09E|%-9E|%F|%3F|%P|%R|%12R|%-12R|%.2R|%S|%A|", "%j", "%J"];
    let properties = "-V 5 -t p/one -q 1 -D publish content-type text/plain -D publish correlation-data dada \
                      -D publish message-expiry-interval 100000 -D publish payload-format-indicator 1 \
                      -D publish user-property one 1 -D publish response-topic p/answer -D publish user-property two 2";
    for format in formats {
        let options = ["-V", "5", "-x", "60", "-F", format, "-C", "1", "-W", "10"];
        for server in Server::both() {
            let [mosquitto, darter] = MAKERS.map(|maker| {
                let mut outcome = printed(maker, &server, "p/#", &options, |server| {
                    send(server, properties, b"{\"a\": [1.50]}");
                });
                outcome.out = without_time(&outcome.out);
                outcome
            });
            assert_eq!(mosquitto, darter, "{format}");
            assert_eq!(darter.code, Some(0), "{format}");
        }
    }
}

/// The time stands in quotes behind "tst".
fn without_time(printed: &str) -> String {
    let mut rest = printed;
    let mut cut = String::new();
    while let Some((before, after)) = rest.split_once("tst\\\":") {
        cut.push_str(before);
        let (time, after) = after.split_once(',').unwrap_or((after, ""));
        let shape: String =
            time.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
        cut.push_str(&shape);
        rest = after;
    }
    cut + rest
}

#[test]
fn json_is_printed_alike() {
    let payloads: [&[u8]; 9] = [
        b"plain",
        b"{\"a\": 1.50, \"b\":[1,2, 1e3,-0.0,12345678901,0.1,1e20,1.5e-7], \"c\":\"x\\u00e9\\ny\" , \"d\":{} , \"e\":null}",
        b" ",
        b"a\x01\x7f\"\\\t/\xc3\xa9\xff b\x00c",
        b"[true, false, null, {\"k\": [[], {\"x\": 1}]}]\n",
        b"123456789012345678",
        b"\"\\ud83d\\ude00\"",
        b"{\"a\":1,}",
        b"01",
    ];
    for format in ["%j", "%J"] {
        for pretty in [&[][..], &["--pretty"]] {
            let options = [&["-F", format, "-C", "9", "-W", "10"], pretty].concat();
            for server in Server::both() {
                let [mosquitto, darter] = MAKERS.map(|maker| {
                    let mut outcome = printed(maker, &server, "j/#", &options, |server| {
                        for payload in payloads {
                            send(server, "-t j/\u{e9} -q 1", payload);
                        }
                    });
                    outcome.out = without_time(&outcome.out);
                    outcome
                });
                assert_eq!(mosquitto, darter, "{options:?}");
            }
        }
    }
}

#[test]
fn times_are_printed_alike_to_the_day() {
    let format = "@Y-@m-@d @a @A @b @B @D @e @F @j @u @w @V @G @U @W @g @C @y @z @Z @h @x @n@t@%@Q@1";
    // At midnight the two programs may see different days; a second try sees the same one.
    let run = |server: &Server| {
        MAKERS.map(|maker| {
            printed(maker, server, "d", &["-F", format, "-C", "1", "-W", "10"], |server| {
                send(server, "-t d -q 1", b"x");
            })
        })
    };
    let server = Server::darter();
    let [mut mosquitto, mut darter] = run(&server);
    if mosquitto != darter {
        [mosquitto, darter] = run(&server);
    }
    assert_eq!(mosquitto, darter);
    assert_eq!(darter.code, Some(0));
}

#[test]
fn retained_messages_are_treated_alike() {
    for options in [
        "-t r/# -v -C 2",
        "-t r/1 -t r/2 -v -C 2 -F %r%t",
        "-t r/# -R -W 1",
        "-t r/# -R -W 1 -V 5",
        "-t r/# -T r/1 -v -W 1",
        "-t r/# -v -W 1 --retained-only -V 31",
        "-t r/# -v -C 1 --retain-as-published -V 5",
    ] {
        for server in Server::both() {
            for topic in ["r/1", "r/2"] {
                send(&server, &format!("-r -t {topic}"), topic.as_bytes());
            }
            let [mosquitto, darter] = MAKERS.map(|maker| maker.run("sub", &server.at(&words(options)), b""));
            assert_eq!(mosquitto, darter, "{options}");
        }
    }
}

/// mosquitto_sub 2.0 removes them as well, but never ends after that.
#[test]
fn retained_messages_are_removed_except_those_left_out() {
    for server in Server::both() {
        for topic in ["r/1", "r/2", "r/3"] {
            send(&server, &format!("-r -t {topic}"), topic.as_bytes());
        }
        let removed = Maker::Darter.run(
            "sub",
            &server.at(&words("-t r/# -T r/2 --remove-retained -C 2 -W 10 -v")),
            b"",
        );
        assert_eq!(removed.code, Some(0));
        assert_eq!(removed.out.matches("r/").count(), 4, "{removed:?}");
        let left = Maker::Mosquitto.run("sub", &server.at(&words("-t r/# -W 1 -v")), b"");
        assert_eq!(left.out, "r/2 r/2\\n");
    }
}

#[test]
fn published_messages_arrive_alike() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("payload");
    std::fs::write(&file, b"from\na file\x00\xff").unwrap();
    let file = file.display().to_string();
    let cases: [(&str, &str, &[u8]); 14] = [
        ("-t a -q 1 -m hello", "1", b""),
        ("-t a -q 2 -m -5", "1", b""),
        ("-t a -q 1 -n", "1", b""),
        ("-t a -q 1 -s", "1", b"everything\nthere\x00is\n"),
        ("-t a -q 1 -l", "4", b"one\ntwo\n\nfour"),
        ("-t a -q 2 -l -M 1", "3", b"one\r\ntwo\nthree\n"),
        ("-t a -q 1 -m x --repeat 3", "3", b""),
        ("-t a -q 1 -m x --repeat 2 --repeat-delay 0.1", "2", b""),
        ("-t a -t b -q 1 -m last", "1", b""),
        ("-t a -q 2 -m v31 -V mqttv31", "1", b""),
        ("-t a -q 1 -m v5 -V 5 -I prefix -k 10 -u user -P secret", "1", b""),
        (
            "-t a -q 1 -m x -D publish content-type a/b -D publish user-property k v -D publish user-property k w",
            "1",
            b"",
        ),
        ("-t a -q 1 -m x -D publish topic-alias 3 --repeat 3", "3", b""),
        (
            "-t a -q 1 -m x -D publish message-expiry-interval 100000 -D publish response-topic re/x -D publish correlation-data c",
            "1",
            b"",
        ),
    ];
    for (options, count, input) in cases {
        let seen = same_publish(&words(options), count, input);
        assert_eq!(seen.matches("|\\n").count().to_string(), *count, "{options}: {seen}");
    }
    same_publish(&["-t", "a", "-q", "1", "-f", &file], "1", b"");
    same_publish(&["-t", "a b/\u{e9}", "-q", "1", "-m", "spaces \u{1f600}"], "1", b"");
}

#[test]
fn the_wire_carries_the_same_bytes() {
    let cases = [
        ("pub", "-t a -m x -i me"),
        ("pub", "-t a -m x"),
        ("pub", "-t a -m x -V 5"),
        ("pub", "-t a -m x -q 1 -r -V 31 -i me"),
        ("pub", "-t a -m x -q 2 -V 5 -i me"),
        ("pub", "-t a -m x -c -i me -V 5"),
        ("pub", "-t a -m x -c -i me -V 5 -x 30 -M 7"),
        ("pub", "-t a -m x -x 0 -i me -V 5"),
        ("pub", "-t a -m x -x -1 -i me -V 5"),
        ("pub", "-t a -m x -c -i me -k 65535"),
        ("pub", "-t a -n -u user -P secret -i me"),
        ("pub", "-t a -n -u user -i me"),
        ("pub", "-t a -n -P secret -i me -V 5"),
        ("pub", "-t a -n -i me --will-topic w"),
        ("pub", "-t a -n -i me --will-topic w --will-payload gone --will-qos 2 --will-retain -V 5"),
        ("pub", "-t a -n -i me -D connect user-property k v -D disconnect user-property k v"),
        ("pub", "-t a -n -i me --will-topic w -D will will-delay-interval 5 -D connect receive-maximum 3"),
        ("sub", "-t a -E -i me"),
        ("sub", "-t a -t b/# -q 1 -E -i me -c"),
        ("sub", "-t a -q 2 -E -i me -V 5"),
        ("sub", "-t a -C 3 -E -i me -V 5"),
        ("sub", "-t a -R -E -i me -V 5"),
        ("sub", "-t a --retain-as-published -E -i me -V 5"),
        ("sub", "-t a -E -i me -D subscribe subscription-identifier 7 -D subscribe user-property k v"),
        ("sub", "-t a -R --retain-as-published -E -i me -V 31"),
    ];
    for (tool, options) in cases {
        let [mosquitto, darter] = MAKERS.map(|maker| conversation(maker, tool, &words(options), b""));
        assert_eq!(mosquitto, darter, "{tool} {options}");
        assert_eq!(darter.0, Some(0), "{tool} {options}");
    }
}

#[test]
fn received_messages_are_answered_with_the_same_bytes() {
    let three = b"\x30\x06\x00\x01axyz\x32\x08\x00\x01a\x00\x05xyz\x32\x08\x00\x01a\x00\x06xyz";
    for (options, messages) in [
        ("-t a -i me -C 3 -q 1", &three[..]),
        ("-t a -i me -C 1", b"\x31\x06\x00\x01axyz"),
        ("-t a -i me --retained-only", b"\x30\x06\x00\x01axyz"),
    ] {
        let [mosquitto, darter] = MAKERS.map(|maker| conversation(maker, "sub", &words(options), messages));
        assert_eq!(mosquitto.1, darter.1, "{options}");
        assert_eq!(darter.0, Some(0), "{options}");
    }
}

/// The end may differ: mosquitto_sub closes its socket over unread answers.
#[test]
fn unsubscribing_sends_the_same_bytes() {
    let [mosquitto, darter] = MAKERS.map(|maker| {
        let (code, packets) = conversation(maker, "sub", &words("-t a -i me -U b -U c/# -q 1 -E"), b"");
        assert_eq!(code, Some(0));
        packets.lines().take(4).map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(mosquitto, darter);
    assert_eq!(darter.len(), 4);
}

/// mosquitto_sub closes its socket over unread bytes here, and its last packets may never arrive.
#[test]
fn messages_after_the_last_one_asked_for_stay_with_the_server() {
    let three = b"\x32\x08\x00\x01a\x00\x05xyz\x32\x08\x00\x01a\x00\x06xyz\x32\x08\x00\x01a\x00\x07xyz";
    let (code, packets) = conversation(Maker::Darter, "sub", &words("-t a -i me -C 2 -q 1"), three);
    assert_eq!(code, Some(0));
    assert!(packets.ends_with("\n@\\x02\\x00\\x05\n@\\x02\\x00\\x06\n\\xe0\\x00"), "{packets}");
}

#[test]
fn a_refused_connection_gives_the_servers_code() {
    let server = Server::mosquitto("allow_anonymous false");
    for options in ["-V 31", "-V 311", "-V 5"] {
        for (tool, more) in
            [("pub", "-t a -m x"), ("pub", "-t a -l"), ("sub", "-t a"), ("sub", "-t a -C 1 -W 5")]
        {
            let line = format!("{options} {more}");
            let [mosquitto, darter] = MAKERS.map(|maker| maker.run(tool, &server.at(&words(&line)), b""));
            assert_eq!(mosquitto, darter, "{tool} {line}");
            assert!(matches!(darter.code, Some(5 | 135)), "{tool} {line}: {darter:?}");
        }
    }
}

#[test]
fn when_every_subscription_is_refused_the_program_ends() {
    for (version, reason) in [("-V 311", 0x80), ("-V 5", 0x87)] {
        for options in ["-t a -i me -d", "-t a -i me -E"] {
            let line = format!("{version} {options}");
            let script = Script { reason, more: Vec::new(), hang_up: None };
            let [mosquitto, darter] =
                MAKERS.map(|maker| conversation_with(maker, "sub", &words(&line), script.clone()));
            assert_eq!(mosquitto, darter, "{line}");
        }
    }
}

#[test]
fn a_message_whose_connection_is_lost_ends_with_7() {
    for options in ["-q 1 -V 311", "-q 2 -V 5"] {
        for hang_up in [1, 3] {
            let line = format!("-t a -m x -i me {options}");
            let script = Script { reason: 0, more: Vec::new(), hang_up: Some(hang_up) };
            let [mosquitto, darter] =
                MAKERS.map(|maker| conversation_with(maker, "pub", &words(&line), script.clone()));
            assert_eq!(mosquitto, darter, "{line}");
            assert_eq!(darter.0.code, Some(7), "{line}");
        }
    }
}

#[test]
fn after_a_lost_connection_sub_subscribes_again() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port().to_string();
    for maker in MAKERS {
        let sub = Watched::start(maker, "sub", &words(&format!("-h 127.0.0.1 -p {port} -t a -i me -C 1")));
        let first = programs::serve_one(&server, Some(8), b"");
        let second = programs::serve_one(&server, None, b"\x30\x04\x00\x01ax");
        assert_eq!(first[0], second[0], "{maker:?}");
        // Behind the packet identifier.
        assert_eq!(first[1][4..], second[1][4..], "{maker:?}");
        let outcome = sub.end();
        assert_eq!((outcome.code, outcome.out.as_str()), (Some(0), "x\\n"), "{maker:?}");
    }
}

/// So does mosquitto_sub, but it keeps its output back until it ends: there is nothing to wait for.
#[test]
fn signals_end_sub_with_a_disconnect_and_0() {
    for server in Server::both() {
        for signal in [Signal::SIGTERM, Signal::SIGINT] {
            let mut sub = Watched::start(Maker::Darter, "sub", &server.at(&words("-t a -i me -d -V 5")));
            sub.wait_for("Subscribed");
            sub.signal(signal);
            let outcome = sub.end();
            assert_eq!(outcome.code, Some(0), "{signal}");
            assert!(outcome.out.ends_with("sending DISCONNECT\\n"), "{outcome:?}");
        }
    }
}

#[test]
fn without_a_server_the_exit_code_is_1() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port().to_string()
    };
    for (tool, options) in [("pub", "-t a -m x"), ("sub", "-t a")] {
        let all = [vec!["-h", "127.0.0.1", "-p", &port], words(options)].concat();
        let [mosquitto, darter] = MAKERS.map(|maker| maker.run(tool, &all, b""));
        assert_eq!(mosquitto, darter);
        assert_eq!(darter.code, Some(1));
    }
}

#[test]
fn when_time_is_over_the_exit_code_is_27() {
    for server in Server::both() {
        for options in ["-t none -W 1", "-t none -W 1 -C 1 -V 5"] {
            let [mosquitto, darter] = MAKERS.map(|maker| maker.run("sub", &server.at(&words(options)), b""));
            assert_eq!(mosquitto, darter, "{options}");
            assert_eq!(darter.code, Some(27), "{options}");
        }
    }
}

#[test]
fn the_whole_address_may_be_a_url() {
    for server in Server::both() {
        let url = format!("mqtt://user:pass@127.0.0.1:{}/from/a/url", server.port);
        let [mosquitto, darter] = MAKERS.map(|maker| {
            let sent = maker.run("pub", &["-L", &url, "-r", "-m", "x"], b"");
            assert_eq!(sent.code, Some(0));
            maker.run("sub", &["-L", &url, "-C", "1", "-W", "10", "-v"], b"")
        });
        assert_eq!(mosquitto, darter);
        assert_eq!(darter.out, "from/a/url x\\n");
    }
}

#[test]
fn packets_are_shown_alike() {
    for server in Server::both() {
        for (tool, options) in [
            ("pub", "-t a -m x -d -i me"),
            ("pub", "-t a -m x -d -i me -q 1 -V 5 -r"),
            ("pub", "-t a -m x -d -i me -q 2 --repeat 2"),
            ("pub", "-t a -l -d -i me"),
            ("pub", "-t a -m x -d"),
            ("sub", "-t none -t none/2 -E -d -i me -q 2"),
            ("sub", "-t a -C 1 -d -i me -q 1 -v"),
        ] {
            let [mosquitto, darter] =
                MAKERS.map(|maker| maker.run(tool, &server.at(&words(options)), b"1\n2\n"));
            assert_eq!(mosquitto, darter, "{tool} {options}");
        }
    }
}

#[test]
fn command_lines_that_make_no_sense_end_with_1() {
    for (tool, options) in [
        ("pub", "-t a/# -m x"),
        ("pub", "-t a -m x -n"),
        ("pub", "-t a -m x -q 3"),
        ("pub", "-t a -m x -k 4"),
        ("pub", "-t a -m x -p 70000"),
        ("pub", "-t a -m x -V 6"),
        ("pub", "-t a -m x -i a -I b"),
        ("pub", "-t a -m x -c"),
        ("pub", "-t a -m x -P secret"),
        ("pub", "-t a -m x --will-payload x"),
        ("pub", "-t a -m x --repeat 0"),
        ("pub", "-t a -m x --repeat-delay -1"),
        ("pub", "-t a -f /does/not/exist"),
        ("pub", "-t a -s"),
        ("pub", "-t a -m x -C 1"),
        ("pub", "-L http://localhost/a -m x"),
        ("pub", "-L mqtt://localhost -m x"),
        ("pub", "-t a -m x -D publish no-such-property 1"),
        ("pub", "-t a -m x -D publish subscription-identifier 1"),
        ("sub", ""),
        ("sub", "-t a/#/b"),
        ("sub", "-t a -T a/#/b"),
        ("sub", "-t a -U +a"),
        ("sub", "-t a -C 0"),
        ("sub", "-t a -C"),
        ("sub", "-t a -W 0"),
        ("sub", "-t a -F %"),
        ("sub", "-t a -F %z"),
        ("sub", "-t a -F \\z"),
        ("sub", "-t a -F %0-5l"),
        ("sub", "-t a -F x@"),
        ("sub", "-t a -R --retained-only"),
        ("sub", "-t a -c -V 5"),
        ("sub", "-t a -x one -V 5 -i a"),
        ("sub", "-t a --no-such-option"),
        ("sub", "-t a -m x"),
        ("sub", "-t a -p 1 -x -1 -V 5"),
    ] {
        let [mosquitto, darter] = MAKERS.map(|maker| maker.run(tool, &words(options), b""));
        assert_eq!(mosquitto, darter, "{tool} {options}");
        assert_eq!(darter.code, Some(1), "{tool} {options}");
    }
}
