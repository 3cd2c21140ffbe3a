"""Forged recordings: MCAP with numbers, times, shapes, lengths and texts that no recorder writes.

A seed determines each file. Most parts are valid, so readers get far; each part may be forged.
"""

import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator

MAGIC = b"\x89MCAP0\r\n"
EDGES = [0, 1, 2, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1]
#: Texts with a meaning for terminals, pages, file systems or line readers.
TEXTS = [
    "lab/a", "lab/b", "lab-a", "", ".", "..", "/", "../../etc/passwd", "/tmp/forged", "a\0b", "a b", "\x1b[2J\x1b]0;title\x07", "\x9b31m", "\u202eabc\u2066", "a\rb",
    "lab\ncomplete: 7 messages, 0 missed and said so", "<script>alert(1)</script>", "=cmd|'/c calc'!A1", "\ufeff", "tcp:0.0.0.0:1", "0.0.0.0:1", "%s%n", "x" * 5000,
]
#: Shapes whose product overflows or far exceeds the data.
SHAPES = [[2**40, 2**40, 0], [0, 2**63, 2**63], [2**64 - 1], [2**32, 2**32], [2**63, 2], [0], [], [3], [1] * 16, [2, 2], [0, 2**40]]


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return struct.pack("<I", len(data)) + data


def texts(pairs: dict[str, str]) -> bytes:
    data = b"".join(text(key) + text(value) for key, value in pairs.items())
    return struct.pack("<I", len(data)) + data


def record(code: int, body: bytes) -> bytes:
    return bytes([code]) + struct.pack("<Q", len(body)) + body


def cbor(n: int, major: int) -> bytes:
    if n < 24:
        return bytes([major << 5 | n])
    return bytes([major << 5 | 27]) + struct.pack(">Q", n & (2**64 - 1))


