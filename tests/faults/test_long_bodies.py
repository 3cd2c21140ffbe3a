"""Long bytes and long structure under low memory, and when either side is killed: messages arrive whole, in order, and none is lost."""

import os
import signal

import pytest
from test_loans import ask, files, group, leave, readable  # noqa: F401

import linkspan
from support.namespaces import needed

SOON = 30.0
MIB = 1 << 20

#: What is sent under a number: bytes, a text, or a map of many values, of about so many bytes.
CONTENT = """
def content(kind, number, size):
    if kind == "bytes":
        return bytes([number % 256]) * size
    if kind == "text":
        return chr(0x100 + number % 256) * (size // 2)
    return {f"key {i}": number + i for i in range(size // 16)}
"""


def content(kind: str, number: int, size: int):
    """The same here, where it is compared."""
    names: dict = {}
    exec(CONTENT, names)
    return names["content"](kind, number, size)


#: Sends a message of each number that it reads, and prints what became of it.
SENDER = CONTENT + """
name, kind, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
channel = linkspan.connect(name, timeout=30.0)
channel.send(0)
print("ready", flush=True)
for line in sys.stdin:
    print(became(lambda: channel.send({"number": int(line), "content": content(kind, int(line), size)})), flush=True)
stats = channel.stats()
print(stats["bodies_in_slots"], stats["bodies_without_slot"], flush=True)
channel.close(timeout=30.0)
"""

#: Prints the number of each message that is whole.
RECEIVER = CONTENT + """
name, kind, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
listener = linkspan.listen(name)
print("ready", flush=True)
channel = listener.accept(timeout=30.0)
for message in iter(lambda: channel.recv(timeout=30.0), None):
    value = message.value
    if isinstance(value, int): continue
    number = value["number"]
    print(number if value["content"] == content(kind, number, size) else "damaged", flush=True)
"""


@pytest.mark.parametrize("kind", ["bytes", "text", "structure"])
def test_sender_without_memory_for_slots_sends_or_fails_with_the_reason(kind: str, start, group) -> None:  # noqa: F811
    """There is room for two or three messages more, with what the interpreter makes of each."""
    name, size = f"shm:test/short-body-{os.getpid()}", {"bytes": 8, "text": 2, "structure": 1}[kind] * MIB
    with linkspan.listen(name) as listener:
        sender = start(SENDER, name, kind, str(size))
        channel = listener.accept(timeout=SOON)
        channel.recv(timeout=SOON)
        assert sender.stdout.readline() == "ready\n"
        leave("address space", sender, group, 24 * MIB)
        outcomes, received = [], 0
        for number in range(6):
            ask(sender, number)
            while not (line := readable(sender.stdout, 0.05)) and not channel.poll():
                assert sender.poll() is None
            if channel.poll() or not line:
                message = channel.recv(timeout=SOON)
                assert message["number"] == number and message["content"] == content(kind, number, size)
                received += 1
            outcomes.append(sender.stdout.readline().strip())
            if outcomes[-1] == "done" and outcomes.count("done") > received:
                message = channel.recv(timeout=SOON)
                assert message["number"] == number and message["content"] == content(kind, number, size)
                received += 1
        assert outcomes.count("done") == received, outcomes
        assert set(outcomes) <= {"done", "OutOfMemory"}, outcomes
        sender.stdin.close()
        in_slots, without_slot = (int(word) for word in sender.stdout.readline().split())
        assert in_slots + without_slot == received
        with pytest.raises(linkspan.Disconnected):
            channel.recv(timeout=SOON)
        assert sender.wait(SOON) == 0


@pytest.mark.parametrize("kind", ["bytes", "text", "structure"])
def test_killed_receivers_and_their_successor_get_each_message_whole_and_in_order(kind: str, start) -> None:
    name, size, count = f"shm:test/next-body-{os.getpid()}", 300_000, 20
    sender = start(SENDER, name, kind, str(size))
    seen = 0
    for lives in (3, 1, 5, None):
        receiver = start(RECEIVER, name, kind, str(size))
        assert receiver.stdout.readline() == "ready\n"
        if seen == 0 and lives == 3:
            assert sender.stdout.readline() == "ready\n"
            sender.stdin.write("".join(f"{number}\n" for number in range(count)))
            sender.stdin.close()
        read = 0
        while seen < count if lives is None else read < lives:
            number = int(receiver.stdout.readline())
            # What a killed program had printed and not acknowledged comes again.
            assert number <= seen
            seen, read = max(seen, number + 1), read + 1
        if lives is not None:
            receiver.send_signal(signal.SIGKILL)
            receiver.wait(SOON)
            # What it had consumed and printed before it died does not come again.
            for line in receiver.stdout.read().splitlines(keepends=True):
                if line.endswith("\n"):
                    assert int(line) <= seen
                    seen = max(seen, int(line) + 1)
    outcomes = sender.stdout.read().split()
    assert outcomes[:count] == ["done"] * count
    assert int(outcomes[count]) > 0
    assert sender.wait(SOON) == 0


@pytest.mark.parametrize("kind", ["bytes", "text", "structure"])
def test_killed_sender_leaves_whole_messages_and_no_files(kind: str, start) -> None:
    name, size = f"shm:test/last-body-{os.getpid()}", MIB
    with linkspan.listen(name) as listener:
        sender = start(SENDER, name, kind, str(size))
        channel = listener.accept(timeout=SOON)
        channel.recv(timeout=SOON)
        assert sender.stdout.readline() == "ready\n"
        for number in range(3):
            ask(sender, number)
        first = channel.recv(timeout=SOON)
        sender.send_signal(signal.SIGKILL)
        sender.wait(SOON)
        received = [first]
        with pytest.raises(linkspan.Disconnected):
            while True:
                received.append(channel.recv(timeout=SOON))
        for number, message in enumerate(received):
            assert message["number"] == number and message["content"] == content(kind, number, size)
        channel.close()
    del received, first, message
    assert not [link for link in files() if "linkspan-slot" in link]


@needed("--mount")
def test_small_dev_shm_does_not_limit_bodies(start) -> None:
    """Slots are memory files, which are in no directory."""
    child = start(
        """
        name = sys.argv[1]
        listener = linkspan.listen(name)
        one = linkspan.connect(name, timeout=30.0)
        two = listener.accept(timeout=30.0)
        one.send(0)
        two.recv(timeout=30.0)
        one.send(bytes(10_000_000))
        print(len(two.recv(timeout=30.0).value), one.stats()["bodies_in_slots"])
        """,
        f"shm:test/small-body-{os.getpid()}", within=["-m"], mounts="mount -t tmpfs -o size=64k tmpfs /dev/shm",
    )
    assert child.stdout.readline() == "10000000 1\n"


def test_peer_without_slots_gets_long_bodies_in_pieces(start) -> None:
    """What this side has of slots is the same for each peer: over a socket there are none."""
    name = f"unix:test/pieces-{os.getpid()}"
    with linkspan.listen(name) as listener:
        sender = start(SENDER, name, "bytes", str(MIB))
        channel = listener.accept(timeout=SOON)
        channel.recv(timeout=SOON)
        ask(sender, 7)
        assert channel.recv(timeout=SOON)["content"] == content("bytes", 7, MIB)
        assert [sender.stdout.readline() for _ in range(2)] == ["ready\n", "done\n"]
        sender.stdin.close()
        assert sender.stdout.readline() == "0 0\n"
