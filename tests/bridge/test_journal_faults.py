"""Networks, bridges and disks that fail while a journal is replicated: it arrives once and complete."""

import os
import signal
import subprocess
import time

import pytest
from conftest import SOON, TARGET, Lines, publish
from support.waiting import until
from networks import SEED, apart, ip, wire  # noqa: F401 - fixtures

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces everywhere")


@pytest.mark.parametrize("fault", ["partition", "cut", "loss", "stop"])
def test_journal_arrives_once_and_completely(apart, wire, fault):
    north, south, bridges = apart
    publisher, sent = north.publisher("journal:lab/log"), 0

    def publish_for(seconds: float) -> None:
        nonlocal sent
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            publish(publisher, *range(sent, sent + 10))
            sent += 10
            time.sleep(0.02)

    publish_for(0.3)
    until("the journal is there", lambda: south.run("ls", "journal:lab/log"))
    follower = Lines(south.start("sub", "journal:lab/log", "--from", "first", "--json", stdout=subprocess.PIPE))
    if fault == "loss":
        wire.loss = wire.swaps = 0.05
    elif fault == "stop":
        bridges[SEED % 2].send_signal(signal.SIGSTOP)
    for name in wire.names if fault == "partition" else []:
        ip("-n", name, "link", "set", "wire", "down")
    wire.is_cut = fault == "cut"
    publish_for(4)
    for name in wire.names if fault == "partition" else []:
        ip("-n", name, "link", "set", "wire", "up")
    wire.loss, wire.swaps, wire.is_cut = 0.0, 0.0, False
    bridges[SEED % 2].send_signal(signal.SIGCONT)
    publish_for(0.3)
    assert [int(follower.next()) for _ in range(sent)] == list(range(sent))
    full = [machine.run("sub", "journal:lab/log", "--from", "first", "-n", str(sent), "--json", "--full") for machine in (north, south)]
    assert full[0] == full[1], "the same numbers, times and sources"


def test_full_disk_of_a_replica_is_reported_and_writing_resumes(machines, meeting):
    """South runs in its own mount namespace, with a small disk."""
    north, south = machines("north"), machines("south")
    state = south.env["LINKSPAN_STATE_DIR"]
    os.mkdir(state, 0o700)
    north.bridge("--export", "journal:lab/*", *meeting.listen())
    words = ["--machine", "south", "--import", "journal:lab/*", *meeting.connect()]
    mounts = f"mount -t tmpfs -o size=256k,mode=700 tmpfs '{state}'"
    command = ["unshare", "-m", "sh", "-ec", f'{mounts}; exec "$@"', "sh", str(TARGET / "linkspan-bridge"), *words]
    with south.log.open("ab") as log:
        bridge = subprocess.Popen(command, env=south.env, stderr=log)
    south.running.append(bridge)
    publisher, text = north.publisher("journal:lab/log"), "x" * 1000
    publish(publisher, *([text] * 500))
    refused = until("south reports that its disk is full", lambda: south.status().get("refused"))
    assert "No space left" in refused["journal:lab/log"] and "tried again" in refused["journal:lab/log"], refused
    within = ["nsenter", "-t", str(bridge.pid), "-m"]
    subprocess.run([*within, "mount", "-o", "remount,size=64m", state], check=True, timeout=SOON)
    publish(publisher, "last")
    until("south reports no refusal any more", lambda: not south.status().get("refused"))
    command = [*within, str(TARGET / "linkspan"), "sub", "journal:lab/log", "--from", "first", "-n", "501", "--json", "--full"]
    read = subprocess.run(command, env=south.env, capture_output=True, text=True, timeout=SOON)
    assert read.stdout == north.run("sub", "journal:lab/log", "--from", "first", "-n", "501", "--json", "--full"), read.stderr
