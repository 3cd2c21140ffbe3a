"""Writes recordings without a recorder, like another program, possibly a hostile one."""

import json
import random
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import linkspan
from mcap.writer import Writer


def written(path: Path, messages: Iterable[tuple[str, Any]], schemas: dict[str, str] | None = None, source: str = "sensor-1") -> Path:
    """Writes these values in CBOR, each under its name, one second apart."""
    with path.open("wb") as file:
        # Short chunks, so that damage does not lose all messages.
        writer = Writer(file, chunk_size=1_000)
        writer.start(profile="linkspan")
        channels: dict[str, int] = {}
        numbers: dict[str, int] = {}
        for second, (name, value) in enumerate(messages, 1_000):
            if name not in channels:
                schema = (schemas or {}).get(name)
                metadata = {"linkspan.incarnation": "0000000000000007", "linkspan.source": source, "linkspan.first": "1"}
                if schema is not None:
                    metadata["linkspan.schema"] = schema
                channels[name] = writer.register_channel(name, "cbor", 0, metadata)
            numbers[name] = numbers.get(name, 0) + 1
            time = second * 1_000_000_000
            writer.add_message(channels[name], time, linkspan.encode(value), time, numbers[name])
        writer.finish()
    return path


NUMBERS = [0, 1, 2, 3, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 2, (1 << 64) - 1]
#: Texts that terminals, pages, spreadsheets, paths or parsers misread.
TEXTS = [
    "", "a", "\x1b[2J\x1b]0;x\x07", "\x9b31m", "\u202eabc", "complete: 7 messages, 0 missed\nx", "=1+1", "<script>alert(1)</script>", "../../x", "/x",
    "a/b", "a-b", "a~b", "\0", "x\0y", "*", "?", "%2F", "x" * 5_000, "linkspan/events", "unix:/tmp/x", "tcp:127.0.0.1:1", "shm:../x", "NaN", "\ufeff=1",
    "\U0001f4a5", "1" * 400, "-1", "18446744073709551616", "{", 'name = "x"\n\n[fields]\na = "u64"\nx = "f64"\n', '{"type":"object"}',
]  # fmt: skip
#: Invalid bodies, and bodies that expand beyond their size.
BODIES = [
    b"", b"\xff", b"\x81" * 600 + b"\xf6", b"\x9b" + b"\xff" * 8, b"\x62\xc3\x28", b"\x7b\x7f" + b"\xff" * 7, b"\xa2\x61a\x01\x61a\x02",
    # An array without elements whose lengths overflow.
    b"\xd8\x28\x82\x83\x1b\x00\x00\x01\x00\x00\x00\x00\x00\x1b\x00\x00\x01\x00\x00\x00\x00\x00\x00\xd8\x40\x40",
]  # fmt: skip


def value(chance: random.Random, depth: int = 0) -> Any:
    import numpy

    match chance.randrange(9 if depth < 3 else 6):
        case 0:
            return chance.choice(NUMBERS)
        case 1:
            return chance.choice([0.0, -0.0, 1.5, float("nan"), float("inf"), 5e-324, None, True, -(1 << 63), 1 << 200])
        case 2:
            return chance.choice(TEXTS)
        case 3:
            return chance.randbytes(chance.choice([0, 1, 300]))
        case 4:
            shape = [chance.choice([0, 1, 2, 3]) for _ in range(chance.randrange(4))]
            dtype = chance.choice(["u1", "i8", "f4", "c16", "?"])
            return numpy.zeros(shape, dtype, order=chance.choice("CF"))
        case 5:
            return linkspan.Timestamp(chance.choice([0, -1, (1 << 63) - 1, -(1 << 63)]))
        case 6:
            return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
        case _:
            return {chance.choice(TEXTS): value(chance, depth + 1) for _ in range(chance.randrange(5))}


def event(chance: random.Random) -> bytes:
    found: dict[str, Any] = {"time": chance.choice(NUMBERS)}
    kinds = ["started", "missed", "skipped", "stopped", "connected", "clock", "full", "disk", "schema", "none", "\x1b[2J"]
    found["kind"] = chance.choice(kinds)
    for key in ("name", "source", "text", "incarnation"):
        if chance.randrange(2):
            found[key] = chance.choice([*TEXTS, "0000000000000007"])
    for key in ("count", "first", "by", "free", "size"):
        if chance.randrange(2):
            found[key] = chance.choice([*NUMBERS, -1, 1.5, "x"])
    return json.dumps(found).encode()


