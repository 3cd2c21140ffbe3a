"""A TCP proxy between two bridges, as the network between their machines."""

import socket
import threading
from collections.abc import Iterator

import pytest
from conftest import Meeting


class Network:
    """A TCP proxy that a test can make stop forwarding."""

    def __init__(self, meeting: Meeting) -> None:
        self.meeting, self.to, self.open = meeting, meeting.port, threading.Event()
        self.open.set()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port, self.sockets = self.server.getsockname()[1], [self.server]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                caller, _ = self.server.accept()
            except OSError:
                return
            try:
                called = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                caller.close()
                continue
            self.sockets += [caller, called]
            for one, other in [(caller, called), (called, caller)]:
                threading.Thread(target=self.hand_on, args=(one, other), daemon=True).start()

    def hand_on(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(1 << 16):
                self.open.wait()
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            end.close()

    def close(self) -> None:
        self.open.set()
        for one in self.sockets:
            one.close()

    def cut(self) -> None:
        """Ends every connection and accepts new ones."""
        for one in self.sockets[1:]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@pytest.fixture
def network(meeting: Meeting) -> Iterator[Network]:
    network = Network(meeting)
    yield network
    network.close()
