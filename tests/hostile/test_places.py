"""Hostile peers at named pipes and a mailslot, next to an honest pair over a socket of one program."""

import os
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

import frames
import independent
from party import EFFORT, SOON
from support.waiting import until
from peer import ignoring_its_end, path_of
from scene import Scene
from independent import DATA, REQUEST, Frame, Link, Stream

Scenes = Callable[[str, str], Scene]


def hang_up(link: Link) -> None:
    """Closes the pipes and releases the locks that show a living client."""
    role, ours = link.stream.keeps
    for fd in (link.stream.reader, link.stream.writer, role, ours):
        os.close(fd)


def put(link: Link, data: bytes) -> None:
    with ignoring_its_end():
        while data:
            data = data[os.write(link.stream.writer, data[:4096]) :]


class Pipes:
    """A server at a pair of pipes, which accepts one client at a time."""

    def __init__(self, honest: Scene) -> None:
        self.honest, self.file = honest, "lab@pipes.fifo"
        honest.host.do("serve", "pipes", "fifo:lab/pipes")

    def meet(self) -> Link:
        """Connects like a client; retries while the server replaces the pipes."""
        return until("a hostile client is let in", self.try_meet)

    def try_meet(self) -> Link | None:
        """Connects once; releases everything if another client got the pair first."""
        directory = self.honest.directory
        if (role := independent.try_lock(directory, f"{self.file}#client")) is None:
            return None
        held = [role]
        with ignoring_its_end():
            held.append(answers := os.open(directory / f"{self.file}.reply", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            held.append(requests := os.open(directory / self.file, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            number = independent.random()
            ours = independent.try_lock(directory, f"{self.file}#client#{number:016x}")
            assert ours is not None
            held.append(ours)
            stream = Stream(answers, requests, (role, ours), checked=True)
            stream.put(independent.hello("request", independent.random())._replace(sequence=number))
            # The server renames the pipes in turn, so they may belong to two pairs.
            pipes = {self.file: requests, f"{self.file}.reply": answers}
            deadline = time.monotonic() + SOON
            while time.monotonic() < deadline:
                if select.select([answers], [], [], 0.05)[0]:
                    if (answer := stream.get()).correlation == number:
                        return Link(stream, independent.answered(answer))
                elif any((directory / name).stat().st_ino != os.fstat(pipe).st_ino for name, pipe in pipes.items()):
                    break
        for fd in held:
            os.close(fd)
        return None

    def work(self) -> None:
        """An honest client is admitted and answered after the hostile one disconnects."""
        guest = self.honest.guest
        guest.do("connect", "pipes", "fifo:lab/pipes", timeout=SOON)
        guest.do("calls", "pipes", 0, 2, SOON)
        guest.do("close", "pipes")


@pytest.fixture(scope="module")
def pipes(scene: Scenes) -> Pipes:
    return Pipes(scene("unix", "request"))


def test_client_of_pipes_sends_invalid_frames(pipes: Pipes) -> None:
    with pipes.honest.judged():
        for n, (_, frames_sent) in enumerate(frames.misplaced(1)):
            link = pipes.meet()
            put(link, b"".join(frame.to_bytes(True) for frame in frames_sent))
            hang_up(link)
            if n % 8 == 0:
                pipes.honest.work(1)
                pipes.work()
        pipes.work()


def test_client_of_pipes_sends_mutated_frames(pipes: Pipes, chance: Random) -> None:
    with pipes.honest.judged():
        for n in range(60 * EFFORT):
            link = pipes.meet()
            put(link, frames.scramble(chance, 1))
            hang_up(link)
            if n % 16 == 0:
                pipes.honest.work(1)
                pipes.work()
        pipes.work()


def test_client_of_pipes_sends_half_a_frame_and_stays_connected(pipes: Pipes) -> None:
    """It may keep the only place; the server's other connections continue."""
    whole = Frame(REQUEST, independent.CBOR, 0, 1, 0, 0, b"", independent.encode("x" * 100)).to_bytes(True)
    with pipes.honest.judged():
        for length in (0, 1, 16, 63, 64, 100):
            link = pipes.meet()
            put(link, whole[:length])
            pipes.honest.work()
            hang_up(link)
        pipes.work()


def test_pipe_client_without_hello_does_not_block_others(pipes: Pipes, chance: Random) -> None:
    """Bytes come from a program that was never admitted."""
    with pipes.honest.judged():
        for n in range(20 * EFFORT):
            pipe = os.open(pipes.honest.directory / pipes.file, os.O_WRONLY | os.O_NONBLOCK)
            with ignoring_its_end():
                os.write(pipe, frames.scramble(chance, 1) if n % 2 else chance.randbytes(3000))
            os.close(pipe)
            pipes.honest.work(1)
            pipes.work()


def test_writers_of_a_mailslot_send_invalid_frames(scene: Scenes, chance: Random) -> None:
    honest = scene("unix", "channel")
    with honest.judged():
        honest.host.do("open_channel", "slot", "dgram:lab/slot")
        honest.guest.do("connect", "slot", "dgram:lab/slot", timeout=SOON)
        path = path_of(honest.directory, "dgram:lab/slot")
        count = 0

        def sends(data: bytes) -> None:
            nonlocal count
            with connected_at(path) as s, ignoring_its_end():
                s.send(data)
            if count % 8 == 0:
                honest.guest.numbered("sends", "slot", 1, SOON)
            count += 1

        bad = [b"".join(frame.to_bytes() for frame in frames_sent) for _, frames_sent in frames.misplaced(1)]
        bad += [data for _, data in frames.fields(DATA, 1)]
        bad += [frames.scramble(chance, 1) for _ in range(100 * EFFORT)]
        bad += [b"", b"x", bytes(64), bytes(100_000)]
        expected = (len(bad) + 7) // 8
        reading = honest.host.begin("read_all", "slot", expected, SOON)
        for data in bad:
            sends(data)
        assert reading.result(SOON) == expected
        honest.guest.do("close", "slot")
        honest.host.do("close", "slot")


def connected_at(path: Path) -> socket.socket:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.settimeout(SOON)
    directory = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
    try:
        s.connect(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)
    return s
