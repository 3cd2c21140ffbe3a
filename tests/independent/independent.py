"""Linkspan in Python's standard library, written only from docs/wire-format.md and docs/transports.md.

A minimal implementation: CBOR, and no storage for retransmission. It proves that the documents are sufficient.
"""

import fcntl
import hashlib
import hmac
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

DATA, REQUEST, REPLY, ERROR, ACK, HELLO, BYE, COMMAND, EVENT = range(9)
RAW, JSON, CBOR = 0, 1, 2
BODY_CHECKED, RETAINED = 1, 16
#: Only guards against a hang.
SOON = 60


def _crc_table() -> list[int]:
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


CRC_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


# CBOR for null, booleans, integers, floats, text, bytes, lists and maps; timestamps are only read.


def _head(major: int, n: int) -> bytes:
    if n < 24:
        return bytes([major << 5 | n])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if n < 1 << 8 * size:
            return bytes([major << 5 | info]) + n.to_bytes(size, "big")
    raise OverflowError(n)


def encode(value: Any) -> bytes:
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
        case float():
            return b"\xfb" + struct.pack(">d", value)
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case bytes():
            return _head(2, len(value)) + value
        case list():
            return _head(4, len(value)) + b"".join(map(encode, value))
        case dict():
            return _head(5, len(value)) + b"".join(encode(k) + encode(v) for k, v in value.items())
    raise TypeError(type(value))


def _decode(data: bytes, at: int) -> tuple[Any, int]:
    major, info, at = data[at] >> 5, data[at] & 31, at + 1
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    n = int.from_bytes(data[at : at + size], "big") if size else info
    bits = data[at : at + size]
    at += size
    match major:
        case 0:
            return n, at
        case 1:
            return -1 - n, at
        case 2:
            return data[at : at + n], at + n
        case 3:
            return data[at : at + n].decode(), at + n
        case 4:
            items = []
            for _ in range(n):
                item, at = _decode(data, at)
                items.append(item)
            return items, at
        case 5:
            mapping = {}
            for _ in range(n):
                key, at = _decode(data, at)
                mapping[key], at = _decode(data, at)
            return mapping, at
        case 6 if n == 1001:
            parts, at = _decode(data, at)
            return parts[1] * 10**9 + parts.get(-9, 0), at
        case 7 if size == 0:
            return {20: False, 21: True, 22: None}[n], at
        case 7:
            return struct.unpack({2: ">e", 4: ">f", 8: ">d"}[size], bits)[0], at
    raise ValueError(f"major type {major}")


def decode(data: bytes) -> Any:
    value, end = _decode(data, 0)
    assert end == len(data), "bytes behind the value"
    return value


# Frames.

HEADER = struct.Struct("<4sBBBBHHIQQQqQII")
assert HEADER.size == 64


class Frame(NamedTuple):
    kind: int
    encoding: int = RAW
    flags: int = 0
    sequence: int = 0
    correlation: int = 0
    sent: int = 0
    extension: bytes = b""
    body: bytes = b""

    def value(self) -> Any:
        assert self.encoding == CBOR
        return decode(self.body)

    def to_bytes(self, checked: bool = False) -> bytes:
        flags, check = (self.flags | BODY_CHECKED, crc32c(self.body)) if checked else (self.flags, 0)

        def header(own_check: int) -> bytes:
            return HEADER.pack(
                b"LKSP", 1, self.kind, self.encoding, 0, flags, len(self.extension) // 8, own_check,
                len(self.body), self.sequence, self.correlation, self.sent, 0, check, 0,
            )  # fmt: skip

        return (header(crc32c(header(0))) + self.extension).ljust(body_at(len(self.extension)), b"\0") + self.body


def body_at(extension: int) -> int:
    return (64 + extension + 63) // 64 * 64


