"""Hostile programs without Linkspan over `framing="lines"`: clients, servers, subscribers."""

import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

import lines
from party import EFFORT, SOON, Party
from peer import path_of
from scene import SPARE_MEMORY, Scene

LINES = {"framing": "lines"}
TRANSPORTS = ["unix", "tcp"]
#: Possible results of a call to a hostile server.
NORMAL = {"done", "Timeout", "Empty", "Disconnected", "Malformed", "TooLarge", "Remote", "NotFound", "Full", "VersionMismatch", "OutOfRange"}


class Lines(Scene):
    """A JSON-RPC server and client; the client reconnects after a hostile server had its connection."""

    def __init__(self, directory: Path, transport: str, host: Party, guest: Party) -> None:
        self.directory, self.transport, self.host, self.guest = directory, transport, host, guest
        self.endpoint = host.do("serve", "host", "tcp://127.0.0.1:0" if transport == "tcp" else "unix:lab/lines", **LINES)
        guest.do("connect", "guest", self.endpoint, timeout=SOON, **LINES)
        self.work()

    def work(self, count: int = 3) -> None:
        self.guest.numbered("asks", "guest", count, SOON)

    def newcomer(self) -> None:
        self.guest.do("connect", "newcomer", self.endpoint, timeout=SOON, **LINES)
        self.guest.do("asks", "newcomer", 0, 2, SOON)
        self.guest.do("close", "newcomer")

    def meet(self) -> socket.socket:
        return reach(self.directory, self.endpoint)


def reach(directory: Path, endpoint: str) -> socket.socket:
    if endpoint.startswith("tcp:"):
        return socket.create_connection(("127.0.0.1", int(endpoint.rsplit(":", 1)[1])), SOON)
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(SOON)
    s.connect(str(path_of(directory, endpoint)))
    return s


def put(s: socket.socket, data: bytes) -> None:
    """Sends as much as the other side accepts without reading, or until it hangs up."""
    s.settimeout(0.2)
    with contextlib.suppress(OSError):
        s.sendall(data)


@pytest.fixture(scope="module", params=TRANSPORTS)
def honest(request: pytest.FixtureRequest, run: Path, party: Callable[..., Party]) -> Lines:
    return Lines(run, request.param, party(), party())


def test_client_sends_invalid_lines(honest: Lines) -> None:
    # A line of 10 MB, its values, and the answer that quotes it.
    with honest.judged(SPARE_MEMORY + (100 << 10)):
        for n, (_, text) in enumerate(lines.whole()):
            s = honest.meet()
            put(s, text + lines.CALL)
            if n % 4 == 0:
                honest.work(1)
            s.close()


def test_clients_never_finish_a_line(honest: Lines) -> None:
    with honest.judged(SPARE_MEMORY + (64 << 10)):
        callers = []
        for _, text in lines.halves():
            for _ in range(2):
                callers.append(s := honest.meet())
                put(s, text)
        honest.work()
        honest.newcomer()
        for s in callers:
            s.close()


def test_client_sends_a_line_over_the_limit(honest: Lines) -> None:
    """The specification requires an answer, and the next line is read."""
    with honest.judged(SPARE_MEMORY + (100 << 10)):
        s = honest.meet()
        piece = b"x" * lines.MIB
        s.sendall(b'"')
        for _ in range(66):
            s.sendall(piece)
        s.sendall(b'"\n' + lines.CALL)
        with s.makefile() as answers:
            assert "-32700" in answers.readline()
            assert '"result"' in answers.readline()
        s.close()
        honest.work()


def test_client_sends_one_byte_at_a_time(honest: Lines) -> None:
    """After a megabyte without a line end, the cost of a byte must stay constant."""
    with honest.judged():
        s = honest.meet()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) if honest.transport == "tcp" else None
        put(s, b'"' + b"x" * lines.MIB)
        before = honest.host.ticks()
        with contextlib.suppress(OSError):
            for n in range(2000):
                s.sendall(b"x")
                if n % 500 == 0:
                    honest.work(1)
        honest.work()
        # 2,000 times a megabyte would take minutes.
        assert honest.host.ticks() - before < 1000, "hundredths of a second of the processor"
        s.close()


def test_client_sends_mutated_lines(honest: Lines, chance: Random) -> None:
    with honest.judged():
        for n in range(100 * EFFORT):
            s = honest.meet()
            put(s, lines.scramble(chance))
            s.close()
            if n % 16 == 0:
                honest.work(1)


def test_client_calls_and_reads_no_reply(honest: Lines) -> None:
    with honest.judged(100 << 10):
        s = honest.meet()
        until = time.monotonic() + 1
        while time.monotonic() < until:
            put(s, lines.request(params="[" + '"' + "x" * 50_000 + '"' + "]") * 5)
        honest.work()
        honest.newcomer()
        s.close()


@pytest.mark.costly
@pytest.mark.parametrize("ends", [False, True], ids=["stays", "hangs up"])
def test_server_sends_invalid_lines(honest: Lines, ends: bool, tmp_path_factory: pytest.TempPathFactory) -> None:
    if honest.transport == "tcp":
        listener = socket.create_server(("127.0.0.1", 0))
        endpoint = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    else:
        # A socket's path has at most 107 bytes.
        name = tmp_path_factory.mktemp("s") / "server.sock"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(name))
        listener.listen()
        endpoint = f"unix:{name}"
    with listener, honest.judged(SPARE_MEMORY + (100 << 10)):
        for n, (what, text) in enumerate([*lines.whole(), *lines.halves()]):
            coming = honest.guest.begin("connect", "hostile", endpoint, timeout=SOON, **LINES)
            s, _ = listener.accept()
            coming.result(SOON)
            put(s, text)
            if ends:
                s.close()
            for order in (("call", "hostile", {"method": "m"}, 0.02), ("recv", "hostile", 0.02), ("try_recv", "hostile")):
                became = honest.guest.outcome(*order)
                assert became in NORMAL, (what, order, became)
            if n % 8 == 0:
                honest.work(1)
            honest.guest.outcome("close_at_once", "hostile")
            s.close()


@pytest.mark.costly
def test_subscribers_read_nothing_and_send_garbage(honest: Lines) -> None:
    """Subscribers that do not read block neither the publisher nor others."""
    with honest.judged(100 << 10):
        wanted = "tcp://127.0.0.1:0" if honest.transport == "tcp" else "unix:lab/news"
        endpoint = honest.host.do("publish", "news", wanted, **LINES)
        honest.host.do("publishes", "news", 0, 1)
        readers = [reach(honest.directory, endpoint) for _ in range(6)]
        for n, s in enumerate(readers[:5]):
            put(s, [b"", b"\0" * 1000, b"x" * 100_000, lines.CALL * 100, b"["][n])
        honest.host.do("publishes", "news", 1, 300)
        newcomer = reach(honest.directory, endpoint)
        with newcomer.makefile() as news:
            assert "honest" in news.readline()
        for s in (*readers, newcomer):
            s.close()
        honest.host.do("close", "news")
        honest.work()