def forged(chance: random.Random, path: Path) -> Path:
    """Writes a recording with hostile names, numbers and texts, often with changed bytes."""
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=chance.choice([200, 2_000, 100_000]))
        writer.start(profile=chance.choice(["linkspan", "linkspan", *TEXTS]))
        texts = lambda: {chance.choice([*TEXTS, "id", "part", "machine", "names"]): chance.choice(TEXTS) for _ in range(5)}  # noqa: E731
        for name in ("linkspan.recording", "linkspan.notes", "linkspan.end", "other"):
            if chance.randrange(2):
                writer.add_metadata(name, texts())
        if chance.randrange(4) == 0:
            writer.add_attachment(0, 0, chance.choice(TEXTS), "text/plain", b"x" * 100)
        channels = []
        for _ in range(chance.randrange(1, 12)):
            metadata = {
                "linkspan.incarnation": chance.choice([f"{number:016x}" for number in NUMBERS]), "linkspan.source": chance.choice(TEXTS),
                "linkspan.first": str(chance.choice(NUMBERS)), "linkspan.endpoint": chance.choice(TEXTS), "linkspan.machine": chance.choice(TEXTS),
                "linkspan.schema": chance.choice(TEXTS), "linkspan.repeated": chance.choice(["true", "false", "x", "x", "x"]),
            }  # fmt: skip
            metadata = {key: text for key, text in metadata.items() if chance.randrange(3)}
            schema = writer.register_schema(chance.choice(TEXTS), chance.choice(["linkspan", "jsonschema", "x"]), chance.choice(TEXTS).encode())
            topic = chance.choice([*TEXTS, "lab/a", "lab/b", "linkspan/events"])
            encoding = chance.choice(["cbor"] * 6 + ["json", "bson", "smile", "raw", *TEXTS])
            channels.append((writer.register_channel(topic, encoding, schema, metadata), topic))
        for _ in range(chance.randrange(60)):
            channel, topic = chance.choice(channels)
            body = event(chance) if topic == "linkspan/events" else chance.choice([linkspan.encode(value(chance)), *BODIES])
            number = chance.choice([*range(20), *NUMBERS]) & 0xFFFF_FFFF
            writer.add_message(channel, chance.choice([1_000, 2_000, *NUMBERS]), body, chance.choice(NUMBERS), number)
        writer.finish()
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice([0, 0, 1, 2, 8])):
        at = chance.randrange(len(data))
        match chance.randrange(5):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                del data[at : at + chance.randrange(1, 200)]
            case 2:
                data[at : at + 8] = chance.choice(NUMBERS).to_bytes(8, "little")
            case 3:
                data[at:at] = data[chance.randrange(len(data)) :][: chance.randrange(300)]
            case 4:
                del data[at:]
        if len(data) < 8:
            break
    path.write_bytes(data)
    return path


def records(data: bytes) -> list[bytearray]:
    """Splits a block into records with heads; the last one may claim more than the rest."""
    found = []
    while len(data) >= 9:
        length = 9 + int.from_bytes(data[1:9], "little")
        found.append(bytearray(data[:length]))
        data = data[length:]
    return found


#: Magic number at both ends, operation codes, and the start of an uncompressed chunk.
MAGIC = b"\x89MCAP0\r\n"
FOOTER, DATA_END, CHUNK, MESSAGE = 2, 15, 6, 5
CHUNK_HEAD = 9 + 28 + 4 + 8


def changed(chance: random.Random, found: list[bytearray]) -> None:
    """Removes, repeats or swaps records, or forges a code, length or number.

    Message bodies stay, because no reader could detect their change.
    """
    at, other = chance.randrange(len(found)), chance.randrange(len(found))
    match chance.randrange(6):
        case 0 if len(found) > 1:
            del found[at]
        case 1:
            found.insert(other, bytearray(found[at]))
        case 2:
            found[at], found[other] = found[other], found[at]
        case 3:
            found[at][0] = chance.choice([*range(17), 0x7F, 0x80, 0xFF])
        case 4:
            found[at][1:9] = chance.choice(NUMBERS).to_bytes(8, "little")
        case 5 if found[at][0] not in (1, 5, 6, 9, 12) and len(found[at]) >= 17:
            place = chance.randrange(9, len(found[at]) - 7)
            number = int.from_bytes(found[at][place : place + 8], "little")
            number = chance.choice([*NUMBERS, number + 1, number - 1]) & (1 << 64) - 1
            found[at][place : place + 8] = number.to_bytes(8, "little")


def damaged(chance: random.Random, data: bytes) -> bytes:
    """Damages a closed, uncompressed recording in the file or a chunk, often with corrected checksums."""
    found = records(data[len(MAGIC) : -len(MAGIC)])
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        chunks = [record for record in found if record[0] == CHUNK and len(record) > CHUNK_HEAD]
        if chunks and chance.randrange(3) == 0:
            chunk = chance.choice(chunks)
            inside = records(chunk[CHUNK_HEAD:])
            if inside:
                changed(chance, inside)
            block = b"".join(inside)
            length = len(block).to_bytes(8, "little")
            chunk[25:] = length + zlib.crc32(block).to_bytes(4, "little") + bytes(4) + length + block
            chunk[1:9] = (len(chunk) - 9).to_bytes(8, "little")
        elif found:
            changed(chance, found)
    made = bytearray(MAGIC + b"".join(found) + MAGIC)
    mends = chance.randrange(8)
    ends = [at for at, record in enumerate(found) if record[0] == DATA_END and len(record) == 13]
    if ends and found[-1][0] == FOOTER and len(found[-1]) == 29:
        begin = len(MAGIC) + sum(map(len, found[: ends[-1]]))
        footer = len(made) - len(MAGIC) - 29
        if mends & 1:
            made[footer + 9 : footer + 17] = (begin + 13).to_bytes(8, "little")
        if mends & 2:
            made[footer + 25 : footer + 29] = zlib.crc32(made[begin + 13 : footer + 25]).to_bytes(4, "little")
        if mends & 4:
            made[begin + 9 : begin + 13] = zlib.crc32(made[:begin]).to_bytes(4, "little")
    return bytes(made[: chance.choice([len(made)] * 9 + [chance.randrange(len(MAGIC), len(made))])])
