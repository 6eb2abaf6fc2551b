"""Fixtures: one server per number of shards, and clients that end with their test."""

import os

import pytest

import server as servers
from driven import Driven

SHARDS = (1, 4)


def pytest_configure(config):
    for name in ("DARTER_BIN", "E2E_TOOLS"):
        if name not in os.environ:
            raise pytest.UsageError(f"{name} is not set: start the suite with e2e/run")


@pytest.fixture(scope="session", params=SHARDS, ids=lambda count: f"shards{count}")
def server(request):
    """The server that most tests share."""
    started = servers.start(request.param)
    yield started
    status = started.stop()
    assert status == 0, f"the server ended with {status}:\n{started.output()}"


@pytest.fixture
def own_server(request):
    """Starts servers for one test, which may stop them."""
    if "E2E_PORT" in os.environ:
        pytest.skip("a server that runs already is not stopped")
    running = []

    def start(shards):
        running.append(servers.start(shards))
        return running[-1]

    yield start
    for started in running:
        started.stop()


@pytest.fixture
def client(server):
    """Makes clients of the shared server: `client(kind, version)`."""
    made = []

    def make(kind, version, at=server):
        made.append(Driven(kind, version, at))
        return made[-1]

    yield make
    for driven in made:
        driven.kill()
