"""Published long messages with slow, stopped or killed programs and little memory.

Messages arrive whole, and lost ones are counted.
"""

import os
import random
import signal
import time

import pytest
from long_messages import BODIES, CONTENT, MIB, SOON, ask, is_whole, slot_files

import linkspan
from support.memory import leave
from support.namespaces import needed

#: Publishes the numbers that it reads, or consecutive numbers after "go on". Prints results or their count, and then
#: the bodies with and without slots.
PUBLISHER = CONTENT + """
import select
name, kind, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
publisher = linkspan.Publisher(name, max_message_size=max(4 * size, 1 << 20))
kept.update((number, content(kind, number, size)) for number in range(8))
number = 0
def publish():
    publisher.send({"number": number, "content": made(publisher, kind, number % 8, size)})
print("ready", flush=True)
for line in sys.stdin:
    if line == "go on\\n":
        while not select.select([sys.stdin], [], [], 0)[0]:
            publish()
            number += 1
        print(number, flush=True)
    elif line != "enough\\n":
        number = int(line)
        print(became(publish), flush=True)
        number += 1
stats = publisher.stats()
print(stats["bodies_in_slots"], stats["bodies_without_slot"], flush=True)
publisher.close(timeout=60.0)
"""

SUBSCRIBER = CONTENT + """
name, kind, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
subscriber = linkspan.Subscriber(name)
print("ready", flush=True)
for message in iter(lambda: subscriber.next(timeout=60.0), None):
    value = message.value
    whole = is_whole(value["content"], kind, value["number"] % 8, size)
    print(value["number"] if whole else "damaged", message.missed, flush=True)
"""


def begun(start, kind: str, size: int):
    name = f"shm:test/bodies-{os.getpid()}"
    publisher = start(PUBLISHER, name, kind, str(size))
    assert publisher.stdout.readline() == "ready\n"
    return name, publisher


def say(process, line: str) -> None:
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def received(subscriber: linkspan.Subscriber, kind: str, size: int) -> tuple[int, int]:
    """Returns the next message's number and the missed count before it; asserts that it is whole."""
    message = subscriber.next(timeout=SOON)
    number = message["number"]
    assert is_whole(message["content"], kind, number % 8, size), number
    return number, message.missed


@pytest.mark.costly
@pytest.mark.parametrize("kind", BODIES)
def test_subscriber_slower_than_its_publisher_receives_and_counts_what_it_missed(kind: str, start) -> None:
    name, publisher = begun(start, kind, MIB)
    with linkspan.Subscriber(name) as subscriber:
        say(publisher, "go on")
        expected = None
        for _ in range(20):
            number, missed = received(subscriber, kind, MIB)
            assert expected in (None, number - missed)
            expected = number + 1
        say(publisher, "enough")
        published = int(publisher.stdout.readline())
        while expected < published:
            number, missed = received(subscriber, kind, MIB)
            assert number - missed == expected
            expected = number + 1
        publisher.stdin.close()
        in_slots, without = map(int, publisher.stdout.readline().split())
        assert (in_slots, without) == (published, 0)


@pytest.mark.costly
@pytest.mark.parametrize("kind", BODIES)
def test_subscribers_that_are_stopped_or_killed_while_they_copy_cost_the_others_nothing(kind: str, start) -> None:
    size, seed = MIB, int(os.environ.get("LINKSPAN_SEED", time.time_ns() % 10**9))
    print(f"LINKSPAN_SEED={seed}")
    chance = random.Random(seed)
    name, publisher = begun(start, kind, size)
    stays = start(SUBSCRIBER, name, kind, str(size))
    assert stays.stdout.readline() == "ready\n"
    say(publisher, "go on")
    for round_ in range(4):
        dies = start(SUBSCRIBER, name, kind, str(size))
        assert dies.stdout.readline() == "ready\n" and dies.stdout.readline()
        time.sleep(chance.uniform(0, 0.02))
        if round_ % 2:
            dies.send_signal(signal.SIGSTOP)
            assert all("damaged" not in stays.stdout.readline() for _ in range(5))
        dies.send_signal(signal.SIGKILL)
        dies.wait(SOON)
        assert all("damaged" not in stays.stdout.readline() for _ in range(3))
    say(publisher, "enough")
    published = int(publisher.stdout.readline())
    publisher.stdin.close()
    # Each keeps a slot until its end is noticed, and there are at least four slots.
    assert publisher.stdout.readline() == f"{published} 0\n"
    last = [line for line in stays.stdout.read().splitlines() if line]
    assert last and last[-1].split()[0] == str(published - 1)


@pytest.mark.costly
@pytest.mark.parametrize("kind", BODIES)
def test_killed_publisher_leaves_whole_messages_and_no_files(kind: str, start) -> None:
    name, publisher = begun(start, kind, MIB)
    with linkspan.Subscriber(name, timeout=SOON) as subscriber:
        for number in range(3):
            ask(publisher, number)
            assert publisher.stdout.readline() == "done\n"
        assert received(subscriber, kind, MIB)[0] in (0, 1, 2)
        say(publisher, "go on")
        received(subscriber, kind, MIB)
        publisher.send_signal(signal.SIGKILL)
        publisher.wait(SOON)
        again = start(PUBLISHER, name, kind, str(MIB))
        assert again.stdout.readline() == "ready\n"
        ask(again, 1_000_000)
        while received(subscriber, kind, MIB)[0] != 1_000_000:
            pass
    assert slot_files() == 0


@pytest.mark.costly
@pytest.mark.parametrize("limit", ["address space", "control group"])
@pytest.mark.parametrize("kind", BODIES)
def test_publisher_without_memory_publishes_whole_messages_or_fails_with_the_reason(kind: str, limit: str, start, group) -> None:
    """Failed messages use no number, so the subscriber misses none."""
    size = MIB if kind == "structure" else 4 * MIB
    name, publisher = begun(start, kind, size)
    with linkspan.Subscriber(name, max_message_size=64 * MIB) as subscriber:
        ask(publisher, 0)
        assert publisher.stdout.readline() == "done\n"
        assert received(subscriber, kind, size) == (0, 0)
        # The kernel kills a process beyond its group's limit, so a message and its ring must fit.
        leave(limit, publisher, group, 3 * size if limit == "address space" else 24 * size)
        for number in range(1, 7):
            ask(publisher, number)
            outcome = publisher.stdout.readline()
            assert outcome in ("done\n", "OutOfMemory\n")
            if outcome == "done\n":
                assert received(subscriber, kind, size) == (number, 0)
        publisher.stdin.close()
        assert publisher.wait(SOON) == 0


@pytest.mark.costly
@needed("--mount")
@pytest.mark.parametrize("kind", BODIES)
def test_full_dev_shm_does_not_limit_published_bodies(kind: str, start) -> None:
    child = start(
        CONTENT
        + """
name, kind = sys.argv[1], sys.argv[2]
fill("/dev/shm")
publisher = linkspan.Publisher(name)
subscriber = linkspan.Subscriber(publisher.endpoint)
for number in range(4):
    publisher.send({"content": made(publisher, kind, number, 3_000_000)})
    assert is_whole(subscriber.recv(timeout=60.0)["content"], kind, number, 3_000_000)
print(publisher.stats()["bodies_in_slots"], flush=True)
""",
        f"shm:test/full-bodies-{os.getpid()}", kind, within=["-m"], mounts="mount -t tmpfs -o size=64k tmpfs /dev/shm",
    )
    assert child.stdout.readline() == "4\n"
