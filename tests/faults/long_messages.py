"""Long messages of each kind, in own or lent memory, with checks for completeness."""

import os
import select
import subprocess
from pathlib import Path

import linkspan

SOON = 60.0
MIB = 1 << 20

#: Kinds in memory that a channel, publisher or request lends.
LOANED = ["loaned array", "loaned bytes"]
#: Kinds that lie in one slot.
BODIES = ["bytes", "loaned bytes", "text", "structure"]
KINDS = ["loaned array", *BODIES]

#: `made` returns the message of a number with about this many bytes; `is_whole` checks a received one.
CONTENT = """
import numpy
kept = {}

def elements(memory):
    return numpy.frombuffer(memory, "u1")

def place(memory):
    return elements(memory).__array_interface__["data"][0]

def lent(lender, kind, number, size):
    loan = lender.loan(size, "u1") if kind == "loaned array" else lender.loan_bytes(size)
    elements(loan)[:] = number % 256
    return loan

def content(kind, number, size):
    if kind == "array":
        return numpy.full(size, number % 256, "u1")
    if kind == "bytes":
        return bytes([number % 256]) * size
    if kind == "text":
        return chr(0x100 + number % 256) * (size // 2)
    return {f"key {i}": number + i for i in range(size // 16)}

def made(lender, kind, number, size):
    if kind.startswith("loaned"):
        return lent(lender, kind, number, size)
    return kept[number] if number in kept else content(kind, number, size)

def is_whole(value, kind, number, size):
    if kind in ("text", "structure"):
        return value == content(kind, number, size)
    return len(value) == size and bool((elements(value) == number % 256).all())
"""

#: Sends a message for each number that it reads and prints the result; finally prints how many arrays and bodies
#: used slots, and how many did not.
SENDER = CONTENT + """
name, kind, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
channel = linkspan.connect(name, timeout=60.0)
channel.send(0)
# A program without memory must fail at the send.
if not kind.startswith("loaned"):
    kept.update((number, content(kind, number, size)) for number in range(8))
print("ready", flush=True)
for line in sys.stdin:
    print(became(lambda: channel.send({"number": int(line), "content": made(channel, kind, int(line), size)})), flush=True)
stats = channel.stats()
print(*(stats[name] for name in ("arrays_in_slots", "arrays_without_slot", "bodies_in_slots", "bodies_without_slot")), flush=True)
channel.close(timeout=60.0)
"""

RECEIVER = CONTENT + """
name, kind, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
listener = linkspan.listen(name)
print("ready", flush=True)
channel = listener.accept(timeout=60.0)
for message in iter(lambda: channel.recv(timeout=60.0), None):
    value = message.value
    if isinstance(value, int): continue
    number = value["number"]
    print(number if is_whole(value["content"], kind, number, size) else "damaged", flush=True)
"""

HERE: dict = {}
exec(CONTENT, HERE)
elements, lent, content, made, is_whole = (HERE[name] for name in ("elements", "lent", "content", "made", "is_whole"))


def readable(stream, seconds: float) -> bool:
    return bool(select.select([stream], [], [], seconds)[0])


def ask(process: subprocess.Popen, number: int) -> None:
    process.stdin.write(f"{number}\n")
    process.stdin.flush()


def slot_files() -> int:
    """Returns how many slot descriptors this process has."""
    links = (os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink())
    return sum("linkspan-slot" in link for link in links)


def send_each(sender: subprocess.Popen, channel: linkspan.Channel, kind: str, numbers: range, size: int) -> tuple[list, list[str]]:
    """Has these messages sent and acknowledged one by one; returns them and the sender's results."""
    held: list = []
    outcomes: list[str] = []

    def take() -> None:
        held.append(channel.recv(timeout=SOON))
        channel.ack()
        assert held[-1]["number"] == numbers[len(outcomes)]
        assert is_whole(held[-1]["content"], kind, numbers[len(outcomes)], size)

    for number in numbers:
        ask(sender, number)
        # Parts of sent messages may arrive during the wait; unsent messages were reported.
        while not (line := readable(sender.stdout, 0.05)) and not channel.poll():
            assert sender.poll() is None
        if channel.poll() or not line:
            take()
        outcome = sender.stdout.readline().strip()
        if outcome == "done" and outcomes.count("done") + 1 > len(held):
            take()
        outcomes.append(outcome)
    assert outcomes.count("done") == len(held), outcomes
    return held, outcomes
