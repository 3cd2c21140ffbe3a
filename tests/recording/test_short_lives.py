"""Publishers with lives shorter than a recorder's look: each unmet one is an event."""

import os
import random
import signal

import pytest
from conftest import LOSSES, Lab
from support.signals import stop
from support.waiting import until

import linkspan

#: Forks publishers one after another with the lives that lines give in seconds, and reports each end: killed,
#: closed, or without close. The last one lives on.
LIVES = """
import os, sys, time, linkspan
name, life = sys.argv[1], 0
for line in sys.stdin:
    ready, told = os.pipe()
    seconds, end = line.split()
    child = os.fork()
    if child == 0:
        out = linkspan.publisher(name)
        for i in range(3):
            out.send({"life": life, "i": i})
        os.write(told, b"x")
        time.sleep(float(seconds))
        if end == "killed": os.kill(os.getpid(), 9)
        if end == "closed": out.close()
        os._exit(0)
    os.read(ready, 1)
    if float(seconds) < 1000:
        os.waitpid(child, 0)
    print(child, flush=True)
    life += 1
"""
WAYS = {"name": "lab/x", "list": "lab/x lab/y", "pattern": "lab/*"}
CASES = [(transport, way) for transport in ("shm", "unix") for way in WAYS]


class Lives:
    def __init__(self, lab: Lab, transport: str) -> None:
        self.child = lab.python(LIVES, f"{transport}:lab/x")
        self.count = 0

    def live(self, seconds: float, end: str = "killed") -> int:
        """Returns after the publisher has ended; for 1000 s, after it has published."""
        assert self.child.stdin and self.child.stdout
        self.child.stdin.write(f"{seconds} {end}\n")
        self.child.stdin.flush()
        self.count += 1
        return int(self.child.stdout.readline())


def begun(lab: Lab, transport: str, way: str) -> tuple["Lives", object]:
    recorder = lab.record(*(f"{transport}:{name}" for name in WAYS[way].split()), "-o", "a.mcap")
    lab.info("a.mcap")
    return Lives(lab, transport), recorder


def recorded(lab: Lab) -> set[int]:
    return {message.value["life"] for message in linkspan.Recording(lab.folder / "a.mcap")}


def told(lab: Lab) -> tuple[int, int]:
    """Returns how many publishers were met, and how many events report an unmet one."""
    events = [event for event in linkspan.Recording(lab.folder / "a.mcap").events if event.get("name") == "lab/x"]
    met = {event.get("incarnation") for event in events if event["kind"] == "connected"}
    return len(met), sum(event["kind"] == "unconnected" for event in events)


@pytest.mark.parametrize(("transport", "way"), CASES)
def test_each_publisher_that_lived_while_the_recorder_was_stopped_is_told(lab: Lab, transport: str, way: str) -> None:
    lives, recorder = begun(lab, transport, way)
    last = lives.live(1000)
    until("the first one is recorded", lambda: 0 in recorded(lab))
    for _ in range(2):
        stop(recorder.pid)
        os.kill(last, signal.SIGKILL)
        for end in ("killed", "exited", "killed"):
            lives.live(0, end)
        last = lives.live(1000)
        os.kill(recorder.pid, signal.SIGCONT)
        until("the last one is recorded", lambda: lives.count - 1 in recorded(lab))
    stop(recorder.pid)
    os.kill(last, signal.SIGKILL)
    lives.live(0)
    os.kill(recorder.pid, signal.SIGCONT)
    until("that nobody is there any more is recorded", lambda: told(lab) == (3, 7))
    lab.stop(recorder)
    assert told(lab) == (3, 7)
    assert "unconnected: lab/x: " in lab.recording("check", "a.mcap", code=LOSSES)


@pytest.mark.costly
@pytest.mark.parametrize(("transport", "way"), CASES)
def test_short_lives_on_a_busy_machine_are_met_or_told(lab: Lab, transport: str, way: str) -> None:
    seed = int(os.environ.get("LINKSPAN_SEED") or random.randrange(2**32))
    print(f"LINKSPAN_SEED={seed} plays it again")
    chance = random.Random(seed)
    lives, recorder = begun(lab, transport, way)
    for _ in range(4):
        lab.python("while True: pass")
    for _ in range(60):
        lives.live(chance.uniform(0.01, 0.06), chance.choice(["killed", "closed", "exited"]))
    lives.live(1000)
    until("the last one is recorded", lambda: lives.count - 1 in recorded(lab))
    until("all are met or told", lambda: sum(told(lab)) >= lives.count)
    lab.stop(recorder)
    met, unmet = told(lab)
    assert met + unmet == lives.count, f"seed {seed}: {met} were met and {unmet} told of {lives.count}"
