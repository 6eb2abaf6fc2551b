"""Bytes for clients that do not behave, hand-made, and sockets to send them through."""

import socket
import struct

DEADLINE = 60.0


def field(data):
    """A string or binary field with its length."""
    return struct.pack("!H", len(data)) + data


def packet(first, body):
    """A control packet with its remaining length."""
    length, size = b"", len(body)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | 128 if size else digit])
        if not size:
            return bytes([first]) + length + body


def connect(client_id, version=4, keep_alive=0, will=None):
    """A CONNECT with clean start; `will` is a topic name and a payload."""
    name = b"MQIsdp" if version == 3 else b"MQTT"
    properties = b"\x00" if version == 5 else b""
    body = field(name) + bytes([version, 6 if will else 2]) + struct.pack("!H", keep_alive) + properties
    body += field(client_id)
    if will:
        body += properties + field(will[0]) + field(will[1])
    return packet(0x10, body)


def subscribe(topic_filter, qos=0):
    return packet(0x82, b"\x00\x01" + field(topic_filter) + bytes([qos]))


def publish(topic, payload, qos=0, identifier=1):
    middle = struct.pack("!H", identifier) if qos else b""
    return packet(0x30 | qos << 1, field(topic) + middle + payload)


def open_socket(server, receive_buffer=None):
    made = socket.socket(socket.AF_INET6 if ":" in server.host else socket.AF_INET)
    if receive_buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.settimeout(DEADLINE)
    made.connect((server.host, server.port))
    return made


def read_exactly(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise AssertionError(f"the server closed the connection after {data!r}")
        data += piece
    return data


def read_packet(sock):
    """The first byte and the body of the next control packet."""
    first = read_exactly(sock, 1)[0]
    size, shift = 0, 0
    while True:
        digit = read_exactly(sock, 1)[0]
        size |= (digit & 127) << shift
        shift += 7
        if digit < 128:
            return first, read_exactly(sock, size)


def connected(server, client_id, version=4, receive_buffer=None):
    """A socket whose CONNECT was accepted."""
    sock = open_socket(server, receive_buffer)
    sock.sendall(connect(client_id, version))
    first, body = read_packet(sock)
    assert first == 0x20 and body[1] == 0, (first, body)
    return sock


def wait_closed(sock):
    """Reads to the end that the server makes; raises `TimeoutError` when it makes none."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        pass
    sock.close()


def break_off(sock):
    """Closes with a reset instead of the orderly end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
