"""mosquitto_pub and mosquitto_sub as Debian ships them, and darter pub and darter sub with the same flags."""

import os
import queue
import subprocess
import threading

import pytest

from driven import unique

DEADLINE = 30.0
VERSIONS = {"3.1": "31", "3.1.1": "311", "5": "5"}
PUBLISH = {"mosquitto": ["mosquitto_pub"], "darter": [os.environ.get("DARTER_BIN", ""), "pub"]}
SUBSCRIBE = {"mosquitto": ["mosquitto_sub"], "darter": [os.environ.get("DARTER_BIN", ""), "sub"]}

every_version = pytest.mark.parametrize("version", VERSIONS)


class Tools:
    """A program that publishes and one that subscribes, aimed at one server."""

    def __init__(self, server, publisher, subscriber):
        self.server = server
        self.publisher = PUBLISH[publisher]
        self.subscriber = SUBSCRIBE[subscriber]
        self.running = []

    def command(self, program, version, arguments):
        address = ["-h", self.server.host, "-p", str(self.server.port), "-V", VERSIONS[version]]
        return [*program, *address, *map(str, arguments)]

    def publish(self, version, *arguments, stdin=b""):
        """Runs the publisher to its end."""
        command = self.command(self.publisher, version, arguments)
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=DEADLINE)
        assert done.returncode == 0, f"{command}: {done.returncode}, {done.stderr!r}"

    def subscribe(self, version, *arguments):
        """Starts the subscriber; it is subscribed when this returns."""
        subscriber = Subscriber(self.command(self.subscriber, version, arguments))
        self.running.append(subscriber)
        subscriber.wait_subscribed()
        return subscriber


