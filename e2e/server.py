"""The server under test: Darter's real binary, Debian's mosquitto, or one that runs already."""

import json
import os
import resource
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

DEADLINE = 30.0


def address_of(text):
    """`127.0.0.1:1883` and `[::1]:1883` as host and port."""
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


class Running:
    """A server that was there before; it is never stopped."""

    pid = None
    says_goodbye = True

    def __init__(self):
        self.host = os.environ.get("E2E_HOST", "127.0.0.1")
        self.port = int(os.environ["E2E_PORT"])
        self.addresses = [(self.host, self.port)]

    def stop(self):
        return 0


class Started:
    """A server process of our own."""

    def __init__(self, shards, config=None):
        self.config = config
        self.log = tempfile.TemporaryFile(mode="w+")
        self.folder = tempfile.TemporaryDirectory()
        self.shards = shards
        self.data = Path(self.folder.name) / "data"
        # Debian's mosquitto closes version 5 connections without the DISCONNECT that tells why.
        self.says_goodbye = os.environ.get("E2E_SERVER") != "mosquitto"
        allow_many_sockets()
        if self.says_goodbye:
            self.start_darter(shards)
        else:
            self.start_mosquitto()
        self.host, self.port = self.addresses[0]

    @property
    def pid(self):
        return self.process.pid

    def start_darter(self, shards):
        command = [os.environ["DARTER_BIN"], "serve", "--data-dir", str(self.data), "--port", "0", "--no-console"]
        command += ["--print-addresses", "json", "--shards", str(shards)]
        if self.config is not None:
            (Path(self.folder.name) / "darter.toml").write_text(self.config)
            command += ["--config", "darter.toml"]
        self.process = subprocess.Popen(
            command, cwd=self.folder.name, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, bufsize=0
        )
        # The banner goes the same way and follows; the addresses are the first line that is JSON.
        self.places = self.read_ready_line()
        self.addresses = [address_of(text) for text in self.places["mqtt"]]
        self.drain_output()

    def read_ready_line(self):
        unread = b""
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            readable, _, _ = select.select([self.process.stdout], [], [], until - time.monotonic())
            piece = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            if not piece:
                break
            unread += piece
            *lines, unread = unread.split(b"\n")
            for line in lines:
                if line.lstrip().startswith(b"{"):
                    return json.loads(line)
        raise AssertionError(f"the server did not say that it is ready: {unread!r}\n{self.output()}")

    def drain_output(self):
        """Nobody reads what the server still prints; a full pipe must not stop it."""
        def drain(pipe):
            while os.read(pipe.fileno(), 65536):
                pass

        threading.Thread(target=drain, args=(self.process.stdout,), daemon=True).start()

    def kill(self):
        """Ends the server as a crash does."""
        self.process.kill()
        self.process.wait()

    def start_again(self):
        """Starts Darter on the folder that it left, after `kill`; on another port."""
        self.start_darter(self.shards)
        self.host, self.port = self.addresses[0]

    def start_mosquitto(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = Path(self.folder.name) / "mosquitto.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nlistener {port} ::1\nallow_anonymous true\n"
            "max_inflight_messages 1000\nuser root\n"
        )
        self.process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(config)], stdout=self.log, stderr=self.log)
        self.addresses = [("127.0.0.1", port), ("::1", port)]
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                select.select([], [], [], 0.02)
        raise AssertionError(f"mosquitto did not start:\n{self.output()}")

    def output(self):
        self.log.seek(0)
        return self.log.read()

    def is_running(self):
        return self.process.poll() is None

    def memory(self):
        """Resident bytes."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    def stop(self):
        """Asks the server to end, as a service manager does; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the server did not end within 30 s of SIGTERM") from None
        finally:
            self.folder.cleanup()


def allow_many_sockets():
    """Lets this process and its children open as many sockets as the system permits."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def start(shards):
    return Running() if "E2E_PORT" in os.environ else Started(shards)
