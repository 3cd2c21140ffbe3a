"""Forged recordings: tools, replays and Python's reader finish with bounded memory and time."""

import json
import os
import random
import resource
import shlex
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import linkspan
import pytest
import zstandard
from conftest import Lab
from mcap.writer import Writer
from support.drawn import drawn
from support.forged import MAGIC, forged, record, text, texts
from support.recordings import written
from support.tree import DEBUG

#: Bytes of memory and processor seconds per process: far above the need of kilobyte files.
MEMORY, PROCESSOR = 3 << 30, 60

READER = """
import sys, linkspan
path = sys.argv[1]
def tried(what):
    try:
        return what()
    except (linkspan.Error, ValueError, TypeError, OverflowError, KeyError) as error:
        return None
recording = tried(lambda: linkspan.Recording(path))
if recording is not None:
    names = tried(lambda: list(recording.names)) or []
    tried(lambda: [(m.sequence, m.received, m.sent, tried(lambda: m.value)) for m in recording])
    tried(lambda: list(recording.events))
    tried(lambda: (recording.facts, recording.notes, recording.problems, recording.begin, recording.end))
    for name in names[:4]:
        tried(lambda: recording.table(name))
print("read")
"""


def bounded(memory: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR, PROCESSOR))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(lab: Lab, *command: object, memory: int = MEMORY) -> "subprocess.CompletedProcess[bytes]":
    """Runs a command within the limits.

    Asserts that it ends without a signal and prints nothing that a terminal interprets.
    """
    words = [str(word) for word in command]
    env = {**lab.env, "LINKSPAN_PYTHON": sys.executable, "MALLOC_ARENA_MAX": "2"}
    limits = partial(bounded, memory)
    done = subprocess.run(words, cwd=lab.folder, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=300, preexec_fn=limits)  # noqa: PLW1509
    shown = done.stdout + done.stderr
    # 5: the only defect is an unclosed part.
    assert done.returncode in (0, 1, 5), f"{words}: {done.returncode}\n{shown.decode(errors='replace')}"
    assert b"panicked" not in shown and b"PanicException" not in shown, f"{words}\n{shown.decode(errors='replace')}"
    return done


def assert_plain(done: "subprocess.CompletedProcess[bytes]") -> None:
    for output in (done.stdout, done.stderr):
        text = output.decode()
        odd = [c for c in text if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or c in "\u200e\u200f\u2028\u2029\u061c" or "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069"]
        assert not odd, f"{done.args}: {odd[:5]} in {text}"


def seeds() -> range:
    """LINKSPAN_FORGED sets the number of seeds, LINKSPAN_SEED the first one."""
    first = int(os.environ.get("LINKSPAN_SEED") or random.randrange(2**32))
    print(f"LINKSPAN_SEED={first}")
    return range(first, first + int(os.environ.get("LINKSPAN_FORGED", "12")))


@pytest.mark.costly
def test_forged_recordings_are_read_or_refused_by_every_tool(lab: Lab) -> None:
    program = DEBUG / "linkspan-record"
    outside = Path("/tmp/forged")
    assert not outside.exists()
    for seed in seeds():
        print(f"file of seed {seed}")
        folder = lab.folder / f"{seed}"
        folder.mkdir()
        file = folder / "a.mcap"
        file.write_bytes(forged(seed))
        for words in (["info"], ["info", "--json"], ["check"]):
            done = run(lab, program, "recording", *words, file)
            assert_plain(done)
            lines = done.stdout.decode().splitlines()
            assert words != ["check"] or not any(line.startswith("complete: 7 messages") for line in lines), lines
        for words in (
            ["cut", file, "-o", folder / "cut.mcap"], ["cut", file, "--from", "1", "--to", "5", "-o", folder / "short.mcap"],
            ["split", file, "--at", "1kB", "-o", folder / "split.mcap"], ["merge", file, file, "-o", folder / "merge.mcap"],
            ["report", file, "-o", folder / "a.html"], ["export", file, "--jsonl", "-o", folder / "a.jsonl"],
            ["export", file, "--csv", "-o", folder / "tables"],
        ):
            assert_plain(run(lab, program, "recording", *words))
        for made in ("cut.mcap", "merge.mcap", "split.mcap"):
            if (folder / made).exists():
                assert_plain(run(lab, program, "recording", "info", folder / made))
        assert_plain(run(lab, program, "replay", file, "--as-fast-as-possible", "--deadline", "1s", "--quiet"))
        assert not outside.exists() and not list(folder.glob("**/passwd*")), "what the file names was made"
        done = run(lab, sys.executable, "-c", READER, file)
        assert done.stdout == b"read\n", done.stderr.decode()


