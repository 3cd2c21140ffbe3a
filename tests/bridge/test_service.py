"""The bridge as a service: registration, pause, end, and notifications to a supervisor."""

import json
import re
import signal
import socket
import subprocess
from tempfile import TemporaryDirectory

import pytest
from conftest import PROGRAM, SOON, Machine, free_port, publish
from support.waiting import until


@pytest.fixture
def controlled(machines) -> tuple[Machine, Machine, subprocess.Popen]:
    """North has a controller and exports lab/*, south imports it; returns also north's bridge."""
    north, south, port = machines("north"), machines("south"), free_port()
    north.start("controller", "--no-tcp", "--quiet")
    bridge = north.bridge("--export", "lab/*", "--listen", f"tcp/127.0.0.1:{port}")
    south.bridge("--import", "lab/*", "--peer", f"tcp/127.0.0.1:{port}")
    until("the controller knows it", lambda: re.search(r"^bridge +RUNNING ", row(north), re.M))
    return north, south, bridge


def row(machine: Machine) -> str:
    done = subprocess.run([str(PROGRAM), "service", "ls"], env=machine.env, capture_output=True, text=True, timeout=SOON)
    return done.stdout


def counted(machine: Machine) -> dict:
    return json.loads(machine.run("service", "get", "bridge", "--json"))


def test_controller_receives_the_counters_of_each_name(controlled):
    north, south, _ = controlled
    publisher = north.publisher("lab/a")
    publish(publisher, 0)
    north.start("reply", "lab/echo", "--command", "cat")
    south.has("lab/a")
    south.has("lab/echo")
    publish(publisher, *range(1, 5))
    south.run("call", "lab/echo", "1")
    names = until("all are counted", lambda: (n := counted(north)["names"]).get("lab/a", {}).get("carried") == 5 and n)
    assert names["lab/a"] == {"carried": 5, "lost": 0, "requests": 0}
    assert names["lab/echo"] == {"carried": 0, "lost": 0, "requests": 1}
    assert counted(north)["exported"] == ["lab/a", "lab/echo"]
    assert "carries names of realm default as north" in north.run("service", "describe", "bridge")
    assert "carries names of realm default as north" in north.run("service", "logs", "bridge")


def test_paused_bridge_releases_its_names_and_carries_them_again_afterwards(controlled):
    north, south, _ = controlled
    publisher = north.publisher("lab/a")
    publish(publisher, 1)
    south.has("lab/a")
    subscriber = south.subscriber("lab/a")
    assert subscriber.next() == "1"
    north.run("service", "pause", "bridge", "--wait")
    assert "PAUSED" in row(north)
    until("the name is gone", lambda: south.listed("lab/a") is None)
    assert counted(north)["exported"] == [] and north.status()["exported"] == []
    publish(publisher, 2, 3)
    north.run("service", "run", "bridge", "--wait")
    south.has("lab/a")
    # Of the messages during the pause the newest arrives, and others count as missed.
    assert subscriber.next() == "3"
    until("the loss is reported", lambda: "Lagged (125)" in south.log.read_text())
    assert counted(north)["names"]["lab/a"]["carried"] >= 2


def test_checkpoint_is_unsupported(controlled):
    north, _, _ = controlled
    assert "Unsupported" in north.run("service", "checkpoint", "bridge", "--wait", code=1)
    assert "RUNNING" in row(north)


@pytest.mark.parametrize("paused", [False, True])
def test_shutdown_ends_the_bridge_cleanly(controlled, paused):
    north, south, bridge = controlled
    publish(north.publisher("lab/a"), 1)
    south.has("lab/a")
    if paused:
        north.run("service", "pause", "bridge", "--wait")
    north.run("service", "shutdown", "bridge", "--wait")
    assert bridge.wait(SOON) == 0
    until("the name is gone", lambda: south.listed("lab/a") is None)
    until("the controller knows", lambda: "STOPPED" in row(north) or "GONE" in row(north))


def test_bridge_with_a_refused_name_reports_the_reason(controlled):
    north, south, _ = controlled
    south.start("controller", "--no-tcp", "--quiet")
    publish(south.publisher("lab/mine"), 1)
    south.has("lab/mine")
    publish(north.publisher("lab/mine"), 2)
    until("the controller shows it", lambda: "lab/mine is not carried" in row(south))


def test_bridge_that_cannot_begin_reports_the_reason(machines):
    north = machines("north")
    north.start("controller", "--no-tcp", "--quiet")
    north.publisher("bridge/status")
    north.has("bridge/status")

    def is_seen() -> bool:
        # A controller does not know a program that ends before connecting.
        assert "AddressInUse" in north.run("bridge", "--export", "lab/*", "--listen", f"tcp/127.0.0.1:{free_port()}", code=1)
        return "bridge" in row(north)

    until("the controller sees it", is_seen)
    until("the controller knows why", lambda: "FAILED" in row(north) and "bridge@status" in row(north))


def test_supervisor_receives_ready_watchdog_and_stopping(machines):
    north = machines("north")
    # A socket's path is short; the temporary folder's may be long.
    with TemporaryDirectory(prefix="notify-", dir="/tmp") as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(f"{folder}/socket")
        heard.settimeout(SOON)
        north.env |= {"NOTIFY_SOCKET": f"{folder}/socket", "WATCHDOG_USEC": "400000"}
        process = north.start("bridge", "--export", "lab/*", "--listen", f"tcp/127.0.0.1:{free_port()}")
        words: list[str] = []

        def until(word: str) -> None:
            while word not in words:
                words.extend(heard.recv(65536).decode().splitlines())

        until("READY=1")
        words.clear()
        for _ in range(2):
            until("WATCHDOG=1")
            words.clear()
        process.send_signal(signal.SIGTERM)
        until("STOPPING=1")
    assert process.wait(SOON) == 0
