"""The recording has or counts every message of each seen publisher, after any kill at any time."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import linkspan
import pytest
from conftest import Lab, ended
from mcap.records import Channel, Message
from mcap.stream_reader import StreamReader
from support.signals import stop
from support.tree import DEBUG, PROGRAM
from support.waiting import until

#: Sends {"life": its number, "i": …} and keeps the sent count in a file that outlives it.
PUBLISHER = """
import mmap, os, struct, sys, time
import linkspan
name, life, place, period = sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])
with open(place, "wb") as file: file.write(bytes(8))
count = mmap.mmap(os.open(place, os.O_RDWR), 8)
with linkspan.publisher(name) as out:
    for i in range(1, 10_000_000):
        out.send({"life": life, "i": i})
        count[:8] = struct.pack("<Q", i)
        if period: time.sleep(period)
"""


@dataclass
class Life:
    child: "subprocess.Popen[str]"
    place: Path
    #: Whether it started without a recorder.
    alone: bool

    def sent(self) -> int:
        return int.from_bytes(self.place.read_bytes(), "little") if self.place.exists() else 0


@dataclass
class Seen:
    """The messages and gaps of one publisher in the recording."""

    numbers: list[int] = field(default_factory=list)
    #: First number and count.
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def covered(self) -> list[tuple[int, int]]:
        """Returns numbers and gaps as ordered half-open ranges."""
        ranges = [(number, number + 1) for number in self.numbers] + [(first, first + count) for first, count in self.gaps]
        return sorted(ranges)


def seen(folder: Path, stem: str) -> dict[str, tuple[int, Seen]]:
    """Returns the content of all parts by incarnation, with the publisher's life.

    Uses an independent reader.
    """
    lives: dict[str, int] = {}
    found: dict[str, Seen] = defaultdict(Seen)
    parts = sorted(folder.glob(f"{stem}*.mcap"), key=lambda part: (len(part.name), part.name))
    for part in parts:
        channels: dict[int, Channel] = {}
        try:
            for record in StreamReader(part.open("rb"), emit_chunks=False).records:
                if isinstance(record, Channel):
                    channels[record.id] = record
                elif isinstance(record, Message):
                    channel = channels[record.channel_id]
                    if channel.topic == "linkspan/events":
                        event = json.loads(record.data)
                        if event["kind"] in ("missed", "skipped"):
                            assert event["text"], event
                            found[event["incarnation"]].gaps.append((event["first"], event["count"]))
                    elif "linkspan.repeated" not in channel.metadata:
                        incarnation = channel.metadata["linkspan.incarnation"]
                        value = json.loads(record.data)
                        lives[incarnation] = value["life"]
                        assert value["i"] == record.sequence
                        found[incarnation].numbers.append(record.sequence)
        except Exception as error:  # noqa: BLE001, the end of a file that is cut is an error of that reader
            assert type(error).__name__ == "EndOfFile", error
    return {incarnation: (lives.get(incarnation, -1), what) for incarnation, what in found.items()}


@pytest.mark.costly
def test_messages_and_missed_ones_are_those_sent_whoever_is_killed(lab: Lab) -> None:
    seed = int(os.environ.get("LINKSPAN_SEED") or random.randrange(2**32))
    print(f"LINKSPAN_SEED={seed} plays it again")
    chance = random.Random(seed)
    lives: list[Life] = []

    def publisher(alone: bool) -> None:
        place = lab.folder / f"count-{len(lives)}"
        period = chance.choice([0.0, 0.0005, 0.01])
        lives.append(Life(lab.python(PUBLISHER, "lab/a", len(lives), place, period), place, alone))

    def recorder() -> "subprocess.Popen[str]":
        return lab.record("lab/*", "-o", "k.mcap", "--sync", chance.choice(["20ms", "200ms"]), "--split", "300kB", "--encoding", "json")

    recording = recorder()
    until("it records", lambda: (lab.folder / "k.mcap").exists())
    publisher(alone=False)
    #: Publishers that were killed after a running recorder had received from them.
    attended: set[int] = set()
    for step in range(14):
        time.sleep(chance.uniform(0.05, 0.6))
        match chance.choice(["publisher", "publisher", "recorder", "recorder", "both", "publisher alone"]):
            case "publisher":
                lives[-1].child.kill()
                lives[-1].child.wait()
                publisher(alone=False)
            case "recorder":
                recording.kill()
                recording.wait()
                time.sleep(chance.uniform(0.0, 0.4))
                recording = recorder()
            case "publisher alone":
                recording.kill()
                recording.wait()
                lives[-1].child.kill()
                lives[-1].child.wait()
                publisher(alone=True)
                until("it sends", lambda: lives[-1].sent() > 10)
                recording = recorder()
            case "both":
                recording.kill()
                recording.wait()
                lives[-1].child.kill()
                lives[-1].child.wait()
                publisher(alone=False)
                recording = recorder()
        print(step)
    last = len(lives) - 1
    until("the last one is recorded", lambda: any(life == last for life, _ in seen(lab.folder, "k").values()))
    stop(lives[-1].child.pid)
    time.sleep(0.5)
    sent = lives[-1].sent()
    lab.stop(recording)
    found = seen(lab.folder, "k")
    assert found, "nothing was seen"
    for incarnation, (life, what) in found.items():
        place = 1
        for first, end in what.covered():
            assert first == place, f"seed {seed}: life {life} ({incarnation}): {first} follows {place - 1}: {what.covered()[:20]} {what.gaps}"
            place = end
        if life >= 0:
            assert place - 1 <= lives[life].sent() + 1, f"seed {seed}: life {life}: {place - 1} of {lives[life].sent()}"
        if life == last:
            assert place - 1 in (sent, sent + 1), f"seed {seed}: {place - 1} of {sent}"
    assert last in {life for life, _ in found.values()}


def events(file: Path) -> list[dict]:
    channels: dict[int, Channel] = {}
    found = []
    for record in StreamReader(file.open("rb"), emit_chunks=False).records:
        if isinstance(record, Channel):
            channels[record.id] = record
        elif isinstance(record, Message) and channels[record.channel_id].topic == "linkspan/events":
            found.append(json.loads(record.data))
    return found


def test_messages_that_are_too_large_are_missed_with_their_reason_unless_an_option_admits_them(lab: Lab) -> None:
    script = """