def lengths(header: bytes) -> tuple[int, int]:
    """Checks the header and returns the lengths of extension and body."""
    magic, version, *_ = fields = HEADER.unpack(header)
    assert (magic, version) == (b"LKSP", 1), fields
    assert crc32c(header[:12] + bytes(4) + header[16:]) == fields[7], "the header's check sum"
    return fields[6] * 8, fields[8]


def read_frame(data: bytes) -> Frame:
    extension, body = lengths(data[:64])
    _, _, kind, encoding, _, flags, _, _, _, sequence, correlation, sent, _, check, _ = HEADER.unpack(data[:64])
    at = body_at(extension)
    content = data[at : at + body]
    assert not flags & BODY_CHECKED or crc32c(content) == check, "the body's check sum"
    return Frame(kind, encoding, flags, sequence, correlation, sent, data[64 : 64 + extension], content)


# Connections.


class Refused(Exception):
    """The other side refused the connection with a reason."""


class Stream:
    """A byte stream in both directions: a socket, or two pipes."""

    def __init__(self, reader: int, writer: int, keeps: Any, checked: bool = False) -> None:
        self.reader, self.writer, self.keeps, self.checked = reader, writer, keeps, checked

    def put(self, frame: Frame) -> None:
        data = frame.to_bytes(self.checked)
        while data:
            assert select.select([], [self.writer], [], SOON)[1], "no room"
            data = data[os.write(self.writer, data) :]

    def take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            assert select.select([self.reader], [], [], SOON)[0], "nothing came"
            more = os.read(self.reader, count - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def get(self) -> Frame:
        header = self.take(64)
        extension, body = lengths(header)
        return read_frame(header + self.take(body_at(extension) - 64 + body))


def random() -> int:
    return int.from_bytes(os.urandom(8), "little") | 1


def hello(pattern: str, session: int, **more: Any) -> Frame:
    body = {
        "versions": [1, 1], "pattern": pattern, "session": session, "received": [0, 0, 0],
        "limit": 1 << 20, "pid": os.getpid(), "title": "independent", **more,
    }  # fmt: skip
    return Frame(HELLO, CBOR, body=encode(body))


def answered(answer: Frame) -> dict[str, Any]:
    if answer.kind == ERROR:
        raise Refused(answer.value()["code"], answer.value()["text"])
    assert answer.kind == HELLO
    return answer.value()


class Link:
    """One connection with a separate session and no storage."""

    def __init__(self, stream: Stream, theirs: dict[str, Any]) -> None:
        self.stream, self.theirs, self.sequence, self.taken = stream, theirs, 0, 0

    def send(self, kind: int, value: Any, correlation: int = 0) -> int:
        return self.send_body(kind, CBOR, encode(value), correlation)

    def send_body(self, kind: int, encoding: int, body: bytes, correlation: int = 0) -> int:
        self.sequence += 1
        self.stream.put(Frame(kind, encoding, 0, self.sequence, correlation, time.time_ns(), b"", body))
        return self.sequence

    def receive(self) -> Frame:
        frame = self.stream.get()
        if frame.kind in (DATA, REQUEST, REPLY, ERROR, COMMAND, EVENT):
            assert frame.sequence > self.taken, "the numbers on a link rise"
            self.taken = frame.sequence
        return frame

    def acknowledge(self) -> None:
        self.stream.put(Frame(ACK, correlation=self.taken))

    def call(self, value: Any) -> Any:
        number = self.send(REQUEST, value)
        while (answer := self.receive()).correlation != number or answer.kind not in (REPLY, ERROR):
            pass
        if answer.kind == ERROR:
            raise RuntimeError(answer.value()["code"], answer.value()["text"])
        return answer.value()

    def leave(self) -> int:
        """Says goodbye, and waits until the other side has consumed everything; returns that number."""
        self.stream.put(Frame(BYE))
        while (frame := self.receive()).kind != ACK or frame.correlation < self.sequence:
            pass
        return frame.correlation


def socket_at(path: Path, use: Callable[[socket.socket, str], None]) -> socket.socket:
    """Binds or connects a socket at a path of any length."""
    s = socket.socket(socket.AF_UNIX)
    directory = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        use(s, f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)
    return s


def connect_unix(path: Path, pattern: str, **more: Any) -> Link:
    s = socket_at(path, socket.socket.connect)
    stream = Stream(s.fileno(), s.fileno(), s)
    stream.put(hello(pattern, random(), **more))
    return Link(stream, answered(stream.get()))


def proof(token: bytes, side: bytes, address: str, caller: bytes, listener: bytes) -> bytes:
    text = b"linkspan token proof 1 " + side + address.encode() + b"\0" + caller + listener
    return hmac.digest(token, text, hashlib.sha256)


def prove(directory: Path, port: int) -> Stream:
    """Connects and proves that we have the token."""
    token = (directory / ".token").read_bytes()
    s = socket.create_connection(("127.0.0.1", port))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = Stream(s.fileno(), s.fileno(), s)
    ours, address = os.urandom(32), f"127.0.0.1:{port}"
    stream.put(Frame(HELLO, body=ours))
    both = stream.get().body
    assert both[32:] == proof(token, b"listener", address, ours, both[:32]), "this is not the listener"
    stream.put(Frame(HELLO, body=proof(token, b"caller  ", address, ours, both[:32])))
    return stream


def connect_tcp(directory: Path, port: int, pattern: str) -> Link:
    stream = prove(directory, port)
    stream.put(hello(pattern, random()))
    stream.checked = True
    return Link(stream, answered(stream.get()))


# Names and their locks.


def lock_byte(name: str) -> int:
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h >> 2


F_OFD_GETLK, F_OFD_SETLK = 36, 37


def _flock(kind: int, name: str) -> bytes:
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, lock_byte(name), 1, 0)


