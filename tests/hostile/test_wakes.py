"""Endless wake-ups and changes of the words that peers sleep on: each wait ends at its deadline."""

from collections.abc import Callable
from random import Random

import pytest

import words
from party import SOON
from peer import Meddler, flooding, hang_up, meanwhile
from scene import Scene
from shared_memory import DATA, ROOM
from independent import Link
from test_words_of_clients import ready
from test_words_of_servers import FAIR, Victim, honest, part, victim  # noqa: F401 - fixtures

Scenes = Callable[[str, str], Scene]
WAKES = {
    "for messages": DATA, "for room": ROOM, "for both": DATA + ROOM, "for nothing": b"\0",
    "of all kinds": bytes(range(256)),
}  # fmt: skip
#: Words that the other peer sleeps on, and words that describe a peer's own sleep.
SLEPT_ON = [words.CHANNEL[name] for name in ("data park", "room park", "room wanted", "data wake", "room wake")]


def flickering(link: Link, chance: Random) -> Callable[[], None]:
    """Changes each of those words and wakes their sleepers."""
    ring = link.stream
    assert isinstance(ring, Meddler)

    def flicker() -> None:
        for at in SLEPT_ON:
            ring.mine[at] = words.random_word(chance, ring.mine[at], Meddler.SIZE)

    return flicker


@pytest.mark.parametrize("kind", WAKES)
@pytest.mark.parametrize("pattern", ["request", "channel"])
def test_client_sends_endless_wake_ups(scene: Scenes, pattern: str, kind: str) -> None:
    together = scene("shm", pattern)
    with together.judged():
        links = [ready(together) for _ in range(2)]
        with flooding(links[0], WAKES[kind] * 1000), flooding(links[1], WAKES[kind]):
            for _ in range(5):
                together.work(1)
            together.newcomer()
        for link in links:
            hang_up(link)


@pytest.mark.parametrize("pattern", ["request", "channel"])
def test_client_changes_the_word_on_which_a_peer_is_parked(scene: Scenes, chance: Random, pattern: str) -> None:
    together = scene("shm", pattern)
    with together.judged():
        link = ready(together)
        with meanwhile(flickering(link, chance)):
            for _ in range(5):
                together.work(1)
            together.newcomer()
        hang_up(link)


@pytest.mark.parametrize("kind", [*WAKES, "changed words", "both"])
def test_server_wakes_a_client_that_waits(honest: Scene, victim: Victim, chance: Random, kind: str) -> None:  # noqa: F811
    """The client's calls end at their deadlines despite wake-ups without a message."""
    with honest.judged():
        link = victim()
        noise = flooding(link, WAKES.get(kind, WAKES["for both"]) * 100)
        flicker = meanwhile(flickering(link, chance))
        orders = (("recv", "hostile", 0.2), ("call", "hostile", ["more"], 0.2), ("send", "hostile", ["more"], 0.2))
        for wakes in [flicker] if kind == "changed words" else [noise, flicker] if kind == "both" else [noise]:
            with wakes:
                waiting = [honest.guest.outcome(*order) for order in orders]
                honest.work(1)
            assert set(waiting) <= FAIR, waiting
        assert honest.guest.outcome("recv", "hostile", SOON / 60) in FAIR
        part(honest, link)