@pytest.mark.costly
@pytest.mark.parametrize("count", [65_000])
def test_many_channels_and_bombs_take_time_and_memory_by_their_size(lab: Lab, count: int) -> None:
    program = DEBUG / "linkspan-record"
    channels = b"".join(
        record(4, struct.pack("<HH", n, 0) + text("lab/a") + text("cbor") + texts({"linkspan.incarnation": f"{n:016x}", "linkspan.source": f"s{n}"}))
        + record(5, struct.pack("<HIQQ", n, 1, n, n) + b"\x01")
        for n in range(1, count)
    )
    many = lab.folder / "many.mcap"
    many.write_bytes(MAGIC + record(1, text("linkspan") + text("forged")) + channels)
    bomb = bytes(1 << 30)
    packed = zstandard.ZstdCompressor(level=1).compress(bomb)
    head = struct.pack("<QQQI", 1, 2, len(bomb), zlib.crc32(b"")) + text("zstd") + struct.pack("<Q", len(packed))
    bombs = lab.folder / "bombs.mcap"
    bombs.write_bytes(MAGIC + record(6, head + packed) * 8)
    del bomb
    for file in (many, bombs):
        for words in (["info", file], ["check", file], ["cut", file, "-o", lab.folder / f"{file.stem}.cut.mcap"], ["report", file]):
            done = run(lab, program, "recording", *words)
            if file is bombs and words[0] in ("info", "report"):
                assert done.returncode == 1 and b"at most" in done.stderr, done.stderr


def channel(number: int, topic: str = "lab/a", schema: int = 0, **metadata: str) -> bytes:
    more = {f"linkspan.{key}": value for key, value in metadata.items()}
    return record(4, struct.pack("<HH", number, schema) + text(topic) + text("cbor") + texts(more))


def message(number: int, at: int, body: bytes = b"\x01", sequence: int | None = None) -> bytes:
    return record(5, struct.pack("<HIQQ", number, (at if sequence is None else sequence) & 0xFFFFFFFF, at, at) + body)


def schema(number: int, data: bytes, name: str = "s", encoding: str = "linkspan") -> bytes:
    return record(3, struct.pack("<H", number) + text(name) + text(encoding) + struct.pack("<I", len(data)) + data)


def fields(count: int) -> bytes:
    return ("name = \"s\"\n\n[fields]\n" + "".join(f"f{i:05d} = \"f64\"\n" for i in range(count))).encode()


def many_keys(count: int) -> bytes:
    return b"\xb9" + struct.pack(">H", count) + b"".join(b"\x64%04d\x01" % i for i in range(count))


def rows(first: bytes, last: bytes) -> bytes:
    few = b"".join(message(2, at, b"\xa1\x640001\x01") for at in range(2, 100_000))
    return channel(2) + message(2, 1, first) + few + message(2, 100_001, last)