def try_lock(directory: Path, name: str) -> int | None:
    """Returns a descriptor that holds a name's lock, or None if a living process holds it."""
    fd = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.fcntl(fd, F_OFD_SETLK, _flock(fcntl.F_WRLCK, name))
    except OSError:
        os.close(fd)
        return None
    return fd


def is_locked(directory: Path, name: str) -> bool:
    fd = os.open(directory / ".lock", os.O_RDWR | os.O_CLOEXEC)
    try:
        found = fcntl.fcntl(fd, F_OFD_GETLK, _flock(fcntl.F_WRLCK, name))
        return struct.unpack("hhqqi4x", found)[0] != fcntl.F_UNLCK
    finally:
        os.close(fd)


class Listener:
    """A name with a Unix socket."""

    def __init__(self, directory: Path, file: str) -> None:
        self.path = directory / file
        # The cleaner of a killed listener holds the lock for a moment.
        until = time.monotonic() + SOON
        while (lock := try_lock(directory, file)) is None:
            assert time.monotonic() < until, "another process listens"
            time.sleep(0.001)
        self.lock = lock
        new = directory / f".new.{file}"
        new.unlink(missing_ok=True)
        self.socket = socket_at(new, socket.socket.bind)
        os.chmod(new, 0o600)
        self.socket.listen()
        self.socket.settimeout(SOON)
        new.rename(self.path)

    def accept(self, pattern: str) -> Link:
        s, _ = self.socket.accept()
        stream = Stream(s.fileno(), s.fileno(), s)
        theirs = answered(stream.get())
        stream.put(hello(pattern, random(), first=1))
        return Link(stream, theirs)

    def close(self) -> None:
        self.socket.close()
        self.path.unlink()
        os.close(self.lock)


