"""Every word between a hostile server and an honest client, which also uses an honest server."""

import time
from collections.abc import Callable, Iterator
from random import Random

import pytest

import words
from party import EFFORT, SOON, some
from peer import Host, Meddler, hang_up, ignoring_its_end
from scene import Scene
from independent import DATA, REPLY, REQUEST, Link

Scenes = Callable[[str, str], Scene]
Victim = Callable[[], Link]
NAME = "shm:hostile/server"
#: Acceptable results at a corrupting server: an answer, or a timely error with its reason.
FAIR = {"done", "Timeout", "Disconnected", "Malformed", "NotFound", "Full", "TooLarge", "Stalled", "InvalidState"}


@pytest.fixture(params=["request", "channel"])
def honest(scene: Scenes, request: pytest.FixtureRequest) -> Scene:
    return scene("shm", request.param)


@pytest.fixture
def victim(honest: Scene) -> Iterator[Victim]:
    """A hostile server that has answered the honest guest once."""
    links: list[Link] = []

    def new() -> Link:
        host = Host(honest.directory, NAME)
        coming = honest.guest.begin("connect", "hostile", NAME, timeout=SOON)
        links.append(link := host.accept(honest.pattern))
        host.hide()
        coming.result(SOON)
        if honest.pattern == "request":
            asked = honest.guest.begin("call", "hostile", ["good"], SOON)
            request = link.receive()
            link.send(REPLY, ["good"], correlation=request.sequence)
        else:
            asked = honest.guest.begin("recv", "hostile", SOON)
            link.send(DATA, ["good"])
        assert asked.result(SOON) == ["good"]
        return link

    yield new
    for link in links:
        hang_up(link)


def use(honest: Scene) -> None:
    """Uses the corrupted connection in both directions; calls return at their deadlines with a reason."""
    for order in (("call", "hostile", ["more"], 0.002), ("recv", "hostile", 0.002), ("send", "hostile", ["more"], 0.002)):
        became = honest.guest.outcome(*order)
        assert became in FAIR, f"{order[0]}: {became}"


def part(honest: Scene, link: Link) -> None:
    honest.guest.outcome("close_at_once", "hostile")
    hang_up(link)


@pytest.mark.parametrize("word", words.CHANNEL)
def test_server_writes_any_value_into_a_word_of_its_page(
    honest: Scene, victim: Victim, chance: Random, word: str
) -> None:
    at = words.CHANNEL[word]
    with honest.judged():
        for nth in some(chance, range(len(words.values(0, Meddler.SIZE))), 12):
            link = victim()
            choices = words.values(link.stream.mine[at], Meddler.SIZE)
            link.stream.mine[at] = choices[nth % len(choices)]
            with ignoring_its_end():
                link.stream.wake()
            use(honest)
            honest.work(1)
            part(honest, link)


def test_server_writes_invalid_records(honest: Scene, victim: Victim, chance: Random) -> None:
    with honest.judged():
        for _, word in some(chance, words.record_words(Meddler.SIZE, 0), 70):
            link = victim()
            link.stream.write_raw(word, bytes(8) + (2).to_bytes(8, "little") + bytes(8) + b"\x01")
            use(honest)
            part(honest, link)
        honest.work()


def test_server_changes_words_while_they_are_read(honest: Scene, victim: Victim, chance: Random) -> None:
    with honest.judged():
        for _ in range(10 * EFFORT):
            link = victim()
            mine = link.stream.mine
            at = chance.choice([*words.CHANNEL.values(), mine.place(link.stream.tail)])
            calling = honest.guest.begin("call", "hostile", ["more"], 0.03)
            until = time.monotonic() + 0.05
            with ignoring_its_end():
                while time.monotonic() < until:
                    link.stream.wake()
                    for _ in range(100):
                        mine[at] = words.random_word(chance, mine[at], Meddler.SIZE)
            calling.exception(SOON)
            honest.work(1)
            part(honest, link)


@pytest.mark.costly
def test_server_replies_to_requests_never_sent(honest: Scene, victim: Victim) -> None:
    """Answers without requests, two answers to one, and numbers with gaps."""
    with honest.judged():
        for correlation in (0, 1, 2, 3, 1000, 1 << 63, words.TOP - 1):
            link = victim()
            asked = honest.guest.begin("call", "hostile", ["more"], 0.3)
            request = None
            with ignoring_its_end():
                request = link.receive()
                while request.kind != REQUEST:
                    request = link.receive()
                link.send(REPLY, ["wrong"], correlation=correlation)
                for _ in range(3):
                    link.send(REPLY, ["right"], correlation=request.sequence)
                link.sequence += 1 << 40
                link.send(REPLY, ["late"], correlation=request.sequence)
            error = asked.exception(SOON)
            if error is None and request is not None and correlation != request.sequence:
                assert asked.result() == ["right"], correlation
            use(honest)
            honest.work(1)
            part(honest, link)
