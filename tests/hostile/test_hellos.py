"""Hostile hellos to listeners and callers: each key in each wrong form."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random
from typing import Any

import pytest

import shared_memory
import independent
from party import EFFORT, SOON, some
from peer import A_MOMENT, Host, hang_up, ignoring_its_end, looks, meet, offer, path_of
from scene import Scene
from independent import CBOR, HELLO, Frame, Stream, encode

Scenes = Callable[[str, str], Scene]
TOP = 1 << 64
WRONG: list[Any] = [
    None, True, 0, 1, -1, TOP - 1, -TOP, 1.5, float("nan"), "", "x", "x" * 10_000, "../../etc", "a/b", "a\0b", "\x1b[2J", b"", b"\xff" * 64,
    [], [1], [TOP - 1, TOP - 1, TOP - 1], [1, 2, 3, 4], ["x", None, 1.0], {}, {"0": 1}, [[[[[[[[[[]]]]]]]]]],
]  # fmt: skip
KEYS = (
    "versions", "pattern", "session", "first", "keeps", "received", "limit", "pid", "title", "client_id", "once", "ask", "state",
    "made up",
)  # fmt: skip
#: False claims about session, limits and progress.
CLAIMS: list[dict[str, Any]] = [
    {"session": 0}, {"session": TOP - 1}, {"first": TOP - 1}, {"first": 1 << 63}, {"keeps": [TOP - 1, TOP - 1]}, {"keeps": [0, 0]},
    {"received": [4711, TOP - 1, TOP - 1]}, {"received": [0, TOP - 1, 0]}, {"received": [4711, 0, TOP - 1]}, {"limit": 0}, {"limit": 1},
    {"limit": TOP - 1}, {"pid": 0}, {"pid": 1}, {"pid": TOP - 1}, {"pid": (1 << 32) + 1}, {"versions": [0, TOP - 1]}, {"versions": [2, 1]},
    {"once": True, "ask": True}, {"client_id": "server"}, {"client_id": "x" * 64}, {"client_id": "x" * 65}, {"client_id": ".."},
]  # fmt: skip


def spoilt(spoken: str, /, **changed: Any) -> Frame:
    good = independent.decode(independent.hello(spoken, independent.random()).body)
    return Frame(HELLO, CBOR, body=encode({**good, **changed}))


def bodies() -> Iterator[bytes]:
    """Yields bodies that are other values or malformed maps."""
    good = independent.hello("channel", 4711).body
    yield from (good[:at] for at in range(0, len(good), 3))
    yield from (bytes([good[0] + 1]) + good[1:] + encode("pid") + encode(1), good + b"\0", b"\xbf" + good[1:] + b"\xff")
    yield from (encode([]), encode({}), encode("hello"), b"\xa1" * 4000, b"\x9f" * 4000, b"\xd9\xd9\xf7" * 4000 + good)
    yield encode({str(n): n for n in range(1500)})
    yield encode({**independent.decode(good), "more": "x" * 15_000})
    yield encode({**independent.decode(good), "more": "x" * 17_000})
    yield json.dumps(independent.decode(good)).encode()


def reach(scene: Scene) -> Stream:
    """Returns a connection after only the proof of access."""
    if scene.transport == "tcp":
        return independent.prove(scene.directory, int(scene.endpoint.rsplit(":", 1)[1]))
    s = independent.socket_at(path_of(scene.directory, scene.endpoint), socket.socket.connect)
    return Stream(s.fileno(), s.fileno(), s)


def put_with_memory(s: socket.socket, frame: Frame, magic: bytes) -> None:
    """Sends a hello with a protocol-conforming memory file for its session."""
    session = 4711
    with suppress(Exception):
        session = int(independent.decode(frame.body)["session"]) % TOP
    descriptors = offer(magic, session)
    socket.send_fds(s, [frame.to_bytes()], descriptors)
    for fd in descriptors:
        os.close(fd)


def send(scene: Scene, frame: Frame) -> None:
    stream = reach(scene)
    with ignoring_its_end():
        if scene.transport == "shm":
            put_with_memory(stream.keeps, frame, b"LINKSUB1" if scene.pattern == "publish" else b"LINKSHM1")
        else:
            stream.put(frame)
        looks(independent.Link(stream, {}), A_MOMENT)
    stream.keeps.close()


@pytest.mark.parametrize("pattern", ["request", "channel", "publish"])
@pytest.mark.parametrize("transport", ["shm", "unix", "tcp"])
def test_client_sends_each_key_of_the_hello_in_each_wrong_form(scene: Scenes, chance: Random, transport: str, pattern: str) -> None:
    honest = scene(transport, pattern)
    with honest.judged():
        for n, key in enumerate(KEYS):
            for value in some(chance, WRONG, 8):
                send(honest, spoilt(pattern, **{key: value}))
            good = independent.decode(independent.hello(pattern, independent.random()).body)
            good.pop(key, None)
            send(honest, Frame(HELLO, CBOR, body=encode(good)))
            honest.work(1)
        for claim in CLAIMS:
            send(honest, spoilt(pattern, **claim))
        honest.work()


@pytest.mark.parametrize("transport", ["shm", "unix", "tcp"])
def test_client_sends_invalid_hellos(scene: Scenes, transport: str) -> None:
    honest = scene(transport, "request")
    with honest.judged():
        for body in bodies():
            for encoding in range(5):
                send(honest, Frame(HELLO, encoding, body=body))
        for kind in range(10):
            send(honest, independent.hello("request", 4711)._replace(kind=kind, sequence=TOP - 1, correlation=TOP - 1))
        honest.work()


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_client_claims_messages_never_sent_and_reconnects(scene: Scenes, transport: str) -> None:
    """Repeats one name and session with different claims about received messages."""
    honest = scene(transport, "request")
    session = independent.random()
    with honest.judged():
        links = []
        for taken in (0, 1, 2, 5, 1 << 40, TOP - 1, 0):
            for more in ({"client_id": "greedy"}, {}):
                with ignoring_its_end():
                    claim = {"received": [session, taken, taken], "keeps": [10, 10], **more}
                    if transport == "unix":
                        claim["first"] = taken + 1 if taken < TOP - 1 else taken
                    link = meet(transport, honest.directory, honest.endpoint, "request", **claim)
                    links.append(link)
                    theirs = link.theirs["session"]
                    link.send(independent.REQUEST, ["hostile"])
                    looks(link)
                    link = meet(
                        transport, honest.directory, honest.endpoint, "request", **{**claim, "received": [theirs, taken, taken]}
                    )
                    links.append(link)
                    link.send(independent.REQUEST, ["hostile"])
                    looks(link)
            honest.work(1)
        for link in links:
            hang_up(link)


@pytest.mark.parametrize("pattern", ["request", "publish"])
@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_listener_replies_with_invalid_hellos(scene: Scenes, transport: str, pattern: str) -> None:
    honest = scene(transport, pattern)
    name = f"{transport}:hostile/listener"
    answers = [spoilt(pattern, **{key: value}) for key in KEYS for value in WRONG[::3]]
    answers += [spoilt(pattern, **claim) for claim in CLAIMS]
    answers += [Frame(HELLO, CBOR, body=body) for body in list(bodies())[::4]]
    for fields in ({}, {"code": 0, "text": "x"}, {"code": 119, "text": "x"}, {"code": TOP - 1, "text": None}, {"code": 106, "text": "\x1b[2J" * 3000}):
        answers.append(Frame(independent.ERROR, CBOR, body=encode(fields)))
    if EFFORT == 1:
        answers = answers[::4]
    host = Host(honest.directory, name)
    host.listener.socket.settimeout(0.2)
    ended = threading.Event()
    answer, answered = answers[0], 0

    def serve() -> None:
        nonlocal answered
        while not ended.is_set():
            try:
                s, _ = host.listener.socket.accept()
            except TimeoutError:
                continue
            with ignoring_its_end(), s:
                _, descriptors = shared_memory.receive_with_descriptors(s)
                if transport == "shm":
                    put_with_memory(s, answer, b"LINKPUB1" if pattern == "publish" else b"LINKSHM1")
                else:
                    s.sendall(answer.to_bytes())
                answered += 1
                for fd in descriptors:
                    os.close(fd)

    serving = threading.Thread(target=serve, daemon=True)
    with honest.judged():
        serving.start()
        # A subscriber connects when made and when receiving, so each answer is sent on each request.
        for answer in answers:
            verb = "subscribe" if pattern == "publish" else "connect"
            became = honest.guest.outcome(verb, "hostile", name, timeout=0.02)
            if became == "done":
                use = ("drain", "hostile", 1, 0.002) if pattern == "publish" else ("call", "hostile", 1, 0.002)
                honest.guest.outcome(*use)
                honest.guest.outcome("close" if pattern == "publish" else "close_at_once", "hostile")
        ended.set()
        serving.join(SOON)
        host.close()
        assert answered >= len(answers)
        honest.work()


@pytest.mark.parametrize("transport", ["shm", "unix", "tcp"])
def test_client_sends_mutated_hellos(scene: Scenes, chance: Random, transport: str) -> None:
    honest = scene(transport, "channel")
    with honest.judged():
        for n in range(60 * EFFORT):
            body = bytearray(independent.hello("channel", independent.random(), client_id="x").body)
            for _ in range(chance.randrange(1, 4)):
                body[chance.randrange(len(body))] = chance.randrange(256)
            send(honest, Frame(HELLO, CBOR, body=bytes(body)))
            if n % 16 == 0:
                honest.work(1)


@pytest.mark.costly
def test_listings_show_no_control_characters_of_others(scene: Scenes, linkspan: Callable[..., Any]) -> None:
    """Titles and states come from other programs, so listings escape control characters."""
    honest = scene("unix", "request")
    host = Host(honest.directory, "unix:hostile/titled")
    host.listener.socket.settimeout(0.2)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            try:
                s, _ = host.listener.socket.accept()
            except TimeoutError:
                continue
            with ignoring_its_end(), s:
                shared_memory.receive_with_descriptors(s)
                state = {"encoding": "\x1b]0;owned\x07", "messages": 1, "peers": 1, "waiting": 0}
                hello = independent.hello("request", 4711, title="\x1b[2J\x07\r\n\x9b31mroot", state=state, client_id="\x1b[1A")
                s.sendall(hello.to_bytes())

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    for words in (("ls",), ("ls", "--json"), ("doctor",)):
        shown = linkspan(*words)
        text = (shown.stdout + shown.stderr).replace("\n", "")
        assert words[0] != "ls" or "hostile/titled" in text
        assert not [c for c in text if c < " " or "\x7f" <= c < "\xa0"], (words, text)
    ended.set()
    serving.join(SOON)
    host.close()
