"""Hostile services and clients at a controller, next to an honest service and client."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

import frames
import independent
from conftest import PROGRAM
from party import EFFORT, SOON, Cost, Party
from support.waiting import until
from peer import hang_up, ignoring_its_end, looks, put_bytes
from scene import SPARE_DESCRIPTORS
from independent import COMMAND, ERROR, EVENT, JSON, REPLY, REQUEST, Link

TOP = 1 << 64
Map = dict[str, Any]
BAD: list[Any] = [None, True, -1, TOP - 1, 1.5, "", "x" * 300, "../..", "a b", "\x1b[2J", [], ["x"] * 100, {}, {"$bytes": "!"}, [[[[[]]]]]]


class Controlled:
    """A controller, an honest service, and an honest client that commands it."""

    def __init__(self, run: Path, folder: Path, party: Callable[..., Party]) -> None:
        environment = {**os.environ, "LINKSPAN_DIR": str(run), "LINKSPAN_STATE_DIR": str(folder / "state")}
        self.path, self.log = run / "controller.unix", folder / "controller.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "controller", "--no-tcp"], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.guest = party()
        until("the controller listens", self.path.exists)
        self.guest.do("service", "service", "lab/honest")
        self.guest.do("controller", "client", "unix:controller", timeout=SOON)
        until("the service is known", lambda: self.guest.outcome("commands", "client", "lab/honest", 1, SOON) == "done")
        self.was = Cost.of(self.process.pid)

    def work(self, count: int = 2) -> None:
        self.guest.do("commands", "client", "lab/honest", count, SOON)

    def check(self) -> None:
        self.work()
        self.guest.check()
        assert self.process.poll() is None, self.log.read_text()
        assert "panicked" not in self.log.read_text()
        most = self.was.descriptors + SPARE_DESCRIPTORS
        until("the controller gave back what it had for hostile ones", lambda: Cost.of(self.process.pid).descriptors <= most)
        assert Cost.of(self.process.pid).peak - self.was.resident < 64 << 10, Cost.of(self.process.pid)

    def meet(self, pattern: str) -> Link:
        return independent.connect_unix(self.path, pattern)


@pytest.fixture(scope="module")
def honest(run: Path, folder: Path, party: Callable[..., Party]) -> Iterator[Controlled]:
    made = Controlled(run, folder, party)
    yield made
    made.process.send_signal(signal.SIGTERM)
    made.process.wait(SOON)


@pytest.fixture(autouse=True)
def judged(honest: Controlled) -> Iterator[None]:
    yield
    honest.check()


def send(link: Link, kind: int, value: Any) -> None:
    with ignoring_its_end():
        link.send_body(kind, JSON, json.dumps(value).encode())


def introduction(name: str, **more: Any) -> Map:
    return {
        "what": "introduction", "name": name, "epoch": independent.random(), "pid": os.getpid(), "program": "hostile", "description": "",
        "commands": ["dance"], "state": "READY", "since": {"$time": "2026-01-01T00:00:00Z"}, "steps": 0, "reason": "", **more,
    }  # fmt: skip


def service(honest: Controlled, **members: Any) -> Link:
    link = honest.meet("service")
    send(link, EVENT, introduction(**{"name": "hostile/service", **members}))
    return link


@pytest.mark.parametrize("key", sorted(introduction("x")))
def test_service_sends_malformed_introductions(honest: Controlled, key: str) -> None:
    links = [service(honest, **{key: value}) for value in BAD]
    honest.work()
    for link in links:
        hang_up(link)


def test_service_takes_the_name_of_another(honest: Controlled) -> None:
    links = [service(honest, name="lab/honest", epoch=epoch) for epoch in (0, 1, TOP - 1)]
    for link in links:
        send(link, EVENT, {"what": "report", "state": "STOPPED", "since": {"$time": "2026-01-01T00:00:00Z"}, "steps": 1})
        send(link, EVENT, {"what": "bye", "state": "STOPPED"})
    honest.work()
    for link in links:
        hang_up(link)


def test_service_answers_commands_of_others(honest: Controlled) -> None:
    """Answers to foreign ids in every form, during commands to the other service."""
    link = service(honest)
    for n in range(200):
        for outcome in ("ACCEPTED", "DONE", "FAILED", "REJECTED", "dancing"):
            answer = {"id": f"{n}", "outcome": outcome, "state": "READY", "value": n}
            send(link, EVENT, {"what": "answer", "answer": answer})
        if n % 50 == 0:
            honest.work(1)
    for answer in BAD:
        send(link, EVENT, {"what": "answer", "answer": answer})
        send(link, EVENT, {"what": "answer", "answer": {"id": answer, "outcome": answer, "error": answer}})
    honest.work()
    hang_up(link)


def test_service_floods_with_reports_and_logs(honest: Controlled) -> None:
    link = service(honest)
    report = {"what": "report", "state": "RUNNING", "since": {"$time": "2026-01-01T00:00:00Z"}, "steps": 1, "reason": "x" * 1000}
    line = {"at": {"$time": "2026-01-01T00:00:00Z"}, "level": "info", "text": "\x1b[2J" + "x" * 1000}
    for n in range(300):
        send(link, EVENT, {**report, "steps": n})
        send(link, EVENT, {"what": "log", "lines": [line] * 100})
        if n % 50 == 0:
            honest.work(1)
    hang_up(link)


def test_service_never_answers_its_commands(honest: Controlled) -> None:
    link = service(honest, name="hostile/mute")
    client = honest.meet("controller")
    for n in range(50):
        command = {"what": "command", "service": "hostile/mute", "id": f"mute-{n}", "command": "dance", "within": 0.2}
        send(client, REQUEST, command)
    honest.work()
    hang_up(link)
    hang_up(client)


def test_many_services_register(honest: Controlled) -> None:
    links = []
    for n in range(200):
        with ignoring_its_end():
            links.append(service(honest, name=f"hostile/{n}"))
    honest.work()
    for link in links:
        hang_up(link)


def test_client_sends_malformed_requests(honest: Controlled) -> None:
    client = honest.meet("controller")
    good = {"service": "lab/honest", "id": "a", "command": "GET_DATA", "within": 1.0, "wait": "done", "lines": 10, "after": ""}
    for what in ("services", "status", "command", "answer", "log", "forget", "stats", "watch", "what?"):
        for key in good:
            for value in BAD:
                send(client, REQUEST, {"what": what, **good, key: value})
                while looks(client, 0) == "answered":
                    with ignoring_its_end():
                        client.receive()
        honest.work(1)
        if looks(client, 0) == "ended":
            client = honest.meet("controller")
    hang_up(client)


def test_client_reuses_ids_of_others(honest: Controlled) -> None:
    """One id for many commands, services and clients; honest commands get their own answers."""
    clients = [honest.meet("controller") for _ in range(3)]
    for n in range(60):
        for client in clients:
            send(client, REQUEST, {"what": "command", "service": "lab/honest", "id": "same", "command": ["GET_DATA", "STATUS", "no"][n % 3]})
            send(client, REQUEST, {"what": "answer", "service": "lab/honest", "id": "same"})
            send(client, REQUEST, {"what": "forget", "service": "lab/honest"})
            while looks(client, 0) == "answered":
                with ignoring_its_end():
                    client.receive()
        if n % 20 == 0:
            honest.work(1)
    for client in clients:
        hang_up(client)


def test_client_watches_everything_and_reads_nothing(honest: Controlled) -> None:
    clients = [honest.meet("controller") for _ in range(10)]
    for client in clients:
        send(client, EVENT, {"what": "watch", "services": [], "data_every": 0.01})
        for value in BAD:
            send(client, EVENT, {"what": "watch", "services": value, "data_every": value})
    for _ in range(5):
        honest.work()
    for client in clients:
        hang_up(client)


@pytest.mark.parametrize("pattern", ["service", "controller"])
def test_peer_sends_invalid_messages(honest: Controlled, pattern: str) -> None:
    for n, (_, frames_sent) in enumerate(frames.misplaced(1)):
        link = honest.meet(pattern)
        put_bytes(link, b"".join(frame.to_bytes() for frame in frames_sent))
        if n % 10 == 0:
            honest.work(1)
        hang_up(link)
    for kind in (COMMAND, EVENT, REPLY, ERROR, REQUEST):
        link = honest.meet(pattern)
        for value in BAD:
            send(link, kind, value)
            send(link, kind, {"what": value})
        hang_up(link)


def test_peer_sends_mutated_messages(honest: Controlled, chance: Random) -> None:
    for n in range(100 * EFFORT):
        link = honest.meet(chance.choice(["service", "controller"]))
        if chance.randrange(2):
            send(link, EVENT, introduction(f"hostile/{n % 7}"))
        put_bytes(link, frames.scramble(chance, 2))
        hang_up(link)
        if n % 25 == 0:
            honest.work(1)


@pytest.mark.costly
def test_many_connections_send_nothing(honest: Controlled) -> None:
    links = []
    for n in range(300):
        with ignoring_its_end():
            links.append(honest.meet(["service", "controller"][n % 2]))
    honest.work()
    for link in links:
        hang_up(link)
