"""Endless meaningless frames: other clients get their turn, and each call returns at its deadline."""

import os
from collections.abc import Callable

import pytest

from party import SOON
from peer import Host, Pulpit, flooding, hang_up, meet
from scene import Scene
from independent import ACK, BYE, CBOR, DATA, HELLO, REPLY, Frame, Link

Scenes = Callable[[str, str], Scene]
#: Kinds without a meaning for the waiting peer, sent repeatedly.
NOISE = {
    "acknowledgements": Frame(ACK),
    "byes": Frame(BYE),
    "hellos": Frame(HELLO, CBOR, body=b"\xa0"),
    "the same message": Frame(DATA, CBOR, 0, 1, 0, 0, b"", b"\x01"),
    "answers to nothing": Frame(REPLY, CBOR, 0, 1, 4711, 0, b"", b"\x01"),
}


def many(link: Link, frame: Frame, count: int = 1000) -> bytes:
    return frame.to_bytes(link.stream.checked) * count


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_server_serves_others_under_noise(scene: Scenes, transport: str, noise: str) -> None:
    honest = scene(transport, "request")
    with honest.judged():
        link = meet(transport, honest.directory, honest.endpoint, "request")
        with flooding(link, many(link, NOISE[noise])):
            for _ in range(5):
                honest.work(1)
            honest.newcomer()
        hang_up(link)


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_server_keeps_its_deadline_under_noise(scene: Scenes, transport: str, noise: str) -> None:
    """The server has only this client and waits for a request with a time-out."""
    honest = scene(transport, "request")
    with honest.judged():
        wanted = "tcp://127.0.0.1:0" if transport == "tcp" else "unix:lab/alone"
        endpoint = honest.host.do("serve_by_hand", "alone", wanted)
        link = meet(transport, honest.directory, endpoint, "request")
        with flooding(link, many(link, NOISE[noise])):
            became = [honest.host.outcome("next_request", "alone", timeout) for timeout in (0.1, 0.1, 0)]
            assert "Timeout" in became or "Empty" in became, became
        hang_up(link)
        honest.host.do("close", "alone")


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_server_serves_others_in_turn_under_a_flood_of_messages(scene: Scenes, transport: str) -> None:
    honest = scene(transport, "request")
    with honest.judged():
        links = [meet(transport, honest.directory, honest.endpoint, "request") for _ in range(2)]
        data = [Frame(DATA, CBOR, 0, n, 0, 0, b"", b"\x01").to_bytes(transport == "tcp") for n in range(1, 100_000)]
        whole = b"".join(data)
        with flooding(links[0], whole), flooding(links[1], whole):
            for _ in range(10):
                honest.work(1)
            honest.newcomer()
        for link in links:
            hang_up(link)


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("pattern", ["request", "channel"])
def test_client_keeps_its_deadlines_under_noise(scene: Scenes, pattern: str, noise: str) -> None:
    honest = scene("unix", pattern)
    name = "unix:hostile/noise"
    with honest.judged():
        host = Host(honest.directory, name)
        coming = honest.guest.begin("connect", "hostile", name, timeout=SOON)
        link = host.accept(pattern)
        host.hide()
        coming.result(SOON)
        with flooding(link, many(link, NOISE[noise])):
            for order in (("call", "hostile", ["more"], 0.1), ("recv", "hostile", 0.1), ("try_recv", "hostile")):
                became = honest.guest.outcome(*order)
                assert became in {"Timeout", "done", "Empty", "InvalidState", "Malformed", "Disconnected", "NotFound"}, (order, became)
            honest.work()
            honest.guest.outcome("close_at_once", "hostile")
        hang_up(link)


@pytest.mark.costly
@pytest.mark.parametrize("delivery", ["best_effort", "latest"])
@pytest.mark.parametrize("noise", [*NOISE, "new messages"])
def test_subscriber_keeps_its_deadline_under_noise(scene: Scenes, noise: str, delivery: str) -> None:
    honest = scene("unix", "publish")
    name = "unix:hostile/noise"
    with honest.judged():
        host = Host(honest.directory, name)
        coming = honest.guest.begin("subscribe", "hostile", name, timeout=SOON, delivery=delivery)
        link = host.accept("publish")
        coming.result(SOON)
        reading = honest.guest.begin("drain", "hostile", 5, 0.1)
        host.hide()
        if noise == "new messages":
            data = b"".join(Frame(DATA, CBOR, 0, n, 0, 0, b"", b"\x01").to_bytes() for n in range(1, 100_000))
        else:
            data = many(link, NOISE[noise])
        with flooding(link, data):
            reading.result(SOON)
            honest.guest.outcome("try_recv", "hostile")
            honest.work()
        honest.guest.do("close", "hostile")
        hang_up(link)


@pytest.mark.costly
def test_subscriber_keeps_its_deadline_at_a_publisher_that_always_moves(scene: Scenes) -> None:
    honest = scene("shm", "publish")
    name = "shm:hostile/moving"
    with honest.judged():
        made = Pulpit(honest.directory, name)
        made.publish(["good"])
        made.memory[512] = 2
        coming = honest.guest.begin("subscribe", "hostile", name, timeout=SOON)
        made.admit()
        coming.result(SOON)
        reading = honest.guest.begin("drain", "hostile", 3, 0.1)
        made.listener.socket.settimeout(0.2)
        while not reading.done():
            try:
                made.admit()
            except TimeoutError:
                continue
            if len(made.subscribers) > 100:
                s, descriptors = made.subscribers.pop(0)
                s.close()
                for fd in descriptors:
                    os.close(fd)
        assert len(reading.result(SOON)) == 3
        honest.work()
        honest.guest.do("close", "hostile")
        made.close()
