"""Hostile frames to listeners and clients; others continue to work."""

from collections.abc import Callable, Iterator
from random import Random

import pytest

import frames
import independent
from party import EFFORT, SOON, some
from peer import Meddler, hang_up, host_at, ignoring_its_end, looks, meet, put_bytes
from scene import Scene
from independent import DATA, REPLY, REQUEST, Frame, Link

Scenes = Callable[[str, str], Scene]
KIND = {"request": REQUEST, "channel": DATA, "publish": DATA}
BYTES = [(transport, pattern) for transport in ("unix", "tcp") for pattern in ("request", "channel", "publish")]


def client(scene: Scene) -> Link:
    return meet(scene.transport, scene.directory, scene.endpoint, scene.pattern)


def put_frames(link: Link, frames_sent: list[Frame]) -> None:
    if not isinstance(link.stream, Meddler):
        put_bytes(link, b"".join(frame.to_bytes(link.stream.checked) for frame in frames_sent))
        return
    with ignoring_its_end():
        for frame in frames_sent:
            link.stream.put(frame)


@pytest.mark.parametrize(("transport", "pattern"), BYTES)
def test_client_flips_each_bit_of_a_header(scene: Scenes, chance: Random, transport: str, pattern: str) -> None:
    honest = scene(transport, pattern)
    with honest.judged():
        cases = [*frames.bits(KIND[pattern], 1), *frames.fields(KIND[pattern], 1)]
        for n, (_, data) in enumerate(some(chance, cases, 250)):
            link = client(honest)
            put_bytes(link, data)
            if n % 16 == 0:
                looks(link)
                honest.work(1)
            hang_up(link)
        honest.work()


@pytest.mark.parametrize(("transport", "pattern"), [*BYTES, ("shm", "request"), ("shm", "channel")])
def test_client_sends_invalid_frames(scene: Scenes, transport: str, pattern: str) -> None:
    honest = scene(transport, pattern)
    with honest.judged():
        for _, frames_sent in frames.misplaced(1):
            link = client(honest)
            put_frames(link, frames_sent)
            looks(link, 0.003)
            honest.work(1)
            hang_up(link)


@pytest.mark.parametrize(("transport", "pattern"), BYTES)
def test_client_sends_mutated_frames(scene: Scenes, chance: Random, transport: str, pattern: str) -> None:
    honest = scene(transport, pattern)
    with honest.judged():
        for n in range(100 * EFFORT):
            link = client(honest)
            put_bytes(link, frames.scramble(chance, 1))
            looks(link, 0.002)
            hang_up(link)
            if n % 16 == 0:
                honest.work(1)


# A hostile server whose client also uses another server.


@pytest.fixture
def victim(scene: Scenes) -> Iterator[Callable[[Scene], Link]]:
    links: list[Link] = []

    def new(honest: Scene) -> Link:
        host = host_at(honest.transport, honest.directory, "hostile/server")
        coming = honest.guest.begin("connect", "hostile", host.endpoint, timeout=SOON)
        links.append(link := host.accept(honest.pattern))
        host.hide()
        coming.result(SOON)
        return link

    yield new
    for link in links:
        hang_up(link)


def use(honest: Scene) -> None:
    honest.guest.outcome("recv", "hostile", 0.002)
    honest.guest.outcome("call", "hostile", ["more"], 0.002)


def part(honest: Scene, link: Link) -> None:
    honest.guest.outcome("close_at_once", "hostile")
    hang_up(link)


@pytest.mark.parametrize("pattern", ["request", "channel"])
def test_server_flips_each_bit_of_a_header(
    scene: Scenes, victim: Callable[[Scene], Link], chance: Random, pattern: str
) -> None:
    honest = scene("unix", pattern)
    kind = REPLY if pattern == "request" else DATA
    with honest.judged():
        for _, data in some(chance, [*frames.bits(kind, 1), *frames.fields(kind, 1)], 100):
            link = victim(honest)
            put_bytes(link, data)
            use(honest)
            part(honest, link)
        honest.work()


@pytest.mark.parametrize("transport", ["unix", "shm", "tcp"])
@pytest.mark.parametrize("pattern", ["request", "channel"])
def test_server_sends_invalid_frames(
    scene: Scenes, victim: Callable[[Scene], Link], transport: str, pattern: str
) -> None:
    honest = scene(transport, pattern)
    with honest.judged():
        for _, frames_sent in frames.misplaced(1):
            link = victim(honest)
            put_frames(link, frames_sent)
            use(honest)
            honest.work(1)
            part(honest, link)


@pytest.mark.parametrize("transport", ["unix", "tcp"])
@pytest.mark.parametrize("pattern", ["request", "channel"])
def test_server_sends_mutated_frames(
    scene: Scenes, victim: Callable[[Scene], Link], chance: Random, transport: str, pattern: str
) -> None:
    honest = scene(transport, pattern)
    with honest.judged():
        for n in range(30 * EFFORT):
            link = victim(honest)
            put_bytes(link, frames.scramble(chance, 1))
            use(honest)
            if n % 8 == 0:
                honest.work(1)
            part(honest, link)


@pytest.mark.costly
@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_publisher_sends_invalid_frames(scene: Scenes, transport: str) -> None:
    honest = scene(transport, "publish")
    with honest.judged():
        for _, frames_sent in frames.misplaced(1):
            host = host_at(transport, honest.directory, "hostile/publisher")
            coming = honest.guest.begin("subscribe", "hostile", host.endpoint, timeout=SOON)
            link = host.accept("publish")
            coming.result(SOON)
            reading = honest.guest.begin("drain", "hostile", 1, 1)
            host.hide()
            put_frames(link, frames_sent)
            put_frames(link, [Frame(DATA, independent.CBOR, 0, 1 << 62, 0, 0, b"", b"\x01")])
            reading.result(SOON)
            honest.work(1)
            honest.guest.do("close", "hostile")
            hang_up(link)
