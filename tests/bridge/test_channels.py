"""Channels between machines under kills, stops and network faults.

Each message arrives at least once, in order, and at most once per incarnation.
"""

import os
import random
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Lines, Machine, kill
from proxies import Network, network  # noqa: F401 - a fixture
from support.waiting import until

END = Path(__file__).with_name("channel_end.py")


class End:
    """A program at one end of lab/line, with the messages of each incarnation."""

    def __init__(self, machine: Machine, how: str, name: str, *more: str, env: dict[str, str] | None = None) -> None:
        self.machine, self.how, self.name, self.more = machine, how, name, more
        self.file, self.env, self.first = machine.folder / f"given-{how}", env or {}, 0
        self.process: subprocess.Popen | None = None

    def start(self, count: int, first: int | None = None) -> None:
        first = self.first if first is None else first
        command = [sys.executable, END, self.how, self.name, first, count, self.file, *self.more]
        with self.machine.log.open("ab") as log:
            self.process = subprocess.Popen(
                list(map(str, command)),
                env=self.machine.env | self.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self.machine.running.append(self.process)
        self.first = first + count

    def given(self) -> list[tuple[int, int]]:
        lines = self.file.read_text().split("\n")[:-1] if self.file.exists() else []
        return [(int(pid), int(number)) for pid, _, number in map(str.split, lines)]

    def has(self, numbers: set[int]) -> None:
        until(f"{self.how} is given all", lambda: {number for _, number in self.given()} >= numbers)

    def check_once_and_in_order(self) -> None:
        by_incarnation: dict[int, list[int]] = {}
        for incarnation, number in self.given():
            by_incarnation.setdefault(incarnation, []).append(number)
        for numbers in by_incarnation.values():
            assert numbers == sorted(set(numbers)), "once and in order to each incarnation"


def flags(network: Network) -> dict[str, tuple[str, ...]]:
    meeting = network.meeting
    return {
        "north": ("--export", "lab/*", *meeting.listen()),
        "south": ("--import", "lab/*", *meeting.connect(network.port)),
    }


def bridges(machines, network: Network) -> tuple[Machine, Machine, dict[str, subprocess.Popen]]:
    north, south = machines("north"), machines("south")
    return north, south, {it.name: it.bridge(*flags(network)[it.name]) for it in (north, south)}


def test_both_directions_arrive_once_and_in_order(machines, network):
    north, south, _ = bridges(machines, network)
    far, near = End(north, "open", "lab/line"), End(south, "connect", "lab/line")
    far.start(500)
    south.has("lab/line")
    listed = south.listed("lab/line")
    assert (listed["machine"], listed["pattern"]) == ("north", "channel")
    near.start(500)
    for end in (far, near):
        end.has(set(range(500)))
        end.check_once_and_in_order()
        assert len(end.given()) == 500
    assert until("one link", lambda: south.status().get("links") == 1)


def test_large_messages_within_the_window_lose_none(machines, network):
    north, south, _ = bridges(machines, network)
    far = End(north, "open", "lab/line")
    near = End(south, "connect", "lab/line", env={"SIZE": "10000"})
    far.start(0)
    south.has("lab/line")
    near.start(1000)
    far.has(set(range(1000)))
    far.check_once_and_in_order()
    huge = End(south, "connect", "lab/line", env={"SIZE": "5000000"})
    kill(near.process)
    huge.start(3, first=1000)
    far.has(set(range(1003)))


def test_close_returns_after_the_remote_program_has_consumed(machines, network):
    north, south, _ = bridges(machines, network)
    far = End(north, "open", "lab/line")
    far.start(0)
    south.has("lab/line")
    south.run("send", "lab/line", '{"number": 1}')
    assert [number for _, number in far.given()] == [1]
    # No program consumes, so the sender's deadline passes, although both bridges have the message.
    End(north, "hold", "lab/held").start(0)
    south.has("lab/held")
    assert "Timeout" in south.run("send", "lab/held", "7", "-t", "5", code=3)


@pytest.mark.parametrize("whom", ["north bridge", "south bridge", "far end", "near end"])
def test_kills_lose_nothing_and_repeat_nothing_to_an_incarnation(machines, network, whom):
    seed = int(os.environ.get("LINKSPAN_SEED", random.randrange(1 << 32)))
    print(f"LINKSPAN_SEED={seed}")
    chance = random.Random(seed)
    north, south, running = bridges(machines, network)
    pace = {"PACE": "0.002"}
    far, near = End(north, "open", "lab/line", env=pace), End(south, "connect", "lab/line", env=pace)
    ends = {"far end": far, "near end": near}
    counts = {"far end": 800, "near end": 800}
    # A killed sender loses its unsent messages, so the test kills a program that does not send.
    killed = ends.get(whom)
    if killed:
        counts[whom] = 0
    far.start(counts["far end"])
    south.has("lab/line")
    near.start(counts["near end"])
    for _ in range(3):
        time.sleep(chance.uniform(0.1, 0.6))
        if killed:
            kill(killed.process)
            killed.start(0)
            continue
        machine = north if whom.startswith("north") else south
        kill(running[machine.name])
        running[machine.name] = machine.bridge(*flags(network)[machine.name])
    far.has(set(range(counts["near end"])))
    near.has(set(range(counts["far end"])))
    for end in (far, near):
        end.check_once_and_in_order()


PARTITIONS = [float(seconds) for seconds in os.environ.get("LINKSPAN_PARTITIONS", "0.1 3").split()]


@pytest.mark.parametrize("seconds", PARTITIONS)
def test_partition_loses_and_repeats_nothing(machines, network, seconds):
    north, south, _ = bridges(machines, network)
    pace = {"PACE": "0.001"}
    far, near = End(north, "open", "lab/line", env=pace), End(south, "connect", "lab/line", env=pace)
    far.start(1000)
    south.has("lab/line")
    near.start(1000)
    far.has(set(range(50)))
    network.open.clear()
    time.sleep(seconds)
    network.open.set()
    for end in (far, near):
        end.has(set(range(1000)))
        end.check_once_and_in_order()


def test_cut_connections_and_stopped_bridges_lose_and_repeat_nothing(machines, network):
    north, south, running = bridges(machines, network)
    pace = {"PACE": "0.001"}
    far, near = End(north, "open", "lab/line", env=pace), End(south, "connect", "lab/line", env=pace)
    far.start(1500)
    south.has("lab/line")
    near.start(1500)
    far.has(set(range(50)))
    for name in ("north", "south"):
        running[name].send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        running[name].send_signal(signal.SIGCONT)
        network.cut()
    for end in (far, near):
        end.has(set(range(1500)))
        end.check_once_and_in_order()


def test_many_clients_of_one_listener_each_have_a_link(machines, network):
    north, south, _ = bridges(machines, network)
    far = End(north, "listen", "lab/line")
    far.start(0)
    south.has("lab/line")
    clients = [End(south, "connect", "lab/line", f"client-{at}") for at in range(5)]
    for at, client in enumerate(clients):
        client.start(100, first=100 * at)
    far.has(set(range(500)))
    assert sorted(number for _, number in far.given()) == list(range(500))
    assert until("a link for each client", lambda: north.status().get("links") == 5)
    for client in clients:
        kill(client.process)
    assert until("links end with their programs", lambda: north.status().get("links") == 0)


def test_sender_waits_while_the_remote_program_receives_nothing(machines, network):
    """Neither bridge keeps more than the window; the next incarnation receives everything."""
    north, south, running = bridges(machines, network)
    held = End(north, "hold", "lab/line")
    held.start(0)
    south.has("lab/line")
    before = {name: memory(process) for name, process in running.items()}
    near = End(south, "connect", "lab/line", env={"SIZE": "100000"})
    near.start(300)
    lines = Lines(near.process)
    assert lines.next() == "ready"
    assert not select.select([near.process.stdout], [], [], 2)[0], "30 MB do not fit anywhere"
    for name, process in running.items():
        grown = memory(process) - before[name]
        assert grown < 16 << 20, f"the bridge of {name} has grown by {grown} bytes"
    kill(held.process)
    far = End(north, "open", "lab/line")
    far.start(0)
    far.has(set(range(300)))
    far.check_once_and_in_order()


def memory(process: subprocess.Popen) -> int:
    fields = Path(f"/proc/{process.pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
