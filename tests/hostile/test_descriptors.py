"""Hostile descriptors: a missing one, surplus ones, every other kind, and malformed memory files."""

import fcntl
import mmap
import os
import select
import signal
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

import shared_memory
import independent
from party import SOON
from peer import Host, ignoring_its_end, offer, path_of
from scene import Scene
from shared_memory import FUTURE_WRITE, GROW, PAGE, SEAL, SHRINK

Scenes = Callable[[str, str], Scene]
ALL_SEALS = SEAL | SHRINK | GROW | FUTURE_WRITE
SEAL_WRITE, SEAL_EXEC = 8, 32
RING = 64 << 10
CLOSE_ON_EXEC = os.O_CLOEXEC

# Each function returns a descriptor of one kind; `aside` closes its other files.

aside: list[int | socket.socket] = []


def lingering() -> int:
    """A TCP connection whose close waits for unsent data."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        s.connect(server.getsockname())
        aside.append(server.accept()[0])
    s.setblocking(False)
    with suppress(BlockingIOError):
        while s.send(bytes(1 << 16)):
            pass
    # The peer stays open, so the close waits for the full time.
    s.setblocking(True)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 600))
    return s.detach()


def pipe(end: int) -> int:
    both = os.pipe()
    aside.append(both[1 - end])
    return both[end]


def itself() -> int:
    """A socket queued on itself, which only the kernel's garbage collector finds."""
    one, two = socket.socketpair()
    socket.send_fds(one, [b"x"], [two.fileno(), one.fileno()])
    aside.append(two)
    return one.detach()


def watched() -> int:
    inner, outer = select.epoll(), select.epoll()
    outer.register(inner.fileno())
    aside.append(os.dup(inner.fileno()))
    return os.dup(outer.fileno())


def blocking_event() -> int:
    return os.eventfd(0, os.EFD_CLOEXEC)


def full_event() -> int:
    fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    os.eventfd_write(fd, (1 << 64) - 2)
    return fd


def file_on_disk() -> int:
    fd = os.open("/tmp", os.O_RDWR | os.O_TMPFILE | CLOSE_ON_EXEC, 0o600)
    os.ftruncate(fd, PAGE + RING)
    return fd


KINDS: dict[str, Callable[[], int]] = {
    "a TCP socket": lambda: socket.socket().detach(),
    "a Unix socket": lambda: socket.socketpair()[0].detach(),
    "a socket that waits in itself": itself,
    "the reading end of a pipe": lambda: pipe(0),
    "the writing end of a pipe": lambda: pipe(1),
    "a directory": lambda: os.open("/", os.O_RDONLY | CLOSE_ON_EXEC),
    "a path": lambda: os.open("/", os.O_PATH | CLOSE_ON_EXEC),
    "/dev/zero": lambda: os.open("/dev/zero", os.O_RDWR | CLOSE_ON_EXEC),
    "/dev/full": lambda: os.open("/dev/full", os.O_RDWR | CLOSE_ON_EXEC),
    "/dev/null": lambda: os.open("/dev/null", os.O_RDONLY | CLOSE_ON_EXEC),
    "a file": file_on_disk,
    "a file of /proc": lambda: os.open("/proc/self/mem", os.O_RDONLY | CLOSE_ON_EXEC),
    "an epoll set": watched,
    "a pidfd": lambda: os.pidfd_open(os.getpid()),
    "an eventfd that blocks": blocking_event,
    "an eventfd that is full": full_event,
    "a semaphore": lambda: os.eventfd(1, os.EFD_CLOEXEC | os.EFD_NONBLOCK | os.EFD_SEMAPHORE),
}  # fmt: skip




def memory(
    magic: bytes, session: int, *, seals: int = ALL_SEALS, length: int | None = None, ring: int = RING, sparse: bool = False,
    flags: int = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING, header: dict[int, int] | None = None, reopen: int | None = None,
) -> int:  # fmt: skip
    """An honest memory file, except for the given changes."""
    fd = os.memfd_create("hostile", flags)
    whole = PAGE + ring if length is None else length
    os.ftruncate(fd, whole)
    if not sparse and 0 < whole <= 1 << 24:
        os.posix_fallocate(fd, 0, whole)
    if whole >= 48:
        words = {0: int.from_bytes(magic, "little"), 8: layout(), 24: session, 32: PAGE, 40: ring, **(header or {})}
        for at, value in words.items():
            os.pwrite(fd, (value % (1 << 64)).to_bytes(8, "little"), at)
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    if reopen is not None:
        other = os.open(f"/proc/self/fd/{fd}", reopen | CLOSE_ON_EXEC)
        os.close(fd)
        return other
    return fd


def layout() -> int:
    made, file = shared_memory.create(b"LINKSUB1", 1, 0)
    os.close(file)
    return made[8]


