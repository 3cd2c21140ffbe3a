"""Every word between a hostile subscriber and an honest publisher, and the reverse."""

import time
from collections.abc import Callable, Iterator
from random import Random

import pytest

import shared_memory
import words
from party import EFFORT, SOON, Party, some
from peer import Pulpit, path_of
from scene import Scene

Scenes = Callable[[str, str], Scene]
NAME = "shm:hostile/pulpit"
RING = 1 << 20  # an honest publisher's


@pytest.fixture
def honest(scene: Scenes) -> Scene:
    return scene("shm", "publish")


def subscribe(honest: Scene) -> shared_memory.Subscriber:
    return shared_memory.Subscriber(path_of(honest.directory, honest.endpoint))


@pytest.mark.parametrize("word", words.SUBSCRIBER)
def test_subscriber_writes_any_value_into_a_word_of_its_page(honest: Scene, word: str) -> None:
    at = words.SUBSCRIBER[word]
    with honest.judged():
        subscribers = []
        for nth in range(len(words.values(0, RING))):
            subscriber = subscribe(honest)
            subscribers.append(subscriber)
            choices = words.values(subscriber.page[at], RING)
            subscriber.page[at] = choices[nth % len(choices)]
            honest.work(1)
        honest.work()
        for subscriber in subscribers:
            subscriber.close()


def test_subscriber_writes_into_words_that_have_no_meaning(honest: Scene) -> None:
    with honest.judged():
        for value in (1, 1 << 63, words.TOP - 1):
            subscriber = subscribe(honest)
            for at in words.others(words.SUBSCRIBER):
                subscriber.page[at] = value
            honest.work(1)
            subscriber.close()


@pytest.fixture
def pulpit(honest: Scene) -> Iterator[Callable[[], Pulpit]]:
    """A hostile publisher whose honest subscriber has received one message."""
    pulpits: list[Pulpit] = []

    def new() -> Pulpit:
        pulpits.append(made := Pulpit(honest.directory, NAME))
        made.publish(["good"])
        coming = honest.guest.begin("subscribe", "hostile", NAME, timeout=SOON)
        made.admit()
        coming.result(SOON)
        assert honest.guest.do("recv", "hostile", SOON) == ["good"]
        # Without a listener the reconnecting subscriber need not wait for an answer.
        made.hide()
        return made

    yield new
    for made in pulpits:
        made.close()


def gone(pulpit: Pulpit, reader: Party) -> None:
    reader.do("close", "hostile")
    pulpit.close()


@pytest.mark.parametrize("word", words.BROADCAST)
def test_publisher_writes_any_value_into_a_word_of_its_page(
    honest: Scene, pulpit: Callable[[], Pulpit], chance: Random, word: str
) -> None:
    at = words.BROADCAST[word]
    with honest.judged():
        for nth in some(chance, range(len(words.values(0, Pulpit.RING))), 10):
            made = pulpit()
            choices = words.values(made.memory[at], Pulpit.RING)
            made.memory[at] = choices[nth % len(choices)]
            made.wake()
            # It returns at its deadline.
            honest.guest.do("drain", "hostile", 1, 0.01)
            made.publish(["more"])
            honest.guest.do("drain", "hostile", 1, 0.01)
            honest.work(1)
            gone(made, honest.guest)


def test_publisher_writes_invalid_records(honest: Scene, pulpit: Callable[[], Pulpit], chance: Random) -> None:
    with honest.judged():
        for n, (_, word) in enumerate(some(chance, words.broadcast_words(70, 0), 50)):
            made = pulpit()

            def spoil(record: bytearray, word: int = word) -> None:
                record[:8] = word.to_bytes(8, "little")

            made.publish(["more"], spoil=spoil)
            honest.guest.do("drain", "hostile", 1, 0.01)
            if n % 8 == 0:
                honest.work(1)
            gone(made, honest.guest)


def test_publisher_writes_invalid_headers(honest: Scene, pulpit: Callable[[], Pulpit], chance: Random) -> None:
    with honest.judged():
        for byte in some(chance, range(8, 80), 30):
            made = pulpit()

            def spoil(record: bytearray, byte: int = byte) -> None:
                record[byte] ^= 0x80 >> byte % 8

            made.publish(["more"], spoil=spoil)
            honest.guest.do("drain", "hostile", 1, 0.01)
            gone(made, honest.guest)
        honest.work(1)


def test_publisher_skips_and_repeats_numbers_and_each_that_does_not_rise_is_malformed(honest: Scene, pulpit: Callable[[], Pulpit]) -> None:
    with honest.judged():
        for numbers in ([5, 3, 4], [1, 1], [words.TOP - 1, 1], [0, 2], [words.TOP - 1, words.TOP - 1], [1 << 63, 2]):
            made = pulpit()
            results = []
            for number in numbers:
                made.publish(["more"], sequence=number)
                results += honest.guest.do("drain", "hostile", 2, 0.01)
            assert results.count("Malformed") == 1, (numbers, results)
            honest.work(1)
            gone(made, honest.guest)


def test_publisher_changes_words_while_they_are_read(
    honest: Scene, pulpit: Callable[[], Pulpit], chance: Random
) -> None:
    with honest.judged():
        for _ in range(10 * EFFORT):
            made = pulpit()
            at = chance.choice([*words.BROADCAST.values(), made.memory.place(made.tail)])
            reading = honest.guest.begin("drain", "hostile", 20, 0.002)
            until = time.monotonic() + 0.05
            while time.monotonic() < until:
                made.wake()
                for _ in range(100):
                    made.memory[at] = words.random_word(chance, made.memory[at], Pulpit.RING)
            reading.result(SOON)
            honest.work(1)
            gone(made, honest.guest)


def test_publisher_moves_its_readers_endlessly(honest: Scene) -> None:
    """State 2 announces a larger file: the subscriber reconnects and finds it again."""
    with honest.judged():
        made = Pulpit(honest.directory, NAME)
        made.publish(["good"])
        made.memory[shared_memory.STATE] = 2
        coming = honest.guest.begin("subscribe", "hostile", NAME, timeout=SOON)
        made.admit()
        coming.result(SOON)
        reading = honest.guest.begin("drain", "hostile", 5, 0.05)
        made.listener.socket.settimeout(0.5)
        for _ in range(20):
            try:
                made.admit()
            except TimeoutError:
                break
        reading.result(SOON)
        honest.work()
        gone(made, honest.guest)
