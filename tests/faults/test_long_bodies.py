"""Long messages under kills of either side, and over a socket: whole, in order, complete."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import independent
import pytest
import shared_memory
from long_messages import BODIES, KINDS, MIB, RECEIVER, SENDER, SOON, ask, content, is_whole, made, slot_files

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
        while seen < count and (lives is None or read < lives):
            number = int(receiver.stdout.readline())
            assert number <= seen
            seen, read = max(seen, number + 1), read + 1
        if lives is not None:
            receiver.send_signal(signal.SIGKILL)
            receiver.wait(SOON)
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


#: Bytes; the other implementation accepts a mebibyte.
LENGTH = 900_000


def counts(stats: dict) -> dict[str, int]:
    """Returns how many arrays and bodies used slots, and how many lacked one."""
    names = ("arrays_in_slots", "arrays_without_slot", "bodies_in_slots", "bodies_without_slot")
    return {name: stats[name] for name in names if stats[name]}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LINKSPAN_DIR", str(tmp_path))
    return tmp_path


def at_once(*calls: Callable[[], object]) -> list[object]:
    results: list[object] = [None] * len(calls)

    def call(at: int) -> None:
        results[at] = calls[at]()

    threads = [threading.Thread(target=call, args=[at], daemon=True) for at in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
        assert not thread.is_alive()
    return results


@pytest.mark.parametrize("kind", BODIES)
def test_peer_whose_hello_has_no_slots_exchanges_long_messages_over_shared_memory(kind: str, place: Path) -> None:
    """The other implementation knows only rings, so no slot is created or counted as missing."""
    with linkspan.listen("shm:test/pieces") as listener:
        link = shared_memory.connect_shm(place / "test@pieces.shm", "channel")
        link.send(independent.DATA, 0)
        channel = listener.accept(timeout=SOON)
        assert channel.recv(timeout=SOON).value == 0
        for number in range(4):
            def send(number: int = number) -> None:
                channel.send({"number": number, "content": made(channel, kind, number, LENGTH)}, timeout=SOON)

            frame = at_once(link.receive, send)[0]
            assert frame.value()["number"] == number
            assert is_whole(frame.value()["content"], kind, number, LENGTH)
            link.acknowledge()
            value = {"number": number, "content": content("bytes" if "bytes" in kind else kind, number, LENGTH)}
            message = at_once(lambda: channel.recv(timeout=SOON), lambda value=value: link.send(independent.DATA, value))[0]
            assert message.value == value
        assert (counts(channel.stats()), slot_files()) == ({}, 0)
        channel.close()


@pytest.mark.parametrize("kind", BODIES)
def test_caller_whose_hello_has_no_slots_gets_long_answers_over_shared_memory(kind: str, place: Path) -> None:
    with linkspan.serve("shm:test/answers") as server:
        client = shared_memory.connect_shm(place / "test@answers.shm", "request")

        def answer() -> None:
            request = server.next(timeout=SOON)
            value = {"asked": request.value["number"], "content": made(request, kind, request.value["number"], LENGTH)}
            request.reply(value)

        for number in range(4):
            value = {"number": number, "content": content("bytes" if "bytes" in kind else kind, number, LENGTH)}

            def serve(number: int = number) -> None:
                answer()
                # The rest of the answer is written while the server works.
                with pytest.raises(linkspan.Timeout):
                    server.next(timeout=0.5)

            reply = at_once(lambda value=value: client.call(value), serve)[0]
            assert reply["asked"] == number and is_whole(reply["content"], kind, number, LENGTH)
        assert slot_files() == 0


@pytest.mark.parametrize("kind", BODIES)
def test_subscriber_whose_hello_has_no_slots_gets_all_beside_one_that_has_them(kind: str, place: Path) -> None:
    """While it is connected, the ring carries long messages for all subscribers; before and after, slots do."""
    size = 300_000

    def publish(number: int) -> None:
        out.send({"number": number, "content": made(out, kind, number, size)})

    with linkspan.publisher("shm:test/ring") as out, linkspan.subscribe("shm:test/ring") as knows:
        out.wait_for_subscribers(1, timeout=SOON)

        def comes(number: int) -> None:
            message = knows.recv(timeout=SOON)
            assert message["number"] == number and is_whole(message["content"], kind, number, size)

        publish(0)
        comes(0)
        before = counts(out.stats())
        assert before == {"bodies_in_slots": 1}
        other = shared_memory.Subscriber(place / "test@ring.shm")
        assert other.next().value()["number"] == 0
        for number in range(1, 12):
            publish(number)
            value = other.next().value()
            assert value["number"] == number and is_whole(value["content"], kind, number, size)
            comes(number)
        assert counts(out.stats()) == before
        other.close()
        out.flush(timeout=SOON)
        number = 12
        while counts(out.stats()) == before:
            publish(number)
            comes(number)
            number += 1
            assert number < 200