def connect_fifo(directory: Path, file: str, pattern: str) -> Link:
    assert is_locked(directory, file), "no process serves"
    role = try_lock(directory, f"{file}#client")
    assert role is not None, "the name has its client"
    asked = os.open(directory / file, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    answers = os.open(directory / f"{file}.reply", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    requests = os.open(directory / file, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    os.close(asked)
    number = random()
    ours = try_lock(directory, f"{file}#client#{number:016x}")
    stream = Stream(answers, requests, (role, ours), checked=True)
    stream.put(hello(pattern, random())._replace(sequence=number))
    while (answer := stream.get()).correlation != number:
        pass
    assert is_locked(directory, f"{file}#server#{number:016x}")
    return Link(stream, answered(answer))


def write_dgram(path: Path, session: int, numbers: range, value: Any) -> None:
    """Sends each message as a datagram; the reader counts missing numbers."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    directory = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    s.connect(f"/proc/self/fd/{directory}/{path.name}")
    os.close(directory)
    extension = encode({"session": session, "source": "independent"})
    extension = extension.ljust((len(extension) + 7) // 8 * 8, b"\0")
    for number in numbers:
        s.send(Frame(DATA, CBOR, 0, number, 0, time.time_ns(), extension, encode(value)).to_bytes())
    s.close()


# Files.


def call_spool(spool: Path, number: int, value: bytes) -> bytes:
    """Sends a request as a JSON file, and waits for the answer's file."""
    name = f"{number:020}.independent.json"
    (spool / f".{name}").write_bytes(value)
    (spool / f".{name}").rename(spool / "server" / name)
    until = time.monotonic() + SOON
    while not (spool / "client" / name).exists():
        assert time.monotonic() < until, "no answer"
        time.sleep(0.01)
    answer = (spool / "client" / name).read_bytes()
    (spool / "client" / name).unlink()
    return answer


def read_file(path: Path) -> Frame:
    return read_frame(path.read_bytes())


def read_block(block: bytes, magic: bytes, numbers: int) -> tuple[bytes, tuple[int, ...]]:
    found, check, version = struct.unpack_from("<8sII", block)
    assert (found, version) == (magic, 2 if magic == b"LKSPJRNL" else 1)
    assert crc32c(block[:8] + bytes(4) + block[12:]) == check, "the block's check sum"
    return block[16:32], struct.unpack_from(f"<{numbers}Q", block, 32)


def journal(directory: Path) -> Iterator[tuple[Frame, dict[str, Any]]]:
    """Returns the records on the disk with their extensions."""
    identity, (last, _, _) = read_block((directory / "committed").read_bytes(), b"LKSPDONE", 3)
    for segment in sorted(directory.glob("?" * 20 + ".segment")):
        data = segment.read_bytes()
        whose, (first, _, _) = read_block(data[:4096], b"LKSPJRNL", 3)
        assert whose == identity and segment.name == f"{first:020}.segment"
        at, expected = 4096, first
        while at + 64 <= len(data) and expected <= last:
            extension, body = lengths(data[at : at + 64])
            start = at + body_at(extension)
            end = start + body
            extension_map, used = _decode(data[at + 64 : at + 64 + extension], 0)
            assert list(extension_map) == ["check", "after", "session", "source", "mask"][: len(extension_map)] and len(extension_map) >= 4
            stored = bytearray(data[start:end])
            for step in range(0, len(stored) - 3, 64):
                assert stored[step : step + 4] != b"LKSP", "no body looks like a record"
                for i, byte in enumerate(extension_map.get("mask", b"")):
                    stored[step + i] ^= byte
            record = read_frame(data[at:start] + stored)
            assert record.sequence == expected and record.flags & BODY_CHECKED
            assert not any(record.extension[used:])
            unchecked = record.extension[:8] + bytes(4) + record.extension[12:]
            assert crc32c(identity + unchecked) == int.from_bytes(extension_map["check"], "little")
            yield record, extension_map
            at, expected = (end + 63) // 64 * 64, expected + 1


def consumer(directory: Path, name: str) -> int:
    """Returns a reader's last consumed number."""
    data = (directory / f"{name}.consumer").read_bytes()
    places = [data[at : at + 64] for at in (0, 512) if len(data) >= at + 64]
    return max(read_block(place, b"LKSPREAD", 4)[1][:2] for place in places)[1]