class Forger:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        #: The forged fraction. A small one lets readers reach the end.
        self.strength = self.chance.choice([0.02, 0.1, 1.0])
        self.channels: list[tuple[int, str]] = []

    def number(self, usual: int, chance: float = 0.25) -> int:
        return self.chance.choice(EDGES) if self.chance.random() < chance * self.strength else usual

    def text(self, usual: str, chance: float = 0.25) -> str:
        return self.chance.choice(TEXTS) if self.chance.random() < chance * self.strength else usual

    def value(self) -> bytes:
        """Returns a CBOR value: edge numbers, texts, arrays with wrong shapes."""
        shape = self.chance.choice(SHAPES)
        kinds: list[Callable[[], bytes]] = [
            lambda: cbor(self.chance.choice(EDGES), 0),
            lambda: cbor(self.chance.choice(EDGES), 1),
            lambda: b"\xfb" + struct.pack(">d", self.chance.choice([0.0, 1e308, -1e308, float("nan"), float("inf"), 5e-324])),
            lambda: cbor(5, 3) + b"a\x1b[2J",
            lambda: b"\xd8\x28\x82" + cbor(len(shape), 4) + b"".join(cbor(n, 0) for n in shape) + b"\xd8\x40" + cbor(self.chance.choice([0, 3, 4]), 2) + bytes(4)[: 0],
            lambda: b"\xd8\x28\x82" + cbor(2, 4) + cbor(2, 0) + cbor(2, 0) + b"\xd8\x40\x44" + bytes([1, 2, 3, 4]),
            lambda: cbor(self.chance.choice([1, 2**32, 2**63]), self.chance.choice([2, 3, 4, 5])),
            lambda: b"\xd9\x03\xe9\xa2\x01" + cbor(self.number(1, 1.0), 0) + b"\x28" + cbor(self.number(1, 1.0), 0),
        ]
        fields = [(self.text(name).encode("utf-8")[:200], self.chance.choice(kinds)()) for name in ("x", "y", "image")]
        if self.chance.random() < 0.3:
            return fields[0][1]
        return cbor(len(fields), 5) + b"".join(cbor(len(key), 3) + key + value for key, value in fields)

    def json_value(self) -> bytes:
        shape = self.chance.choice(SHAPES)
        value = {self.text("x"): self.number(1), self.text("image"): {"$ndarray": {"dtype": "u8", "shape": shape, "order": "row", "data": ""}}}
        return json.dumps(value).encode()

    def channel(self, number: int) -> bytes:
        encoding = self.chance.choice(["cbor", "cbor", "cbor", "json", "bson", "smile", "raw", self.text("protobuf")])
        topic = self.text(f"lab/{number}")
        metadata = {
            "linkspan.endpoint": self.chance.choice(["shm:", "unix:", "tcp:", "journal:", ""]) + self.text(topic),
            "linkspan.incarnation": self.chance.choice(["0123456789abcdef", "f" * 16, "g", "", "f" * 40]),
            "linkspan.first": str(self.number(1)),
            "linkspan.source": self.text("camera-17"),
        }
        if self.chance.random() < 0.2:
            metadata["linkspan.schema"] = self.text('name = "lab.reading"\n[fields]\nx = "f64"')
        if self.chance.random() < 0.1:
            metadata["linkspan.repeated"] = "true"
        self.channels.append((number, encoding))
        schema = self.chance.choice([0, 0, 1, 7])
        return record(4, struct.pack("<HH", number, schema) + text(topic) + text(encoding) + texts(metadata))

    def event(self) -> bytes:
        kind = self.chance.choice(["missed", "missed", "skipped", "clock", "disk", "started", self.text("refused")])
        event: dict[str, object] = {"time": self.number(1_700_000_000 * 10**9), "kind": kind, "name": self.text("lab/1"), "incarnation": "0123456789abcdef"}
        event |= {"first": self.number(3), "count": self.number(4), "by": self.chance.choice([-(2**63), 2**63 - 1, 5, 10**30]), "text": self.text("why")}
        return record(5, struct.pack("<HIQQ", 0, 0, self.number(1), self.number(1)) + json.dumps(event).encode())

    def message(self) -> bytes:
        number, encoding = self.chance.choice(self.channels) if self.channels else (1, "cbor")
        if self.chance.random() < 0.03:
            number = self.chance.choice([7, 65535])
        body = self.json_value() if encoding == "json" else self.value()
        time = self.number(1_700_000_000 * 10**9 + self.chance.randrange(10**10), 0.15)
        return record(5, struct.pack("<HIQQ", number, self.number(self.chance.randrange(100)) & 0xFFFFFFFF, time, self.number(time)) + body)

    def chunk(self, records: bytes) -> bytes:
        crc = zlib.crc32(records) if self.chance.random() < 0.9 else 1
        size = len(records) if self.chance.random() < 0.95 else self.number(len(records), 1.0)
        head = struct.pack("<QQQI", self.number(1), self.number(2**60), size, crc) + text("" if self.chance.random() < 0.95 else self.text("zstd"))
        return record(6, head + struct.pack("<Q", len(records)) + records)

    def attachment(self) -> bytes:
        data = b"some text"
        body = struct.pack("<QQ", self.number(1), self.number(1)) + text(self.text("notes.txt")) + text(self.text("text/plain"))
        return record(9, body + struct.pack("<Q", self.number(len(data), 0.2)) + data + bytes(4))

    def body(self) -> Iterator[bytes]:
        yield record(1, text("linkspan") + text("forged"))
        facts = {"id": "5" * 32, "machine": self.text("north"), "command": self.text("record"), "started": self.text("now"), "timezone": self.text("UTC"), "names": self.text("*")}
        for key, some in (("part", ["1", "2", "0", str(2**64)]), ("replaces", ["5" * 32, "6" * 32, ""])):
            if self.chance.random() < 0.3:
                facts[key] = self.text(self.chance.choice(some))
        yield record(12, text("linkspan.recording") + texts(facts))
        yield record(3, struct.pack("<H", 1) + text(self.text("lab.Reading")) + text("linkspan") + text('name = "lab.reading"\n[fields]\nx = "f64"'))
        yield record(4, struct.pack("<HH", 0, 0) + text("linkspan/events") + text("json") + texts({}))
        for number in range(1, self.chance.randrange(2, 6)):
            yield self.channel(self.number(number, 0.05) & 0xFFFF)
        yield record(12, text("linkspan.notes") + texts({self.text("key"): self.text("value")}))
        for _ in range(self.chance.randrange(1, 5)):
            made = [self.chance.choice([self.message, self.message, self.message, self.event])() for _ in range(self.chance.randrange(1, 12))]
            joined = b"".join(made)
            yield self.chunk(joined) if self.chance.random() < 0.7 else joined
            if self.chance.random() < 0.2:
                yield self.attachment()
        if self.chance.random() < 0.1:
            yield bytes([self.chance.randrange(256)]) + struct.pack("<Q", self.number(3, 1.0)) + b"abc"

    def file(self) -> bytes:
        data = MAGIC + b"".join(self.body())
        if self.chance.random() < 0.2:
            return data
        begin = len(data) + 9 + 4
        data += record(15, struct.pack("<I", 0))
        counts = b"".join(struct.pack("<HQ", number, self.number(3)) for number, _ in self.channels)
        statistics = struct.pack("<QHIIIIQQ", self.number(9), 1, len(self.channels), 1, 1, 1, self.number(1), self.number(2))
        data += record(11, statistics + struct.pack("<I", len(counts)) + counts)
        return data + record(2, struct.pack("<QQI", self.number(begin, 0.2), 0, 0)) + MAGIC


def forged(seed: int) -> bytes:
    return Forger(seed).file()
