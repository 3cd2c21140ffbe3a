"""Hostile peers that an independent implementation of the protocol admits; then each case takes over.

This module does not know an honest peer's next step; it writes bytes, words and descriptors as given.
"""

import mmap
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import shared_memory
import independent
from shared_memory import DATA_PARK, ROOM_PARK
from independent import Frame, Link, Stream

#: Ends of a conversation for a hostile peer.
ENDED, ANSWERED, SILENT = "ended", "answered", "silent"
#: Seconds within which an answer arrives, if the other side still serves this peer.
A_MOMENT = 0.05


class Meddler(shared_memory.Ring):
    """Rings of a hostile peer, which writes raw words instead of its next record."""

    patience = 0.3

    def __init__(
        self, own: shared_memory.Offer, s: socket.socket, theirs: dict[str, Any], descriptors: list[int]
    ) -> None:
        super().__init__(own, s, theirs, descriptors)
        self.descriptors = [*own.descriptors, *descriptors]

    def close(self) -> None:
        self.socket.close()
        while self.descriptors:
            os.close(self.descriptors.pop())

    def write_raw(self, word: int, content: bytes = b"", advance: int = 0) -> None:
        """Writes a record word and its contents at the tail without checks."""
        at = self.mine.place(self.tail)
        room = len(self.mine.map) - at - 8
        self.mine.map[at + 8 : at + 8 + min(len(content), room)] = content[:room]
        self.mine[at] = word
        self.tail += advance
        self.wake()

    def word(self, shape: int, kind: int, encoding: int, length: int, flags: int = 0, lap: int | None = None) -> int:
        lap = self.mine.lap(self.tail) if lap is None else lap
        return shared_memory.record_word(shape, length, lap, kind, encoding, flags)

    def wake(self) -> None:
        self.data_woken = shared_memory.wake(self.socket, self.peer[DATA_PARK], self.data_woken, shared_memory.DATA)
        self.room_woken = shared_memory.wake(self.socket, self.peer[ROOM_PARK], self.room_woken, shared_memory.ROOM)

    def has_something(self) -> bool:
        return self.peer[self.peer.place(self.head)] != 0


def meet(transport: str, directory: Path, endpoint: str, pattern: str, **more: Any) -> Link:
    """Connects to an honest listener and is admitted."""
    if transport == "tcp":
        stream = independent.prove(directory, int(endpoint.rsplit(":", 1)[1]))
        stream.put(independent.hello(pattern, more.pop("session", independent.random()), **more))
        stream.checked = True
        return Link(stream, independent.answered(stream.get()))
    path = path_of(directory, endpoint)
    if transport == "unix":
        return independent.connect_unix(path, pattern, **more)
    if pattern == "publish":
        return Link(shared_memory.Subscriber(path), {})
    own = shared_memory.Offer()
    hello = independent.hello(pattern, own.session, **more)
    return link_of(Meddler(own, *shared_memory.introduce(path, hello, own.descriptors)))


def offer(magic: bytes, session: int, ring: int = 64 << 10) -> list[int]:
    """Returns descriptors for a hello of this session, made like an honest peer's."""
    _, file = shared_memory.create(magic, session, 0 if magic == b"LINKSUB1" else ring)
    return [file]


def link_of(ring: shared_memory.Ring) -> Link:
    return Link(ring, ring.theirs)


def path_of(directory: Path, endpoint: str) -> Path:
    transport, name = endpoint.split(":", 1)
    return directory / f"{name.replace('/', '@')}.{transport}"


def socket_of(link: Link) -> socket.socket:
    return link.stream.keeps if isinstance(link.stream, Stream) else link.stream.socket


def hang_up(link: Link) -> None:
    if isinstance(link.stream, Stream):
        link.stream.keeps.close()
    else:
        link.stream.close()


def put_bytes(link: Link, data: bytes) -> str:
    """Sends as many bytes as fit at once; returns whether the other side hung up."""
    s = socket_of(link)
    s.setblocking(False)
    until = time.monotonic() + 0.2
    try:
        while data and time.monotonic() < until:
            try:
                data = data[s.send(data) :]
            except BlockingIOError:
                select.select([], [s], [], 0.05)
    except OSError:
        return ENDED
    return SILENT


def looks(link: Link, patience: float = A_MOMENT) -> str:
    """Returns the other side's reaction: an answer, an end, or nothing."""
    s, ring = socket_of(link), link.stream
    until = time.monotonic() + patience
    while True:
        if isinstance(ring, Meddler) and ring.has_something():
            return ANSWERED
        left = max(until - time.monotonic(), 0)
        try:
            if select.select([s], [], [], min(left, 0.001) if isinstance(ring, Meddler) else left)[0]:
                return ANSWERED if s.recv(1, socket.MSG_PEEK) else ENDED
        except (OSError, ValueError):
            return ENDED
        if left == 0:
            return SILENT


@contextmanager
def ignoring_its_end() -> Iterator[None]:
    """Allows the other side to hang up or stop receiving: assertions about an honest peer do not apply."""
    with suppress(OSError, EOFError, ValueError, AssertionError, independent.Refused):
        yield


@contextmanager
def meanwhile(does: Callable[[], None]) -> Iterator[None]:
    """Starts a process that repeats this as long as it can."""
    pid = os.fork()
    if pid == 0:
        try:
            while True:
                does()
        finally:
            os._exit(0)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def flooding(link: Link, data: bytes) -> AbstractContextManager[None]:
    """Starts a process that writes into a connection as fast as it is read."""
    s = socket_of(link)

    def flood() -> None:
        s.setblocking(True)
        s.sendall(data)

    return meanwhile(flood)


