"""Two programs keep one slot and one copy of long messages, after few messages or many."""

import subprocess
import sys

import pytest
from conftest import endpoint

MB = 1_000_000
#: Bytes of both programs for one message under way.
MOST = 2_200_000

#: Receives and reports while it keeps only the message, until its input ends.
RECEIVER = """
import sys, linkspan
channel = linkspan.connect(sys.argv[1], timeout=60.0)
channel.send("ready")
while True:
    message = channel.recv(timeout=60.0)
    length = len(message.value)
    print(length, flush=True)
    if not sys.stdin.readline():
        break
    del message
"""


# Separate programs, because allocators reuse memory of other tests.
SENDER = """
import os, re, subprocess, sys
import linkspan

MB = 1_000_000
kind, name, times, receives = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

def held(*processes):
    # The bytes of memory files and private memory; shared pages count once.
    maps = [open(f"/proc/{process}/smaps_rollup").read() for process in processes]
    return sum(1024 * int(found) for text in maps for found in re.findall(r"^Pss_(?:Anon|Shmem):\\s+(\\d+) kB", text, re.M))

listener = linkspan.listen(name, encoding="raw" if kind == "raw" else "cbor")
receiver = subprocess.Popen([sys.executable, "-c", receives, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
channel = listener.accept(timeout=60.0)
channel.recv(timeout=60.0)
frame = os.urandom(MB)
value = {"bytes": frame, "raw": frame, "map": {"frame": frame, "number": 1}, "text": "x" * MB}[kind]
short = {"bytes": b"a" * 40_000, "raw": b"a" * 40_000, "map": {"frame": b"a" * 40_000, "number": 1}, "text": "a" * 40_000}[kind]

def exchange(value):
    channel.send(value, timeout=60.0)
    receiver.stdout.readline()

def go_on():
    receiver.stdin.write("\\n")
    receiver.stdin.flush()
    # The program has dropped the message, and receives again.
    channel.flush(timeout=60.0)

def both():
    return held(os.getpid(), receiver.pid)

# Warms up the programs' own memory.
for _ in range(20):
    exchange(short)
    go_on()
exchange(short)
before = both()
go_on()
sizes = []
for number in range(1, times + 1):
    exchange(value)
    if number <= 10 or number == times:
        sizes.append(both() - before)
    if number < times:
        go_on()
print(*sizes)
receiver.stdin.close()
receiver.wait(60)
"""


@pytest.mark.parametrize("kind", ["bytes", "raw", "map"])
def test_long_message_between_two_programs_takes_its_slot_and_one_copy_also_after_many(kind):
    command = [sys.executable, "-c", SENDER, kind, endpoint("shm"), "300", RECEIVER]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    sizes = [int(size) for size in ran.stdout.split()]
    assert all(MB < size <= MOST for size in sizes), sizes
