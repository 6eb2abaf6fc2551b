"""Clients that others wrote over TLS, WebSocket and Unix sockets, with passwords, certificates and rules."""

import json
import os
import queue
import ssl
import subprocess
import time

import paho.mqtt.client as paho
import pytest

import server as servers
from driven import DRIVERS

FOREIGN = "E2E_PORT" in os.environ or os.environ.get("E2E_SERVER") == "mosquitto"
pytestmark = [pytest.mark.timeout(120), pytest.mark.skipif(FOREIGN, reason="the server must be set up for it")]

CONFIG = """
[auth]
allow_anonymous = true
[listener.safe]
port = 0
tls = "auto"
client_certificate = "optional"

[listener.strict]
port = 0
tls = "auto"
client_certificate = "required"
user_from = "cn"

[listener.new]
port = 0
tls = "auto"
tls_min = "1.3"

[listener.web]
port = 0
transport = "websocket"

[listener.safeweb]
port = 0
transport = "websocket"
tls = "auto"

[listener.file]
transport = "unix"
path = "mqtt.sock"
"""


def certificates(started, *clients):
    command = [os.environ["DARTER_BIN"], "cert", "make", "--out", str(started.data / "tls")]
    for client in clients:
        command += ["--client", client]
    subprocess.run(command, check=True, capture_output=True)
    return started.data / "tls"


@pytest.fixture(scope="module", params=(1, 4), ids=lambda count: f"shards{count}")
def started(request):
    started = servers.Started(request.param, CONFIG)
    certificates(started, "board-7")
    yield started
    assert started.stop() == 0


def port(started, scheme, index=0):
    """The IPv4 port of the listener of that scheme, in the order of the configuration."""
    four = [text for text in started.places[scheme] if text.startswith("127.")]
    return int(four[index].rsplit(":", 1)[1])


def mosquitto_echo(port, *flags):
    """Whether a subscriber gets what a publisher says, both with these flags."""
    common = ["-h", "localhost", "-p", str(port), "-t", "echo/mosquitto", "-q", "1", *flags]
    subscriber = subprocess.Popen(["mosquitto_sub", *common, "-C", "1", "-W", "20", "-v"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        while subscriber.poll() is None:
            published = subprocess.run(["mosquitto_pub", *common, "-m", "hello"], capture_output=True, text=True)
            if published.returncode != 0:
                return published.stderr
            try:
                subscriber.wait(0.2)
            except subprocess.TimeoutExpired:
                pass
        out, err = subscriber.communicate()
        return out.strip() or err
    finally:
        subscriber.kill()


def test_mosquitto_over_tls(started):
    ca = str(started.data / "tls" / "ca.crt")
    assert mosquitto_echo(port(started, "mqtts"), "--cafile", ca) == "echo/mosquitto hello"


def test_mosquitto_with_a_certificate_of_its_own_is_the_user_that_it_names(started):
    tls = started.data / "tls"
    flags = ["--cafile", str(tls / "ca.crt"), "--cert", str(tls / "board-7.crt"), "--key", str(tls / "board-7.key")]
    strict = port(started, "mqtts", 1)
    assert mosquitto_echo(strict, *flags, "-V", "5") == "echo/mosquitto hello"
    sub = subprocess.Popen(["mosquitto_sub", "-h", "localhost", "-p", str(strict), "-t", "x", "-i", "named", *flags])
    try:
        asking = [os.environ["DARTER_BIN"], "sessions", "--data-dir", str(started.data), "--json"]
        until = time.monotonic() + 20
        users = []
        while time.monotonic() < until and users != ["board-7"]:
            answer = json.loads(subprocess.run(asking, capture_output=True, text=True, check=True).stdout)
            users = [session["user"] for session in answer["sessions"] if session["client"] == "named"]
        assert users == ["board-7"]
    finally:
        sub.kill()
        sub.wait()


def test_without_a_certificate_the_strict_listener_lets_nobody_in(started):
    ca = str(started.data / "tls" / "ca.crt")
    assert mosquitto_echo(port(started, "mqtts", 1), "--cafile", ca) != "echo/mosquitto hello"


@pytest.mark.parametrize(
    ("listener", "version", "accepted"),
    [(0, "-tls1_1", False), (0, "-tls1_2", True), (0, "-tls1_3", True), (2, "-tls1_2", False), (2, "-tls1_3", True)],
)
def test_versions_of_tls(started, listener, version, accepted):
    ca = str(started.data / "tls" / "ca.crt")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port(started, 'mqtts', listener)}", "-CAfile", ca]
    command += [version, "-verify_return_error", "-cipher", "DEFAULT@SECLEVEL=0"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
    assert (done.returncode == 0) == accepted, done.stdout + done.stderr


def paho_echo(make, connect):
    """What comes back of a message that a client publishes to itself."""
    came = queue.Queue()
    client = make()
    client.on_connect = lambda *_: client.subscribe("echo/paho", 1)
    client.on_subscribe = lambda *_: client.publish("echo/paho", "hello", 1)
    client.on_message = lambda _client, _data, message: came.put(message.payload)
    connect(client)
    client.loop_start()
    try:
        return came.get(timeout=20)
    finally:
        client.disconnect()
        client.loop_stop()


def paho_client(**options):
    return paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, **options)


def test_paho_over_tls(started):
    def make():
        client = paho_client()
        client.tls_set_context(ssl.create_default_context(cafile=str(started.data / "tls" / "ca.crt")))
        return client

    assert paho_echo(make, lambda client: client.connect("localhost", port(started, "mqtts"))) == b"hello"


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_paho_over_websocket(started, scheme):
    def make():
        client = paho_client(transport="websockets")
        client.ws_set_options(path="/mqtt")
        if scheme == "wss":
            client.tls_set_context(ssl.create_default_context(cafile=str(started.data / "tls" / "ca.crt")))
        return client

    assert paho_echo(make, lambda client: client.connect("localhost", port(started, scheme))) == b"hello"


def test_paho_over_a_unix_socket(started):
    [path] = started.places["unix"]
    path = os.path.join(started.folder.name, path)
    assert paho_echo(lambda: paho_client(transport="unix"), lambda client: client.connect(path)) == b"hello"


@pytest.mark.parametrize("scheme", ["ws", "wss", "mqtts"])
def test_npm_mqtt(started, scheme):
    path = "/mqtt" if scheme.startswith("ws") else ""
    options = {} if scheme == "ws" else {"ca": str(started.data / "tls" / "ca.crt")}
    command = ["node", str(DRIVERS / "npm_echo.mjs"), f"{scheme}://localhost:{port(started, scheme)}{path}", json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "echo/npm hello"), done.stderr
