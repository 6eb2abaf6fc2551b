"""Clients that do not behave, while a well-behaved pair must not notice: no message lost, no connection ended."""

import json
import random
import selectors
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

import raw
from driven import DRIVERS, unique

# One after the other: several bursts at once would only measure this machine.
pytestmark = [pytest.mark.xdist_group("rude"), pytest.mark.timeout(300)]

# The slowest round of the pair that still counts as undisturbed, on a busy machine with two cores.
SLOWEST_MS = 5000
MIB = 1 << 20


class Pair:
    def __init__(self, server):
        command = [sys.executable, str(DRIVERS / "pair_driver.py"), server.host, str(server.port), unique("pair")]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, question):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@contextmanager
def undisturbed_pair(server):
    """The pair exchanges messages before, during and after what happens inside."""
    pair = Pair(server)
    try:
        before = pair.ask("until 20")
        yield
        during = pair.ask("report")
        after = pair.ask("until 200")
    finally:
        pair.process.kill()
        pair.process.wait()
    print(f"the pair: before {before}, at the end {during}, afterwards {after}")
    assert after["ends"] == [], "no connection of the pair ended"
    assert (after["missing"], after["wrong"]) == (0, 0), "nothing was lost, repeated or reordered"
    assert during["rounds"] > before["rounds"], "messages went on meanwhile"
    assert after["rounds"] >= during["rounds"] + 200, "messages go on afterwards"
    assert after["slowest_ms"] < SLOWEST_MS


def test_random_bytes_instead_of_a_connect(server):
    dice = random.Random(1883)
    with undisturbed_pair(server):
        for _ in range(1000):
            sock = raw.open_socket(server)
            try:
                sock.sendall(dice.randbytes(dice.randint(1, 4096)))
                sock.shutdown(socket.SHUT_WR)
            except (BrokenPipeError, ConnectionResetError, OSError):
                pass
            raw.wait_closed(sock)


def test_random_bytes_after_a_connect(server):
    dice = random.Random(311)
    with undisturbed_pair(server):
        for number in range(1000):
            sock = raw.connected(server, unique("noise").encode(), version=(3, 4, 5)[number % 3])
            first = bytes([dice.choice((0x30, 0x32, 0x34, 0x40, 0x62, 0x82, 0xA2, 0xC0, 0xE0, 0xF0, dice.randrange(256)))])
            try:
                sock.sendall(first + dice.randbytes(dice.randint(1, 512)))
                sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            raw.wait_closed(sock)


