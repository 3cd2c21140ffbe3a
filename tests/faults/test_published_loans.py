"""Published arrays and bytes in loans under kills, stops, forks and low memory.

Received data never changes, and no program waits for another.
"""

import gc
import os
import resource
import signal
import subprocess
import textwrap
from pathlib import Path

import numpy as np
import pytest
from long_messages import CONTENT, LOANED, MIB, SOON, is_whole, lent

import linkspan
from support.memory import leave
from support.namespaces import needed
from support.waiting import until

#: A loaded machine may answer late: each poll tries again and keeps arrived messages.
CONNECT = """
while not any(event.kind == "connected" for event in subscriber.events()):
    subscriber.poll()
"""
#: Subscribes and receives on command; prints number, first and last elements, and the missed count of each message.
SUBSCRIBER = CONTENT + f"""
import gc
held, subscriber = [], linkspan.Subscriber(sys.argv[1], view_bytes=sys.argv[2:] == ["views"])
{CONNECT}
print("ready", flush=True)
for line in sys.stdin:
    verb = line.strip()
    if verb == "take":
        message = subscriber.next(timeout=60.0)
        held.append(elements(message.view("wave")))
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


def publish(publisher: linkspan.Publisher, number: int, size: int = MIB, kind: str = "loaned array") -> None:
    publisher.send({"number": number, "wave": lent(publisher, kind, number % 251, size)})


def counted(publisher: linkspan.Publisher, kind: str = "loaned array") -> tuple[int, int]:
    stats, what = publisher.stats(), "arrays" if kind == "loaned array" else "bodies"
    return stats[f"{what}_in_slots"], stats[f"{what}_without_slot"]


@pytest.fixture
def publisher():
    with linkspan.Publisher(f"shm:test/published-{os.getpid()}", max_message_size=2 * MIB) as made:
        yield made


def alone(publisher: linkspan.Publisher, count: int) -> None:
    until(f"{count} subscribers", lambda: publisher.subscribers <= count, SOON)


#: Published kinds, and whether subscribers view bytes in place as they view arrays.
VIEWS = [*((kind, False) for kind in LOANED), ("loaned bytes", True)]


def subscribed(start, publisher: linkspan.Publisher, views: bool = False) -> subprocess.Popen:
    count = publisher.subscribers
    process = start(SUBSCRIBER, publisher.endpoint, *(["views"] if views else []))
    assert process.stdout.readline() == "ready\n"
    publisher.wait_for_subscribers(count + 1, timeout=SOON)
    return process


@pytest.mark.parametrize(("kind", "views"), VIEWS)
def test_views_of_a_stopped_subscriber_are_kept_and_the_publisher_continues(kind: str, views: bool, start, publisher) -> None:
    subscriber = subscribed(start, publisher, views)
    for number in range(4):
        publish(publisher, number, kind=kind)
        assert ask(subscriber, "take") == f"{number} {number} {number} 0"
    subscriber.send_signal(signal.SIGSTOP)
    for number in range(4, 200):
        publish(publisher, number, kind=kind)
    assert counted(publisher, kind) == (200, 0)
    subscriber.send_signal(signal.SIGCONT)
    assert ask(subscriber, "look") == "0 1 2 3"
    number, first, last, missed = map(int, ask(subscriber, "take").split())
    assert first == last == number % 251 and missed == number - 4 > 150
    assert ask(subscriber, "close") == "closed"
    for number in range(200, 300):
        publish(publisher, number, kind=kind)
    assert ask(subscriber, "look").startswith("0 1 2 3 ")
    alone(publisher, 0)


def test_slots_of_a_killed_subscriber_are_freed(start, publisher) -> None:
    """Two subscribers view all eight arrays of 1 MiB, which use every slot."""
    one, two = subscribed(start, publisher), subscribed(start, publisher)
    for number in range(8):
        publish(publisher, number)
        if number < 4:
            assert ask(one, "take") == f"{number} {number} {number} 0"
        assert ask(two, "take") == f"{number} {number} {number} 0"
        if number < 4:
            assert ask(two, "drop") == "dropped"
    assert counted(publisher) == (8, 0)
    for number in range(8, 12):
        publish(publisher, number)
    assert counted(publisher) == (8, 4)
    assert ask(one, "look") == "0 1 2 3" and ask(two, "look") == "4 5 6 7"
    one.send_signal(signal.SIGKILL)
    one.wait(SOON)
    alone(publisher, 1)
    for number in range(12, 40):
        publish(publisher, number)
    assert counted(publisher) == (36, 4)
    assert ask(two, "look") == "4 5 6 7"


@pytest.mark.parametrize(("kind", "views"), VIEWS)
def test_killed_publisher_leaves_views_and_unread_messages(kind: str, views: bool, start) -> None:
    name = f"shm:test/killed-{os.getpid()}"
    publisher = start(
        CONTENT
        + """