MEMORIES: dict[str, dict[str, object]] = {
    "no seals": {"seals": 0},
    "sealed but for shrinking": {"seals": ALL_SEALS & ~SHRINK},
    "sealed but for growing": {"seals": ALL_SEALS & ~GROW},
    "sealed but for writing": {"seals": ALL_SEALS & ~FUTURE_WRITE},
    "sealed but for seals": {"seals": ALL_SEALS & ~SEAL},
    "sealed for all writing": {"seals": ALL_SEALS | SEAL_WRITE},
    "no sealing allowed": {"seals": 0, "flags": os.MFD_CLOEXEC},
    "of no bytes": {"length": 0},
    "of one byte": {"length": 1},
    "of a page alone": {"length": PAGE},
    "a byte too short": {"length": PAGE + RING - 1},
    "a page too short": {"length": RING},
    "a page too long": {"length": 2 * PAGE + RING},
    "sparse": {"sparse": True},
    "sparse and of a TiB": {"sparse": True, "length": (1 << 40) + PAGE, "ring": 1 << 40},
    "sparse and of a GiB": {"sparse": True, "length": (1 << 30) + PAGE, "ring": 1 << 30},
    "sparse and of 8 EiB": {"sparse": True, "length": (1 << 63) - 1, "ring": RING},
    "with a ring that is no power of two": {"length": PAGE + 3 * 4096, "ring": 3 * 4096},
    "with a ring of no bytes": {"length": PAGE, "ring": 0},
    "open for writing alone": {"reopen": os.O_WRONLY},
    "open for reading alone": {"reopen": os.O_RDONLY},
    "as a path": {"reopen": os.O_PATH},
    "of large pages": {"flags": os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | os.MFD_HUGETLB, "length": 2 << 20, "ring": (2 << 20) - PAGE},
    **{f"whose word at {at} is {value:#x}": {"header": {at: value}}
       for at in (0, 8, 16, 24, 32, 40) for value in (0, 1, 3, PAGE - 8, PAGE * 2, RING * 2, 1 << 31, 1 << 63, (1 << 64) - 1)},
}  # fmt: skip


def sets(magic: bytes, session: int) -> Iterator[tuple[str, list[int]]]:
    """Yields everything that may accompany a hello of this session."""
    honest = len(offer(magic, session))
    yield "nothing", []
    for count in (*range(1, 12), 64, 253):
        yield f"{count} memory files", [memory(magic, session) for _ in range(count)]
    for name, make in KINDS.items():
        for at in range(honest):
            given = offer(magic, session, RING)
            os.close(given[at])
            given[at] = make()
            yield f"{name} in place {at}", given
        yield f"{name} behind the others", [*offer(magic, session), make()]
        yield f"{name} alone", [make()]
    for name, how in MEMORIES.items():
        with suppress(OSError):  # This machine may lack the kind.
            given = offer(magic, session)
            os.close(given[0])
            given[0] = memory(magic, session, **how)  # type: ignore[arg-type]
            yield f"memory {name}", given


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    yield
    for one in aside:
        os.close(one) if isinstance(one, int) else one.close()
    aside.clear()


def close_all(descriptors: list[int]) -> None:
    """Leaves them only to the other side. A lingering one was sent, so this does not block."""
    for fd in descriptors:
        os.close(fd)


def try_all(honest: Scene, pattern: str, transport: str) -> None:
    """Opens a connection for each set and keeps all open until the end."""
    path = path_of(honest.directory, honest.endpoint)
    magic = b"LINKSUB1" if pattern == "publish" else b"LINKSHM1"
    sockets = []
    session = independent.random()
    for n, (name, descriptors) in enumerate(sets(magic, session)):
        s = independent.socket_at(path, socket.socket.connect)
        sockets.append(s)
        hello = independent.hello(pattern, session, client_id=f"hostile-{n}")
        try:
            socket.send_fds(s, [hello.to_bytes()], descriptors)
            assert select.select([s], [], [], SOON)[0], f"no answer to {name}"
        except OSError:
            continue  # the kernel refuses it
        finally:
            close_all(descriptors)
        if n % 8 == 0:
            honest.work(1)
    honest.work()
    for s in sockets:
        s.close()


@pytest.mark.parametrize("pattern", ["request", "channel", "publish"])
@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_client_passes_descriptors_of_every_kind(scene: Scenes, transport: str, pattern: str) -> None:
    honest = scene(transport, pattern)
    with honest.judged():
        try_all(honest, pattern, transport)


