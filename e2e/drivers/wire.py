"""How a driver and the suite talk: one JSON object per line, commands on stdin and events on stdout.

A driver is a small program around one foreign client. It knows these commands:

  connect      host, port, version (3, 4 or 5), client_id, clean, expiry (seconds), will or null
  subscribe    filter, qos
  unsubscribe  filter
  publish      topic, payload, qos, retain, properties (user, content_type, response_topic, correlation)
  disconnect   ends the connection as the protocol asks, then the driver

and reports: connected (session_present, or null where the client does not tell), subscribed, unsubscribed, published (its
acknowledgements are complete, or it was handed over where the client does not tell), message (topic, payload, qos,
retain, properties; null where the client does not tell), disconnected, closed (reason), failed (what).
Payloads and correlation data are base64.
"""

import base64
import json
import sys
import threading

_output = threading.Lock()


def report(event, **details):
    """Tells the suite what happened; safe from every thread."""
    line = json.dumps({"event": event, **details})
    with _output:
        print(line, flush=True)


def report_message(topic, payload, qos=None, retain=None, properties=None):
    report(
        "message",
        topic=topic,
        payload=base64.b64encode(bytes(payload)).decode(),
        qos=qos,
        retain=retain,
        properties=properties,
    )


def read_command(line):
    """A command with its payloads as bytes."""
    command = json.loads(line)
    if command.get("payload") is not None:
        command["payload"] = base64.b64decode(command["payload"])
    will = command.get("will")
    if will:
        will["payload"] = base64.b64decode(will["payload"])
    properties = command.get("properties")
    if properties:
        properties["correlation"] = base64.b64decode(properties["correlation"])
    return command


def properties_as_json(user, content_type, response_topic, correlation):
    """The version 5 properties that the suite compares."""
    return {
        "user": [list(pair) for pair in user],
        "content_type": content_type,
        "response_topic": response_topic,
        "correlation": base64.b64encode(correlation).decode() if correlation is not None else None,
    }


def run_blocking(handlers):
    """Reads commands until the suite closes stdin; `handlers` maps names to functions."""
    for line in sys.stdin:
        command = read_command(line)
        try:
            handlers[command["do"]](command)
        except Exception as error:  # noqa: BLE001 - the suite decides what it means
            report("failed", what=f"{command['do']}: {error!r}")


async def run_async(loop, handlers):
    """The same for clients that live on an event loop."""
    import asyncio

    lines = asyncio.StreamReader(limit=1 << 26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        command = read_command(line)
        try:
            await handlers[command["do"]](command)
        except Exception as error:  # noqa: BLE001 - the suite decides what it means
            report("failed", what=f"{command['do']}: {error!r}")