name, kind = sys.argv[1:]
publisher = linkspan.Publisher(name)
print("open", flush=True)
publisher.wait_for_subscribers(1, timeout=60.0)
loan = lent(publisher, kind, 9, 1 << 20)
for number in range(3):
    publisher.send({"number": number, "wave": lent(publisher, kind, number, 1 << 20)})
print("sent", flush=True)
sys.stdin.read()
""",
        name, kind,
    )
    assert publisher.stdout.readline() == "open\n"
    with linkspan.Subscriber(name, view_bytes=views) as subscriber:
        assert publisher.stdout.readline() == "sent\n"
        first = subscriber.recv(timeout=SOON).view("wave")
        publisher.send_signal(signal.SIGKILL)
        publisher.wait(SOON)
        rest = [subscriber.recv(timeout=SOON).view("wave") for _ in range(2)]
        for number, wave in enumerate([first, *rest]):
            assert is_whole(wave, kind, number, MIB)
        with linkspan.Publisher(name) as again:
            for number in range(100, 120):
                publish(again, number, kind=kind)
                assert is_whole(subscriber.recv(timeout=SOON).view("wave"), kind, number, MIB)
            assert counted(again, kind) == (20, 0)
        for number, wave in enumerate([first, *rest]):
            assert is_whole(wave, kind, number, MIB)


@pytest.mark.parametrize(("kind", "views"), VIEWS)
def test_views_and_loans_belong_to_the_parent_after_a_fork(kind: str, views: bool, start) -> None:
    child = start(
        CONTENT
        + """
import gc
name, kind, views = sys.argv[1:]
publisher = linkspan.Publisher(name)
subscriber = linkspan.Subscriber(publisher.endpoint, view_bytes=views == "True")
def publish(number):
    publisher.send(lent(publisher, kind, number, 1 << 20))
publish(1)
view, loan = subscriber.recv(timeout=60.0).view(), lent(publisher, kind, 2, 1 << 20)
pid = os.fork()
if pid == 0:
    assert (elements(loan) == 2).all() and (elements(view) == 1).all()
    assert became(lambda: lent(publisher, kind, 3, 1 << 20)) == "InvalidState"
    del loan, view
    gc.collect()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
for number in range(3, 50):
    publish(number)
assert (elements(view) == 1).all() and (elements(loan) == 2).all()
publisher.send(loan)
while subscriber.next(timeout=60.0).sequence < 49:
    pass
assert is_whole(linkspan.latest(publisher.endpoint, timeout=60.0).value, kind, 2, 1 << 20)
print(publisher.stats()["arrays_in_slots"] + publisher.stats()["bodies_in_slots"])
""",
        f"shm:test/forked-{os.getpid()}", kind, str(views),
    )
    assert child.stdout.readline() == "49\n"


@pytest.mark.parametrize("kind", LOANED)
def test_publisher_without_memory_or_descriptors_for_slots_publishes_through_the_ring(kind: str, start) -> None:
    name = f"shm:test/poor-{os.getpid()}"
    poor = start(
        CONTENT
        + textwrap.dedent("""
        import errno, resource
        publisher = linkspan.Publisher(sys.argv[1], buffer=4 << 20)
        print("open", flush=True)
        publisher.wait_for_subscribers(1, timeout=60.0)
        # The limit bounds descriptor numbers, not their count. The child uses up each number below it, including
        # numbers that other threads are still giving back.
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
            publisher.send({"number": number, "wave": lent(publisher, sys.argv[2], number, 1 << 20)})
        stats, what = publisher.stats(), "arrays" if sys.argv[2] == "loaned array" else "bodies"
        print(stats[f"{what}_in_slots"], stats[f"{what}_without_slot"], flush=True)
        sys.stdin.read()
        """),
        name, kind,
    )
    assert poor.stdout.readline() == "open\n"
    with linkspan.Subscriber(name) as subscriber:
        for number in range(4):
            message = subscriber.next(timeout=SOON)
            assert is_whole(message["wave"], kind, message["number"], MIB)
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
                message = subscriber.recv(timeout=60.0)
                assert (message["wave"] == message["number"] % 251).all()
                print(message["number"], flush=True)
            for line in sys.stdin:
                print(became(take), flush=True)
            print("missed", subscriber.stats()["missed"], flush=True)
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
    # Only the message without memory counts as missed.
    subscriber.stdin.close()
    assert subscriber.stdout.readline() == "missed 1\n"
    assert counted(publisher) == (6, 0)


@needed("--mount")
@pytest.mark.parametrize("kind", LOANED)
def test_small_dev_shm_does_not_limit_published_loans(kind: str, start) -> None:
    child = start(
        CONTENT
        + """
