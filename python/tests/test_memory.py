"""Encoding, decoding, sending, refusing and dropping leak nothing."""

import collections
import dataclasses
import datetime
import decimal
import os
import resource
import subprocess
import sys
import uuid

import linkspan
import numpy as np
import pytest


@dataclasses.dataclass
class Reading:
    celsius: float
    wave: object


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def grown(work, rounds):
    for _ in range(50):
        work()
    before = peak()
    for _ in range(rounds):
        work()
    return peak() - before


LIMIT = 16 << 20
BLOCK = 100_000  # bytes; two hundred leaked ones exceed the limit


def value():
    return {
        "reading": Reading(21.5, np.zeros(BLOCK // 8)),
        "big": 1 << 4000,
        "bytes": bytes(BLOCK),
        "text": "é" * BLOCK,
        "list": [collections.ChainMap({"a": 1}), uuid.uuid4(), decimal.Decimal("1.1"), np.float64(1)],
        "at": datetime.datetime.now(datetime.timezone.utc),
        "strided": np.zeros((BLOCK // 8, 2))[:, 0],
    }


@pytest.mark.costly
@pytest.mark.parametrize("encoding", ["cbor", "json", "bson", "smile"])
def test_round_trips(encoding):
    given = value()
    assert grown(lambda: linkspan.decode(linkspan.encode(given, encoding), encoding), 200) < LIMIT


def test_refusals():
    given, data = value(), linkspan.encode(value())

    def refuse():
        for call in (
            lambda: linkspan.encode([given, object()]),
            lambda: linkspan.encode({"x": given, 1: 2}),
            lambda: linkspan.decode(data[:-1]),
            lambda: linkspan.decode(data + b"\0"),
        ):
            with pytest.raises(linkspan.Error):
                call()

    assert grown(refuse, 200) < LIMIT


def test_calls():
    with linkspan.listen("lab/memory") as listener:
        near = linkspan.connect("lab/memory", timeout=60.0)
        far = listener.accept(timeout=60.0)
        given = {"wave": np.zeros(BLOCK // 8), "n": list(range(100))}

        def exchange():
            near.send(given)
            message = far.recv()
            assert message["wave"].nbytes == BLOCK and message.get("n/99") == 99

        assert grown(exchange, 500) < LIMIT


def test_creating_and_closing_objects_leaks_no_memory():
    def once():
        with linkspan.publisher("lab/come") as out:
            out.send(np.zeros(BLOCK // 8))
            reader = linkspan.subscribe("lab/come", on_wait=lambda: None)
            assert reader.recv(timeout=60.0).value.nbytes == BLOCK

    assert grown(once, 200) < 4 * LIMIT


def test_text_whose_utf_8_finds_no_memory_is_out_of_memory():
    """The interpreter makes and keeps a non-ASCII text's UTF-8 on demand."""
    program = """
import resource, linkspan
text = "\u00e9" * (24 << 20)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (16 << 20), resource.RLIM_INFINITY))
try:
    linkspan.encode({"text": text})
except linkspan.Error as error:
    print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert len(linkspan.encode({"text": text})) > 48 << 20
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "OutOfMemory\n"), done.stderr



#: Runs in a child with little further memory; a control group would kill it.
SHORT = """
import os, resource, sys, threading
import linkspan

MIB = 1 << 20

def short(body, room=8 * MIB):
    data = int(open("/proc/self/statm").read().split()[5]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_DATA, (data + room, resource.RLIM_INFINITY))
    try:
        body()
        return "done"
    except linkspan.OutOfMemory:
        return "OutOfMemory"
    except MemoryError:
        return "MemoryError"
    except BaseException as error:
        return f"{type(error)}: {error}"
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


def run(program, *arguments):
    # Freed blocks must not serve as room for others.
    surroundings = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    command = [sys.executable, "-c", SHORT + program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=surroundings)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.costly
@pytest.mark.parametrize("kind", ["bytes", "text", "wide text", "texts", "integers", "numbers", "map", "maps"])
def test_value_without_memory_for_its_objects_is_an_error_and_is_read_later(kind):
    """PyO3's constructors would panic here."""
    reads = run(
        """
size = 20 * MIB
encoded = linkspan.encode({"b": {
    "bytes": lambda: b"x" * size,
    "text": lambda: "x" * size,
    "wide text": lambda: "\U0001f600" * (size // 4),
    "texts": lambda: ["y" * 1000] * (size // 1000),
    "integers": lambda: [1 << 40] * (size // 32),
    "numbers": lambda: [0.5, None] * (size // 64),
    "map": lambda: {f"key {i}": 1 << 40 for i in range(size // 100)},
    "maps": lambda: [{f"key {i}": {"a": 0.5, "b": []}} for i in range(size // 200)],
}[sys.argv[1]]()})
# Not over shared memory, which makes objects of long bytes when the message arrives.
listener = linkspan.listen("unix:test/reader-" + str(os.getpid()))
one = linkspan.connect(listener.endpoint, timeout=60.0)
two = listener.accept(timeout=60.0)
sender = threading.Thread(target=one.send, args=[linkspan.decode(encoded)])
sender.start()
message = two.recv(timeout=60.0)
sender.join()
for read in (
    lambda: message.value,
    lambda: message["b"],
    lambda: repr(message),
    lambda: message.at("b"),
    lambda: linkspan.decode(encoded),
):
    print(short(read, 4 * MIB), flush=True)
assert message.value == linkspan.decode(encoded)
print("whole")
""",
        kind,
    )
    # A failed read frees memory for small objects, so another one may succeed.
    assert reads[-1] == "whole" and {"OutOfMemory"} <= set(reads[:-1]) <= {"OutOfMemory", "MemoryError", "done"}, reads


def test_encoding_without_memory_for_its_bytes_is_an_error():
    assert run("""
value = "x" * (40 * MIB)
print(short(lambda: linkspan.encode(value), 44 * MIB))
assert len(linkspan.encode(value)) > 40 * MIB
""") == ["OutOfMemory"]


@pytest.mark.parametrize("kind", ["bytes", "map with bytes", "text"])
@pytest.mark.parametrize("role", ["channel", "subscriber"])
def test_message_without_memory_for_its_bytes_stays_the_next(kind, role):
    """Its bytes are copied into a Python object, unlike the core's."""
    done = run(
        """
kind, role = sys.argv[1:]
name = "shm:test/stays-" + str(os.getpid())
size = 40 * MIB
value = {"bytes": b"x" * size, "map with bytes": {"a": 1, "b": b"x" * size}, "text": "x" * size}[kind]
if role == "channel":
    listener = linkspan.listen(name)
    one, two = linkspan.connect(name, timeout=60.0), None
    two = listener.accept(timeout=60.0)
else:
    one = linkspan.Publisher(name)
    two = linkspan.Subscriber(name)
    one.wait_for_subscribers(1, timeout=60.0)
one.send(0)
two.recv(timeout=60.0)
one.send(value)
one.send(2)
calls = [two.recv, two.try_recv, lambda: two.recv_many(8)]
for call in calls * 2:
    outcome = short(call)
    if role == "subscriber" and kind == "text":
        # It has not come into memory of this process, and is missed: the publisher waits for no one.
        assert outcome == "OutOfMemory", outcome
        try:
            two.recv(timeout=60.0)
        except linkspan.Lagged as error:
            assert error.missed == 1
        break
    print(outcome, flush=True)
else:
    assert two.recv(timeout=60.0).value == value
assert two.recv(timeout=60.0).value == 2
expected = 3
assert two.stats()["received"] == expected, two.stats()
print("whole")
""",
        kind, role,
    )
    assert done[-1] == "whole" and set(done[:-1]) <= {"OutOfMemory"}, done
    assert len(done) == (1 if (role, kind) == ("subscriber", "text") else 7)


def test_messages_in_front_of_one_without_memory_are_given():
    assert run("""
listener = linkspan.listen("shm:test/several-" + str(os.getpid()))
one = linkspan.connect(listener.endpoint, timeout=60.0)
two = listener.accept(timeout=60.0)
values = [0, b"x" * (20 * MIB), 2, b"y" * (20 * MIB), 4]
for value in values[:1]:
    one.send(value)
two.recv(timeout=60.0)
for value in values:
    one.send(value)
taken = []
print(short(lambda: taken.extend(two.recv_many(8)), 30 * MIB))
print([len(message.value) if message.encoding == "raw" or type(message.value) is bytes else message.value for message in taken])
taken += two.recv_many(8)
assert [message.value for message in taken] == values
""") == ["done", f"[0, {20 << 20}, 2]"]


def test_answer_without_memory_is_taken_by_another_try():
    assert run("""
server = linkspan.serve("shm:test/answer-" + str(os.getpid()))
answer = b"x" * (40 * MIB)
with linkspan.connect(server.endpoint, timeout=60.0) as client:
    for value in (0, answer):
        asked = client.start_call(1, timeout=60.0)
        server.next(timeout=60.0).reply(value)
        print(short(lambda: client.finish_call(asked)) if value else "begun")
        assert client.finish_call(asked).value == value
server.close()
""") == ["begun", "OutOfMemory"]