#: Small files with many entries: work on every pair of entries took gigabytes or minutes.
SMALL = {
    "a new key in each message": lambda: channel(2) + b"".join(message(2, at, b"\xa1\x66%06d\x01" % at) for at in range(1, 3_000)),
    "thousands of fields in the first of many messages": lambda: rows(many_keys(4_000), b"\x01"),
    "thousands of fields in the last of many messages": lambda: rows(b"\x01", many_keys(4_000)),
    "maps with as many keys as there are": lambda: channel(2) + b"".join(
        message(2, at, b"\xb9\xff\xff" + b"".join(b"\x65%05d\x01" % i for i in range(65_535))) for at in range(1, 4)
    ),
    "two schemas in turn": lambda: b"".join(schema(n, fields(3_990 + n)) + channel(n, "lab/a", n) for n in (2, 3)) + b"".join(
        message(2 + at % 2, at) for at in range(1, 5_000)
    ),
    "a schema of MiB that all names have": lambda: schema(2, b"# " + b"x" * (4 << 20) + b"\n" + fields(3)) + b"".join(
        channel(n, f"lab/{n}", 2) + message(n, n) for n in range(2, 20_000)
    ),
    "a long name of a schema that all names have": lambda: schema(2, fields(3), "s" * 1_000_000) + b"".join(
        channel(n, f"lab/{n}", 2) + message(n, n) for n in range(2, 20_000)
    ),
    "a long name, and a long publisher": lambda: channel(2, "t" * 1_000_000) + channel(3, source="s" * 1_000_000) + b"".join(
        message(2 + at % 2, at) for at in range(1, 10_000)
    ),
    "a name, and a publisher, of 1 KiB": lambda: channel(2, "t" * 1_000, source="s" * 1_000) + b"".join(message(2, at) for at in range(1, 10_000)),
    "as many channels as have a number": lambda: b"".join(channel(n, f"lab/{n}") + message(n, n) for n in range(65_536)),
    "as many schemas as have a number": lambda: b"".join(
        schema(n, b"{%d}" % n, encoding="jsonschema") + channel(n, f"lab/{n % 7}", n) + message(n, n) for n in range(1, 65_536)
    ),
    "numbers that leap, and much beside them": lambda: channel(2, more="x" * 1_000_000) + b"".join(
        message(2, at, sequence=at % 2 << 31) for at in range(1, 1_000)
    ),
    "a long name, and many messages": lambda: channel(2, "t" * 4_000) + b"".join(message(2, at) for at in range(1, 20_000)),
    "thousands of notes": lambda: b"".join(record(12, text("linkspan.notes") + texts({f"k{i}": "v" * 200})) for i in range(30_000)),
    "units of kilobytes": lambda: schema(
        2, ("name = \"s\"\n\n[fields]\n" + "".join(f"f{i:03d} = {{ type = \"f64\", unit = \"{'u' * 9_000}\" }}\n" for i in range(24))).encode()
    ) + b"".join(channel(n, f"lab/{n}", 2) + message(n, n, b"\xb8\x18" + b"".join(b"\x64f%03d\x01" % i for i in range(24))) for n in range(2, 1_000)),
}


def packed_file(lab: Lab, records: bytes) -> Path:
    packed = zstandard.ZstdCompressor(level=3).compress(records)
    head = struct.pack("<QQQI", 1, 300_000, len(records), zlib.crc32(records)) + text("zstd") + struct.pack("<Q", len(packed))
    file = lab.folder / "a.mcap"
    file.write_bytes(MAGIC + record(1, text("linkspan") + text("forged")) + record(6, head + packed))
    return file


#: Each takes seconds per tool: daily runs draw some, releases run all.
SOME = SMALL if os.environ.get("LINKSPAN_GRID") == "full" else drawn(SMALL, 4)


