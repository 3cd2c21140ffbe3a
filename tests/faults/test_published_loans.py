"""Published arrays that lie in slots, when either side is killed or stopped, forks, or has no memory: views never change, and no program waits for another."""

import gc
import os
import resource
import signal
import subprocess
import textwrap
from pathlib import Path

import numpy as np
import pytest
from test_loans import leave
from test_overload import Group

import linkspan
from support.namespaces import needed
from support.waiting import until

SOON = 30.0
MIB = 1 << 20

#: On a machine under load the publisher may not answer at once; each poll tries again, and keeps what arrives.
CONNECT = """
while not any(event.kind == "connected" for event in subscriber.events()):
    subscriber.poll()
"""
#: Subscribes and receives messages on command; prints for each its number, its first and last elements and how many were missed before it.
SUBSCRIBER = f"""
import gc
held, subscriber = [], linkspan.Subscriber(sys.argv[1])
{CONNECT}
print("ready", flush=True)
for line in sys.stdin:
    verb = line.strip()
    if verb == "take":
        message = subscriber.next(timeout=30.0)
        held.append(message["wave"])
        print(message["number"], held[-1][0], held[-1][-1], message.missed, flush=True)
    elif verb == "drop":
        held.clear(), gc.collect()
        print("dropped", flush=True)
    elif verb == "look":
        print(*[int(wave[0]) if (wave == wave[0]).all() else "torn" for wave in held], flush=True)
    elif verb == "close":
        subscriber.close()
        print("closed", flush=True)
"""


