"""A publisher that is killed and started again while it is recorded: the recording has messages of every incarnation."""

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
    # Its attempts met the sockets of publishers that were ending: no living one was without a connection.
    assert lab.recording("check", "a.mcap").startswith("complete: ")
