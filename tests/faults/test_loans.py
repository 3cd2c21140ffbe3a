"""Loans and views under low memory, over a fork, and when the peer is killed: messages arrive whole, and none is lost."""

import os
import select
import signal
import subprocess
from pathlib import Path

import pytest
from test_overload import Group, limit_memory

import linkspan
from support.namespaces import needed

SOON = 30.0
MIB = 1 << 20

#: Sends arrays that count from their number on, lent or not, on command; prints the outcome of each.
SENDER = """
import numpy
name, loaned, size = sys.argv[1], sys.argv[2] == "loaned", int(sys.argv[3])
channel = linkspan.connect(name, timeout=30.0)
channel.send(0)
first = numpy.zeros(size, "u1")
print("ready", flush=True)
def send(number):
    wave = channel.loan(size, "u1") if loaned else first
    wave[:] = number
    channel.send({"number": number, "wave": wave})
for line in sys.stdin:
    print(became(lambda: send(int(line))), flush=True)
stats = channel.stats()
print(stats["arrays_in_slots"], stats["arrays_without_slot"], flush=True)
channel.close(timeout=30.0)
"""


@pytest.fixture
def group():
    made = Group()
    yield made
    made.end()


def readable(stream, seconds: float) -> bool:
    """Whether a line can be read within this time."""
    return bool(select.select([stream], [], [], seconds)[0])


def leave(kind: str, process: subprocess.Popen, group: Group, size: int) -> None:
    """From now on this process may use this many more bytes."""
    if kind == "control group":
        if group.folder is None:
            pytest.skip("this system lets us make no control group with a limit on memory")
        group.take(process.pid)
        group.leave_only(size)
    else:
        limit_memory(process.pid, size)


def ask(process: subprocess.Popen, number: int) -> None:
    process.stdin.write(f"{number}\n")
    process.stdin.flush()


# Without a free slot, an array that is not lent needs memory for the encoded message, for which a control group would kill the process.
@pytest.mark.parametrize(
    ("kind", "loaned"), [("address space", "loaned"), ("address space", "not loaned"), ("control group", "loaned")]
)
def test_sender_without_memory_for_slots_sends_or_fails_with_the_reason(kind: str, loaned: str, start, group) -> None:
    """The peer keeps views of arrays of 8 MiB; there is room for two more."""
    name = f"shm:test/short-{os.getpid()}"
    with linkspan.listen(name, ack="manual") as listener:
        sender = start(SENDER, name, loaned, str(8 * MIB))
        channel = listener.accept(timeout=SOON)
        channel.recv(timeout=SOON)
        channel.ack()
        assert sender.stdout.readline() == "ready\n"
        leave(kind, sender, group, 20 * MIB)
        held, outcomes = [], []
        for number in range(6):
            ask(sender, number)
            # Sent messages may arrive in pieces while the program waits; messages that were not sent were reported.
            while not (line := readable(sender.stdout, 0.05)) and not channel.poll():
                assert sender.poll() is None
            if channel.poll() or not line:
                held.append(channel.recv(timeout=SOON))
                channel.ack()
                assert held[-1]["number"] == number and (held[-1]["wave"] == number).all()
            outcomes.append(sender.stdout.readline().strip())
        while channel.poll():
            held.append(channel.recv(timeout=SOON))
            channel.ack()
        assert outcomes.count("done") == len(held) >= 2, outcomes
        assert set(outcomes) == {"done", "OutOfMemory"}, outcomes
        # Dropping views makes room again.
        held.clear()
        ask(sender, 7)
        assert (channel.recv(timeout=SOON)["wave"] == 7).all()
        assert sender.stdout.readline() == "done\n"
        channel.ack()
        sender.stdin.close()
        assert int(sender.stdout.readline().split()[0]) >= 3
        with pytest.raises(linkspan.Disconnected):
            channel.recv(timeout=SOON)
        assert sender.wait(SOON) == 0


