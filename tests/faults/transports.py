"""Which transports suit what, and names of endpoints: every test of faults runs over these."""

import socket

import pytest

#: Calls have answers.
ANSWERING = ["shm", "unix", "tcp", "spool"]
#: A server has many clients.
MANY = [transport for transport in ANSWERING if transport != "fifo"]
#: Messages go at least one way.
SENDING = [*ANSWERING]
#: There are publishers and subscribers.
PUBLISHING = ["shm", "unix", "tcp", "file"]
#: What is sent is kept in the directory until it is taken.
KEEPING: list[str] = []
ALL = sorted({*SENDING, *PUBLISHING})

answering = pytest.mark.parametrize("transport", ANSWERING)
sending = pytest.mark.parametrize("transport", SENDING)
publishing = pytest.mark.parametrize("transport", PUBLISHING)


def endpoint(transport: str, name: str) -> str:
    """A name, or for TCP a port that nobody has."""
    if transport != "tcp":
        return f"{transport}:fault/{name}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"