class Host:
    """A hostile listener over `unix:` or `shm:` that admits every client."""

    def __init__(self, directory: Path, endpoint: str) -> None:
        self.transport, self.endpoint = endpoint.split(":")[0], endpoint
        self.listener = independent.Listener(directory, path_of(directory, endpoint).name)
        self.listens = True

    def accept(self, pattern: str, **more: Any) -> Link:
        s, hello, descriptors = self.next_client()
        return self.answer(s, hello, descriptors, pattern, **more)

    def next_client(self) -> tuple[socket.socket, dict[str, Any], list[int]]:
        """Returns the next client and its hello; answers queries."""
        while True:
            s, _ = self.listener.socket.accept()
            with ignoring_its_end():
                frame, descriptors = shared_memory.receive_with_descriptors(s)
                return s, independent.answered(frame), descriptors
            s.close()

    def answer(
        self, s: socket.socket, theirs: dict[str, Any], descriptors: list[int], pattern: str, **more: Any
    ) -> Link:
        if self.transport == "unix":
            stream = Stream(s.fileno(), s.fileno(), s)
            stream.put(independent.hello(pattern, independent.random(), first=1, **more))
            return Link(stream, theirs)
        own = shared_memory.Offer()
        hello_frame = independent.hello(pattern, own.session, first=1, **more)
        socket.send_fds(s, [hello_frame.to_bytes()], own.descriptors)
        return link_of(Meddler(own, s, theirs, descriptors))

    def hide(self) -> None:
        if self.listens:
            self.listener.close()
        self.listens = False

    def close(self) -> None:
        self.hide()


class TcpHost(Host):
    """A hostile listener over local `tcp:` with the token."""

    def __init__(self, directory: Path) -> None:
        self.token = (directory / ".token").read_bytes()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.endpoint, self.listens = f"tcp://{self.address}", True

    def accept(self, pattern: str, **more: Any) -> Link:
        while True:
            s, _ = self.socket.accept()
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with ignoring_its_end():
                stream = Stream(s.fileno(), s.fileno(), s)
                theirs, ours = stream.get().body, os.urandom(32)
                shown = independent.proof(self.token, b"listener", self.address, theirs, ours)
                stream.put(Frame(independent.HELLO, body=ours + shown))
                assert stream.get().body == independent.proof(self.token, b"caller  ", self.address, theirs, ours)
                answer = independent.answered(stream.get())
                stream.put(independent.hello(pattern, independent.random(), first=1, **more))
                stream.checked = True
                return Link(stream, answer)
            s.close()

    def hide(self) -> None:
        self.socket.close()


def host_at(transport: str, directory: Path, name: str) -> Host:
    """Returns a hostile listener; uses `name` if the transport has names."""
    return TcpHost(directory) if transport == "tcp" else Host(directory, f"{transport}:{name}")


class Pulpit(Host):
    """A hostile publisher over shared memory; the test writes its ring."""

    RING = 64 << 10

    def __init__(self, directory: Path, endpoint: str) -> None:
        super().__init__(directory, endpoint)
        self.session = independent.random()
        self.memory, self.file = shared_memory.create(b"LINKPUB1", self.session, self.RING)
        self.tail = self.count = 0
        self.subscribers: list[tuple[socket.socket, list[int]]] = []
        #: For each subscriber, the last answered value of its park word.
        self.woken: dict[socket.socket, int] = {}

    def admit(self, **more: Any) -> dict[str, Any]:
        s, theirs, descriptors = self.next_client()
        hello_frame = independent.hello("publish", self.session, first=1, **more)
        socket.send_fds(s, [hello_frame.to_bytes()], [self.file])
        self.subscribers.append((s, descriptors))
        return theirs

    def publish(self, value: Any, sequence: int | None = None, spoil: Any = None) -> None:
        """Writes an honest record, after `spoil` may have changed its bytes and words."""
        memory = self.memory
        number = self.count + 1 if sequence is None else sequence
        frame = Frame(independent.DATA, independent.CBOR, 0, number, 0, time.time_ns(), b"", independent.encode(value))
        size = (8 + 64 + len(frame.body) + 15) // 16 * 16
        left = self.RING - self.tail % self.RING
        if left < size:
            memory[memory.place(self.tail)] = shared_memory.record_word(shared_memory.PAD, left - 8, memory.lap(self.tail))
            self.tail += left
        word = shared_memory.record_word(shared_memory.FULL, 64 + len(frame.body), memory.lap(self.tail))
        record = bytearray((word.to_bytes(8, "little") + frame.to_bytes()[:64] + frame.body).ljust(size, b"\0"))
        if spoil is not None:
            spoil(record)
        memory[shared_memory.RESERVED] = self.tail + size
        at = memory.place(self.tail)
        memory.map[at : at + size] = bytes(record)
        self.count += 1
        for word, value in (
            (shared_memory.COUNT, self.count),
            (shared_memory.RESTART, self.tail),
            (shared_memory.LATEST, self.tail),
            (shared_memory.TAIL, self.tail + size),
        ):
            memory[word] = value
        self.tail += size
        self.wake()

    def wake(self) -> None:
        for s, descriptors in self.subscribers:
            with suppress(OSError):
                if descriptors:
                    with mmap.mmap(descriptors[0], shared_memory.PAGE, prot=mmap.PROT_READ) as page:
                        word = int.from_bytes(page[DATA_PARK : DATA_PARK + 8], "little")
                    self.woken[s] = shared_memory.wake(s, word, self.woken.get(s, 0), shared_memory.DATA)

    def close(self) -> None:
        self.hide()
        for s, descriptors in self.subscribers:
            s.close()
            for fd in descriptors:
                os.close(fd)
        if self.file >= 0:
            os.close(self.file)
        self.file, self.subscribers = -1, []
