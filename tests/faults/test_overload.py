"""Overload: every call ends with its answer or a deadline error, and nothing is lost.

Other programs keep both processors busy, memory is nearly full, and a hundred clients call at once. The test
compares the clients' results with the server's.
"""

import collections
import os
import random
import signal
import subprocess

import pytest

from support.memory import Group, limit_memory
from support.tree import DEBUG
from transports import endpoint as endpoint_of
from transports import publishing

PROGRAM = DEBUG / "test-load"
#: Seconds; only a hang takes this long.
PATIENCE = 120
CLIENTS = int(os.environ.get("LINKSPAN_CLIENTS", "100"))
CALLS = int(os.environ.get("LINKSPAN_CALLS", "30"))
NUMBERS = int(os.environ.get("LINKSPAN_NUMBERS", "200"))
#: Bytes that remain for all programs after they connect.
LEFT = 16 << 20

#: Transport, supported number of clients, and their operation.
CASES = [("shm", CLIENTS, "call"), ("unix", CLIENTS, "call"), ("tcp", CLIENTS, "call"), ("fifo", 1, "call"), ("spool", CLIENTS, "call"), ("dgram", CLIENTS, "send")]


@pytest.fixture
def started():
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
    for process in processes:
        process.communicate(timeout=PATIENCE)


@pytest.fixture
def group(started):
    made = Group()
    yield made
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait(PATIENCE)
    made.end()


def begin(started, group, *words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [PROGRAM, *words], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    started.append(process)
    if group:
        group.take(process.pid)
    return process


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line == word, f"{line!r}, {process.communicate(timeout=PATIENCE)[1]}"


def take_the_rest(started, group, ours: list[subprocess.Popen[str]]) -> None:
    """Leaves the programs little memory and a share of the processors."""
    group.leave_only(LEFT)
    if group.folder is None:
        for process in ours:
            limit_memory(process.pid, LEFT)
    # More programs than processors share each processor.
    for _ in range(len(os.sched_getaffinity(0)) + 1):
        begin(started, None, "burn")


@pytest.mark.costly
@pytest.mark.parametrize(("transport", "clients", "what"), CASES)
def test_overload(transport, clients, what, started, group, capsys):
    seed = int(os.environ.get("LINKSPAN_SEED", random.randrange(1 << 32)))
    endpoint = endpoint_of(transport, "load")
    server = begin(started, group, "serve", endpoint)
    wait_for(server, "ready")
    calls = str(CALLS * CLIENTS // clients)
    crowd = [begin(started, group, what, endpoint, f"client-{i}", calls, str(seed + i)) for i in range(clients)]
    for one in crowd:
        wait_for(one, "connected")
    take_the_rest(started, group, [server, *crowd])
    for one in crowd:
        one.stdin.write("go\n")
        one.stdin.flush()

    outcomes: collections.Counter[str] = collections.Counter()
    answered, accepted = set(), set()
    for i, one in enumerate(crowd):
        text, complaint = one.communicate(timeout=PATIENCE)
        assert one.returncode == 0, f"client {i}, LINKSPAN_SEED={seed}: {one.returncode} {complaint}"
        *lines, last = text.splitlines()
        assert last == "closed well", f"client {i}, LINKSPAN_SEED={seed}: {last}"
        assert lines
        for line in lines:
            word, number, became = line.split()
            outcomes[became] += 1
            if became == "answered":
                answered.add((f"client-{i}", int(number)))
            if became == "accepted":
                accepted.add((f"client-{i}", int(number)))
    server.send_signal(signal.SIGTERM)
    text, complaint = server.communicate(timeout=PATIENCE)
    assert server.returncode == 0, f"server, LINKSPAN_SEED={seed}: {complaint}"
    taken = collections.Counter((client, int(number)) for client, number in map(str.split, text.splitlines()))

    lost = sorted((answered | accepted) - taken.keys())
    duplicated = sorted(one for one, times in taken.items() if times > 1)
    timed_out = sum(outcomes[kind] for kind in ("Timeout", "Full"))
    other = {kind: n for kind, n in outcomes.items() if kind not in ("answered", "accepted", "Timeout", "Full")}
    with capsys.disabled():
        print(
            f"\n{transport:8} {clients:4} clients {outcomes['answered']:6} answered {outcomes['accepted']:6} accepted"
            f" {timed_out:5} timed out {len(lost):3} lost {len(duplicated):3} duplicated; {LEFT >> 20} MiB left"
            f" {'in the control group' if group.folder else 'to each process'}"
        )
    assert not other, f"LINKSPAN_SEED={seed}"
    assert not lost and not duplicated, f"LINKSPAN_SEED={seed}: lost {lost[:5]}, duplicated {duplicated[:5]}"
    assert answered or accepted


@pytest.mark.costly
@publishing
def test_overload_of_a_publisher(transport, started, group, capsys, tmp_path, monkeypatch):
    """Each of a hundred subscribers gets or counts every message; from a file it gets the newest."""
    monkeypatch.setenv("LINKSPAN_STATE_DIR", str(tmp_path / "state"))
    endpoint = endpoint_of(transport, "load")
    knows = transport not in ("file", "journal")
    publisher = begin(started, group, "publish", endpoint, str(CLIENTS if knows else 0), str(NUMBERS))
    wait_for(publisher, "ready")
    crowd = [begin(started, group, "subscribe", endpoint, str(NUMBERS)) for _ in range(CLIENTS)]
    for one in crowd:
        wait_for(one, "connected")
    take_the_rest(started, group, [publisher, *crowd])
    publisher.stdin.write("go\n")
    publisher.stdin.flush()
    wait_for(publisher, "published")
    total = collections.Counter()
    for i, one in enumerate(crowd):
        text, complaint = one.communicate(timeout=PATIENCE)
        assert one.returncode == 0, f"subscriber {i}: {one.returncode} {complaint}"
        came, missed, waited, repeated = map(int, text.split())
        total.update(came=came, missed=missed, waited=waited, repeated=repeated)
        # A file promises only the newest value, which ended each subscriber.
        total["lost"] += 0 if transport == "file" else NUMBERS - came - missed
    text, complaint = publisher.communicate("end\n", timeout=PATIENCE)
    assert publisher.returncode == 0, complaint
    with capsys.disabled():
        print(
            f"\n{transport:8} {CLIENTS:4} subscribers {total['came']:6} came {total['missed']:6} reported as missed"
            f" {total['waited']:5} timed out {total['lost']:3} lost {total['repeated']:3} duplicated"
        )
    assert total["came"]
    assert total["lost"] == 0
    assert total["repeated"] == 0
    assert transport != "journal" or total["missed"] == 0, "a journal keeps everything"
