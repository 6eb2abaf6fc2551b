"""MQTT clients that others wrote, through the real server: every client, every version it speaks, 1 and 4 shards."""

import pytest

from driven import KINDS, unique

NAMES = {3: "3.1", 4: "3.1.1", 5: "5"}
# What a client may report when the server kept its session: nothing, where it hides the flag. Version 3.1 has no flag.
PRESENT = {3: (True, False, None), 4: (True, None), 5: (True, None)}
ALL = [(kind, version) for kind in KINDS.values() for version in kind.versions]


def every(condition=lambda kind, version: True):
    """Runs a test with every client and version for which the condition holds."""
    chosen = [(kind, version) for kind, version in ALL if condition(kind, version)]
    return pytest.mark.parametrize(
        ("kind", "version"), chosen, ids=[f"{kind.name}-{NAMES[version]}" for kind, version in chosen]
    )


def pair(client, kind, version):
    """A connected publisher and a connected subscriber."""
    publisher, subscriber = client(kind, version), client(kind, version)
    publisher.connect()
    subscriber.connect()
    return publisher, subscriber


@every()
def test_messages_arrive_once_in_order_and_with_their_quality_of_service(client, kind, version):
    publisher, subscriber = pair(client, kind, version)
    for qos in kind.qos:
        topic = f"{unique('flow')}/qos{qos}"
        subscriber.subscribe(topic, qos)
        sent = [f"message {number}".encode() for number in range(50)]
        for payload in sent:
            publisher.publish(topic, payload, qos)
        received = subscriber.messages(len(sent))
        publisher.wait_published(len(sent))
        assert [message["payload"] for message in received] == sent
        assert {message["topic"] for message in received} == {topic}
        if kind.tells_flags:
            assert {message["qos"] for message in received} == {qos}
            assert {message["retain"] for message in received} == {False}
    assert subscriber.pending_messages() == []
    publisher.disconnect()
    subscriber.disconnect()


@every(lambda kind, _: 2 in kind.qos)
def test_a_message_is_delivered_with_the_lower_of_both_qualities_of_service(client, kind, version):
    publisher, subscriber = pair(client, kind, version)
    for granted in (0, 1, 2):
        topic = unique("granted")
        subscriber.subscribe(topic, granted)
        for sent in (0, 1, 2):
            publisher.publish(topic, b"x", sent)
            assert subscriber.take("message")["qos"] == min(granted, sent)


