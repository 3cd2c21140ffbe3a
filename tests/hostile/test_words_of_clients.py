"""Invalid values in every word that a hostile client shares; others continue to work."""

import time
from collections.abc import Callable
from random import Random

import pytest

import words
from party import EFFORT, some
from peer import Meddler, hang_up, ignoring_its_end, looks, meet
from scene import Scene
from shared_memory import FIRST, FULL, LINKED, PIECE
from independent import ACK, BYE, CBOR, DATA, REPLY, REQUEST, Frame, Link, crc32c, encode

Scenes = Callable[[str, str], Scene]
KIND = {"request": REQUEST, "channel": DATA}


def ready(scene: Scene) -> Link:
    """Returns an admitted client after one answer, so all words of its page have changed."""
    link = meet("shm", scene.directory, scene.endpoint, scene.pattern)
    link.send(KIND[scene.pattern], ["hostile", 1])
    while link.receive().kind not in (REPLY, DATA):
        pass
    return link


def goes_on(link: Link, scene: Scene) -> None:
    with ignoring_its_end():
        link.stream.wake()
        link.send(KIND[scene.pattern], ["hostile", 2])
    looks(link)


@pytest.mark.parametrize("pattern", ["request", "channel"])
@pytest.mark.parametrize("word", words.CHANNEL)
def test_client_writes_any_value_into_a_word_of_its_page(
    scene: Scenes, chance: Random, pattern: str, word: str
) -> None:
    honest = scene("shm", pattern)
    with honest.judged():
        links = []
        at = words.CHANNEL[word]
        for nth in some(chance, range(len(words.values(0, Meddler.SIZE))), 12):
            link = ready(honest)
            links.append(link)
            now = link.stream.mine[at]
            link.stream.mine[at] = words.values(now, Meddler.SIZE)[nth % len(words.values(now, Meddler.SIZE))]
            goes_on(link, honest)
            honest.work(1)
        # All clients that were not refused are still connected.
        honest.work()
        for link in links:
            hang_up(link)


@pytest.mark.parametrize("pattern", ["request", "channel"])
def test_client_writes_into_words_that_have_no_meaning(scene: Scenes, pattern: str) -> None:
    honest = scene("shm", pattern)
    with honest.judged():
        for value in (1, 1 << 63, words.TOP - 1):
            link = ready(honest)
            for at in words.others(words.CHANNEL):
                link.stream.mine[at] = value
            goes_on(link, honest)
            honest.work(1)
            hang_up(link)


@pytest.mark.parametrize("pattern", ["request", "channel"])
def test_client_writes_invalid_records(scene: Scenes, chance: Random, pattern: str) -> None:
    honest = scene("shm", pattern)
    with honest.judged():
        link = ready(honest)
        cases = list(words.record_words(Meddler.SIZE, link.stream.mine.lap(link.stream.tail)))
        hang_up(link)
        for n, (_, word) in enumerate(some(chance, cases, 100)):
            link = ready(honest)
            link.stream.write_raw(word, bytes(8) + (9).to_bytes(8, "little") + bytes(8) + encode(["hostile"]))
            looks(link, 0.005)
            if n % 8 == 0:
                honest.work(1)
            hang_up(link)
        honest.work()


def large(kind: int, body: int, extension: int = 0) -> bytes:
    data = bytearray(Frame(kind, CBOR, 0, 2, 0, 0, bytes(extension)).to_bytes()[:64])
    data[16:24] = body.to_bytes(8, "little")
    data[12:16] = bytes(4)
    data[12:16] = crc32c(bytes(data)).to_bytes(4, "little")
    return bytes(data)


def test_client_writes_large_messages_that_never_end(scene: Scenes) -> None:
    """Announced sizes up to the limit reserve no memory."""
    honest = scene("shm", "request")
    room = Meddler.SIZE // 8 - 8
    with honest.judged():
        links = []
        for body in (room, 1 << 20, (64 << 20) - 1, 64 << 20, (64 << 20) + 1, 1 << 40, 1 << 62, (1 << 64) - 1):
            link = ready(honest)
            ring = link.stream
            with ignoring_its_end():
                ring.record(FIRST, 0, 0, large(REQUEST, body) + bytes(room - 64))
                for _ in range(20):
                    ring.record(PIECE, 0, 0, bytes(room))
            looks(link)
            honest.work(1)
            links.append(link)
        honest.work()
        for link in links:
            hang_up(link)


def test_client_mixes_up_pieces_of_messages(scene: Scenes) -> None:
    honest = scene("shm", "request")
    room = Meddler.SIZE // 8 - 8
    piece, whole = bytes(room), encode(["hostile"]).rjust(30, b"\0")
    mixed: list[list[tuple[int, bytes]]] = [
        [(PIECE, piece)],
        [(FIRST, large(REQUEST, 10))],
        [(FIRST, large(REQUEST, 0))],
        [(FIRST, large(REQUEST, 1 << 16)), (FIRST, large(REQUEST, 1 << 16))],
        [(FIRST, large(REQUEST, 1 << 16)), (LINKED, whole)],
        [(FIRST, large(REQUEST, 1 << 16)), (FULL, large(REQUEST, 0))],
        [(FIRST, large(REQUEST, 100)), (PIECE, piece)],
        [(FIRST, large(REQUEST, 1 << 16)), (PIECE, b""), (PIECE, b""), (PIECE, piece)],
        [(FIRST, large(REQUEST, (1 << 64) - 1, 8))],
        [(FULL, large(REQUEST, 100))],
        [(FULL, large(REQUEST, (1 << 64) - 64))],
        [(FULL, large(REQUEST, 0, 4096)[:64])],
        [(FULL, large(REQUEST, 0)), (FULL, large(ACK, 0)), (FULL, large(BYE, 0)), (FULL, large(REQUEST, 0))],
    ]
    with honest.judged():
        for records in mixed:
            link = ready(honest)
            with ignoring_its_end():
                for shape, content in records:
                    link.stream.record(shape, 0, 0, content)
            looks(link)
            honest.work(1)
            hang_up(link)


@pytest.mark.costly
def test_client_changes_words_while_they_are_read(scene: Scenes, chance: Random) -> None:
    """Each word changes back and forth during a conversation."""
    honest = scene("shm", "request")
    with honest.judged():
        for _ in range(20 * EFFORT):
            link = ready(honest)
            mine = link.stream.mine
            at = chance.choice([*words.CHANNEL.values(), mine.place(link.stream.tail)])
            until = time.monotonic() + 0.02
            with ignoring_its_end():
                while time.monotonic() < until:
                    link.stream.wake()
                    for _ in range(100):
                        mine[at] = words.random_word(chance, mine[at], Meddler.SIZE)
            honest.work(1)
            hang_up(link)
