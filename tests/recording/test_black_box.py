"""Recorders with --on: they count unwritten messages, continue after a kill, and name triggers like names."""

import os
import random
import subprocess
import time

import pytest
from conftest import Lab, ended, sent
from support.signals import stop
from support.tree import DEBUG
from support.waiting import until
from test_losses import PUBLISHER, Life, events, seen

#: Sends one message, then one for each line.
ONE_BY_ONE = """
import sys, linkspan
with linkspan.publisher(sys.argv[1]) as out:
    out.send({"i": 0})
    for i, _ in enumerate(sys.stdin):
        out.send({"i": i + 1})
"""


@pytest.mark.parametrize("transport", ["shm:", "unix:"])
@pytest.mark.parametrize("on", [False, True])
def test_recorder_that_goes_on_refuses_nothing_that_it_has_already(lab: Lab, transport: str, on: bool) -> None:
    """A publisher gives its newest message to each new subscriber, so a continuing recorder gets one it has."""
    names = [f"{transport}lab/{name}" for name in ("a", "alarm")]
    words = [*names, "-o", "r.mcap", "--sync", "20ms", *(["--on", names[1], "--before", "60s", "--after", "60s"] if on else [])]

    def has(count: int) -> bool:
        found = lab.info("r.mcap")["names"]
        return all(found.get(name, {}).get("messages") == count for name in ("lab/a", "lab/alarm"))

    publishers = [lab.python(ONE_BY_ONE, name) for name in names]
    first = lab.record(*words)
    until("both are recorded", lambda: has(1))
    first.kill()
    first.wait()
    second = lab.record(*words)
    until("it goes on", (lab.folder / "r.0002.mcap").exists)
    for publisher in publishers:
        assert publisher.stdin
        publisher.stdin.write("more\n")
        publisher.stdin.flush()
    until("both are recorded again", lambda: has(2))
    lab.stop(second)
    found = lab.info("r.mcap")
    assert "refused" not in found["events"] and found["events"].get("trigger", 0) == (2 if on else 0), found["events"]
    assert "whole, and not closed: 4 messages, 0 missed" in lab.recording("check", "r.mcap", code=5)


ALARM = """
import sys, linkspan
with linkspan.subscribe("lab/a", timeout=60) as beside, linkspan.publisher("lab/alarm") as out:
    out.wait_for_subscribers(1, timeout=60)
    while beside.recv(timeout=60)["i"] < 150: pass
    out.send(1)
    sys.stdin.read()
"""


def test_all_that_no_interval_has_is_counted_from_the_first_message_to_the_last(lab: Lab) -> None:
    recorder = lab.record("lab/*", "-o", "b.mcap", "--on", "lab/alarm", "--before", "50ms", "--after", "50ms")
    alarm = lab.python(ALARM)
    sent(lab.publisher("lab/a", 500, 0.002))
    lab.stop(recorder)
    alarm.communicate("")
    found = lab.info("b.mcap")["names"]
    messages, skipped = found["lab/a"]["messages"], found["lab/a"]["skipped"]
    assert 0 < messages < 500 and messages + skipped == 500 and found["lab/a"]["missed"] == 0
    ranges = [(event["first"], event["first"] + event["count"] - 1) for event in events(lab.folder / "b.mcap") if event["kind"] == "skipped"]
    assert [ranges[0][0], ranges[-1][1]] == [1, 500] and len(ranges) == 2, ranges
    assert (found["lab/alarm"]["messages"], found["lab/alarm"]["skipped"]) == (1, 0)
    assert lab.recording("check", "b.mcap").startswith(f"complete: {messages + 1} messages, 0 missed")


def test_publisher_that_ends_outside_of_every_interval_is_counted_while_its_recorder_goes_on(lab: Lab) -> None:
    recorder = lab.record("lab/*", "-o", "b.mcap", "--on", "lab/alarm", "--before", "50ms", "--after", "50ms", "--sync", "20ms")
    lab.publisher("lab/other", 1_000_000, 0.005)
    for _ in range(2):
        ending = lab.publisher("lab/a", 50)
        sent(ending)
        ending.communicate("")
    until("both are counted", lambda: lab.info("b.mcap")["names"].get("lab/a", {}).get("skipped") == 100)
    recorder.kill()
    recorder.wait()
    assert "whole, and not closed" in lab.recording("check", "b.mcap", code=5)


def test_messages_missed_and_skipped_are_those_sent_whoever_is_killed(lab: Lab) -> None:
    seed = int(os.environ.get("LINKSPAN_SEED") or random.randrange(2**32))
    print(f"LINKSPAN_SEED={seed} plays it again")
    chance = random.Random(seed)

    def recorder() -> "subprocess.Popen[str]":
        return lab.record("lab/*", "-o", "k.mcap", "--on", "lab/alarm", "--before", "100ms", "--after", "150ms", "--sync", "20ms", "--encoding", "json")

    recording = recorder()
    lives = []
    for life, (name, period) in enumerate((("lab/a", 0.001), ("lab/alarm", 0.7))):
        place = lab.folder / f"count-{life}"
        lives.append(Life(lab.python(PUBLISHER, name, life, place, period), place, alone=False))
    for _ in range(5):
        time.sleep(chance.uniform(0.1, 1.2))
        recording.kill()
        recording.wait()
        time.sleep(chance.uniform(0.0, 0.4))
        recording = recorder()
    alarms = lives[1].sent()
    until("two more alarms", lambda: lives[1].sent() >= alarms + 2)
    for life in lives:
        stop(life.child.pid)
    time.sleep(0.3)
    lab.stop(recording)
    found = {life: what for life, what in seen(lab.folder, "k").values() if life >= 0}
    assert sorted(found) == [0, 1], f"seed {seed}"
    for life, what in found.items():
        place = 1
        for first, end in what.covered():
            assert first == place, f"seed {seed}: life {life}: {first} follows {place - 1}: {what.gaps}"
            place = end
        sent = lives[life].sent()
        assert place - 1 in (sent, sent + 1), f"seed {seed}: life {life}: {place - 1} of {sent}"
    assert lab.recording("check", "k.mcap", code=5)


def test_trigger_has_a_transport_as_names_have_and_one_that_fits_no_name_is_an_error(lab: Lab) -> None:
    recorder = lab.record("unix:lab/a", "unix:lab/alarm", "-o", "u.mcap", "--on", "unix:lab/al*", "--sync", "20ms")
    alarm = lab.publisher("unix:lab/alarm", 1)
    sent(alarm)
    until("it triggers", lambda: (lab.folder / "u.mcap").exists() and lab.info("u.mcap")["events"].get("trigger") == 1)
    lab.stop(recorder)
    for on in ("lab/alrm", "shm:lab/a", "journal:lab/a", "b*"):
        refusal = lab.start(DEBUG / "linkspan-record", "record", "unix:lab/a", "unix:lab/ala*", "-o", "n.mcap", "--on", on)
        assert f"--on {on} fits none of the names that are recorded" in ended(refusal, 1), on
        assert not (lab.folder / "n.mcap").exists()
