"""Frames that no honest peer sends: each header bit, each field, each kind in a wrong place."""

import random
from collections.abc import Iterator

from independent import ACK, BYE, CBOR, COMMAND, DATA, ERROR, EVENT, HEADER, HELLO, REPLY, REQUEST, RETAINED
from independent import Frame, crc32c, encode, hello

TOP = 1 << 64
#: First and last byte of each header field.
FIELDS = {
    "magic": (0, 4), "version": (4, 5), "kind": (5, 6), "encoding": (6, 7), "zero": (7, 8), "flags": (8, 10),
    "extension": (10, 12), "header check": (12, 16), "body length": (16, 24), "sequence": (24, 32),
    "correlation": (32, 40), "sent": (40, 48), "schema": (48, 56), "body check": (56, 60), "last zero": (60, 64),
}  # fmt: skip


def checked(header: bytes) -> bytes:
    """Returns the frame with a matching checksum, so the peer reaches the invalid part."""
    bare = header[:12] + bytes(4) + header[16:64]
    return bare[:12] + crc32c(bare).to_bytes(4, "little") + bare[16:] + header[64:]


def good(kind: int, sequence: int, body: object = ("hostile",)) -> bytes:
    return Frame(kind, CBOR, 0, sequence, 0, 1, b"", encode(list(body))).to_bytes(checked=True)


def bits(kind: int, sequence: int) -> Iterator[tuple[str, bytes]]:
    """Yields valid frames with one inverted header bit and a matching checksum."""
    for bit in range(8 * HEADER.size):
        data = bytearray(good(kind, sequence))
        data[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit}", bytes(data) if 96 <= bit < 128 else checked(bytes(data))


def fields(kind: int, sequence: int) -> Iterator[tuple[str, bytes]]:
    """Yields valid frames with one field at an end of its range."""
    for name, (begin, end) in FIELDS.items():
        size = 8 * (end - begin)
        for value in dict.fromkeys((0, 1, 2, (1 << size) - 1, (1 << size) - 2, 1 << size - 1, (1 << size - 1) - 1)):
            data = bytearray(good(kind, sequence))
            data[begin:end] = value.to_bytes(end - begin, "little")
            yield f"{name} {value}", checked(bytes(data))
    for value in range(256):
        yield f"kind {value}", checked(good(kind, sequence)[:5] + bytes([value]) + good(kind, sequence)[6:])
    for value in range(5, 256, 10):
        yield f"encoding {value}", checked(good(kind, sequence)[:6] + bytes([value]) + good(kind, sequence)[7:])


def misplaced(sequence: int) -> Iterator[tuple[str, list[Frame]]]:
    """Yields complete frames with contradictory contents."""
    body = encode(["hostile"])
    for number in (1 << 40, 1 << 63, TOP - 1, sequence + 1, 2):
        yield f"ack of {number}", [Frame(ACK, correlation=number)]
        yield f"data that acknowledges {number}", [Frame(DATA, CBOR, 0, sequence, number, 0, b"", body)]
    for number in (0, 1, TOP - 1, 1 << 63, sequence + (1 << 32)):
        yield f"number {number}", [Frame(DATA, CBOR, 0, number, 0, 0, b"", body)]
        yield f"number {number} after another", [
            Frame(DATA, CBOR, 0, sequence, 0, 0, b"", body), Frame(DATA, CBOR, 0, number, 0, 0, b"", body),
        ]  # fmt: skip
    last = [Frame(DATA, CBOR, 0, TOP - 1, 0, 0, b"", body), Frame(DATA, CBOR, 0, TOP - 1, 0, 0, b"", body)]
    yield "the last number, and what comes after it", [*last, Frame(REQUEST, CBOR, 0, TOP - 1, 0, 0, b"", body)]
    for kind in (REPLY, ERROR):
        for number in (0, 1, 2, TOP - 1):
            yield f"answer {kind} to {number}", [Frame(kind, CBOR, 0, sequence, number, 0, b"", body)]
    for kind in (COMMAND, EVENT, HELLO, *range(9, 16)):
        yield f"kind {kind}", [Frame(kind, CBOR, 0, sequence, 0, 0, b"", body)]
    yield "another hello", [hello("channel", 4711), hello("request", 4712), hello("publish", 4713, ask=True)]
    yield "bye, then data", [Frame(BYE), Frame(DATA, CBOR, 0, sequence, 0, 0, b"", body), Frame(BYE), Frame(BYE)]
    yield "a hundred byes", [Frame(BYE)] * 100
    yield "a thousand acks of nothing", [Frame(ACK)] * 1000
    for flags in (2, 4, 8, RETAINED, 0xFFFE):
        yield f"flags {flags}", [Frame(REQUEST, CBOR, flags, sequence, 0, 0, b"", body)]
    for name, extension in {
        "no map": b"\xff" * 8, "a list": encode([1]).ljust(8, b"\0"), "half a map": b"\xa2\x67session"[:8],
        "a session that is text": encode({"session": "x", "source": "y"}).ljust(24, b"\0"),
        "somebody else's name": encode({"session": 1, "source": "root"}).ljust(24, b"\0"),
        "a long name": encode({"session": 1, "source": "x" * 4000}).ljust(4040, b"\0"),
        "more than is allowed": bytes(8192), "as much as can be said": bytes(65535 * 8),
    }.items():  # fmt: skip
        yield f"an extension that is {name}", [Frame(REQUEST, CBOR, 0, sequence, 0, 0, extension, body)]
    for sent in (-(1 << 63), (1 << 63) - 1, -1):
        yield f"sent at {sent}", [Frame(REQUEST, CBOR, 0, sequence, 0, sent, b"", body)]
    for name, bad in {
        "nothing": b"", "no value": b"\xff", "a deep list": b"\x81" * 10_000 + b"\xf6", "a promise of 2^64": b"\x9b" + b"\xff" * 8,
        "text that is none": b"\x62\xc3\x28", "a text of 2^63": b"\x7b\x7f" + b"\xff" * 7, "two values": b"\x01\x01",
        "a repeated key": b"\xa2\x61a\x01\x61a\x02", "booleans of 2^60": b"\xd8\x29\x9b\x10" + bytes(7),
        "an array of a shape without end": b"\xd8\x28\x82\x82\x1b" + b"\xff" * 8 + b"\x1b" + b"\xff" * 8 + b"\xd8\x40\x40",
    }.items():  # fmt: skip
        yield f"a body that is {name}", [Frame(REQUEST, CBOR, 0, sequence, 0, 0, b"", bad)]


def scramble(chance: random.Random, sequence: int) -> bytes:
    """Returns valid frames with one change: altered, omitted, inserted or repeated."""
    kinds = [chance.choice([DATA, REQUEST, REPLY, ERROR, ACK, HELLO, BYE, COMMAND, EVENT]) for _ in range(chance.randrange(1, 5))]
    data = bytearray(b"".join(good(kind, sequence + n) for n, kind in enumerate(kinds)))
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                del data[at : at + chance.randrange(1, 80)]
            case 2:
                data[at:at] = chance.randbytes(chance.randrange(1, 80))
            case 3:
                data[at:at] = data[: chance.randrange(1, 200)]
        if not data:
            return b"\0"
        if chance.randrange(2) and len(data) >= 64:
            data[:64] = checked(bytes(data[:64]))
    return bytes(data)