@pytest.mark.costly
@pytest.mark.parametrize("what", SOME)
def test_small_files_are_no_large_work(lab: Lab, what: str) -> None:
    """Memory and time follow the file's size; tools refuse larger work and name the limit."""
    make: Callable[[], bytes] = SMALL[what]
    records = make()
    file = packed_file(lab, records)
    program = DEBUG / "linkspan-record"
    for words in (
        ["info"], ["check"], ["cut", "-o", "cut.mcap"], ["report", "-o", "a.html"], ["export", "--jsonl", "-o", "a.jsonl"],
        ["export", "--csv", "-o", "tables"],
    ):
        run(lab, program, "recording", words[0], file, *words[1:], memory=1 << 30)
    written = sum(path.stat().st_size for path in lab.folder.rglob("*") if path.is_file() and path != file)
    assert written < (256 << 20) + 20 * len(records), written
    done = run(lab, sys.executable, "-c", READER, file, memory=2 << 30)
    assert done.stdout == b"read\n", done.stderr.decode()


#: Files of some KiB: their messages, and the MiB for an export and its interpreter.
LARGE = {
    # Copies in libraries are bounded by one message of nearly the largest size.
    "a long text": (lambda: message(2, 1, b"\xa1\x61a\x7b" + struct.pack(">Q", 60 << 20) + b"x" * (60 << 20)), 540),
    # JSON needs five bytes, and memory forty, for each byte of a message.
    "lists of nulls": (lambda: b"".join(message(2, at, b"\x9a" + struct.pack(">I", 999_999) + b"\xf6" * 999_999) for at in range(1, 37)), 380),
}


#: Runs a program; prints its exit code and peak memory in KiB. The kernel also counts memory before exec, so a small
#: process has to start it.
MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.mark.costly
@pytest.mark.parametrize("what", LARGE)
@pytest.mark.parametrize("form", ["parquet", "arrow", "hdf5"])
def test_exports_hold_a_batch_at_a_time(lab: Lab, form: str, what: str) -> None:
    """The memory of the values bounds a batch, not their size in the file."""
    make, most = LARGE[what]
    file = packed_file(lab, channel(2) + make())
    command = [DEBUG / "linkspan-record", "recording", "export", file, f"--{form}", "-o", lab.folder / f"a.{form}"]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command], env={**lab.env, "LINKSPAN_PYTHON": sys.executable}, capture_output=True, text=True, check=True,
    )
    code, kib = map(int, done.stdout.split())
    assert code == 0
    # Includes the interpreter, because the program waited for it.
    assert kib < most << 10, kib >> 10


def test_lines_have_each_value_that_a_message_may_have(lab: Lab) -> None:
    """A line wraps the value in a map; the message's limits of number and depth do not count this map."""
    many = b"\x9a" + struct.pack(">I", 999_999) + b"\xf6" * 999_999
    file = packed_file(lab, channel(2) + message(2, 1, many) + message(2, 2, b"\x81" * 64 + b"\xf6"))
    done = run(lab, DEBUG / "linkspan-record", "recording", "export", file, "--jsonl", "-o", "a.jsonl")
    assert done.returncode == 0, done.stderr
    lines = [line["value"] for line in map(json.loads, (lab.folder / "a.jsonl").open())]
    assert len(lines[0]) == 999_999 and str(lines[1]) == "[" * 64 + "None" + "]" * 64


@pytest.mark.costly
def test_names_of_lines_are_bounded_together(lab: Lab) -> None:
    """With messages of a few bytes, names and publishers of KiB would fill the file."""
    program = DEBUG / "linkspan-record"
    for name, publisher, count, forms in (("t" * 4_000, "s", 40_000, ["jsonl"]), ("lab/a", "s" * 1_000, 140_000, ["jsonl", "csv"])):
        for messages, code in ((1_000, 0), (count, 1)):
            file = packed_file(lab, channel(2, name, source=publisher) + b"".join(message(2, at) for at in range(messages)))
            for form in forms:
                made = lab.folder / f"{messages}.{form}"
                done = run(lab, program, "recording", "export", file, f"--{form}", "-o", made, "--force")
                assert done.returncode == code and made.exists() == (code == 0), done.stderr
                assert code == 0 or b"names and publishers" in done.stderr, done.stderr


