"""The suite's side of a driver: starts it, sends commands, waits for events."""

import base64
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

DRIVERS = Path(__file__).parent / "drivers"
DEADLINE = 30.0

_numbers = itertools.count(1)


def unique(word):
    """A name no other test uses, for client ids and topics."""
    return f"{word}-{os.getpid()}-{next(_numbers)}"


@dataclass(frozen=True)
class Kind:
    """A foreign client: how its driver is started, and what it can do."""

    name: str
    command: tuple
    versions: tuple
    qos: tuple = (0, 1, 2)
    wills: bool = True
    unsubscribes: bool = True
    properties: bool = True
    # Whether an acknowledgement of the server is what it reports as "published".
    tells_published: bool = True
    # Whether messages are reported with their QoS and retain flag.
    tells_flags: bool = True


def _python(file):
    return (sys.executable, str(DRIVERS / file))


KINDS = {
    kind.name: kind
    for kind in (
        Kind("paho", _python("paho_driver.py"), (3, 4, 5)),
        Kind("aiomqtt", _python("aiomqtt_driver.py"), (3, 4, 5)),
        Kind("gmqtt", _python("gmqtt_driver.py"), (4, 5), tells_published=False),
        Kind(
            "umqtt",
            _python("umqtt_driver.py"),
            (4,),
            qos=(0, 1),
            wills=False,
            unsubscribes=False,
            properties=False,
            tells_flags=False,
        ),
        Kind("npm", ("node", str(DRIVERS / "npm_driver.mjs")), (3, 4, 5)),
        Kind("rumqttc", (f"{os.environ.get('E2E_TOOLS', '')}/rumqttc/debug/darter-e2e-rumqttc",), (4, 5)),
    )
}


class Driven:
    """One connection of a foreign client, in a process of its own."""

    def __init__(self, kind, version, server):
        self.kind = kind
        self.version = version
        self.server = server
        self.events = []
        self.seen = []
        self.ended = False
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            kind.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            event = json.loads(line)
            if event.get("payload") is not None:
                event["payload"] = base64.b64decode(event["payload"])
            with self.changed:
                self.events.append(event)
                self.seen.append(event["event"])
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def _send(self, do, **details):
        self.process.stdin.write(json.dumps({"do": do, **details}) + "\n")
        self.process.stdin.flush()

    def take(self, event, deadline=DEADLINE):
        """Waits for the next event of this name; other events stay for later."""
        until = time.monotonic() + deadline
        with self.changed:
            while True:
                for index, found in enumerate(self.events):
                    if found["event"] == event:
                        return self.events.pop(index)
                    if found["event"] == "failed":
                        raise AssertionError(f"{self}: {found['what']}")
                left = until - time.monotonic()
                if self.ended or left <= 0:
                    why = "the client ended" if self.ended else f"nothing came within {deadline} s"
                    raise AssertionError(f"{self} waited for {event!r}, but {why}; events so far: {self.seen[-20:]}")
                self.changed.wait(left)

    def __str__(self):
        return f"{self.kind.name} with version {self.version}"

    def connect(self, client_id=None, clean=True, expiry=0, will=None):
        """Connects and waits for the CONNACK; whether a session was present, None where the client hides it."""
        if will:
            will = {**will, "payload": base64.b64encode(will["payload"]).decode()}
        self._send(
            "connect",
            host=self.server.host,
            port=self.server.port,
            version=self.version,
            client_id=client_id or unique(self.kind.name),
            clean=clean,
            expiry=expiry,
            will=will,
        )
        return self.take("connected")["session_present"]

    def subscribe(self, topic_filter, qos=0):
        self._send("subscribe", filter=topic_filter, qos=qos)
        self.take("subscribed")

    def unsubscribe(self, topic_filter):
        self._send("unsubscribe", filter=topic_filter)
        self.take("unsubscribed")

    def publish(self, topic, payload, qos=0, retain=False, properties=None):
        """Publishes without waiting."""
        if properties:
            correlation = base64.b64encode(properties["correlation"]).decode()
            properties = {**properties, "correlation": correlation}
        self._send(
            "publish",
            topic=topic,
            payload=base64.b64encode(payload).decode(),
            qos=qos,
            retain=retain,
            properties=properties,
        )

    def wait_published(self, count=1):
        for _ in range(count):
            self.take("published")

    def messages(self, count):
        return [self.take("message") for _ in range(count)]

    def payloads(self, count):
        return [message["payload"] for message in self.messages(count)]

    def pending_messages(self):
        """Messages that have arrived and that nobody took."""
        with self.changed:
            return [event for event in self.events if event["event"] == "message"]

    def disconnect(self):
        """Ends the connection with a DISCONNECT packet, then the driver."""
        self._send("disconnect")
        self.take("disconnected")
        self._end()

    def kill(self):
        """Ends the process at once, so that the connection breaks without a DISCONNECT."""
        self.process.kill()
        self._end()

    def _end(self):
        if not self.process.stdin.closed:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