def test_receiver_without_memory_for_a_view_gets_an_error_and_continues(start) -> None:
    name = f"shm:test/narrow-{os.getpid()}"
    receiver = start(
        """
        import numpy, resource
        listener = linkspan.listen(sys.argv[1])
        print("ready", flush=True)
        channel = listener.accept(timeout=30.0)
        channel.recv(timeout=30.0)
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (12 << 20), resource.RLIM_INFINITY))
        print("short", flush=True)
        def take():
            message = channel.recv(timeout=30.0)
            assert (message["wave"] == message["number"]).all()
            print(message["number"], message.missed, flush=True)
        print(became(take), flush=True)
        print(became(take), flush=True)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for _ in range(3):
            print(became(take), flush=True)
        assert became(lambda: channel.recv(timeout=30.0)) == "Disconnected"
        """,
        name,
    )
    assert receiver.stdout.readline() == "ready\n"
    with linkspan.connect(name, timeout=SOON) as channel:
        channel.send(0)
        assert receiver.stdout.readline() == "short\n"

        def send(number: int, size: int) -> None:
            wave = channel.loan(size, "u1")
            wave[:] = number
            channel.send({"number": number, "wave": wave}, timeout=SOON)

        send(1, 32 * MIB)
        assert receiver.stdout.readline() == "OutOfMemory\n"
        # Arrays in files that are mapped, in the one that could not be mapped, and in others: their numbers are still correct.
        send(2, MIB)
        assert receiver.stdout.readline() == "2 0\n" and receiver.stdout.readline() == "done\n"
        for number, size in ((3, 32 * MIB), (4, 8 * MIB), (5, MIB)):
            send(number, size)
            assert receiver.stdout.readline() == f"{number} 0\n" and receiver.stdout.readline() == "done\n"
        # The slots whose arrays were dropped are used again: no file was made for the second array of that length. That of 8 MiB took the slot
        # of 32 where the receiver's program had released it by then.
        assert channel.stats()["arrays_in_slots"] == 5 and channel.stats()["arrays_without_slot"] == 0
        assert sum("linkspan-slot" in link for link in files()) in (2, 3)
    assert receiver.wait(SOON) == 0


def files() -> list[str]:
    """Returns the kinds of the open descriptors of this process."""
    return [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]


@needed("--mount")
def test_small_dev_shm_does_not_limit_loans(start) -> None:
    """Slots are memory files, which are in no directory."""
    child = start(
        """
        name = sys.argv[1]
        listener = linkspan.listen(name)
        one = linkspan.connect(name, timeout=30.0)
        two = listener.accept(timeout=30.0)
        one.send(0)
        two.recv(timeout=30.0)
        wave = one.loan(10_000_000, "u1")
        wave[:] = 3
        one.send(wave)
        print(two.recv(timeout=30.0).value.sum(), one.stats()["arrays_in_slots"])
        """,
        f"shm:test/small-{os.getpid()}", within=["-m"], mounts="mount -t tmpfs -o size=64k tmpfs /dev/shm",
    )
    assert child.stdout.readline() == "30000000 1\n"


def test_loan_belongs_to_the_parent_after_a_fork(start) -> None:
    child = start(
        """
        import numpy, os, gc
        name = sys.argv[1]
        listener = linkspan.listen(name)
        one = linkspan.connect(name, timeout=30.0)
        two = listener.accept(timeout=30.0)
        one.send(0)
        two.recv(timeout=30.0)
        wave, view = one.loan(1 << 20, "u1"), None
        wave[:] = 1
        one.send(wave)
        view = two.recv(timeout=30.0).value
        wave = one.loan(1 << 20, "u1")
        wave[:] = 2
        pid = os.fork()
        if pid == 0:
            # It sees both, may use neither channel, and gives nothing back.
            assert (wave == 2).all() and (view == 1).all()
            assert became(lambda: one.loan(1 << 20, "u1")) == "InvalidState"
            del wave, view
            gc.collect()
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        assert not any(numpy.shares_memory(wave, one.loan(1 << 20, "u1")) for _ in range(20))
        one.send(wave)
        assert (two.recv(timeout=30.0).value == 2).all() and (view == 1).all()
        print(one.stats()["arrays_in_slots"])
        """,
        f"shm:test/fork-{os.getpid()}",
    )
    assert child.stdout.readline() == "2\n"


def test_loan_outlives_a_killed_peer_and_goes_to_the_next(start) -> None:
    name = f"shm:test/next-{os.getpid()}"
    receive = """
    listener = linkspan.listen(sys.argv[1])
    print("ready", flush=True)
    channel = listener.accept(timeout=30.0)
    for message in iter(lambda: channel.recv(timeout=30.0), None):
        value = message.value
        print(value if isinstance(value, int) else f"{value[0]} {value[-1]} {len(value)}", flush=True)
    """
    first = start(receive, name)
    assert first.stdout.readline() == "ready\n"
    with linkspan.connect(name, timeout=SOON) as channel:
        channel.send(0)
        assert first.stdout.readline() == "0\n"
        filled, kept = channel.loan(MIB, "u1"), channel.loan(MIB, "u1")
        filled[:] = 1
        first.send_signal(signal.SIGKILL)
        first.wait(SOON)
        # The slots of the ended link exist as long as the loans; over the next link they are copied.
        kept[:] = 2
        second = start(receive, name)
        assert second.stdout.readline() == "ready\n"
        channel.send(filled, timeout=SOON)
        # Messages that the killed program had printed and not acknowledged arrive again.
        assert next(line for line in iter(second.stdout.readline, "") if line != "0\n") == f"1 1 {MIB}\n"
        channel.send(kept, timeout=SOON)
        assert second.stdout.readline() == f"2 2 {MIB}\n"
        assert (kept == 2).all() and not kept.flags.writeable
        # The next link lends memory of its own.
        wave = channel.loan(MIB, "u1")
        wave[:] = 3
        channel.send(wave, timeout=SOON)
        assert second.stdout.readline() == f"3 3 {MIB}\n"