@pytest.mark.parametrize("text", ["lab/a\nFAKE: complete: 7 messages, 0 missed", "lab/\ufeffa\U000e0041\u200b\r\x1b[2J"])
def test_text_of_a_recording_is_on_one_line_of_a_replay_and_seen(lab: Lab, text: str) -> None:
    written(lab.folder / "a.mcap", [(text, {"a": text})], source=text)
    for words in (
        ("replay", "a.mcap"), ("recording", "info", "a.mcap"), ("recording", "info", "a.mcap", "--json"), ("recording", "check", "a.mcap"),
        ("recording", "export", "a.mcap", "--jsonl"),
    ):
        done = subprocess.run([DEBUG / "linkspan-record", *words], cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=60)
        shown = done.stdout + done.stderr
        assert not any(line.strip().startswith("FAKE") for line in shown.splitlines()), (words, shown)
        assert not {"\ufeff", "\U000e0041", "\u200b", "\r", "\x1b"} & set(shown), (words, shown)
    # A terminal does not get raw file content.
    script = ["script", "--quiet", "--command", f"{DEBUG / 'linkspan-record'} recording export a.mcap --csv {shlex.quote(text)}", "/dev/null"]
    done = subprocess.run(script, cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert not {"\ufeff", "\U000e0041", "\u200b", "\x1b"} & set(done.stdout), done.stdout
    message = repr(next(iter(linkspan.Recording(lab.folder / "a.mcap").messages())))
    assert not {"\ufeff", "\r", "\x1b", "\n"} & set(message), message


@pytest.mark.costly
def test_info_of_very_many_names_is_printed(lab: Lab) -> None:
    """Each part has as many channels as a file may have."""
    names = 0
    for part in range(1, 5):
        file = lab.folder / ("n.mcap" if part == 1 else f"n.{part:04}.mcap")
        with file.open("wb") as out:
            writer = Writer(out)
            writer.start(profile="linkspan")
            writer.add_metadata("linkspan.recording", {"id": "5" * 32, "part": str(part)})
            for _ in range(60_000):
                metadata = {"linkspan.incarnation": "0000000000000007", "linkspan.source": "s", "linkspan.first": "1"}
                channel = writer.register_channel(f"lab/{names}", "cbor", 0, metadata)
                writer.add_message(channel, names, b"\x01", names, 1)
                names += 1
            writer.add_metadata("linkspan.end", {"reason": "split", "next": f"n.{part + 1:04}.mcap"} if part < 4 else {"reason": "stopped"})
            writer.finish()
    done = run(lab, DEBUG / "linkspan-record", "recording", "info", "n.mcap", "--json")
    assert done.returncode == 0 and done.stdout.count(b"\n") == 1, done.stderr
    info = json.loads(done.stdout)
    assert len(info["names"]) == names and info["names"]["lab/239999"]["messages"] == 1 and info["problems"] == [] and len(info["parts"]) == 4


@pytest.mark.costly
def test_publishers_of_all_parts_are_bounded_together(lab: Lab) -> None:
    """Each small part has the maximum of publishers, and readers keep state for each one."""
    parts, of_each = 6, 2_000
    for part in range(1, parts + 1):
        records = b"".join(
            channel(i, "a", endpoint="shm:a", incarnation=f"{part * 10_000 + i:016x}", first="1") + message(i, part, sequence=1)
            for i in range(1, of_each + 1)
        )
        packed = packed_file(lab, records)
        packed.rename(lab.folder / ("many.mcap" if part == 1 else f"many.{part:04}.mcap"))
    done = run(lab, DEBUG / "linkspan-record", "recording", "info", "many.mcap", "--json", "--max-message-size", "64KiB")
    found = json.loads(done.stdout)
    length = sum(path.stat().st_size for path in lab.folder.glob("many*.mcap"))
    assert found["names"]["a"]["messages"] * 1024 <= 4 * (64 << 10) + 64 * 2 * length
    assert any("more publishers than have room" in problem for problem in found["problems"])
    assert done.returncode == 1