@every()
def test_payloads_of_all_sizes_arrive_unchanged(client, kind, version):
    publisher, subscriber = pair(client, kind, version)
    topic = unique("sizes")
    subscriber.subscribe(topic, 1)
    # Around every length at which the remaining length grows by a byte, and one that needs many segments.
    for size in (0, 1, 100, 127, 128, 16_300, 16_384, 300_000, 1_000_000):
        payload = bytes(number * 31 % 256 for number in range(min(size, 997))) * (size // 997 + 1)
        publisher.publish(topic, payload[:size], 1)
        assert subscriber.take("message")["payload"] == payload[:size]


@every(lambda kind, _: kind.unsubscribes)
def test_wildcards_match_and_an_unsubscribed_filter_is_silent(client, kind, version):
    publisher, subscriber = pair(client, kind, version)
    root = unique("tree")
    subscriber.subscribe(f"{root}/+/temperature", 1)
    subscriber.subscribe(f"{root}/cellar/#", 1)
    publisher.publish(f"{root}/kitchen/temperature", b"20", 1)
    publisher.publish(f"{root}/kitchen/humidity", b"not for us", 1)
    publisher.publish(f"{root}/cellar/wine/bottles", b"7", 1)
    assert subscriber.payloads(2) == [b"20", b"7"]
    subscriber.unsubscribe(f"{root}/+/temperature")
    publisher.publish(f"{root}/kitchen/temperature", b"not any more", 1)
    publisher.publish(f"{root}/cellar", b"the filter's parent", 1)
    assert subscriber.payloads(1) == [b"the filter's parent"]


@every()
def test_a_retained_message_greets_new_subscribers_until_it_is_cleared(client, kind, version):
    publisher = client(kind, version)
    publisher.connect()
    for qos in kind.qos:
        topic = unique("retained")
        publisher.publish(topic, b"old", qos, retain=True)
        publisher.publish(topic, b"kept", qos, retain=True)
        # What the publisher itself receives, greeting or live, has been stored before.
        publisher.subscribe(topic, qos)
        while publisher.take("message")["payload"] != b"kept":
            pass

        late = client(kind, version)
        late.connect()
        late.subscribe(topic, qos)
        greeting = late.take("message")
        assert (greeting["topic"], greeting["payload"]) == (topic, b"kept")
        if kind.tells_flags:
            assert (greeting["retain"], greeting["qos"]) == (True, qos)
        publisher.publish(topic, b"live", qos, retain=True)
        live = late.take("message")
        assert live["payload"] == b"live"
        if kind.tells_flags:
            assert live["retain"] is False
        publisher.publish(topic, b"", qos, retain=True)
        assert late.take("message")["payload"] == b""

        latest = client(kind, version)
        latest.connect()
        latest.subscribe(topic, qos)
        publisher.publish(topic, b"first that comes", qos)
        assert latest.payloads(1) == [b"first that comes"]


@every(lambda kind, _: kind.wills)
@pytest.mark.parametrize("qos", (0, 1, 2))
def test_a_will_is_published_when_the_connection_breaks(client, kind, version, qos):
    watcher, doomed = client(kind, version), client(kind, version)
    topic = unique("will")
    watcher.connect()
    watcher.subscribe(topic, 2)
    doomed.connect(will={"topic": topic, "payload": b"gone", "qos": qos, "retain": True})
    doomed.kill()
    will = watcher.take("message")
    assert (will["payload"], will["qos"], will["retain"]) == (b"gone", qos, False)
    late = client(kind, version)
    late.connect()
    late.subscribe(topic, 2)
    kept = late.take("message")
    assert (kept["payload"], kept["qos"], kept["retain"]) == (b"gone", qos, True)
    watcher.publish(topic, b"", 1, retain=True)
    assert late.take("message")["payload"] == b""


@every(lambda kind, _: kind.wills)
def test_a_will_is_not_published_after_a_disconnect(client, kind, version):
    watcher, polite = client(kind, version), client(kind, version)
    topic = unique("will")
    watcher.connect()
    watcher.subscribe(topic, 1)
    client_id = unique("polite")
    polite.connect(client_id, will={"topic": topic, "payload": b"gone", "qos": 1, "retain": False})
    polite.disconnect()
    # The second connection of the same client proves that the server has seen the end of the first.
    again = client(kind, version)
    again.connect(client_id)
    again.publish(topic, b"marker", 1)
    assert watcher.payloads(1) == [b"marker"]


@every()
def test_a_session_keeps_what_arrives_while_its_client_is_away(client, kind, version):
    topic, client_id = unique("offline"), unique("sleeper")
    qualities = [qos for qos in kind.qos if qos > 0]
    sleeper = client(kind, version)
    assert sleeper.connect(client_id, clean=False, expiry=300) in (False, None)
    for qos in qualities:
        sleeper.subscribe(f"{topic}/{qos}", qos)
    sleeper.disconnect()

    publisher, witness = pair(client, kind, version)
    sent = {qos: [f"{qos}: {number}".encode() for number in range(30)] for qos in qualities}
    for qos in qualities:
        witness.subscribe(f"{topic}/{qos}", qos)
        for payload in sent[qos]:
            publisher.publish(f"{topic}/{qos}", payload, qos)
        assert witness.payloads(len(sent[qos])) == sent[qos]

    back = client(kind, version)
    assert back.connect(client_id, clean=False, expiry=300) in PRESENT[version]
    received = back.messages(sum(map(len, sent.values())))
    for qos in qualities:
        of_this = [message for message in received if message["topic"] == f"{topic}/{qos}"]
        assert [message["payload"] for message in of_this] == sent[qos]
        if kind.tells_flags:
            assert {message["qos"] for message in of_this} == {qos}
    publisher.publish(f"{topic}/1", b"live again", 1)
    assert back.payloads(1) == [b"live again"]
    assert back.pending_messages() == []
    back.disconnect()

    fresh = client(kind, version)
    assert fresh.connect(client_id, clean=True) in (False, None)
    fresh.subscribe(f"{topic}/fence", 1)
    publisher.publish(f"{topic}/1", b"for nobody", 1)
    publisher.publish(f"{topic}/fence", b"fence", 1)
    assert fresh.payloads(1) == [b"fence"]


@every(lambda kind, version: kind.tells_published)
def test_a_session_survives_a_broken_connection(client, kind, version):
    topic, client_id = unique("broken"), unique("clumsy")
    clumsy, publisher = client(kind, version), client(kind, version)
    clumsy.connect(client_id, clean=False, expiry=300)
    clumsy.subscribe(topic, 1)
    clumsy.kill()
    publisher.connect()
    sent = [str(number).encode() for number in range(10)]
    for payload in sent:
        publisher.publish(topic, payload, 1)
    publisher.wait_published(len(sent))
    back = client(kind, version)
    assert back.connect(client_id, clean=False, expiry=300) in PRESENT[version]
    assert back.payloads(len(sent)) == sent


@every(lambda _, version: version == 5)
def test_members_of_a_shared_subscription_divide_the_messages(client, kind, version):
    topic, group = unique("work"), unique("group")
    members = [client(kind, version) for _ in range(3)]
    for member in members:
        member.connect()
        member.subscribe(f"$share/{group}/{topic}/#", 1)
    publisher, witness = pair(client, kind, version)
    witness.subscribe(f"{topic}/#", 1)
    sent = [str(number).encode() for number in range(60)]
    for payload in sent:
        publisher.publish(f"{topic}/job", payload, 1)
    # A subscription of one's own gets everything, whatever the group does.
    assert witness.payloads(len(sent)) == sent
    # After its own fence a member has everything that was meant for it.
    shares = []
    for member in members:
        own = unique("fence")
        member.subscribe(own, 1)
        publisher.publish(own, b"fence", 1)
        share = []
        while (payload := member.take("message")["payload"]) != b"fence":
            share.append(payload)
        shares.append(share)
    assert sorted(sum(shares, [])) == sorted(sent), "every message goes to exactly one member"
    assert all(shares), f"every member gets work: {[len(share) for share in shares]}"
    assert all(share == sorted(share, key=int) for share in shares), "order holds within a member"


@every()
def test_a_second_connection_with_the_same_client_id_takes_over(server, client, kind, version):
    client_id, topic = unique("twin"), unique("twin-topic")
    first, second = client(kind, version), client(kind, version)
    first.connect(client_id)
    if kind.name == "umqtt":
        # This client notices the end of its connection only while it waits for a message.
        first.subscribe(topic)
    second.connect(client_id)
    closed = first.take("closed")
    if version == 5 and server.says_goodbye:
        assert closed["reason"] == 0x8E
    second.subscribe(topic, 1)
    second.publish(topic, b"still here", 1)
    assert second.payloads(1) == [b"still here"]


@every(lambda kind, version: version == 5 and kind.properties)
def test_properties_of_a_message_reach_the_subscriber(client, kind, version):
    publisher, subscriber = pair(client, kind, version)
    topic = unique("properties")
    subscriber.subscribe(topic, 1)
    properties = {
        "user": [["unit", "°C"], ["place", "cellar"], ["place", "attic"]],
        "content_type": "text/plain",
        "response_topic": f"{topic}/answer",
        "correlation": b"\x01\x02id",
    }
    publisher.publish(topic, b"21.5", 1, properties=properties)
    seen = subscriber.take("message")["properties"]
    assert sorted(map(tuple, seen["user"])) == sorted(map(tuple, properties["user"]))
    assert [value for name, value in seen["user"] if name == "place"] == ["cellar", "attic"]
    assert seen["content_type"] == "text/plain"
    assert seen["response_topic"] == f"{topic}/answer"


@every()
def test_a_server_that_ends_says_so_and_exits_cleanly(own_server, client, kind, version):
    server = own_server(1)
    connected = client(kind, version, at=server)
    connected.connect()
    if kind.name == "umqtt":
        connected.subscribe("anything")
    assert server.stop() == 0
    closed = connected.take("closed")
    if version == 5 and server.says_goodbye:
        assert closed["reason"] == 0x8B


def test_versions_3_1_and_3_1_1_and_5_talk_to_each_other(client):
    topic = unique("mixed")
    clients = [client(kind, version) for kind, version in ALL]
    for each in clients:
        each.connect()
        each.subscribe(topic, 1)
    for each in clients:
        each.publish(topic, str(each).encode(), 1)
        for receiver in clients:
            assert receiver.payloads(1) == [str(each).encode()]