import sys, linkspan
with linkspan.publisher("lab/a", max_message_size=1_000_000) as out:
    out.wait_for_subscribers(1, timeout=60)
    for i in range(6): out.send(bytes(200_000 if i in (1, 2, 5) else 10))
    print("sent", flush=True)
    sys.stdin.read()
"""
    for file, size, messages in (("small.mcap", 100_000, 3), ("large.mcap", 500_000, 6)):
        recorder = lab.record("lab/*", "-o", file, "--option", f"max_message_size={size}", "--sync", "20ms")
        publisher = lab.python(script)
        assert publisher.stdout and publisher.stdout.readline() == "sent\n", publisher.stderr and publisher.stderr.read()
        until("it is recorded", lambda: (lab.folder / file).exists() and lab.info(file)["names"].get("lab/a", {}).get("messages") == messages)  # noqa: B023
        lab.stop(recorder)
        publisher.communicate("")
        name = lab.info(file)["names"]["lab/a"]
        assert (name["messages"], name["missed"]) == (messages, 6 - messages)
        missed = [event for event in events(lab.folder / file) if event["kind"] == "missed"]
        assert all("max_message_size" in event["text"] for event in missed), missed
        assert lab.recording("check", file) == f"complete: {messages} messages, {6 - messages} missed and said so\n"
    assert "a recorder has its own" in lab.run(DEBUG / "linkspan-record", "record", "lab/*", "-o", "b.mcap", "--option", "ack=auto", code=1)


def test_longer_messages_are_written_in_another_encoding_too(lab: Lab) -> None:
    """JSON takes messages beyond the default length if an option allows it."""
    script = """
import sys, linkspan
with linkspan.publisher("lab/a", max_message_size=200 << 20) as out:
    out.wait_for_subscribers(1, timeout=60)
    out.send({"text": "x" * (70 << 20)})
    print("sent", flush=True)
    sys.stdin.read()
