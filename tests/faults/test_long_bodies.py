"""Long messages of each kind when either side is killed, and over a socket: they arrive whole, in order, and none is
lost."""

import os
import signal

import pytest
from long_messages import KINDS, MIB, RECEIVER, SENDER, SOON, ask, is_whole, slot_files

import linkspan


@pytest.mark.costly
@pytest.mark.parametrize("kind", KINDS)
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
        # One that was killed late may have had all of them.
        while seen < count and (lives is None or read < lives):
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
    assert sum(map(int, outcomes[count:])) > 0
    assert sender.wait(SOON) == 0


@pytest.mark.parametrize("kind", KINDS)
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
            assert message["number"] == number and is_whole(message["content"], kind, number, size)
        channel.close()
    del received, first, message
    assert slot_files() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_peer_without_slots_gets_long_messages_in_pieces(kind: str, start) -> None:
    """What this side has of slots is the same for each peer: over a socket there are none."""
    name = f"unix:test/pieces-{os.getpid()}"
    with linkspan.listen(name) as listener:
        sender = start(SENDER, name, kind, str(MIB))
        channel = listener.accept(timeout=SOON)
        channel.recv(timeout=SOON)
        ask(sender, 7)
        assert is_whole(channel.recv(timeout=SOON)["content"], kind, 7, MIB)
        assert [sender.stdout.readline() for _ in range(2)] == ["ready\n", "done\n"]
        sender.stdin.close()
        assert sender.stdout.readline() == "0 0 0 0\n"
