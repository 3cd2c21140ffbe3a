"""The named words of each shared page, and invalid values for them."""

import random
from collections.abc import Iterator

from shared_memory import ACK_WANTED, ACKNOWLEDGED, COMPACT, CONSUMED, COUNT, DATA_PARK, FIRST, FULL, HEAD, LATEST, LINKED, PAD, PAGE, PIECE
from shared_memory import RESERVED, RESTART, ROOM_PARK, ROOM_WANTED, SLOTS, STATE, TAIL, record_word

TOP = 1 << 64
HEADER_WORDS = {"magic": 0, "layout": 8, "flags": 16, "session": 24, "ring begins": 32, "ring": 40}
CHANNEL = {
    **HEADER_WORDS, "head": HEAD, "consumed": CONSUMED, "data park": DATA_PARK, "room park": ROOM_PARK,
    "acknowledged": ACKNOWLEDGED, "ack wanted": ACK_WANTED,
    "room wanted": ROOM_WANTED, "state": STATE, "data wake": 640, "room wake": 648,
}  # fmt: skip
BROADCAST = {
    **HEADER_WORDS, "reserved": RESERVED, "tail": TAIL, "latest": LATEST, "restart": RESTART, "count": COUNT,
    "state": STATE, "data wake": 640, "nobody in the futex": 648,
}  # fmt: skip
SUBSCRIBER = {**HEADER_WORDS, "consumed": CONSUMED, "data park": DATA_PARK, "state": STATE}


def values(now: int, ring: int) -> list[int]:
    """Returns replacements for a word: ends of ranges, neighbours, other laps, single bits."""
    near = [now + d for d in (-ring, -16, -8, -1, 1, 2, 8, 16, ring - 16, ring, ring + 16, 2 * ring)]
    ends = [0, 1, 2, 3, 16, PAGE, ring, (1 << 31) - 1, 1 << 31, 1 << 32, 1 << 48, (1 << 63) - 1, 1 << 63]
    bits = [now ^ 1 << bit for bit in range(0, 64, 7)]
    return list(dict.fromkeys(value % TOP for value in [*near, *ends, *bits, TOP - 1, TOP - 16, ~now]))


def others(named: dict[str, int]) -> list[int]:
    return [at for at in range(0, PAGE, 8) if at not in named.values()]


def record_words(ring: int, lap: int) -> Iterator[tuple[str, int]]:
    """Yields first words of a channel's record with one possibly invalid member."""

    def word(shape: int = LINKED, kind: int = 0, encoding: int = 2, length: int = 32, flags: int = 0, of: int = lap) -> int:
        return record_word(shape, length, of, kind, encoding, flags)

    for shape in (0, *range(7, 16)):
        yield f"shape {shape}", word(shape)
    for shape in (PAD, COMPACT, LINKED, FULL, FIRST, PIECE):
        for length in (0, 1, 7, 8, 23, 24, 63, 64, 65, ring // 8 - 8, ring // 8, ring // 2, ring - 24, ring - 8, ring, ring * 2):
            yield f"shape {shape} length {length}", word(shape, length=length, encoding=0 if shape in (PAD, FIRST, PIECE) else 2)
        for length in ((1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 32) - 16):
            yield f"shape {shape} length {length}", word(shape, length=length)
        yield f"shape {shape} with kind and encoding", word(shape, 3, 3)
    for kind in range(16):
        yield f"kind {kind}", word(kind=kind)
    for encoding in range(8):
        yield f"encoding {encoding}", word(encoding=encoding)
    for flags in range(32):
        yield f"flags {flags}", word(flags=flags)
    for other in (lap - 1, lap + 1, lap + 2, 0x7FFF, 0xFFFF):
        yield f"lap {other & 0xFFFF}", word(of=other)
    for bit in range(64):
        yield f"bit {bit}", word() ^ 1 << bit


def broadcast_words(length: int, lap: int) -> Iterator[tuple[str, int]]:
    """Yields replacements for the first word of a publisher's record with `length` bytes."""
    ring = 64 << 10
    yield from record_words(ring, lap)
    for shape in (PAD, COMPACT, LINKED, FULL, FIRST, PIECE, SLOTS):
        for wrong in (length - 16, length - 1, length + 1, length + 16, ring // 2 - 8, ring // 2 + 8, ring - 8, ring * 4):
            yield f"shape {shape} length {wrong}", record_word(shape, wrong, lap)
    for bit in range(64):
        yield f"full, bit {bit}", record_word(FULL, length, lap) ^ 1 << bit


def random_word(chance: random.Random, now: int, ring: int) -> int:
    match chance.randrange(5):
        case 0:
            return chance.getrandbits(64)
        case 1:
            return now ^ 1 << chance.randrange(64)
        case 2:
            return (now + chance.randrange(-ring, ring) * chance.choice([1, 8, 16])) % TOP
        case 3:
            return 1 << chance.randrange(64)
    return chance.choice(values(now, ring))


