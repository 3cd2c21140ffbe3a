"""Peers that misbehave with valid bytes: stops, forks, floods, many connections, unfinished messages."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random

import pytest

import frames
import independent
import words
from party import EFFORT, SOON
from support.waiting import until
from peer import ENDED, Host, Meddler, hang_up, ignoring_its_end, looks, meet, path_of, put_bytes
from scene import Scene
from independent import ACK, BYE, DATA, REPLY, REQUEST, Frame, Link

Scenes = Callable[[str, str], Scene]
MANY = ["shm", "unix", "tcp"]
KIND = {"request": REQUEST, "channel": DATA, "publish": DATA}
ALL = [(transport, pattern) for transport in MANY for pattern in ("request", "channel", "publish")]
#: The code of `AddressInUse`.
IN_USE = 105
#: KiB for messages that wait for a peer that does not receive, up to the stated limit.
HELD = 100 << 10


def client(scene: Scene, **more: object) -> Link:
    return meet(scene.transport, scene.directory, scene.endpoint, scene.pattern, **more)


def client_again(scene: Scene, **more: object) -> Link:
    """Reuses the name of a client that hung up; a busy listener notices the end late."""

    def attempt() -> Link | None:
        try:
            return client(scene, **more)
        except independent.Refused as refused:
            assert refused.args[0] == IN_USE, refused
            return None

    return until("the name of a client that hung up is free", attempt)


@contextmanager
def child(does: Callable[[], None]) -> Iterator[int]:
    ready, write_ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            does()
            os.write(write_ready, b"x")
            signal.pause()
        finally:
            os._exit(1)
    os.close(write_ready)
    try:
        assert os.read(ready, 1) == b"x", "the hostile process did not come so far"
        yield pid
    finally:
        os.close(ready)
        os.kill(pid, signal.SIGKILL)
        os.kill(pid, signal.SIGCONT)
        os.waitpid(pid, 0)


@pytest.mark.parametrize(("transport", "pattern"), ALL)
def test_peer_stops_itself(scene: Scenes, transport: str, pattern: str) -> None:
    honest = scene(transport, pattern)

    def stop() -> None:
        for _ in range(3):
            link = client(honest)
            if pattern != "publish":
                link.send(KIND[pattern], ["hostile"])
            links.append(link)

    links: list[Link] = []
    with honest.judged(), child(stop) as pid:
        os.kill(pid, signal.SIGSTOP)
        for _ in range(20):
            honest.work(5)
        honest.newcomer()


@pytest.mark.parametrize(("transport", "pattern"), ALL)
def test_peer_forks_and_dies(scene: Scenes, transport: str, pattern: str) -> None:
    """Its child keeps its descriptors open."""
    honest = scene(transport, pattern)

    def fork() -> None:
        links.append(client(honest))
        if pattern != "publish":
            links[0].send(KIND[pattern], ["hostile"])
        if os.fork() == 0:
            time.sleep(SOON)
            os._exit(0)

    links: list[Link] = []
    with honest.judged():
        with child(fork) as pid:
            children = until("the hostile peer forked", lambda: open(f"/proc/{pid}/task/{pid}/children").read().split())
            honest.work()
        honest.work()
        honest.newcomer()
        for orphan in children:
            os.kill(int(orphan), signal.SIGKILL)


@pytest.mark.parametrize("transport", MANY)
def test_client_calls_and_reads_no_reply(scene: Scenes, transport: str) -> None:
    honest = scene(transport, "request")
    with honest.judged(HELD):
        link = client(honest)
        until_then = time.monotonic() + 1
        with ignoring_its_end():
            while time.monotonic() < until_then:
                if isinstance(link.stream, Meddler):
                    link.send(REQUEST, "x" * 5000)
                else:
                    link.sequence += 1
                    frame = Frame(REQUEST, independent.CBOR, 0, link.sequence, 0, 0, b"", independent.encode("x" * 50_000))
                    if put_bytes(link, frame.to_bytes(link.stream.checked)) == ENDED:
                        break
        honest.work()
        honest.newcomer()
        hang_up(link)


@pytest.mark.parametrize("transport", MANY)
def test_subscriber_reads_nothing(scene: Scenes, transport: str) -> None:
    honest = scene(transport, "publish")
    with honest.judged(HELD):
        links = [client(honest) for _ in range(5)]
        for _ in range(30):
            honest.work(20)
        honest.newcomer()
        for link in links:
            hang_up(link)


@pytest.mark.parametrize(("transport", "pattern"), [(t, p) for t, p in ALL if p != "publish"])
def test_client_floods(scene: Scenes, transport: str, pattern: str) -> None:
    """Several connections send short messages at full speed; the honest pair gets its turn."""
    honest = scene(transport, pattern)
    ended = threading.Event()

    def flood() -> None:
        frame = Frame(DATA, independent.CBOR, 0, 0, 0, 0, b"", b"\x01")
        link = client(honest)
        while not ended.is_set():
            with ignoring_its_end():
                if isinstance(link.stream, Meddler):
                    link.send(DATA, 1)
                    continue
                numbers = range(link.sequence + 1, link.sequence + 200)
                link.sequence += 200
                data = b"".join(frame._replace(sequence=n).to_bytes(link.stream.checked) for n in numbers)
                if put_bytes(link, data) != ENDED:
                    continue
            hang_up(link)
            link = client(honest)
        hang_up(link)

    with honest.judged(HELD):
        floods = [threading.Thread(target=flood, daemon=True) for _ in range(2)]
        for one in floods:
            one.start()
        for _ in range(10):
            honest.work(3)
        ended.set()
        for one in floods:
            one.join(SOON)


@pytest.mark.parametrize("pattern", ["request", "channel", "publish"])
@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_client_sends_half_a_frame_and_stays_connected(scene: Scenes, transport: str, pattern: str) -> None:
    """Frames end at every byte of their header; bodies arrive bytewise or never."""
    honest = scene(transport, pattern)
    with honest.judged():
        links = []
        whole = Frame(KIND[pattern], independent.CBOR, 0, 1, 0, 0, b"", independent.encode("x" * 100)).to_bytes(transport == "tcp")
        for length in (1, 4, 12, 16, 24, 63, 64, 65, 100, len(whole) - 1):
            links.append(link := client(honest))
            put_bytes(link, whole[:length])
        for body in (1 << 20, (64 << 20) - 1, 64 << 20):
            links.append(link := client(honest))
            announced = Frame(KIND[pattern], independent.CBOR, 0, 1).to_bytes()
            announced = announced[:16] + body.to_bytes(8, "little") + announced[24:64]
            put_bytes(link, frames.checked(announced))
            for _ in range(30):
                put_bytes(link, b"x")
        honest.work()
        honest.newcomer()
        for link in links:
            hang_up(link)


@pytest.mark.parametrize("transport", MANY)
def test_client_closes_in_the_middle_of_a_frame(scene: Scenes, transport: str) -> None:
    honest = scene(transport, "request")
    with honest.judged():
        for length in range(1, 200, 7):
            link = client(honest)
            whole = Frame(REQUEST, independent.CBOR, 0, 1, 0, 0, b"", independent.encode("x" * 100)).to_bytes()
            if isinstance(link.stream, Meddler):
                link.stream.write_raw(link.stream.word(5, 0, 0, 64 + length), whole[:64] + bytes(length))
            else:
                put_bytes(link, whole[:length])
            hang_up(link)
        honest.work()


@pytest.mark.parametrize("transport", MANY)
def test_client_reconnects_repeatedly_under_one_name(scene: Scenes, transport: str) -> None:
    """One client_id with changing incarnations, also two at a time."""
    honest = scene(transport, "request")
    with honest.judged():
        kept: list[Link] = []
        for n in range(100):
            with ignoring_its_end():
                link = client(honest, client_id="same")
                link.send(REQUEST, ["hostile", n])
                kept.append(link)
            if n % 3 == 0:
                while kept:
                    hang_up(kept.pop())
            if n % 10 == 0:
                honest.work(1)
        for link in kept:
            hang_up(link)


@pytest.mark.parametrize("transport", MANY)
def test_clients_of_many_names_connect_and_disconnect(scene: Scenes, transport: str) -> None:
    honest = scene(transport, "request")
    with honest.judged():
        for n in range(300):
            with ignoring_its_end():
                link = client(honest, client_id=f"name-{n}", keeps=[65536, 1 << 26])
                link.send(REQUEST, ["hostile", n])
                hang_up(link)
            if n % 50 == 0:
                honest.work(1)


@pytest.mark.parametrize("pattern", ["request", "publish"])
@pytest.mark.parametrize("transport", MANY)
def test_many_connections_send_nothing(scene: Scenes, transport: str, pattern: str) -> None:
    """More idle connections than any program needs; honest clients are still admitted."""
    honest = scene(transport, pattern)
    with honest.judged():
        sockets: list[socket.socket] = []
        for n in range(300):
            if transport == "tcp":
                s = socket.socket()
                address: object = ("127.0.0.1", int(honest.endpoint.rsplit(":", 1)[1]))
            else:
                s = socket.socket(socket.AF_UNIX)
                address = str(path_of(honest.directory, honest.endpoint))
            s.setblocking(False)
            try:
                s.connect(address)  # type: ignore[arg-type]
            except BlockingIOError:
                pass  # Other connections fill the queue.
            sockets.append(s)
            if n % 100 == 50:
                honest.work(1)
                honest.newcomer()
        for s in sockets:
            s.close()


@pytest.mark.parametrize("transport", MANY)
def test_client_acknowledges_nothing(scene: Scenes, transport: str) -> None:
    """The memory for such a channel is bounded."""
    honest = scene(transport, "channel")
    with honest.judged(HELD):
        link = client(honest, keeps=[1 << 40, 1 << 60], client_id="mute")
        with ignoring_its_end():
            for n in range(300):
                frame = Frame(DATA, independent.CBOR, 0, n + 1, 0, 0, b"", independent.encode(["hostile", "x" * 500]))
                if isinstance(link.stream, Meddler):
                    link.stream.put(frame)
                elif put_bytes(link, frame.to_bytes(link.stream.checked)) == ENDED:
                    break
                looks(link, 0)
        honest.work()
        hang_up(link)
        link = client_again(honest, client_id="mute")
        looks(link)
        hang_up(link)


@pytest.mark.parametrize("transport", MANY)
def test_client_sends_after_its_goodbye(scene: Scenes, transport: str) -> None:
    honest = scene(transport, "channel")
    with honest.judged():
        link = client(honest)
        with ignoring_its_end():
            for _ in range(50):
                link.stream.put(Frame(BYE))
                link.send(DATA, ["hostile"])
                link.stream.put(Frame(ACK, correlation=link.sequence * 1000))
        honest.work()
        hang_up(link)


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_server_never_replies_nor_reads(scene: Scenes, transport: str) -> None:
    honest = scene(transport, "request")
    name = f"{transport}:hostile/mute"
    with honest.judged(HELD):
        host = Host(honest.directory, name)
        coming = honest.guest.begin("connect", "hostile", name, timeout=SOON)
        link = host.accept("request")
        coming.result(SOON)
        assert honest.guest.outcome("call", "hostile", ["x" * 1000], 0.05) == "Timeout"
        became = {honest.guest.outcome("send", "hostile", "x" * 30_000, 0.002) for _ in range(50)}
        assert became <= {"done", "Timeout", "Full"}, became
        honest.work()
        assert honest.guest.outcome("recv", "hostile", 0.01) in {"Timeout", "InvalidState"}
        honest.guest.outcome("close_at_once", "hostile")
        hang_up(link)
        host.close()


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_server_closes_every_connection(scene: Scenes, transport: str) -> None:
    honest = scene(transport, "request")
    name = f"{transport}:hostile/moody"
    with honest.judged():
        host = Host(honest.directory, name)
        host.listener.socket.settimeout(0.05)
        coming = honest.guest.begin("connect", "hostile", name, timeout=0.5)
        hung_up = 0
        while not coming.done():
            try:
                s, _, descriptors = host.next_client()
            except TimeoutError:
                continue
            hung_up += 1
            with ignoring_its_end():
                s.sendall(b"LKSP"[: hung_up % 3])
            s.close()
            for fd in descriptors:
                os.close(fd)
        host.close()
        assert hung_up
        coming.exception(SOON)
        honest.work()


@pytest.mark.costly
def test_everything_at_random(scene: Scenes, chance: Random) -> None:
    scenes = [scene(transport, pattern) for transport in MANY for pattern in ("request", "channel")]
    links: list[tuple[Scene, Link]] = []
    until_then = time.monotonic() + 4 * EFFORT
    while time.monotonic() < until_then:
        if len(links) < 12:
            honest = chance.choice(scenes)
            with ignoring_its_end():
                more = {"client_id": f"chance-{chance.randrange(4)}"} if chance.randrange(2) else {}
                links.append((honest, client(honest, **more)))
            continue
        honest, link = chance.choice(links)
        ring = link.stream
        with ignoring_its_end():
            match chance.randrange(8):
                case 0:
                    links.remove((honest, link))
                    hang_up(link)
                case 1 if isinstance(ring, Meddler):
                    at = chance.choice(list(words.CHANNEL.values()))
                    ring.mine[at] = words.random_word(chance, ring.mine[at], ring.SIZE)
                    ring.wake()
                case 2 if isinstance(ring, Meddler):
                    ring.write_raw(chance.choice(list(words.record_words(ring.SIZE, ring.mine.lap(ring.tail))))[1], chance.randbytes(99))
                case 1 | 2:
                    put_bytes(link, frames.scramble(chance, link.sequence + 1))
                case 3:
                    link.stream.put(Frame(chance.choice([ACK, BYE, REPLY]), correlation=chance.randrange(1 << 64)))
                case _:
                    link.send(KIND[honest.pattern], ["hostile"])
        if chance.randrange(30) == 0:
            chance.choice(scenes).work(1)
    for honest, link in links:
        hang_up(link)
    for honest in scenes:
        with honest.judged():
            honest.work()