@pytest.mark.parametrize("pattern", ["request", "publish"])
def test_listener_passes_descriptors_of_every_kind(scene: Scenes, pattern: str) -> None:
    honest = scene("shm", pattern)
    name = "shm:hostile/listener"
    magic = b"LINKPUB1" if pattern == "publish" else b"LINKSHM1"
    with honest.judged():
        session = independent.random()
        for n, (_, descriptors) in enumerate(sets(magic, session)):
            host = Host(honest.directory, name)
            if pattern == "publish":
                coming = honest.guest.begin("subscribe", "hostile", name, timeout=SOON)
            else:
                coming = honest.guest.begin("connect", "hostile", name, timeout=0.3)
            s, _, theirs = host.next_client()
            host.hide()
            with ignoring_its_end():
                socket.send_fds(s, [independent.hello(pattern, session, first=1).to_bytes()], descriptors)
            close_all(descriptors)
            if coming.exception(SOON) is None and pattern != "publish":
                honest.guest.outcome("call", "hostile", 1, 0.002)
                honest.guest.outcome("close_at_once", "hostile")
            if pattern == "publish":
                honest.guest.outcome("drain", "hostile", 1, 0.01)
                honest.guest.outcome("close", "hostile")
            s.close()
            close_all(theirs)
            if n % 8 == 0:
                honest.work(1)
        honest.work()


def test_client_shrinks_its_memory_after_the_handshake(scene: Scenes) -> None:
    """A shrinkable file is refused; pages of an admitted one stay."""
    honest = scene("shm", "request")
    path = path_of(honest.directory, honest.endpoint)
    with honest.judged():
        for seals in range(32):
            session = independent.random()
            given = offer(b"LINKSHM1", session)
            os.close(given[0])
            given[0] = memory(b"LINKSHM1", session, seals=seals)
            s = independent.socket_at(path, socket.socket.connect)
            socket.send_fds(s, [independent.hello("request", session).to_bytes()], given)
            assert select.select([s], [], [], SOON)[0]
            for length in (PAGE, 0):
                with suppress(OSError):
                    os.ftruncate(given[0], length)
            with suppress(OSError, ValueError):
                mapped = mmap.mmap(given[0], PAGE)
                mapped[shared_memory.DATA_PARK] = 1
            honest.work(1)
            s.close()
            close_all(given)


def test_client_passes_the_peer_its_own_memory(scene: Scenes) -> None:
    """A new client sends back the file that the server has just sent."""
    honest = scene("shm", "request")
    path = path_of(honest.directory, honest.endpoint)
    with honest.judged():
        own = shared_memory.Offer()
        first, theirs, descriptors = shared_memory.introduce(path, independent.hello("request", own.session), own.descriptors)
        second = independent.socket_at(path, socket.socket.connect)
        given = [descriptors[0], *own.descriptors[1:]]
        socket.send_fds(second, [independent.hello("request", theirs["session"]).to_bytes()], given)
        assert select.select([second], [], [], SOON)[0]
        honest.work()
        first.close()
        second.close()
        close_all([*own.descriptors, *descriptors])


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_client_sends_descriptors_with_every_message(scene: Scenes, transport: str) -> None:
    """Descriptors with parts of a hello, and after admission."""
    honest = scene(transport, "request")
    path = path_of(honest.directory, honest.endpoint)
    with honest.judged():
        sockets = []
        for size in (1, 7, 64):
            s = independent.socket_at(path, socket.socket.connect)
            sockets.append(s)
            data = independent.hello("request", independent.random()).to_bytes()
            with ignoring_its_end():
                for at in range(0, len(data), size):
                    given = [os.open("/dev/null", os.O_RDONLY) for _ in range(10)]
                    socket.send_fds(s, [data[at : at + size]], given)
                    close_all(given)
                for _ in range(100):
                    given = [os.open("/dev/null", os.O_RDONLY) for _ in range(100)]
                    s.setblocking(False)
                    socket.send_fds(s, [b"x"], given)
                    close_all(given)
        honest.work()
        for s in sockets:
            s.close()


@pytest.mark.costly
@pytest.mark.parametrize("transport", ["shm", "unix"])
@pytest.mark.parametrize("pattern", ["request", "publish"])
def test_listener_replies_while_closing_a_descriptor_of_a_client_lingers(scene: Scenes, transport: str, pattern: str) -> None:
    """A waiting close blocks neither new nor existing connections."""
    honest = scene(transport, pattern)
    path = path_of(honest.directory, honest.endpoint)
    with honest.judged():
        sockets = []
        for given in ([lingering()], [lingering() for _ in range(20)]):
            s = independent.socket_at(path, socket.socket.connect)
            sockets.append(s)
            # The last process that closes a descriptor waits, so the listener must be the only owner.
            os.kill(honest.host.pid, signal.SIGSTOP)
            try:
                socket.send_fds(s, [b"no hello, but sixty-four bytes of something else that is no hello"], given)
            except OSError:
                # Refused descriptors are still ours and must not linger.
                for fd in given:
                    socket.socket(fileno=os.dup(fd)).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            close_all(given)
            os.kill(honest.host.pid, signal.SIGCONT)
            honest.newcomer()
        honest.work()
        for s in sockets:
            s.close()
        for one in aside:
            one.close() if isinstance(one, socket.socket) else os.close(one)
        aside.clear()
