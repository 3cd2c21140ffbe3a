"""Patterns of each transport and names of endpoints, for all fault tests."""

import socket

import pytest

#: Transports whose calls have answers.
ANSWERING = ["shm", "unix", "tcp", "fifo", "spool"]
#: Transports whose servers have many clients.
MANY = [transport for transport in ANSWERING if transport != "fifo"]
#: Transports with publishers and subscribers.
PUBLISHING = ["shm", "unix", "tcp", "file", "journal"]
#: Transports with a publisher but no server.
ONLY_PUBLISHING = ["file", "journal"]
ALL = ["shm", "unix", "tcp", "fifo", "spool", "dgram", "file", "journal"]

answering = pytest.mark.parametrize("transport", ANSWERING)
publishing = pytest.mark.parametrize("transport", PUBLISHING)


def endpoint(transport: str, name: str) -> str:
    """Returns a name, or for TCP a free port."""
    if transport != "tcp":
        return f"{transport}:fault/{name}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"