"""
    recorder = lab.record("lab/*", "-o", "a.mcap", "--option", f"max_message_size={100 << 20}", "--encoding", "json", "--buffer", "1GiB", "--messages", "1")
    publisher = lab.python(script)
    ended(recorder)
    publisher.communicate("")
    recording = linkspan.Recording(lab.folder / "a.mcap", max_message_size=100 << 20)
    assert [(message.encoding, len(message["text"])) for message in recording] == [("json", 70 << 20)]


def test_time_of_receipt_is_measured_and_not_that_of_sending(lab: Lab) -> None:
    recorder = lab.record("lab/*", "-o", "a.mcap", "--messages", "500")
    sent = lab.publisher("lab/a", 500, 0.0005)
    ended(recorder)
    sent.communicate("")
    channels, times = {}, []
    for record in StreamReader((lab.folder / "a.mcap").open("rb"), emit_chunks=False).records:
        if isinstance(record, Channel):
            channels[record.id] = record.topic
        elif isinstance(record, Message) and channels[record.channel_id] == "lab/a":
            times.append((record.publish_time, record.log_time))
    assert len(times) == 500 and all(received > sent for sent, received in times), times[:10]


def test_restarted_recorder_receives_while_it_syncs_its_new_part(lab: Lab) -> None:
    """Each sync takes three seconds, and the publisher's ring holds two. The buffer keeps messages of that time, so
    no camera frame is overtaken."""
    script = """
import sys, time, linkspan
frame = bytes(100_000)
with linkspan.publisher("lab/camera", buffer=10_000_000) as out:
    while True:
        out.send(frame)
        time.sleep(0.02)
"""
    lab.python(script)
    first = lab.record("lab/*", "-o", "c.mcap", "--sync", "50ms")
    until("it is recorded", lambda: (lab.folder / "c.mcap").exists() and lab.info("c.mcap")["names"])
    first.kill()
    first.wait()
    slow = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", "inject=fdatasync,fsync:delay_enter=3000000")
    second = lab.record("lab/*", "-o", "c.mcap", "--sync", "10s", within=slow)
    part = lab.folder / "c.0002.mcap"
    until("it goes on", part.exists)
    until("it receives", lambda: '"peers":1' in lab.run(PROGRAM, "ls", "lab/camera", "--json"))
    time.sleep(1.0)
    [child] = Path(f"/proc/{second.pid}/task/{second.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGINT)
    ended(second)
    told = [event for event in events(part) if event["kind"] == "missed"]
    assert len(told) == 1 and told[0]["text"].startswith("no recorder was there"), told


@pytest.mark.costly
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system of its own")
def test_counters_agree_with_the_file_on_a_full_disk_and_the_warning_comes_before_it(lab: Lab) -> None:
    disk = lab.folder / "disk"
    disk.mkdir()
    script = f"mount -t tmpfs -o size=24m tmpfs '{disk}' && \"$@\"; code=$?; cp -a '{disk}'/. '{lab.folder}'; exit $code"
    within = ("unshare", "--mount", "sh", "-c", script, "sh")
    # The sync interval exceeds the test, so only the byte count shows a full disk.
    recorder = lab.record("lab/*", "-o", disk / "f.mcap", "--sync", "1h", "--json", within=within)
    publishers = [lab.publisher(f"lab/{name}", 1_000_000, 0.0, 5_000) for name in "ab"]
    out, err = recorder.communicate(timeout=120)
    assert recorder.returncode == 1 and "NoSpace" in err, err
    for publisher in publishers:
        publisher.kill()
    lines = err.splitlines()
    warned = next(at for at, line in enumerate(lines) if "less than a tenth of the disk is left" in line)
    assert warned < next(at for at, line in enumerate(lines) if "NoSpace" in line)
    kinds = [event["kind"] for event in events(lab.folder / "f.mcap")]
    assert kinds.index("disk") < kinds.index("stopped") == len(kinds) - 1, kinds
    last, info = json.loads(out.splitlines()[-1]), lab.info("f.mcap")
    for name in ("lab/a", "lab/b"):
        counted = {key: last["names"][name][key] for key in ("messages", "missed")}
        assert counted == {key: info["names"][name][key] for key in ("messages", "missed")}, name
    assert lab.recording("check", "f.mcap").startswith("complete: ")