VIOLATIONS = {
    "a remaining length of five bytes": b"\x30\xff\xff\xff\xff\x01",
    "packet type 0": b"\x00\x00",
    "a second CONNECT": raw.connect(b"again"),
    "a CONNACK from a client": b"\x20\x02\x00\x00",
    "QoS 3": raw.packet(0x36, raw.field(b"t") + b"\x00\x01x"),
    "a wildcard in a topic name": raw.publish(b"a/#", b"x"),
    "a topic name that is not UTF-8": raw.publish(b"\xff\xfe", b"x"),
    "a topic name longer than its packet": raw.packet(0x30, b"\xff\xffshort"),
    "packet identifier 0": raw.publish(b"t", b"x", qos=1, identifier=0),
    "a SUBSCRIBE without its flags": raw.packet(0x80, b"\x00\x01" + raw.field(b"t") + b"\x00"),
    "a SUBSCRIBE without a filter": raw.packet(0x82, b"\x00\x01"),
    "a filter with a misplaced wildcard": raw.subscribe(b"a/b#"),
    "an UNSUBSCRIBE without a filter": raw.packet(0xA2, b"\x00\x01"),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_a_violation_ends_that_connection_and_no_other(server, violation):
    with undisturbed_pair(server):
        for version in (4, 5) * 20:
            sock = raw.connected(server, unique("violator").encode(), version)
            data = VIOLATIONS[violation]
            if version == 5 and data[0] >> 4 in (8, 10):
                # Version 5 has properties after the packet identifier.
                data = raw.packet(data[0], data[2:4] + b"\x00" + data[4:])
            sock.sendall(data)
            raw.wait_closed(sock)


def test_connections_that_never_finish_what_they_began(server):
    beginnings = (
        b"",
        b"\x10",
        raw.connect(b"half")[:9],
        # Announces 256 MiB, the most there can be, and sends next to nothing.
        b"\x10\xff\xff\xff\x7f\x00\x04MQTT\x04\x02",
    )
    held = []
    with undisturbed_pair(server):
        before = server.memory() if server.pid else 0
        for number in range(2000):
            sock = raw.open_socket(server)
            try:
                sock.sendall(beginnings[number % len(beginnings)])
            except OSError:
                pass
            held.append(sock)
        for number in range(500):
            sock = raw.connected(server, unique("half").encode())
            sock.sendall(b"\x30\xff\xff\xff\x7f\x00\x01t" + b"x" * 100)
            held.append(sock)
        # The server answers a newcomer, so it has read what came before.
        raw.connected(server, unique("newcomer").encode()).close()
        grown = (server.memory() if server.pid else 0) - before
        for sock in held:
            raw.break_off(sock)
    assert grown < 64 * MIB, f"2500 unfinished connections took {grown / MIB:.0f} MiB"


@pytest.mark.parametrize("first", (1, 2, 4, 9))
def test_packets_that_come_in_pieces_are_answered_whatever_follows_what(server, first):
    """Boards write a packet field by field; here a long one in pieces goes before shorter ones, whole and in pieces."""
    sock = raw.connected(server, unique("pieces").encode())
    topic = unique("pieces").encode()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send_and_read(data, cut):
        sock.sendall(data[:cut])
        # The server has read the first piece when a newcomer is answered.
        raw.connected(server, unique("newcomer").encode()).close()
        sock.sendall(data[cut:])
        return raw.read_packet(sock)

    for _ in range(3):
        assert send_and_read(raw.subscribe(topic * 20), first)[0] == 0x90
        assert send_and_read(b"\xc0\x00", 2)[0] == 0xD0
        assert send_and_read(raw.publish(topic, b"x" * 900, qos=1), first)[0] == 0x40
        assert send_and_read(raw.publish(topic, b"x", qos=1), 2)[0] == 0x40
        assert send_and_read(b"\xc0\x00", 1)[0] == 0xD0
    sock.close()


@pytest.mark.parametrize("version", (3, 4, 5))
def test_a_client_that_falls_silent_is_given_up_after_its_keep_alive(server, version):
    topic = unique("silent").encode()
    watcher = raw.connected(server, unique("watcher").encode())
    watcher.sendall(raw.subscribe(topic))
    assert raw.read_packet(watcher)[0] == 0x90
    silent = raw.open_socket(server)
    started = time.monotonic()
    silent.sendall(raw.connect(unique("silent").encode(), version, keep_alive=1, will=(topic, b"gone")))
    assert raw.read_packet(silent)[0] == 0x20
    assert raw.read_packet(watcher) == (0x30, raw.field(topic) + b"gone")
    waited = time.monotonic() - started
    raw.wait_closed(silent)
    watcher.close()
    # One and a half times the keep alive, never less; servers may look a little late.
    assert 1.5 <= waited < 10, waited


@pytest.mark.parametrize("qos", (0, 1))
def test_subscribers_that_never_read(server, qos):
    topic, amount = unique("flood").encode(), 48 * MIB
    with undisturbed_pair(server):
        before = server.memory() if server.pid else 0
        lazy = []
        for _ in range(20):
            sock = raw.connected(server, unique("lazy").encode(), receive_buffer=4096)
            sock.sendall(raw.subscribe(topic, qos))
            assert raw.read_packet(sock)[0] == 0x90
            lazy.append(sock)
        publisher = raw.connected(server, unique("flooder").encode())
        payload = b"x" * 4096
        for number in range(amount // len(payload) // 64):
            identifiers = range(1, 65)
            publisher.sendall(b"".join(raw.publish(topic, payload, qos, identifier) for identifier in identifiers))
            if qos:
                # Each acknowledgement is awaited, so that every identifier may be used again.
                for _ in identifiers:
                    assert raw.read_packet(publisher)[0] == 0x40
        publisher.sendall(b"\xc0\x00")
        assert raw.read_packet(publisher)[0] == 0xD0, "the publisher is not held up by those who do not read"
        grown = (server.memory() if server.pid else 0) - before
        for sock in (*lazy, publisher):
            raw.break_off(sock)
    everything = 20 * amount
    assert grown < everything // 4, f"{grown / MIB:.0f} MiB for 20 subscribers that do not read"


def test_ten_thousand_connects_in_a_burst(server):
    with undisturbed_pair(server):
        started = time.monotonic()
        sockets = connect_at_once(server, 10_000)
        took = time.monotonic() - started
        for sock in sockets:
            raw.break_off(sock)
    print(f"10,000 connects were answered within {took:.1f} s")


def connect_at_once(server, count):
    """Opens all connections without waiting for any, and sends every CONNECT as soon as it can; waits for each CONNACK."""
    watched = selectors.DefaultSelector()
    sockets, until = [], time.monotonic() + 120
    for number in range(count):
        sock = socket.socket(socket.AF_INET6 if ":" in server.host else socket.AF_INET)
        sock.setblocking(False)
        sock.connect_ex((server.host, server.port))
        watched.register(sock, selectors.EVENT_WRITE, unique("burst").encode())
        sockets.append(sock)
    waiting = count
    while waiting:
        ready = watched.select(timeout=max(0, until - time.monotonic()))
        assert ready, f"{waiting} of {count} connections have no CONNACK"
        for key, event in ready:
            if event & selectors.EVENT_WRITE:
                key.fileobj.send(raw.connect(key.data))
                watched.modify(key.fileobj, selectors.EVENT_READ)
            else:
                assert key.fileobj.recv(64) == b"\x20\x02\x00\x00"
                watched.unregister(key.fileobj)
                waiting -= 1
    return sockets


def test_connections_that_come_and_go_without_a_word(server):
    with undisturbed_pair(server):
        for number in range(3000):
            sock = raw.open_socket(server)
            if number % 2:
                sock.sendall(raw.connect(unique("brief").encode()))
            raw.break_off(sock)
