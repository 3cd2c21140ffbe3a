"""Last messages of a publisher that ends before its subscribers catch up: received, counted or unknown."""

import collections
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import LOSSES, Lab
from support.network import free_port
from support.signals import stop
from support.tree import PROGRAM
from support.waiting import until

import linkspan

#: For each line of standard input, publishes messages of the given count and size, and closes.
PUBLISHER = """
import sys, linkspan
publisher = linkspan.publisher(sys.argv[1])
publisher.wait_for_subscribers(int(sys.argv[4]), timeout=60)
print("connected", flush=True)
sys.stdin.readline()
for i in range(int(sys.argv[2])):
    publisher.send(bytes(int(sys.argv[3])))
print("sent", flush=True)
sys.stdin.readline()
publisher.close(timeout=60)
"""
#: Fits the kernel's queue; exceeds it; one message that is partly sent.
LOADS = [(3, 10), (400, 20_000), (1, 3_000_000)]


def says(child: "subprocess.Popen[str]", text: str) -> None:
    assert child.stdout and child.stdout.readline() == f"{text}\n", child.stderr and child.stderr.read()


def asks(child: "subprocess.Popen[str]") -> None:
    assert child.stdin
    child.stdin.write("\n")
    child.stdin.flush()


def publishes(publisher: "subprocess.Popen[str]", recorder: "subprocess.Popen[str]") -> None:
    says(publisher, "connected")
    stop(recorder.pid)
    asks(publisher)
    says(publisher, "sent")


def checked(lab: Lab, code: int = 0) -> tuple[int, str]:
    """Returns messages and losses of the recording, and the output of `check`."""
    text = lab.recording("check", "a.mcap", code=code)
    found = re.search(r": (\d+) messages, (\d+) missed and said so", text)
    assert found, text
    return int(found[1]) + int(found[2]), text


@pytest.mark.parametrize("way", ["pattern", "name"])
@pytest.mark.parametrize("transport", ["unix", "shm"])
def test_what_ends_with_a_killed_publisher_is_counted(lab: Lab, transport: str, way: str) -> None:
    recorder = lab.record("lab/*" if way == "pattern" else f"{transport}:lab/x", "-o", "a.mcap")
    lab.info("a.mcap")
    for count, size in LOADS:
        publisher = lab.python(PUBLISHER, f"{transport}:lab/x", count, size, 1)
        publishes(publisher, recorder)
        publisher.kill()
        publisher.wait(60)
        os.kill(recorder.pid, signal.SIGCONT)
    # The last publisher says nothing about earlier ones.
    last = lab.python(PUBLISHER, f"{transport}:lab/x", 1, 10, 1)
    says(last, "connected")
    lab.stop(recorder)
    whole, text = checked(lab)
    assert whole == sum(count for count, _ in LOADS), text
    assert text.startswith("complete: "), text
    incarnations = {kind: [event.get("incarnation") for event in linkspan.Recording(lab.folder / "a.mcap").events if event["kind"] == kind]
                    for kind in ("connected", "disconnected")}  # fmt: skip
    assert len(set(incarnations["connected"])) == len(LOADS) + 1 and None not in incarnations["connected"], incarnations
    assert incarnations["disconnected"] == incarnations["connected"][:-1], incarnations


