"""Obstacles at a name over Unix sockets: no program, or a socket with a wrong answer."""

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

#: Seconds; only guards against a hang.
SOON = 60.0


@contextlib.contextmanager
def address(place: Path) -> Iterator[str]:
    """Yields a socket address below the limit of 107 bytes, through the folder's descriptor."""
    folder = os.open(place.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{place.name}"
    finally:
        os.close(folder)


@contextlib.contextmanager
def meets(place: Path, meet: Callable[[socket.socket], object]) -> Iterator[threading.Event]:
    """Handles each connection this way; sets the event after the first one."""
    over, met = threading.Event(), threading.Event()
    with socket.socket(socket.AF_UNIX) as listener, address(place) as at:
        listener.bind(at)
        listener.listen(16)
        listener.settimeout(0.05)

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    meet(listener.accept()[0])
                    met.set()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield met
        finally:
            over.set()
            thread.join(SOON)
            place.unlink()


@contextlib.contextmanager
def nothing(place: Path) -> Iterator[None]:
    yield


@contextlib.contextmanager
def dead(place: Path) -> Iterator[None]:
    """The socket of a killed process."""
    with socket.socket(socket.AF_UNIX) as listener, address(place) as at:
        listener.bind(at)
        listener.listen()
    yield


@contextlib.contextmanager
def busy(place: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as only, address(place) as at:
        listener.bind(at)
        listener.listen(0)
        only.connect(at)
        yield
        place.unlink()


def ended(place: Path) -> contextlib.AbstractContextManager[threading.Event]:
    return meets(place, lambda peer: peer.close())


def silent(place: Path) -> contextlib.AbstractContextManager[threading.Event]:
    kept: list[socket.socket] = []
    return meets(place, kept.append)


def nonsense(place: Path) -> contextlib.AbstractContextManager[threading.Event]:
    """A program whose answer is no hello."""

    def answer(peer: socket.socket) -> None:
        with peer:
            peer.recv(64)
            peer.sendall(b"x" * 64)

    return meets(place, answer)


ALL = [nothing, dead, busy, ended, silent, nonsense]
