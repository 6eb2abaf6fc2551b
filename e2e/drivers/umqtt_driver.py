"""umqtt.simple, the client of MicroPython boards, on CPython with stand-ins for the board's modules.

Version 3.1.1, QoS 0 and 1. It has one connection and no thread, so the driver waits for stdin and the socket at once.
"""

import binascii
import os
import select
import socket
import struct
import sys
import types

from wire import read_command, report, report_message


class BoardSocket:
    """A socket with MicroPython's `read` and `write`, which are never short while it blocks."""

    def __init__(self):
        self.inner = None

    def connect(self, address):
        self.inner = socket.create_connection(address[:2])

    def setblocking(self, blocking):
        self.inner.setblocking(blocking)

    def read(self, size):
        data = b""
        while len(data) < size:
            try:
                piece = self.inner.recv(size - len(data))
            except BlockingIOError:
                return data or None
            if not piece:
                break
            data += piece
        return data

    def write(self, data, size=None):
        self.inner.sendall(data if size is None else data[:size])

    def close(self):
        self.inner.close()


board = types.ModuleType("usocket")
board.socket = BoardSocket
board.getaddrinfo = socket.getaddrinfo
sys.modules.update(usocket=board, ustruct=struct, ubinascii=binascii)

from umqtt.simple import MQTTClient  # noqa: E402 - only after the stand-ins


class Driver:
    client = None

    def connect(self, command):
        self.client = MQTTClient(command["client_id"].encode(), command["host"], command["port"])
        self.client.set_callback(lambda topic, payload: report_message(topic.decode(), payload))
        report("connected", session_present=bool(self.client.connect(command["clean"])))

    def subscribe(self, command):
        self.client.subscribe(command["filter"].encode(), command["qos"])
        report("subscribed")

    def publish(self, command):
        self.client.publish(command["topic"].encode(), command["payload"], command["retain"], command["qos"])
        report("published")

    def disconnect(self, _command):
        self.client.disconnect()
        self.client = None
        report("disconnected")


def main():
    driver = Driver()
    commands = Commands()
    while True:
        line = commands.next_line()
        if line:
            command = read_command(line)
            try:
                getattr(driver, command["do"])(command)
            except Exception as error:  # noqa: BLE001 - the suite decides what it means
                report("failed", what=f"{command['do']}: {error!r}")
            continue
        sources = [sys.stdin]
        if driver.client:
            sources.append(driver.client.sock.inner)
        ready, _, _ = select.select(sources, [], [])
        if sys.stdin in ready and not commands.read():
            return
        if driver.client and driver.client.sock.inner in ready:
            try:
                driver.client.wait_msg()
            except OSError:
                report("closed", reason=None)
                return


class Commands:
    """Lines of stdin, read so that select knows what is left."""

    def __init__(self):
        self.pieces = []
        self.lines = []

    def read(self):
        """Takes what is there; false at the end."""
        data = os.read(sys.stdin.fileno(), 1 << 16)
        *ends, rest = data.split(b"\n")
        for end in ends:
            self.lines.append(b"".join((*self.pieces, end)))
            self.pieces = []
        self.pieces.append(rest)
        return bool(data)

    def next_line(self):
        return self.lines.pop(0) if self.lines else None


main()