class Subscriber:
    """A running subscriber. With -d it says when it is subscribed; its messages are told apart by a prefix."""

    def __init__(self, command):
        command = ["stdbuf", "-oL", *command, "-d", "-F", "MESSAGE|%q|%r|%t|%p"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        self.found = {"MESSAGE|": queue.Queue(), "Subscribed (": queue.Queue()}
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.lines.append(line)
            for prefix, found in self.found.items():
                if line.startswith(prefix):
                    found.put(line.rstrip("\n"))

    def wait(self, prefix):
        try:
            return self.found[prefix].get(timeout=DEADLINE)
        except queue.Empty:
            raise AssertionError(f"the subscriber did not print {prefix!r}; it printed {self.lines}") from None

    def wait_subscribed(self):
        self.wait("Subscribed (")

    def messages(self, count):
        """(QoS, retain flag, topic name, payload) of the next messages."""
        found = [self.wait("MESSAGE|").split("|", 4)[1:] for _ in range(count)]
        return [(int(qos), retain == "1", topic, payload) for qos, retain, topic, payload in found]

    def payloads(self, count):
        return [message[3] for message in self.messages(count)]

    def ends(self):
        """Waits for the end that -C asked for."""
        assert self.process.wait(DEADLINE) == 0, self.lines

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture(params=("mosquitto", "darter"))
def tools(server, request):
    # A test that names other programs than one pair of a kind is given them.
    programs = request.param if isinstance(request.param, tuple) else (request.param, request.param)
    made = Tools(server, *programs)
    yield made
    for subscriber in made.running:
        subscriber.kill()


def lines(count):
    return [f"line {number}" for number in range(count)]


def as_input(texts):
    return "".join(f"{text}\n" for text in texts).encode()


@every_version
@pytest.mark.parametrize("qos", (0, 1, 2))
@pytest.mark.parametrize(
    "tools", [(one, other) for one in PUBLISH for other in SUBSCRIBE], ids="-to-".join, indirect=True
)
def test_lines_of_standard_input_arrive_in_order(tools, version, qos):
    topic = unique("lines")
    subscriber = tools.subscribe(version, "-t", topic, "-q", qos, "-C", 100)
    tools.publish(version, "-t", topic, "-q", qos, "-l", stdin=as_input(lines(100)))
    assert subscriber.messages(100) == [(qos, False, topic, text) for text in lines(100)]
    subscriber.ends()


@every_version
def test_wildcards_and_several_filters_in_one_subscribe(tools, version):
    root = unique("tree")
    subscriber = tools.subscribe(version, "-t", f"{root}/+/a", "-t", f"{root}/x/#", "-q", 1)
    for topic in (f"{root}/1/a", f"{root}/1/b", f"{root}/x", f"{root}/x/y/z"):
        tools.publish(version, "-t", topic, "-m", topic, "-q", 1)
    assert subscriber.payloads(3) == [f"{root}/1/a", f"{root}/x", f"{root}/x/y/z"]


@every_version
@pytest.mark.parametrize("size", (0, 1, 127, 128, 16_384, 2_097_152))
def test_a_file_arrives_as_one_message(tools, version, size, tmp_path):
    topic = unique("file")
    content = "0123456789abcdef" * (size // 16 + 1)
    file = tmp_path / "payload"
    file.write_text(content[:size])
    subscriber = tools.subscribe(version, "-t", topic, "-q", 1, "-C", 1)
    tools.publish(version, "-t", topic, "-q", 1, *(["-f", file] if size else ["-n"]))
    assert subscriber.payloads(1) == [content[:size]]
    subscriber.ends()


@every_version
@pytest.mark.parametrize("qos", (0, 1, 2))
def test_a_retained_message_is_kept_until_an_empty_one_clears_it(tools, version, qos):
    topic = unique("retained")
    tools.publish(version, "-t", topic, "-m", "kept", "-r", "-q", qos)
    subscriber = tools.subscribe(version, "-t", topic, "-q", qos, "--retained-only", "-C", 1)
    assert subscriber.messages(1) == [(qos, True, topic, "kept")]
    subscriber.ends()
    tools.publish(version, "-t", topic, "-r", "-n", "-q", qos)
    late = tools.subscribe(version, "-t", topic, "-q", qos)
    tools.publish(version, "-t", topic, "-m", "first that comes", "-q", qos)
    assert late.messages(1) == [(qos, False, topic, "first that comes")]


@every_version
@pytest.mark.parametrize("qos", (0, 1, 2))
def test_the_will_of_a_killed_subscriber_is_published(tools, version, qos):
    topic = unique("will")
    watcher = tools.subscribe(version, "-t", topic, "-q", 2)
    will = ["--will-topic", topic, "--will-payload", "gone", "--will-qos", qos]
    doomed = tools.subscribe(version, "-t", unique("other"), *will)
    doomed.kill()
    assert watcher.messages(1) == [(qos, False, topic, "gone")]


@every_version
@pytest.mark.parametrize("qos", (1, 2))
def test_a_session_without_clean_start_keeps_messages_for_its_return(tools, version, qos):
    topic, client_id = unique("offline"), unique("sleeper")
    session = ["-i", client_id, "-c", "-t", topic, "-q", qos] + (["-x", 300] if version == "5" else [])
    sleeper = tools.subscribe(version, *session)
    sleeper.kill()
    tools.publish(version, "-t", topic, "-q", qos, "-l", stdin=as_input(lines(50)))
    back = tools.subscribe(version, *session)
    assert back.payloads(50) == lines(50)
    tools.publish(version, "-t", topic, "-q", qos, "-m", "live again")
    assert back.payloads(1) == ["live again"]


@every_version
def test_members_of_a_shared_subscription_divide_the_messages(tools, version):
    topic, group = unique("work"), unique("group")
    members = [tools.subscribe(version, "-t", f"$share/{group}/{topic}", "-t", f"{topic}/fence", "-q", 1)
               for _ in range(2)]
    tools.publish(version, "-t", topic, "-q", 1, "-l", stdin=as_input(lines(40)))
    tools.publish(version, "-t", f"{topic}/fence", "-q", 1, "-m", "fence")
    shares = []
    for member in members:
        share = []
        while (payload := member.payloads(1)[0]) != "fence":
            share.append(payload)
        shares.append(share)
    assert sorted(sum(shares, [])) == sorted(lines(40)), "every message goes to exactly one member"
    assert all(shares), "both members get work"


@every_version
def test_version_of_the_publisher_does_not_matter_to_the_subscriber(tools, version):
    topic = unique("mixed")
    subscribers = [tools.subscribe(other, "-t", topic, "-q", 2) for other in VERSIONS]
    tools.publish(version, "-t", topic, "-q", 2, "-m", "to all")
    for subscriber in subscribers:
        assert subscriber.messages(1) == [(2, False, topic, "to all")]


@every_version
def test_the_server_answers_on_every_address_it_names(tools, version):
    topic = unique("addresses")
    for host, port in tools.server.addresses:
        where = ["-h", host, "-p", str(port), "-V", VERSIONS[version], "-t", topic]
        publish = [*tools.publisher, *where, "-m", host, "-q", "1", "-r"]
        subprocess.run(publish, check=True, timeout=DEADLINE)
        receive = [*tools.subscriber, *where, "-C", "1", "-W", "20"]
        received = subprocess.run(receive, check=True, timeout=DEADLINE, capture_output=True, text=True)
        assert received.stdout == f"{host}\n"


@every_version
def test_status_topics_have_the_names_mosquitto_users_know(tools, version):
    subscriber = tools.subscribe(version, "-t", "$SYS/broker/version", "-t", "$SYS/broker/uptime")
    topics = {topic for _, _, topic, _ in subscriber.messages(2)}
    assert topics == {"$SYS/broker/version", "$SYS/broker/uptime"}


def test_version_5_properties_pass_through(tools):
    topic = unique("properties")
    where = ["-h", tools.server.host, "-p", str(tools.server.port), "-V", "5", "-t", topic]
    properties = [["content-type", "text/plain"], ["response-topic", "answer"], ["correlation-data", "id7"],
                  ["user-property", "place", "cellar"]]
    options = [word for found in properties for word in ("-D", "publish", *found)]
    subprocess.run([*tools.publisher, *where, "-m", "x", "-r", *options], check=True, timeout=DEADLINE)
    receive = [*tools.subscriber, *where, "-C", "1", "-W", "20", "-F", "%C|%R|%D|%P"]
    received = subprocess.run(receive, check=True, timeout=DEADLINE, capture_output=True, text=True)
    assert received.stdout == "text/plain|answer|id7|place:cellar\n"
