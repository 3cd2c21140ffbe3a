"""Every message of each publisher that was seen is in the recording, or counted there as missed: whoever is killed when."""

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

from conftest import Lab, ended
from mcap.records import Channel, Message
from mcap.stream_reader import StreamReader
from support.waiting import until

#: Sends {"life": a number of its own, "i": …}, and keeps how many it has sent in a file that outlives it.
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
    """One publisher."""

    child: "subprocess.Popen[str]"
    place: Path
    #: Whether it started while no recorder was there.
    alone: bool

    def sent(self) -> int:
        return int.from_bytes(self.place.read_bytes(), "little") if self.place.exists() else 0


@dataclass
class Seen:
    """What the recording has of one publisher."""

    numbers: list[int] = field(default_factory=list)
    #: First and count.
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def covered(self) -> list[tuple[int, int]]:
        """Numbers and gaps, as ranges in order; each range ends before its second number."""
        ranges = [(number, number + 1) for number in self.numbers] + [(first, first + count) for first, count in self.gaps]
        return sorted(ranges)


def seen(folder: Path, stem: str) -> dict[str, tuple[int, Seen]]:
    """What all parts have, by incarnation, with the life of the publisher; by a reader that nobody here wrote."""
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
    #: Publishers that were killed while a recorder was there that had received from them.
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
    lives[-1].child.send_signal(signal.SIGSTOP)
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
