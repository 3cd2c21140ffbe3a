"""A recording of a restarted publisher has messages of every incarnation."""

import os
import signal

import pytest
from conftest import Lab
from support.waiting import until

import linkspan

#: Publishes its number until it is killed.
PUBLISHER = """
import sys, time, linkspan
publisher = linkspan.publisher(sys.argv[1])
while True:
    publisher.send(int(sys.argv[2]))
    time.sleep(0.002)
"""
TIMES = 10


@pytest.mark.costly
@pytest.mark.parametrize("ends", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("transport", ["shm", "unix"])
@pytest.mark.parametrize("is_pattern", [True, False], ids=["pattern", "name"])
def test_recorder_has_every_incarnation_and_is_complete(lab: Lab, is_pattern: bool, transport: str, ends: signal.Signals) -> None:
    recorder = lab.record("lab/*" if is_pattern else f"{transport}:lab/x", "-o", "a.mcap")
    file = lab.folder / "a.mcap"

    def incarnations() -> set[int]:
        return {message.value for message in linkspan.Recording(file)} if file.exists() else set()

    for incarnation in range(TIMES):
        publisher = lab.python(PUBLISHER, f"{transport}:lab/x", incarnation)
        until(f"something of incarnation {incarnation} is recorded", lambda i=incarnation: i in incarnations())
        os.kill(publisher.pid, ends)
        publisher.wait(60)
    lab.stop(recorder)
    assert incarnations() == set(range(TIMES))
    # The recorder met sockets of ending publishers; every living one had a connection.
    assert lab.recording("check", "a.mcap").startswith("complete: ")


FAST = """
import sys, time, linkspan
with linkspan.publisher(sys.argv[1]) as out:
    while True:
        out.send(1)
        time.sleep(0.0005)
"""


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_recording_of_few_messages_has_the_connection_of_their_publisher(lab: Lab, transport: str) -> None:
    """Includes an earlier publisher, whose first message is not recorded."""
    lab.python(FAST, f"{transport}:lab/x")
    for round in range(4):
        recorder = lab.record("lab/*", "-o", f"{round}.mcap", "--messages", 1)
        assert recorder.wait(60) == 0
        recording = linkspan.Recording(lab.folder / f"{round}.mcap")
        incarnations = {int(text, 16) for text in recording.names["lab/x"].incarnations}
        met = {int(event["incarnation"], 16) for event in recording.events if event["kind"] == "connected"}
        assert len(recording) == 1 and incarnations == met, recording.events


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_recorder_that_goes_on_names_the_publishers_that_ended_before_it_came(lab: Lab, transport: str) -> None:
    file = lab.folder / "a.mcap"

    def incarnations(name: str) -> set[str]:
        return set(linkspan.Recording(file).names[name].incarnations) if file.exists() and name in linkspan.Recording(file) else set()

    recorder = lab.record("lab/*", "-o", "a.mcap", "--sync", "50ms")
    names = ["lab/followed", "lab/gone", "lab/lives"]
    publishers = {name: lab.python(FAST, f"{transport}:{name}") for name in names}
    for name in names:
        until(f"{name} is recorded", lambda name=name: incarnations(name))
    before = {name: incarnations(name) for name in names}
    os.kill(recorder.pid, signal.SIGKILL)
    recorder.wait(60)
    for name in names[:2]:
        os.kill(publishers[name].pid, signal.SIGKILL)
        publishers[name].wait(60)
    lab.python(FAST, f"{transport}:lab/followed")
    recorder = lab.record("lab/*", "-o", "a.mcap", "--sync", "50ms")
    part = lab.folder / "a.0002.mcap"
    until("the second part is there", part.exists)
    until("it has both that live", lambda: {"lab/followed", "lab/lives"} <= set(linkspan.Recording(part).names))
    lab.stop(recorder)
    told = [(event["name"], event["incarnation"]) for event in linkspan.Recording(file).events if event["kind"] == "unaccounted"]
    assert sorted(told) == [(name, *before[name]) for name in names[:2]], told
    said = lab.recording("check", "a.mcap", code=5)
    assert "the end of 2 incarnations is not known: lab/followed, lab/gone" in said, said
