"""What is encoded, decoded, sent, refused and dropped leaves nothing behind."""

import collections
import dataclasses
import datetime
import decimal
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
    """The most memory that this process has ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def grown(work, rounds):
    for _ in range(50):
        work()
    before = peak()
    for _ in range(rounds):
        work()
    return peak() - before


LIMIT = 16 << 20
BLOCK = 100_000  # bytes; two hundred of them that are kept are over the limit


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
    """The interpreter makes the UTF-8 of a text that is no ASCII when it is asked for it, and keeps it."""
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