@pytest.mark.parametrize("way", ["pattern", "name"])
@pytest.mark.parametrize("transport", ["unix", "shm"])
def test_signal_at_the_first_moment_ends_the_recording(lab: Lab, transport: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a publisher sees the recorder, a signal closes the file, which has every earlier message."""
    monkeypatch.setenv("LINKSPAN_DIR", lab.env["LINKSPAN_DIR"])
    with linkspan.Publisher(f"{transport}:lab/x") as publisher:
        recorder = lab.record(f"{transport}:lab/*" if way == "pattern" else f"{transport}:lab/x", "-o", "a.mcap")
        publisher.wait_for_subscribers(1, timeout=60)
        for value in range(50):
            publisher.send(value)
        lab.stop(recorder)
        whole, text = checked(lab)
        assert whole == 50 and text.startswith("complete: "), text


@pytest.mark.parametrize("transport", ["unix", "shm"])
def test_commands_to_a_recorder_are_behind_what_was_published_before_them(lab: Lab, transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKSPAN_DIR", lab.env["LINKSPAN_DIR"])
    lab.start(PROGRAM, "controller", "--quiet", "--listen", lab.env["LINKSPAN_CONTROLLER"])
    recorder = lab.record(f"{transport}:lab/x", "-o", "a.mcap", "--service", "it")
    with linkspan.Controller(lab.env["LINKSPAN_CONTROLLER"]) as controller, linkspan.publisher(f"{transport}:lab/x") as publisher:
        publisher.wait_for_subscribers(1, timeout=60)
        until("it runs", lambda: any(one["name"] == "it" and one["state"] == "RUNNING" for one in controller.services()))
        it = controller.service("it")
        for _ in range(5):
            publisher.send_many(["recorded"] * 2000)
            it.pause(timeout=60)
            publisher.send_many(["paused"] * 2000)
            it.run(timeout=60)
        publisher.send_many(["last"] * 2000)
        it.checkpoint(timeout=60)
        recorded = collections.Counter(message.value for message in linkspan.Recording(lab.folder / "a.mcap"))
        assert recorded == {"recorded": 10_000, "last": 2000}
    lab.stop(recorder)


@pytest.mark.parametrize("is_killed", [True, False], ids=["killed", "closed"])
def test_end_of_a_killed_publisher_over_tcp_is_not_known(lab: Lab, is_killed: bool) -> None:
    name = f"tcp://127.0.0.1:{free_port()}"
    recorder = lab.record(name, "-o", "a.mcap")
    lab.info("a.mcap")
    publisher = lab.python(PUBLISHER, name, 400, 20_000, 1)
    publishes(publisher, recorder)
    if is_killed:
        publisher.kill()
    else:
        asks(publisher)
    os.kill(recorder.pid, signal.SIGCONT)
    publisher.wait(60)
    until("the recorder has its end", lambda: "disconnected" in kinds(lab.folder / "a.mcap"))
    lab.stop(recorder)
    whole, text = checked(lab, 5 if is_killed else 0)
    if is_killed:
        assert text.startswith("complete as far as is known: "), text
        assert f"the end of 1 incarnation is not known: {name}\n" in text, text
    else:
        assert whole == 400 and text.startswith("complete: "), text


def test_port_of_a_publisher_that_is_about_to_end_is_no_gap(lab: Lab) -> None:
    """A socket replaces the publisher, ends the next connection without an answer like a dying process, and
    vanishes."""
    port = free_port()
    recorder = lab.record(f"tcp://127.0.0.1:{port}", "-o", "a.mcap")
    lab.info("a.mcap")
    publisher = lab.python(PUBLISHER, f"tcp://127.0.0.1:{port}", 3, 10, 1)
    says(publisher, "connected")
    asks(publisher)
    says(publisher, "sent")
    until("it has its messages", lambda: len(list(linkspan.Recording(lab.folder / "a.mcap"))) == 3)
    stop(recorder.pid)
    publisher.kill()
    publisher.wait(60)
    with socket.create_server(("127.0.0.1", port)) as ending:
        os.kill(recorder.pid, signal.SIGCONT)
        ending.settimeout(60)
        ending.accept()[0].close()
    until("the recorder has its end", lambda: "disconnected" in kinds(lab.folder / "a.mcap"))
    lab.stop(recorder)
    assert "unconnected" not in kinds(lab.folder / "a.mcap")
    assert checked(lab, 5)[1].startswith("complete as far as is known: ")


#: Publishes its number until it is killed.
ENDLESS = """
import sys, time, linkspan
publisher = linkspan.publisher(sys.argv[1])
while True:
    publisher.send(int(sys.argv[2]))
    time.sleep(0.01)
"""


def test_recording_says_where_nothing_tells_of_publishers_that_come_and_go(lab: Lab) -> None:
    """Over tcp, publishers with a separate runtime directory imitate another machine: the recorder sees no record
    of them and retries."""
    name = f"tcp://127.0.0.1:{free_port()}"
    other = lab.folder / "other"
    other.mkdir(mode=0o700)
    elsewhere = ("env", f"LINKSPAN_DIR={other}")
    # Both containers have the token, as after a user copied it.
    first = lab.start(sys.executable, "-c", ENDLESS, name, 0, within=elsewhere)
    token = until("there is a token", lambda: [file for file in other.iterdir() if "token" in file.name and file.stat().st_size])[0]
    shutil.copy2(token, lab.folder / "run")
    recorder = lab.record(name, "-o", "a.mcap")

    def recorded() -> set[int]:
        file = lab.folder / "a.mcap"
        return {message.value for message in linkspan.Recording(file)} if file.exists() else set()

    until("the first one is recorded", lambda: 0 in recorded())
    first.kill()
    first.wait(60)
    lab.start(sys.executable, "-c", ENDLESS, name, 1, within=elsewhere)
    until("the second one is recorded", lambda: 1 in recorded())
    lab.stop(recorder)
    text = lab.recording("check", "a.mcap", code=5)
    assert text.startswith("complete as far as is known: "), text
    assert f"whether more was published is not known, see the events \"unaccounted\": {name}\n" in text, text
    told = [event for event in linkspan.Recording(lab.folder / "a.mcap").events if event["kind"] == "unaccounted"]
    assert any("between two attempts" in event["text"] and event.get("incarnation") is None for event in told), told


def kinds(file: Path) -> list[str]:
    return [event["kind"] for event in linkspan.Recording(file).events]


@pytest.mark.parametrize("way", ["name", "list", "pattern"])
def test_subscriber_is_told_what_ended_with_its_publisher(lab: Lab, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINKSPAN_DIR", lab.env["LINKSPAN_DIR"])
    names = {"name": "unix:lab/x", "list": ["unix:lab/x"], "pattern": "lab/*"}[way]
    count, size = LOADS[1]
    publisher = lab.python(PUBLISHER, "unix:lab/x", count, size, 2)
    until("its name is there", lambda: (lab.folder / "run" / "lab@x.unix").exists())
    with linkspan.subscribe(names) as in_calls, linkspan.subscribe(names) as in_a_loop:
        says(publisher, "connected")
        asks(publisher)
        says(publisher, "sent")
        publisher.kill()
        publisher.wait(60)
        received = missed = 0
        while received + missed < count:
            try:
                in_calls.recv(timeout=60)
                received += 1
            except linkspan.Lagged as error:
                missed += error.missed
        assert received + missed == count and missed > 0
        # The next message of any sender informs the loop, and the counters do so at once.
        next_one = lab.python(PUBLISHER, "unix:lab/x", 1, 10, 1)
        asks(next_one)
        received = missed = 0
        while True:
            message = in_a_loop.next(timeout=60)
            assert message
            missed += message.missed
            if message.value == bytes(10):
                break
            received += 1
        assert received + missed == count == received + in_a_loop.stats()["missed"]


def test_address_at_which_something_listens_and_nobody_has_answered_is_no_complete_recording(lab: Lab) -> None:
    """The recorder ends before its patience with the silent address."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        recorder = lab.record(f"tcp://127.0.0.1:{silent.getsockname()[1]}", "-o", "a.mcap")
        silent.settimeout(60)
        asked, _ = silent.accept()
        until("it records", (lab.folder / "a.mcap").exists)
        lab.stop(recorder)
        asked.close()
    said = lab.recording("check", "a.mcap", code=LOSSES)
    assert "unconnected: tcp://127.0.0.1:" in said and "complete" not in said, said