def ask(process: subprocess.Popen, verb: str) -> str:
    process.stdin.write(f"{verb}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def publish(publisher: linkspan.Publisher, number: int, size: int = MIB) -> None:
    wave = publisher.loan(size, "u1")
    wave[:] = number % 251
    publisher.send({"number": number, "wave": wave})


def arrays(publisher: linkspan.Publisher) -> tuple[int, int]:
    stats = publisher.stats()
    return stats["arrays_in_slots"], stats["arrays_without_slot"]


@pytest.fixture
def publisher():
    with linkspan.Publisher(f"shm:test/published-{os.getpid()}", max_message_size=2 * MIB) as made:
        yield made


def alone(publisher: linkspan.Publisher, count: int) -> None:
    """Waits until at most this many subscribers are left."""
    until(f"{count} subscribers", lambda: publisher.subscribers <= count, SOON)


def subscribed(start, publisher: linkspan.Publisher) -> subprocess.Popen:
    count = publisher.subscribers
    process = start(SUBSCRIBER, publisher.endpoint)
    assert process.stdout.readline() == "ready\n"
    publisher.wait_for_subscribers(count + 1, timeout=SOON)
    return process


def test_views_of_a_stopped_subscriber_are_kept_and_the_publisher_continues(start, publisher) -> None:
    subscriber = subscribed(start, publisher)
    for number in range(4):
        publish(publisher, number)
        assert ask(subscriber, "take") == f"{number} {number} {number} 0"
    subscriber.send_signal(signal.SIGSTOP)
    for number in range(4, 200):
        publish(publisher, number)
    # 8 MiB in all, of which one subscriber keeps four.
    assert arrays(publisher) == (200, 0)
    subscriber.send_signal(signal.SIGCONT)
    assert ask(subscriber, "look") == "0 1 2 3"
    number, first, last, missed = map(int, ask(subscriber, "take").split())
    assert first == last == number % 251 and missed == number - 4 > 150
    assert ask(subscriber, "close") == "closed"
    for number in range(200, 300):
        publish(publisher, number)
    assert ask(subscriber, "look").startswith("0 1 2 3 ")
    assert publisher.subscribers == 0


def test_slots_of_a_killed_subscriber_are_freed(start, publisher) -> None:
    """Two subscribers view all eight arrays of 1 MiB that there are slots for."""
    one, two = subscribed(start, publisher), subscribed(start, publisher)
    for number in range(8):
        publish(publisher, number)
        if number < 4:
            assert ask(one, "take") == f"{number} {number} {number} 0"
        assert ask(two, "take") == f"{number} {number} {number} 0"
        if number < 4:
            assert ask(two, "drop") == "dropped"
    assert arrays(publisher) == (8, 0)
    for number in range(8, 12):
        publish(publisher, number)
    assert arrays(publisher) == (8, 4)
    assert ask(one, "look") == "0 1 2 3" and ask(two, "look") == "4 5 6 7"
    one.send_signal(signal.SIGKILL)
    one.wait(SOON)
    alone(publisher, 1)
    for number in range(12, 40):
        publish(publisher, number)
    assert arrays(publisher) == (36, 4)
    assert ask(two, "look") == "4 5 6 7"


def test_killed_publisher_leaves_views_and_unread_messages(start) -> None:
    name = f"shm:test/killed-{os.getpid()}"
    publisher = start(
        """
        publisher = linkspan.Publisher(sys.argv[1])
        print("open", flush=True)
        publisher.wait_for_subscribers(1, timeout=30.0)
        loan = publisher.loan(1 << 20, "u1")
        for number in range(3):
            wave = publisher.loan(1 << 20, "u1")
            wave[:] = number
            publisher.send({"number": number, "wave": wave})
        print("sent", flush=True)
        sys.stdin.read()
        """,
        name,
    )
    assert publisher.stdout.readline() == "open\n"
    with linkspan.Subscriber(name) as subscriber:
        assert publisher.stdout.readline() == "sent\n"
        first = subscriber.recv(timeout=SOON)["wave"]
        publisher.send_signal(signal.SIGKILL)
        publisher.wait(SOON)
        rest = [subscriber.recv(timeout=SOON)["wave"] for _ in range(2)]
        for number, wave in enumerate([first, *rest]):
            assert (wave == number).all()
        with linkspan.Publisher(name) as again:
            for number in range(100, 120):
                publish(again, number)
                assert (subscriber.recv(timeout=SOON)["wave"] == number).all()
            assert arrays(again) == (20, 0)
        for number, wave in enumerate([first, *rest]):
            assert (wave == number).all()


def test_views_and_loans_belong_to_the_parent_after_a_fork(start) -> None:
    child = start(
        """
        import gc, numpy, os
        publisher = linkspan.Publisher(sys.argv[1])
        subscriber = linkspan.Subscriber(publisher.endpoint)
        def publish(number):
            wave = publisher.loan(1 << 20, "u1")
            wave[:] = number
            publisher.send(wave)
        publish(1)
        view, wave = subscriber.recv(timeout=30.0).value, publisher.loan(1 << 20, "u1")
        wave[:] = 2
        pid = os.fork()
        if pid == 0:
            assert (wave == 2).all() and (view == 1).all()
            assert became(lambda: publisher.loan(1 << 20, "u1")) == "InvalidState"
            del wave, view
            gc.collect()
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        for number in range(3, 50):
            publish(number)
        assert (view == 1).all() and (wave == 2).all()
        publisher.send(wave)
        while subscriber.next(timeout=30.0).sequence < 49:
            pass
        assert (linkspan.latest(publisher.endpoint, timeout=30.0).value == 2).all()
        print(publisher.stats()["arrays_in_slots"])
        """,
        f"shm:test/forked-{os.getpid()}",
    )
    assert child.stdout.readline() == "49\n"


def test_publisher_without_memory_or_descriptors_for_slots_publishes_through_the_ring(start) -> None:
    name = f"shm:test/poor-{os.getpid()}"
    poor = start(
        """
        import errno, numpy, os, resource, time
        publisher = linkspan.Publisher(sys.argv[1], buffer=4 << 20)
        print("open", flush=True)
        publisher.wait_for_subscribers(1, timeout=30.0)
        # The limit is one of numbers, not of a count: each number below it is taken, also those that other threads still give back.
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        refused = 0
        while refused < 20:
            try:
                os.dup(0)
                refused = 0
            except OSError as error:
                assert error.errno == errno.EMFILE, error
                refused += 1
                time.sleep(0.01)
        for number in range(4):
            wave = publisher.loan(1 << 20, "u1")
            wave[:] = number
            publisher.send({"number": number, "wave": wave})
        print(publisher.stats()["arrays_in_slots"], publisher.stats()["arrays_without_slot"], flush=True)
        sys.stdin.read()
        """,
        name,
    )
    assert poor.stdout.readline() == "open\n"
    with linkspan.Subscriber(name) as subscriber:
        for number in range(4):
            message = subscriber.next(timeout=SOON)
            assert (message["wave"] == message["number"]).all()
            if message["number"] == 3:
                break
        assert poor.stdout.readline() == "0 4\n"


def test_subscriber_without_memory_for_a_view_gets_an_error_and_continues(start, publisher) -> None:
    subscriber = start(
        "import numpy\nsubscriber = linkspan.Subscriber(sys.argv[1])"
        + CONNECT
        + textwrap.dedent("""
            print("ready", flush=True)
            def take():
                message = subscriber.recv(timeout=30.0)
                assert (message["wave"] == message["number"] % 251).all()
                print(message["number"], flush=True)
            for line in sys.stdin:
                print(became(take), flush=True)
            """),
        publisher.endpoint,
    )
    assert subscriber.stdout.readline() == "ready\n"
    publisher.wait_for_subscribers(1, timeout=SOON)
    publish(publisher, 0, 100_000)
    assert ask(subscriber, "take") == "0" and subscriber.stdout.readline() == "done\n"
    used = int(Path(f"/proc/{subscriber.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(subscriber.pid, resource.RLIMIT_AS, (used + MIB // 2, resource.RLIM_INFINITY))
    publish(publisher, 1, 2 * MIB - 4096)
    assert ask(subscriber, "take") == "OutOfMemory"
    resource.prlimit(subscriber.pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for number in range(2, 6):
        publish(publisher, number, 2 * MIB - 4096)
        assert ask(subscriber, "take") == str(number) and subscriber.stdout.readline() == "done\n"
    assert arrays(publisher) == (6, 0)


@needed("--mount")
def test_small_dev_shm_does_not_limit_published_loans(start) -> None:
    child = start(
        """
        publisher = linkspan.Publisher(sys.argv[1])
        subscriber = linkspan.Subscriber(publisher.endpoint)
        wave = publisher.loan(10_000_000, "u1")
        wave[:] = 3
        publisher.send(wave)
        print(subscriber.recv(timeout=30.0).value.sum(), publisher.stats()["arrays_in_slots"])
        """,
        f"shm:test/small-published-{os.getpid()}", within=["-m"], mounts="mount -t tmpfs -o size=64k tmpfs /dev/shm",
    )
    assert child.stdout.readline() == "30000000 1\n"


def test_many_subscribers_are_killed_while_they_view(start, publisher) -> None:
    """At any moment, the others get whole arrays."""
    publish(publisher, 0)
    stays = subscribed(start, publisher)
    number = 0
    for round_ in range(20):
        dies = subscribed(start, publisher)
        ask(dies, "take")
        for _ in range(round_ % 5 + 1):
            number += 1
            publish(publisher, number)
        if round_ % 2:
            dies.stdin.write("take\n" * 3)
            dies.stdin.flush()
        dies.send_signal(signal.SIGKILL)
        dies.wait(SOON)
        alone(publisher, 1)
        got, first, last, _missed = map(int, ask(stays, "take").split())
        assert got <= number and first == last == got % 251
        assert "torn" not in ask(stays, "look")
        assert ask(stays, "drop") == "dropped"
    assert arrays(publisher)[1] == 0
    assert np.uint8(number % 251) == linkspan.latest(publisher.endpoint, timeout=SOON)["wave"][0]


#: Publishes lent arrays or short messages on command, and prints the outcome of each.
PUBLISHER = """
import numpy
publisher = linkspan.Publisher(sys.argv[1], buffer=64 << 20)
size = int(sys.argv[2])
def publish(verb, number):
    if verb == "short":
        publisher.send({"number": number})
    else:
        wave = publisher.loan(size, "u1")
        wave[:] = number
        publisher.send({"number": number, "wave": wave})
print("open", flush=True)
publisher.wait_for_subscribers(1, timeout=30.0)
print("ready", flush=True)
for line in sys.stdin:
    verb, number = line.split()
    print(became(lambda: publish(verb, int(number))), flush=True)
print(publisher.stats()["arrays_in_slots"], flush=True)
"""


@pytest.fixture
def group():
    made = Group()
    yield made
    made.end()


@pytest.mark.parametrize("kind", ["address space", "control group"])
def test_publisher_without_memory_for_slots_reports_it_and_uses_the_ring(kind: str, group, start) -> None:
    """The subscriber views arrays of 8 MiB; there is room for two. Published messages arrive whole and in order; the others are reported."""
    name = f"shm:test/short-{os.getpid()}"
    publisher = start(PUBLISHER, name, str(8 * MIB))
    assert publisher.stdout.readline() == "open\n"
    published, numbers = [], iter(range(1, 100))

    def publish(verb: str) -> str:
        number = next(numbers)
        became = ask(publisher, f"{verb} {number}")
        if became == "done":
            published.append(number)
        return became

    with linkspan.Subscriber(name) as subscriber:
        assert publisher.stdout.readline() == "ready\n"
        leave(kind, publisher, group, 22 * MIB)
        received, views = [], []

        def take_all() -> None:
            while len(received) < len(published):
                message = subscriber.next(timeout=SOON)
                assert message.missed == 0
                received.append(message["number"])
                if "wave" in message.value:
                    assert (message["wave"] == message["number"]).all()
                    views.append((message["number"], message["wave"]))

        outcomes = []
        for _ in range(6):
            # While the first arrays are viewed, there is no room for others, and short messages are still published.
            outcomes.append(publish("loan"))
            take_all()
            assert publish("short") == "done"
            take_all()
        assert set(outcomes) == {"done", "OutOfMemory"} and outcomes.count("done") >= 2, outcomes
        assert all((wave == number).all() for number, wave in views)
        views.clear()
        gc.collect()
        # The newest array is not overwritten until there is a newer one.
        assert publish("loan") == "done"
        take_all()
        assert received == published
        publisher.stdin.close()
        assert int(publisher.stdout.readline()) >= 3
        assert publisher.wait(SOON) == 0
