"""More work than the machine can do: every call ends in its answer or in its deadline's error, and nothing is lost.

Both processors are kept busy by others, memory is nearly full, and a hundred clients call at once. What each client was told
is compared with what the server took.
"""

import collections
import contextlib
import os
import random
import resource
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from transports import endpoint as endpoint_of

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/examples/load"
#: Only a hang takes so long.
PATIENCE = 120
CLIENTS = int(os.environ.get("LINKSPAN_CLIENTS", "100"))
CALLS = int(os.environ.get("LINKSPAN_CALLS", "100"))
#: What is left of the memory that all have together, once everybody has connected.
LEFT = 16 << 20

#: Transport, how many clients it takes, and what they do.
CASES = [("shm", CLIENTS, "call"), ("unix", CLIENTS, "call"), ("tcp", CLIENTS, "call"), ("spool", CLIENTS, "call")]


class Group:
    """A control group with a limit on memory, or none where this system lets us make none."""

    def __init__(self) -> None:
        self.folder = None
        for root, limit, used in (
            ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
            ("/sys/fs/cgroup", "memory.max", "memory.current"),
        ):
            path = Path(root) / f"linkspan-load-{os.getpid()}"
            with contextlib.suppress(OSError):
                path.mkdir()
                if (path / limit).exists():
                    self.folder, self.limit, self.used = path, path / limit, path / used
                    return
                path.rmdir()

    def take(self, pid: int) -> None:
        if self.folder:
            (self.folder / "cgroup.procs").write_text(str(pid))

    def leave_only(self, size: int) -> None:
        """From now on those in the group have so many bytes left."""
        if self.folder:
            self.limit.write_text(str(int(self.used.read_text()) + size))

    def end(self) -> None:
        if self.folder:
            self.folder.rmdir()


def limit_memory(pid: int, size: int) -> None:
    """The same without a control group: this process may take so many bytes more."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    total = pages * resource.getpagesize() + size
    resource.prlimit(pid, resource.RLIMIT_AS, (total, total))


@pytest.fixture
def started():
    """Processes that end with the test."""
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
    # Those in it first.
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


def said(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    line = process.stdout.readline().strip()
    assert line == word, f"{line!r}, {process.communicate(timeout=PATIENCE)[1]}"


@pytest.mark.parametrize(("transport", "clients", "what"), CASES)
def test_overload(transport, clients, what, started, group, capsys):
    seed = int(os.environ.get("LINKSPAN_SEED", random.randrange(1 << 32)))
    endpoint = endpoint_of(transport, "load")
    server = begin(started, group, "serve", endpoint)
    said(server, "ready")
    crowd = [begin(started, group, what, endpoint, f"client-{i}", str(CALLS), str(seed + i)) for i in range(clients)]
    for one in crowd:
        said(one, "connected")
    group.leave_only(LEFT)
    if group.folder is None:
        for process in [server, *crowd]:
            limit_memory(process.pid, LEFT)
    # More than there are processors: whoever is on one has to share it.
    for _ in range(len(os.sched_getaffinity(0)) + 1):
        begin(started, None, "burn")
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
