"""A recording is a file from a stranger: every tool, a replay and Python's reader end with a result or an error, in bounded memory and time."""

import os
import random
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import zstandard
from conftest import Lab
from support.forged import MAGIC, forged, record, text, texts
from support.recordings import written
from support.tree import DEBUG

#: Memory that a process may ask for, and seconds of the processor that it may use: far above what files of kilobytes need.
MEMORY, PROCESSOR = 3 << 30, 60

#: Reads a recording in each way that Python has.
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


def bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR, PROCESSOR))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(lab: Lab, *command: object) -> "subprocess.CompletedProcess[bytes]":
    """Runs it within the limits, and looks whether it ended by itself and printed nothing that a terminal interprets."""
    words = [str(word) for word in command]
    env = {**lab.env, "LINKSPAN_PYTHON": sys.executable, "MALLOC_ARENA_MAX": "2"}
    done = subprocess.run(words, cwd=lab.folder, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=300, preexec_fn=bounded)  # noqa: PLW1509
    shown = done.stdout + done.stderr
    # 5: nothing is wrong but that a part was not closed.
    assert done.returncode in (0, 1, 5), f"{words}: {done.returncode}\n{shown.decode(errors='replace')}"
    assert b"panicked" not in shown and b"PanicException" not in shown, f"{words}\n{shown.decode(errors='replace')}"
    return done


def assert_plain(done: "subprocess.CompletedProcess[bytes]") -> None:
    for output in (done.stdout, done.stderr):
        text = output.decode()
        odd = [c for c in text if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or c in "\u200e\u200f\u2028\u2029\u061c" or "\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069"]
        assert not odd, f"{done.args}: {odd[:5]} in {text}"


def seeds() -> range:
    """As many as LINKSPAN_FORGED says; they begin at LINKSPAN_SEED."""
    first = int(os.environ.get("LINKSPAN_SEED") or random.randrange(2**32))
    print(f"LINKSPAN_SEED={first}")
    return range(first, first + int(os.environ.get("LINKSPAN_FORGED", "12")))


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


@pytest.mark.parametrize("text", ["lab/a\nFAKE: complete: 7 messages, 0 missed", "lab/\ufeffa\U000e0041\u200b\r\x1b[2J"])
def test_text_of_a_recording_is_on_one_line_of_a_replay_and_seen(lab: Lab, text: str) -> None:
    written(lab.folder / "a.mcap", [(text, {"a": 1})])
    for words in (("replay", "a.mcap"), ("recording", "info", "a.mcap"), ("recording", "info", "a.mcap", "--json"), ("recording", "check", "a.mcap")):
        done = subprocess.run([DEBUG / "linkspan-record", *words], cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=60)
        shown = done.stdout + done.stderr
        assert not any(line.strip().startswith("FAKE") for line in shown.splitlines()), (words, shown)
        assert not {"\ufeff", "\U000e0041", "\u200b", "\r", "\x1b"} & set(shown), (words, shown)
