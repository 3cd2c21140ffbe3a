"""Copies and reads of damaged or interrupted recordings and full disks.

Every omission has an exit code, and no unfinished file has a name.
"""

import fcntl
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Lab, ended, sent
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer
from support.recordings import written
from support.tree import DEBUG
from support.waiting import until

RECORDER = DEBUG / "linkspan-record"


def chunks(data: bytes) -> list[tuple[int, int]]:
    found, at = [], 8
    while at + 9 <= len(data) - 8:
        code, length = data[at], struct.unpack_from("<Q", data, at + 1)[0]
        if code == 6:
            found.append((at + 9, length))
        at += 9 + length
    return found


def recorded(lab: Lab, count: int, *words: object, period: float = 0.003, size: int = 0) -> None:
    recorder = lab.record("lab/*", "-o", "a.mcap", *words)
    sent(lab.publisher("lab/a", count, period, size))

    def is_recorded() -> bool:
        facts = lab.info("a.mcap")["names"].get("lab/a", {})
        return facts.get("messages", 0) + facts.get("missed", 0) >= count

    until("it is recorded", is_recorded)
    lab.stop(recorder)
    shutil.copy(lab.folder / "a.mcap", lab.folder / "b.mcap")


@pytest.mark.parametrize("code", [None, 0x7F, 0x86])
def test_what_is_behind_a_damaged_chunk_is_read_and_what_is_left_out_is_an_exit_code(lab: Lab, code: int | None) -> None:
    recorded(lab, 300, "--sync", "50ms")
    path = lab.folder / "a.mcap"
    data = bytearray(path.read_bytes())
    places = chunks(bytes(data))
    assert len(places) >= 3, places
    start, length = places[len(places) // 2]
    if code is None:
        data[start + length - 20] ^= 0xFF
    else:
        # Readers skip records with an unknown operation code.
        data[start - 9] = code
    path.write_bytes(data)
    checked = lab.recording("check", "a.mcap", code=1)
    assert "complete" not in checked, checked
    for words in (["cut", "a.mcap", "-o", "once.mcap"], ["merge", "a.mcap", "b.mcap", "-o", "both.mcap"], ["split", "a.mcap", "--at", "1MB", "-o", "parts.mcap"]):
        lab.recording(*words, code=1)
        checked = lab.recording("check", words[-1], code=1)
        assert "complete" not in checked and "omitted: " in checked and "a.mcap: byte " in checked, checked
        assert "a.mcap" in lab.recording("info", words[-1])
    lab.recording("cut", "once.mcap", "-o", "twice.mcap")
    assert "omitted: " in lab.recording("check", "twice.mcap", code=1)
    for words in (["info", "a.mcap"], ["cut", "a.mcap", "-o", "cut.mcap"], ["merge", "a.mcap", "b.mcap", "-o", "merged.mcap"], ["report", "a.mcap", "-o", "a.html"]):
        lab.recording(*words, code=1)
    lab.recording("export", "a.mcap", "lab/a", "--jsonl", "-o", "a.jsonl", code=1)
    found = [json.loads(line)["value"]["i"] for line in (lab.folder / "a.jsonl").read_text().splitlines()]
    assert found == sorted(found) and found[0] == 0 and found[-1] == 299 and 0 < len(found) < 300, len(found)
    copied = [json.loads(message.data)["i"] if channel.message_encoding == "json" else message.sequence for _, channel, message in
              make_reader((lab.folder / "cut.mcap").open("rb")).iter_messages(topics=["lab/a"])]
    assert len(copied) == len(found)
    replay = lab.start(RECORDER, "replay", "a.mcap", "--as-fast-as-possible", "--quiet", "--rename", "lab/=copy/")
    ended(replay, 1)


@pytest.mark.parametrize("words", [["cut", "a.mcap"], ["merge", "a.mcap", "b.mcap"], ["cut", "a.mcap", "--from", "0.1"]])
def test_copies_keep_attachments_and_the_facts_of_the_original(lab: Lab, words: list[str]) -> None:
    recorded(lab, 100, "--note", "run=42", "--attach", __file__)
    lab.recording(*words, "-o", "copy.mcap")
    reader = make_reader((lab.folder / "copy.mcap").open("rb"), validate_crcs=True)
    kept = {attachment.name: attachment.data for attachment in reader.iter_attachments()}
    assert kept == {Path(__file__).name: Path(__file__).read_bytes()}
    facts = {record.name: record.metadata for record in reader.iter_metadata()}
    assert facts["linkspan.notes"] == {"run": "42"}
    assert lab.info("copy.mcap")["names"]["lab/a"]["messages"] <= 100

    def said(file: str, name: str) -> list[dict[str, str]]:
        return [record.metadata for record in make_reader((lab.folder / file).open("rb")).iter_metadata() if record.name == name]

    originals = [said(word, "linkspan.recording")[0] for word in words if word.endswith(".mcap")]
    # The copy begins with its earliest source and keeps each source's identity and command.
    assert said("copy.mcap", "linkspan.recording")[0]["started"] == min(original["started"] for original in originals)
    kept_facts = [(original["id"], original["command"]) for original in said("copy.mcap", "linkspan.original")]
    assert kept_facts == [(original["id"], original["command"]) for original in originals]


def test_copies_of_a_copy_and_its_original_have_an_attachment_once(lab: Lab) -> None:
    recorded(lab, 20, "--attach", __file__)
    lab.recording("cut", "a.mcap", "-o", "cut.mcap")
    lab.recording("merge", "a.mcap", "cut.mcap", "-o", "merged.mcap")
    reader = make_reader((lab.folder / "merged.mcap").open("rb"), validate_crcs=True)
    assert [attachment.name for attachment in reader.iter_attachments()] == [Path(__file__).name]


def test_file_that_ends_within_a_chunk_is_damage_for_every_tool(lab: Lab) -> None:
    """All tools give such a loss one kind and an exit code."""
    recorded(lab, 300, "--sync", "50ms")
    path = lab.folder / "a.mcap"
    data = path.read_bytes()
    start, length = chunks(data)[-1]
    path.write_bytes(data[: start + length // 2])
    for words in (["info", "a.mcap"], ["info", "a.mcap", "--json"], ["cut", "a.mcap", "-o", "cut.mcap"], ["report", "a.mcap", "-o", "a.html"], ["check", "a.mcap"], ["export", "a.mcap", "--jsonl"], ["export", "a.mcap", "--csv"]):
        done = subprocess.run([RECORDER, "recording", *words], cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "Corrupt" in done.stderr and "Malformed" not in done.stderr, (words, done.stderr)
    assert "omitted: " in lab.recording("check", "cut.mcap", code=1)
    # While its recorder holds the lock, the file is unfinished instead of damaged.
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert "being written" in json.loads(lab.recording("info", "a.mcap", "--json"))["problems"][0]
        assert "whole, and not closed" in lab.recording("check", "a.mcap", code=5)


#: Commands that read a range of a recording, with their output file.
OF_A_RANGE = {
    "cut": ["cut", "-o", "made.mcap"],
    **{form: ["export", f"--{form}", "-o", f"made.{form}"] for form in ("csv", "jsonl", "parquet", "arrow", "hdf5", "ros2")},
    **{f"{form} printed": ["export", "lab/a", f"--{form}"] for form in ("csv", "jsonl")},
}


@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
@pytest.mark.parametrize("words", OF_A_RANGE.values(), ids=OF_A_RANGE)
def test_empty_range_is_an_error_and_makes_no_file(lab: Lab, words: list[str], several: bool) -> None:
    """The range lies between two messages, or outside the recording's time."""
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    written(lab.folder / "a.mcap", [(name, {"i": i}) for i in range(3) for name in (["lab/a", "lab/b"] if several else ["lab/a"])])
    before = set(lab.folder.iterdir())
    for begins, ends in (["0.2", "0.8"], ["1000", "2000"]):
        done = subprocess.run([RECORDER, "recording", words[0], "a.mcap", *words[1:], "--from", begins, "--to", ends], cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and "no message" in done.stderr and "NotFound" in done.stderr and not done.stdout, done
        assert set(lab.folder.iterdir()) == before


@pytest.mark.parametrize("words", [["cut", "a.mcap"], ["merge", "a.mcap", "b.mcap"], ["split", "a.mcap", "--at", "1MB"], ["report", "a.mcap"], ["export", "a.mcap", "--jsonl"]])
def test_copy_without_room_leaves_nothing(lab: Lab, words: list[str]) -> None:
    recorded(lab, 200, period=0.0005, size=20_000)
    out = lab.folder / ("made" + {"report": ".html", "export": ".jsonl"}.get(words[0], ".mcap"))
    before = set(lab.folder.iterdir())
    # Each file may have this many bytes; the trap ignores the signal that accompanies the error.
    limited = ["sh", "-c", 'trap "" XFSZ; exec prlimit --fsize=2000 "$@"', "sh", str(RECORDER), "recording", *words, "-o", str(out)]
    done = subprocess.run(limited, cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, f"{done.returncode}\n{done.stderr}"
    assert set(lab.folder.iterdir()) == before, done.stderr


def test_interrupted_copy_leaves_nothing(lab: Lab) -> None:
    seed = int(os.environ.get("LINKSPAN_SEED") or random.randrange(2**32))
    print(f"LINKSPAN_SEED={seed}")
    chance = random.Random(seed)
    recorded(lab, 400, period=0.003, size=100_000)
    before = set(lab.folder.iterdir())
    for turn in range(8):
        copying = lab.start(RECORDER, "recording", "cut", "a.mcap", "-o", "cut.mcap")
        time.sleep(chance.random() * 0.15)
        copying.send_signal(signal.SIGINT)
        copying.communicate(timeout=60)
        left = set(lab.folder.iterdir()) - before
        if copying.returncode == 0:
            assert left == {lab.folder / "cut.mcap"}
            lab.recording("check", "cut.mcap")
            (lab.folder / "cut.mcap").unlink()
        else:
            assert not left, f"turn {turn}, {copying.returncode}: {left}"


#: Changes of a closed file, the report of each tool, and the part that every copy lacks.
CHANGED = {
    # The length comes first, because channel keys begin with this text.
    "end": (b"\x0c\0\0\0linkspan.end", "does not have the times, the channel or the name that the summary of the file says"),
    "attachment": (b"# any text", "its bytes do not have the sum that it names"),
}


@pytest.mark.parametrize("place, said", CHANGED.values(), ids=CHANGED)
def test_copy_does_not_hide_a_damage_that_nothing_but_a_sum_or_a_missing_record_tells_of(lab: Lab, place: bytes, said: str) -> None:
    """A copy is a whole file with right checksums, so it must itself report the defect of its original."""
    (lab.folder / "any.txt").write_bytes(b"# any text")
    recorded(lab, 20, "--attach", "any.txt")
    path = lab.folder / "a.mcap"
    data = bytearray(path.read_bytes())
    data[data.index(place) + len(place) - 1] ^= 1
    path.write_bytes(data)
    for words in (["cut", "a.mcap", "-o", "made.mcap"], ["merge", "a.mcap", "b.mcap", "-o", "made.mcap", "--force"], ["split", "a.mcap", "--at", "1MB", "-o", "made.mcap", "--force"]):
        assert said in lab.recording(*words, code=1)
        checked = lab.recording("check", "made.mcap", code=1)
        assert "omitted: " in checked and said in checked, checked
        attached = [attachment.data for attachment in make_reader((lab.folder / "made.mcap").open("rb")).iter_attachments()]
        assert attached == ([] if place == b"# any text" and words[0] != "merge" else [b"# any text"])
    for words in (["check", "a.mcap"], ["info", "a.mcap"], ["report", "a.mcap", "-o", "a.html"], ["export", "a.mcap", "--jsonl"]):
        assert said in lab.recording(*words, code=1)


@pytest.mark.parametrize("compression", [CompressionType.NONE, CompressionType.LZ4, CompressionType.ZSTD])
@pytest.mark.parametrize("words", [["cut", "a.mcap"], ["merge", "a.mcap", "a.mcap"], ["split", "a.mcap", "--at", "1GB"]])
def test_copy_is_compressed_as_its_original_or_as_is_asked(lab: Lab, words: list[str], compression: CompressionType) -> None:
    """A copy of a few compressed kilobytes must not take a gigabyte."""
    with (lab.folder / "a.mcap").open("wb") as file:
        writer = Writer(file, compression=compression)
        writer.start(profile="linkspan")
        channel = writer.register_channel("lab/a", "raw", 0, {"linkspan.incarnation": "0000000000000007", "linkspan.first": "1"})
        for number in range(1, 5):
            writer.add_message(channel, number * 10**9, bytes(1 << 20), number * 10**9, number)
        writer.finish()

    def made(*more: str) -> set[str]:
        lab.recording(*words, "-o", "made.mcap", "--force", *more)
        with (lab.folder / "made.mcap").open("rb") as file:
            reader = make_reader(file)
            assert [message.data for _, _, message in reader.iter_messages()] == [bytes(1 << 20)] * 4
            return {chunk.compression for chunk in reader.get_summary().chunk_indexes}

    assert made() == {compression.name.lower() if compression is not CompressionType.NONE else ""}
    assert (lab.folder / "made.mcap").stat().st_size < 2 * (lab.folder / "a.mcap").stat().st_size + (1 << 16)
    assert made("--compression", "none") == {""} and made("--compression", "zstd") == {"zstd"}


def of_noise(path: Path, messages: int) -> None:
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=1 << 18, compression=CompressionType.NONE)
        writer.start(profile="linkspan")
        writer.add_metadata("linkspan.recording", {"id": "5" * 32, "part": "1"})
        channel = writer.register_channel("lab/a", "raw", 0, {"linkspan.incarnation": "0000000000000007", "linkspan.first": "1"})
        for number in range(1, messages + 1):
            writer.add_message(channel, number * 10**9, random.randbytes(50_000), number * 10**9, number)
        writer.add_metadata("linkspan.end", {"reason": "stopped"})
        writer.finish()


COMPRESSED = [[*words, "--compression", compression, "--force"] for compression in ("zstd", "lz4") for words in (["cut", "a.mcap"], ["merge", "a.mcap", "b.mcap"], ["split", "a.mcap", "--at", "500kB"])]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system of its own")
@pytest.mark.parametrize("words", COMPRESSED, ids=lambda words: f"{words[0]}-{words[-2]}")
def test_compressed_copy_on_a_full_disk_leaves_what_was_there_or_is_whole(lab: Lab, words: list[str]) -> None:
    """The disk becomes full within a chunk, or after the last one."""
    seed = int(os.environ.get("LINKSPAN_SEED") or random.randrange(2**32))
    print(f"LINKSPAN_SEED={seed}")
    chance = random.Random(seed)
    of_noise(lab.folder / "a.mcap", 20)
    shutil.copy(lab.folder / "a.mcap", lab.folder / "b.mcap")
    (disk := lab.folder / "disk").mkdir()
    # The messages take 977 KiB and their records some more; a closed part has its summary in its last pages.
    sizes = [16, *(chance.randrange(4, 1_000) for _ in range(3)), *range(976, 1_000, 4), 4_000]
    codes = []
    for size in sizes:
        shutil.rmtree(kept := lab.folder / "kept", ignore_errors=True)
        script = f"mount -t tmpfs -o size={size}k tmpfs '{disk}' && echo mine > '{disk}/made.mcap' && \"$@\"; code=$?; cp -a '{disk}' '{kept}'; exit $code"
        command = ["unshare", "--mount", "sh", "-c", script, "sh", str(RECORDER), "recording", *words, "-o", str(disk / "made.mcap")]
        done = subprocess.run(command, cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=60)
        codes.append(done.returncode)
        if done.returncode == 0:
            assert lab.recording("check", kept / "made.mcap") == "complete: 20 messages, 0 missed and said so\n", size
            continue
        assert done.returncode == 1 and "NoSpace" in done.stderr, (size, done.stderr)
        assert {path.name: path.read_text() for path in kept.iterdir()} == {"made.mcap": "mine\n"}, size
    assert codes[0] == 1 and codes[-1] == 0, codes


@pytest.mark.parametrize("words", COMPRESSED, ids=lambda words: f"{words[0]}-{words[-2]}")
def test_compressed_copy_that_is_killed_leaves_what_was_there_or_is_whole(lab: Lab, words: list[str]) -> None:
    seed = int(os.environ.get("LINKSPAN_SEED") or random.randrange(2**32))
    print(f"LINKSPAN_SEED={seed}")
    chance = random.Random(seed)
    of_noise(lab.folder / "a.mcap", 100)
    shutil.copy(lab.folder / "a.mcap", lab.folder / "b.mcap")
    made, before = lab.folder / "made.mcap", {*lab.folder.iterdir(), lab.folder / "made.mcap"}
    # Measures the duration on this machine, so kills hit any moment.
    begun = time.monotonic()
    lab.recording(*words, "-o", made)
    takes = time.monotonic() - begun
    for turn in range(8):
        for path in set(lab.folder.iterdir()) - before:
            path.unlink()
        made.unlink()
        made.write_text("mine\n")
        copying = lab.start(RECORDER, "recording", *words, "-o", made)
        time.sleep(chance.uniform(0.2, 1.1) * takes)
        copying.kill()
        copying.communicate(timeout=60)
        # A kill leaves at most a hidden name, on file systems without unnamed files, and later parts, which get names
        # before the first.
        left = [path for path in set(lab.folder.iterdir()) - before if not path.name.startswith(".")]
        assert words[0] == "split" or not left, (turn, left)
        if made.read_bytes() != b"mine\n":
            assert lab.recording("check", made) == "complete: 100 messages, 0 missed and said so\n", turn
            continue
        for path in left:
            checked = subprocess.run([RECORDER, "recording", "check", path], cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=60)
            assert checked.returncode in (1, 5) and "complete:" not in checked.stdout, (turn, path, checked)