publisher = linkspan.Publisher(sys.argv[1])
subscriber = linkspan.Subscriber(publisher.endpoint)
publisher.send(lent(publisher, sys.argv[2], 3, 10_000_000))
stats = publisher.stats()
print(is_whole(subscriber.recv(timeout=60.0).value, sys.argv[2], 3, 10_000_000), stats["arrays_in_slots"] + stats["bodies_in_slots"])
""",
        f"shm:test/small-published-{os.getpid()}", kind, within=["-m"], mounts="mount -t tmpfs -o size=64k tmpfs /dev/shm",
    )
    assert child.stdout.readline() == "True 1\n"


@pytest.mark.costly
@pytest.mark.parametrize(("kind", "views"), VIEWS)
def test_many_subscribers_are_killed_while_they_view(kind: str, views: bool, start, publisher) -> None:
    publish(publisher, 0, kind=kind)
    stays = subscribed(start, publisher, views)
    number = 0
    for round_ in range(20):
        dies = subscribed(start, publisher, views)
        ask(dies, "take")
        for _ in range(round_ % 5 + 1):
            number += 1
            publish(publisher, number, kind=kind)
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
    assert counted(publisher, kind)[1] == 0
    assert np.uint8(number % 251) == linkspan.latest(publisher.endpoint, timeout=SOON)["wave"][0]


#: Publishes lent arrays or short messages on command and prints each result.
PUBLISHER = CONTENT + """
publisher = linkspan.Publisher(sys.argv[1], buffer=64 << 20)
size, kind = int(sys.argv[2]), sys.argv[3]
def publish(verb, number):
    if verb == "short":
        publisher.send({"number": number})
    else:
        publisher.send({"number": number, "wave": lent(publisher, kind, number, size)})
print("open", flush=True)
publisher.wait_for_subscribers(1, timeout=60.0)
print("ready", flush=True)
for line in sys.stdin:
    verb, number = line.split()
    print(became(lambda: publish(verb, int(number))), flush=True)
stats = publisher.stats()
print(stats["arrays_in_slots"] + stats["bodies_in_slots"], flush=True)
"""


@pytest.mark.parametrize("limit", ["address space", "control group"])
@pytest.mark.parametrize("kind", LOANED)
def test_publisher_without_memory_for_slots_reports_it_and_uses_the_ring(kind: str, limit: str, group, start) -> None:
    """Memory has room for two arrays of 8 MiB, which the subscriber views; it copies bytes.

    Published messages arrive whole and in order; the publisher reports others.
    """
    name = f"shm:test/short-{os.getpid()}"
    publisher = start(PUBLISHER, name, str(8 * MIB), kind)
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
        leave(limit, publisher, group, 22 * MIB)
        received, views = [], []

        def take_all() -> None:
            while len(received) < len(published):
                message = subscriber.next(timeout=SOON)
                assert message.missed == 0
                received.append(message["number"])
                if "wave" in message.value:
                    assert is_whole(message["wave"], kind, message["number"], 8 * MIB)
                    views.append((message["number"], message.view("wave")))

        outcomes = []
        for _ in range(6):
            # Views of the first arrays block further arrays but not short messages.
            outcomes.append(publish("loan"))
            take_all()
            assert publish("short") == "done"
            take_all()
        assert set(outcomes) <= {"done", "OutOfMemory"} and outcomes.count("done") >= 2, outcomes
        assert "OutOfMemory" in outcomes or kind == "loaned bytes", outcomes
        assert all(is_whole(wave, kind, number, 8 * MIB) for number, wave in views)
        views.clear()
        gc.collect()
        # The newest array stays until a newer one replaces it.
        assert publish("loan") == "done"
        take_all()
        assert received == published
        publisher.stdin.close()
        assert int(publisher.stdout.readline()) >= 3
        assert publisher.wait(SOON) == 0
