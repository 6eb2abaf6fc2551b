"""umqtt.simple, the client of MicroPython boards, on CPython with stand-ins for the board's modules.

Version 3.1.1, QoS 0 and 1. It has one connection and no thread, so the driver waits for stdin and the socket at once.
"""

import binascii
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
    while True:
        sources = [sys.stdin]
        if driver.client:
            sources.append(driver.client.sock.inner)
        ready, _, _ = select.select(sources, [], [])
        if len(ready) == 1 and ready[0] is not sys.stdin:
            try:
                driver.client.wait_msg()
            except OSError:
                report("closed", reason=None)
                return
            continue
        # Unbuffered, so that select and readline agree about what is left.
        line = read_line()
        if not line:
            return
        command = read_command(line)
        try:
            getattr(driver, command["do"])(command)
        except Exception as error:  # noqa: BLE001 - the suite decides what it means
            report("failed", what=f"{command['do']}: {error!r}")


def read_line():
    line = b""
    while not line.endswith(b"\n"):
        piece = sys.stdin.buffer.raw.read(1)
        if not piece:
            return b""
        line += piece
    return line


main()
