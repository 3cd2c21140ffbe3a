"""Shared memory in Python's standard library, written only from docs/transports.md.

Python has neither fences nor a futex. This needs ordered stores (x86-64), checks again each second, and sleeps only
in poll.
"""

import fcntl
import mmap
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from independent import (
    REQUEST,
    SOON,
    Frame,
    Link,
    Stream,
    answered,
    body_at,
    hello,
    lengths,
    random,
    read_frame,
    socket_at,
)

PAGE = 4096
SEAL, SHRINK, GROW, FUTURE_WRITE = 1, 2, 4, 16
PAD, COMPACT, LINKED, FULL, FIRST, PIECE, SLOTS = range(1, 8)
LAYOUT = 9
# Stage of a sleep in the low bits of a park word, and bytes that wake a sleeper.
POLL = 2
DATA, ROOM = b"\x01", b"\x02"
# The words of a channel's page.
HEAD, CONSUMED, DATA_PARK, ROOM_PARK, ROOM_WANTED, STATE = 128, 136, 256, 384, 392, 512
ACKNOWLEDGED, TAKEN, ACK_WANTED = 144, 152, 400
# The words of a publisher's page.
RESERVED, TAIL, LATEST, RESTART, COUNT = 128, 256, 384, 392, 400


class Memory:
    """A mapped memory file and its words."""

    def __init__(self, fd: int, length: int, prot: int) -> None:
        self.map = mmap.mmap(fd, length, flags=mmap.MAP_SHARED, prot=prot)
        self.words = memoryview(self.map).cast("Q")
        self.ring = length - PAGE

    def __getitem__(self, at: int) -> int:
        return self.words[at // 8]

    def __setitem__(self, at: int, value: int) -> None:
        self.words[at // 8] = value

    def place(self, position: int) -> int:
        return PAGE + position % self.ring

    def lap(self, position: int) -> int:
        return position // self.ring


def record_word(shape: int, length: int, lap: int, kind: int = 0, encoding: int = 0, flags: int = 0) -> int:
    """Returns the first word of a record with `length` bytes."""
    return length | shape << 32 | kind << 36 | encoding << 40 | flags << 43 | (lap & 0xFFFF) << 48


def create(magic: bytes, session: int, ring: int) -> tuple[Memory, int]:
    """Makes a memory file and seals it after mapping."""
    fd = os.memfd_create("independent", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.posix_fallocate(fd, 0, PAGE + ring)
    memory = Memory(fd, PAGE + ring, mmap.PROT_READ | mmap.PROT_WRITE)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, SHRINK | GROW | FUTURE_WRITE | SEAL)
    for at, value in ((0, int.from_bytes(magic, "little")), (8, LAYOUT), (24, session), (32, PAGE), (40, ring)):
        memory[at] = value
    return memory, fd


def open_peer(fd: int, magic: bytes, session: int) -> Memory:
    """Maps and checks the other side's file."""
    wanted = SHRINK | GROW | FUTURE_WRITE | SEAL
    assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) & wanted == wanted
    memory = Memory(fd, os.fstat(fd).st_size, mmap.PROT_READ)
    header = [memory[at] for at in (0, 8, 16, 24, 32, 40)]
    assert header == [int.from_bytes(magic, "little"), LAYOUT, 0, session, PAGE, memory.ring], header
    return memory


def receive_with_descriptors(s: socket.socket) -> tuple[Frame, list[int]]:
    """Reads a socket's first frame and its descriptors."""
    assert select.select([s], [], [], SOON)[0], "no answer"
    header, fds, _, _ = socket.recv_fds(s, 64, 4)
    if not header:
        raise EOFError
    stream = Stream(s.fileno(), s.fileno(), s)
    header += stream.take(64 - len(header))
    extension, body = lengths(header)
    return read_frame(header + stream.take(body_at(extension) - 64 + body)), fds


def introduce(path: Path, first: Frame, descriptors: list[int]) -> tuple[socket.socket, dict[str, Any], list[int]]:
    """Sends a hello with descriptors; returns the answer and its descriptors."""
    s = socket_at(path, socket.socket.connect)
    socket.send_fds(s, [first.to_bytes()], descriptors)
    answer, fds = receive_with_descriptors(s)
    return s, answered(answer), fds


def wake(s: socket.socket, word: int, woken: int, byte: bytes) -> int:
    """Wakes a sleeper in poll once per value of its park word; returns the answered value."""
    if word & 3 == POLL and word != woken:
        try:
            s.send(byte, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass  # It is awake already, or has disconnected.
    return word


def doze(s: socket.socket, memory: Memory, park: int, naps: int, there: Callable[[], bool]) -> int:
    """Sleeps in poll for at most a second until the condition holds; returns the next park word."""
    memory[park] = naps | POLL
    if not there() and select.select([s], [], [], 1)[0]:
        try:
            s.recv(64, socket.MSG_DONTWAIT)
        except (BlockingIOError, ConnectionResetError):
            pass
    memory[park] = naps + 4
    return naps + 4


class Offer:
    """One side's memory file with its messages."""

    SIZE = 64 << 10

    def __init__(self) -> None:
        self.session = random()
        self.memory, file = create(b"LINKSHM1", self.session, self.SIZE)
        self.descriptors = [file]


class Ring:
    """A channel's two rings, as a stream of frames."""

    SIZE = Offer.SIZE
    #: Seconds within which the other side reads and answers.
    patience: float = SOON

    def __init__(self, own: Offer, s: socket.socket, theirs: dict[str, Any], descriptors: list[int]) -> None:
        self.own, self.socket, self.theirs = own, s, theirs
        self.mine = own.memory
        [file] = descriptors
        self.peer = open_peer(file, b"LINKSHM1", theirs["session"])
        self.tail = self.head = self.sequence = self.consumed = self.naps = 0
        self.data_woken = self.room_woken = 0

    def sleep(self, park: int, there: Callable[[], bool]) -> None:
        """Waits a second at most, or until a byte arrives."""
        self.naps = doze(self.socket, self.mine, park, self.naps, there)

    def record(self, shape: int, kind: int, encoding: int, content: bytes) -> None:
        size = (8 + len(content) + 15) // 16 * 16
        assert 8 + len(content) <= self.SIZE // 8
        left = self.SIZE - self.tail % self.SIZE
        pad = left if left < size else 0
        until = time.monotonic() + self.patience
        wanted = max(self.tail + pad + size + 16 - self.SIZE, 0)
        while self.peer[HEAD] < wanted:
            assert time.monotonic() < until, "no room"
            self.mine[ROOM_WANTED] = wanted
            self.sleep(ROOM_PARK, lambda: self.peer[HEAD] >= wanted)
        mine, tail = self.mine, self.tail
        mine[mine.place(tail + pad + size)] = 0
        if pad:
            mine[mine.place(tail + pad)] = 0
            mine[mine.place(tail)] = record_word(PAD, pad - 8, mine.lap(tail))
            tail += pad
        at = mine.place(tail) + 8
        mine.map[at : at + len(content)] = content
        mine[mine.place(tail)] = record_word(shape, len(content), mine.lap(tail), kind, encoding)
        self.tail = tail + size
        self.data_woken = wake(self.socket, self.peer[DATA_PARK], self.data_woken, DATA)

    def put(self, frame: Frame) -> None:
        numbers = (frame.sent, frame.sequence, frame.correlation)
        content = b"".join((n & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little") for n in numbers) + frame.body
        most = self.SIZE // 8 - 8
        if len(content) <= most:
            return self.record(LINKED, frame.kind, frame.encoding, content)
        rest = frame.body[most - 64 :]
        self.record(FIRST, 0, 0, frame._replace(body=frame.body).to_bytes()[:64] + frame.body[: most - 64])
        for at in range(0, len(rest), most):
            self.record(PIECE, 0, 0, rest[at : at + most])

    def next_record(self) -> tuple[int, int, int, bytes]:
        peer = self.peer
        until = time.monotonic() + self.patience
        while (word := peer[peer.place(self.head)]) == 0:
            assert time.monotonic() < until, "nothing came"
            self.sleep(DATA_PARK, lambda: peer[peer.place(self.head)] != 0)
        length, shape, lap = word & 0xFFFFFFFF, word >> 32 & 15, word >> 48
        assert lap == peer.lap(self.head) & 0xFFFF, "another lap"
        at = peer.place(self.head) + 8
        content = b"" if shape == PAD else peer.map[at : at + length]
        self.head += (8 + length + 15) // 16 * 16
        self.mine[HEAD] = self.head
        if self.head >= self.peer[ROOM_WANTED]:
            self.room_woken = wake(self.socket, self.peer[ROOM_PARK], self.room_woken, ROOM)
        return shape, word >> 36 & 15, word >> 40 & 7, content

    def get(self) -> Frame:
        shape, kind, encoding, content = self.next_record()
        while shape == PAD:
            shape, kind, encoding, content = self.next_record()
        number = lambda at: int.from_bytes(content[at : at + 8], "little")  # noqa: E731
        if shape == COMPACT:
            frame = Frame(kind, encoding, 0, self.sequence + 1, 0, number(0), b"", content[8:])
        elif shape == LINKED:
            frame = Frame(kind, encoding, 0, number(8), number(16), number(0), b"", content[24:])
        else:
            extension, body = lengths(content[:64])
            if shape == FIRST:
                while len(content) < 64 + extension + body:
                    shape, _, _, more = self.next_record()
                    assert shape in (PIECE, PAD)
                    content += more
            # In a ring the body follows the extension without padding.
            padding = bytes(body_at(extension) - 64 - extension)
            frame = read_frame(content[: 64 + extension] + padding + content[64 + extension :])
        self.sequence = frame.sequence or self.sequence
        if frame.kind == REQUEST:
            self.mine[TAKEN] = frame.sequence
        self.consumed += 1
        self.mine[CONSUMED] = self.consumed
        return frame


def connect_shm(path: Path, pattern: str) -> Link:
    own = Offer()
    ring = Ring(own, *introduce(path, hello(pattern, own.session), own.descriptors))
    return Link(ring, ring.theirs)


class Subscriber:
    """Follows a publisher's ring, which overwrites old records."""

    def __init__(self, path: Path) -> None:
        session = random()
        self.page, page = create(b"LINKSUB1", session, 0)
        introduction = hello("publish", session)
        self.socket, theirs, [file] = introduce(path, introduction, [page])
        self.descriptors = [page, file]
        self.ring = open_peer(file, b"LINKPUB1", theirs["session"])
        self.at = self.ring[LATEST] if self.ring[COUNT] else 0
        self.naps = 0

    def close(self) -> None:
        self.socket.close()
        while self.descriptors:
            os.close(self.descriptors.pop())

    def next(self) -> Frame:
        until, ring = time.monotonic() + SOON, self.ring
        while True:
            while ring[ring.place(self.at)] == 0:
                assert time.monotonic() < until, "nothing came"
                assert ring[STATE] == 0, "the publisher has closed or moved"
                self.naps = doze(self.socket, self.page, DATA_PARK, self.naps, lambda: ring[TAIL] > self.at)
            place = ring.place(self.at)
            word = ring[place]
            length, shape, lap = word & 0xFFFFFFFF, word >> 32 & 15, word >> 48
            content = b"" if shape == PAD else ring.map[place + 8 : place + 8 + length]
            assert ring[RESERVED] <= self.at + ring.ring, "overtaken"
            assert lap == ring.lap(self.at) & 0xFFFF and shape in (PAD, LINKED, FULL)
            self.at += (8 + length + 15) // 16 * 16
            if shape == PAD:
                continue
            if shape == LINKED:
                sent, sequence, correlation = struct.unpack("<qQQ", content[:24])
                frame = Frame(word >> 36 & 15, word >> 40 & 7, word >> 43 & 31, sequence, correlation, sent, b"", content[24:])
            else:
                extension, _ = lengths(content[:64])
                # In a ring the body follows the extension without padding.
                padding = bytes(body_at(extension) - 64 - extension)
                frame = read_frame(content[: 64 + extension] + padding + content[64 + extension :])
            self.page[CONSUMED] = frame.sequence
            return frame
