"""Network failures during publishing: all lost messages are counted."""

import itertools
import json
import os
import re
import signal
import time

import pytest
from conftest import Lines, Machine, publish
from support.waiting import until
from networks import Wire, apart, ip, wire  # noqa: F401 - fixtures

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces everywhere")
#: Seconds: packets survive the first duration in buffers; the link is replaced after the second.
PARTITIONS = [float(seconds) for seconds in os.environ.get("LINKSPAN_PARTITIONS", "0.1 10").split()]


class Counting:
    def __init__(self, north: Machine, south: Machine) -> None:
        self.north, self.south, self.sent = north, south, 0
        self.publisher = north.publisher("lab/count")
        publish(self.publisher, 0)
        south.has("lab/count")
        self.subscriber: Lines = south.subscriber("lab/count")
        self.taken = [int(self.subscriber.next())]

    def publish(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            publish(self.publisher, *range(self.sent + 1, self.sent + 11))
            self.sent += 10
            time.sleep(0.02)

    def settle(self) -> int:
        """Publishes until messages arrive again and all are accounted for; returns the missed count."""

        def arrives() -> bool:
            self.publish(0.05)
            return int(json.loads(self.south.run("latest", "lab/count", "--json"))) > self.sent - 200

        until("messages arrive again", lambda: self.south.listed("lab/count") and arrives())
        time.sleep(0.2)
        publish(self.publisher, self.sent + 1)
        self.sent += 1
        while self.taken[-1] < self.sent:
            self.taken.append(int(self.subscriber.next()))
        assert self.taken == sorted(set(self.taken)), "in order, and nothing twice"
        counts = re.findall(r"Lagged \(125\)[^\n]*?(\d+) messages", self.south.log.read_text())
        missed = sum(map(int, counts))
        assert len(self.taken) + missed == self.sent + 1, (len(self.taken), missed, self.sent)
        return missed


def cut(wire: Wire, counting: Counting, seconds: float) -> None:
    """Cuts the link during publishing."""
    for name in wire.names:
        ip("-n", name, "link", "set", "wire", "down")
    counting.publish(seconds)
    for name in wire.names:
        ip("-n", name, "link", "set", "wire", "up")
    counting.publish(0.5)


@pytest.mark.parametrize("seconds", PARTITIONS)
def test_every_loss_of_a_partition_is_counted(apart, wire, seconds):
    north, south, _ = apart
    counting = Counting(north, south)
    counting.publish(0.5)
    cut(wire, counting, seconds)
    print(f"a partition of {seconds} s: {counting.settle()} of {counting.sent} missed, and reported")


@pytest.mark.parametrize("exporting", [["--retain", "64MiB"]])
@pytest.mark.parametrize("seconds", [3, 13])
def test_nothing_of_a_partition_is_missed_where_messages_are_kept(apart, wire, seconds):
    _, south, _ = apart
    counting = Counting(*apart[:2])
    counting.publish(0.5)
    cut(wire, counting, seconds)
    assert counting.settle() == 0
    assert counting.taken == list(range(counting.sent + 1)), "each once, and in order"
    cut(wire, counting, 1)
    assert counting.settle() == 0, "and again"
    assert south.status()["lost"] == 0


@pytest.mark.parametrize("exporting", [["--retain", "20kB"]])
def test_only_what_exceeds_the_bound_is_missed_where_messages_are_kept(apart, wire):
    counting = Counting(*apart[:2])
    counting.publish(0.5)
    cut(wire, counting, 13)
    missed = counting.settle()
    gaps = [(one, next) for one, next in itertools.pairwise(counting.taken) if next != one + 1]
    assert len(gaps) == 1 and missed == gaps[0][1] - gaps[0][0] - 1, (gaps, missed)
    # A message takes a few bytes and about 100 of overhead.
    sent_again = counting.sent - gaps[0][1]
    print(f"with 20 kB for {counting.sent} messages: {missed} missed, and all from {gaps[0][1]} on received")
    assert missed > 500 and sent_again > 100


def test_lost_and_reordered_packets(apart, wire):
    north, south, _ = apart
    counting = Counting(north, south)
    wire.loss, wire.swaps = 0.05, 0.05
    counting.publish(5)
    wire.loss = wire.swaps = 0.0
    print(f"5 % loss and reordering: {counting.settle()} of {counting.sent} missed, and reported")
    assert wire.lost > 10 and wire.swapped > 10, (wire.lost, wire.swapped)


@pytest.mark.parametrize("which", [0, 1])
def test_stopped_bridge_resumes_and_every_loss_is_counted(apart, which):
    north, south, bridges = apart
    counting = Counting(north, south)
    counting.publish(0.2)
    bridges[which].send_signal(signal.SIGSTOP)
    counting.publish(3)
    bridges[which].send_signal(signal.SIGCONT)
    print(f"a bridge stopped for 3 s: {counting.settle()} of {counting.sent} missed, and reported")
