"""Living programs that accept connections and never answer.

A sequential program takes half a second for each: with 300 names, far longer than any wait here.
"""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from party import SOON
from peer import Host
from support.tree import PROGRAM
from support.waiting import until
from test_recorders import HONEST, Recorded, recorded  # noqa: F401  (a fixture)

COUNT = 300


@pytest.fixture
def beside(recorded: Recorded) -> Iterator[Recorded]:  # noqa: F811
    """A runtime directory with silent, owned names."""
    hosts = [Host(recorded.run, f"unix:hostile/silent-{i}") for i in range(COUNT)]
    yield recorded
    for host in hosts:
        host.close()


def run(at: Recorded, *words: str, through: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*through, PROGRAM, *words], cwd=at.folder, env=at.env, text=True, capture_output=True, timeout=SOON)


def test_recorder_beside_silent_names_records_obeys_and_ends(beside: Recorded) -> None:
    del beside.env["LINKSPAN_CONTROLLER"]
    beside.start(PROGRAM, "controller", "--no-tcp", "--quiet")
    recorder = beside.record("--service", "records")
    honest = beside.start(sys.executable, "-c", HONEST, 200)
    assert honest.stdout and honest.stdout.readline() == "sent\n"
    until("they are recorded", lambda: beside.name("lab/honest")["messages"] == 200)
    until("it is a service", lambda: run(beside, "service", "status", "records").returncode == 0)
    for command in ("pause", "run", "checkpoint"):
        done = run(beside, "service", command, "records", "--wait")
        assert done.returncode == 0, (command, done)
    assert len(list(beside.folder.glob("r*.mcap"))) == 2
    recorder.send_signal(signal.SIGTERM)
    out, err = recorder.communicate(timeout=SOON)
    assert recorder.returncode == 0, (out, err)
    assert beside.name("lab/honest")["messages"] == 200


def test_listings_and_the_newest_value_beside_silent_names(beside: Recorded) -> None:
    honest = beside.start(sys.executable, "-c", HONEST.replace("wait_for_subscribers(1, timeout=60)", "send({'i': -1})"), 10)
    assert honest.stdout and honest.stdout.readline() == "sent\n"
    listed = run(beside, "ls", "--json")
    lines = [json.loads(line) for line in listed.stdout.splitlines()]
    assert any("lab/honest" in json.dumps(line) for line in lines), listed
    assert listed.stdout.count("hostile/silent-") >= COUNT, listed
    top = run(beside, "top", "--once", "--json")
    assert top.returncode == 0 and "lab/honest" in top.stdout, top
    rate = run(beside, "rate", "*", "--for", "1")
    assert rate.returncode in (0, 1) and "shm:lab/honest: 0 messages" in rate.stdout, rate
    newest = run(beside, "latest", "*")
    assert newest.returncode == 0 and newest.stdout == "{i: 9}\n", newest


def test_listing_beside_silent_names_takes_few_descriptors(beside: Recorded) -> None:
    listed = run(beside, "ls", "--json", through=("prlimit", "--nofile=24:24"))
    lines = [json.loads(line) for line in listed.stdout.splitlines()]
    problems = [line["problem"] for line in lines if line["endpoint"].startswith("unix:hostile/silent-")]
    assert len(problems) == COUNT and all("does not answer" in problem for problem in problems), listed


def test_silent_addresses_of_tcp_in_a_list_delay_no_recorder(recorded: Recorded) -> None:  # noqa: F811
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(COUNT // 2)]
    names = [f"tcp://127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    recorder = recorded.record(*names)
    honest = recorded.start(sys.executable, "-c", HONEST, 200)
    assert honest.stdout and honest.stdout.readline() == "sent\n"
    until("they are recorded", lambda: recorded.name("lab/honest")["messages"] == 200)
    recorded.stop(recorder)
    assert recorded.name("lab/honest")["messages"] == 200
    for one in sockets:
        one.close()
