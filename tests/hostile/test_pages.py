"""Hostile services at a controller with a page: odd texts, huge values, silence, three hundred services."""

import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

import independent
from conftest import PROGRAM
from independent import COMMAND, EVENT, JSON, Link
from party import SOON, Cost
from peer import hang_up, ignoring_its_end, socket_of
from support.waiting import until

Map = dict[str, Any]
#: Texts that a terminal, page, parser or metrics file might misread.
TEXTS = [
    "", "</script><script>alert(1)</script>", '"} 1\nlinkspan_services 999\n# HELP', "\n\ndata: {}\nevent: snapshot\n", "\x1b[2J\x00\x07", "\u202egnp.exe\ufeff",
    "\ud800".encode("utf-16", "surrogatepass").decode("utf-16", "replace"), "\\u0000\\", "a" * 60_000, "\u2028\u2029", "{\"$time\": 5}",
]
VALUES: list[Any] = [
    1 << 63, -(1 << 70), 1 << 2000, 1e308, {"$float": "nan"}, {"$time": "999999-01-01T00:00:00Z"}, {"$bytes": "AAAA" * 10_000}, [0] * 50_000,
    {str(i): i for i in range(3_000)}, [[[[[[[[[[]]]]]]]]]], {"__proto__": {"x": 1}}, {"$ndarray": {"dtype": "f8", "shape": [1 << 60], "data": ""}}, None,
]
#: Number of services that register and answer nothing.
SILENT = 300


class Served:
    def __init__(self, folder: Path) -> None:
        self.run = folder / "run"
        environment = {**os.environ, "LINKSPAN_DIR": str(self.run), "LINKSPAN_STATE_DIR": str(folder / "state")}
        self.path = self.run / "controller.unix"
        self.process = subprocess.Popen(
            [PROGRAM, "controller", "--no-tcp", "--http", "127.0.0.1:0"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.printed: list[str] = []
        self.address = ""
        assert self.process.stdout
        for line in self.process.stdout:
            self.printed.append(line.decode())
            if found := re.search(r"the page is at (http://[^/\s]+)/; its whole address is in (.+)", self.printed[-1]):
                self.address, whole = found[1], Path(found[2].strip())
                break
        token = re.search("token=([0-9a-f]{64})", whole.read_text())
        assert token
        self.token = token[1]
        threading.Thread(target=lambda: self.printed.extend(line.decode() for line in self.process.stdout or ()), daemon=True).start()
        self.honest = subprocess.Popen(
            [PROGRAM, "service", "run", "--name", "lab/honest", "--", "sleep", "1000"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.was = Cost.of(self.process.pid)
        self.links: list[Link] = []

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        host = urllib.parse.urlsplit(self.address)
        connection = http.client.HTTPConnection(str(host.hostname), host.port, timeout=SOON)
        headers = {"Authorization": f"Bearer {self.token}", **({"Content-Type": "application/json"} if body is not None else {})}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, Any]:
        status, body = self.ask("GET", path)
        # Strict JSON has no such words.
        return status, json.loads(body, parse_constant=lambda word: pytest.fail(f"{path} has {word}"))

    def snapshot(self) -> Map:
        """Returns the first content of a newly opened page."""
        host = urllib.parse.urlsplit(self.address)
        connection = http.client.HTTPConnection(str(host.hostname), host.port, timeout=SOON)
        try:
            connection.request("GET", "/api/events", None, {"Authorization": f"Bearer {self.token}"})
            answer = connection.getresponse()
            kind = ""
            while line := answer.readline().decode():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ").strip()
                elif line.startswith("data: ") and kind == "snapshot":
                    return json.loads(line.removeprefix("data: "))
            raise AssertionError("the stream ended before its snapshot")
        finally:
            connection.close()

    def work(self) -> None:
        status, listed = self.get("/api/services")
        names = [one["name"] for one in (listed["services"] if isinstance(listed, dict) else listed)]
        assert status == 200 and names.count("lab/honest") == 1, names
        assert self.get("/api/services/lab%2Fhonest")[1]["name"] == "lab/honest"
        assert self.get("/api/log?lines=100")[0] == 200
        status, metrics = self.ask("GET", "/metrics")
        assert status == 200
        for line in metrics.decode().splitlines():
            assert re.fullmatch(r'#.*|[a-zA-Z_:][\w:]*(\{(\w+="([^"\\\n]|\\["\\n])*",?)*\})? [-+0-9.eE]+(inf|nan|NaN|Inf)?', line), line
        assert "linkspan_services 999" not in metrics.decode().splitlines()
        shown = self.snapshot()
        assert [one["name"] for one in shown["services"]].count("lab/honest") == 1
        status, answer = self.ask("POST", "/api/services/lab%2Fhonest/commands", {"command": "STATUS", "wait": True})
        assert status == 200, answer
        assert self.process.poll() is None and "panicked" not in "".join(self.printed), self.printed
        assert not any("\x1b" in line or "\u202e" in line for line in self.printed), self.printed

    def service(self, name: str, **members: Any) -> Link:
        link = independent.connect_unix(self.path, "service")
        self.links.append(link)
        introduction = {
            "what": "introduction", "name": name, "epoch": independent.random(), "pid": os.getpid(), "program": "hostile", "description": "",
            "commands": ["dance"], "state": "READY", "since": {"$time": "2026-01-01T00:00:00Z"}, "steps": 0, "reason": "", **members,
        }  # fmt: skip
        send(link, introduction)
        return link

    def hang_up(self) -> None:
        for link in self.links:
            hang_up(link)
        self.links.clear()


def send(link: Link, value: Any) -> None:
    with ignoring_its_end():
        link.send_body(EVENT, JSON, json.dumps(value).encode())


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Served]:
    made = Served(folder)
    until("the service is known", lambda: made.get("/api/services/lab%2Fhonest")[0] == 200)
    yield made
    made.honest.send_signal(signal.SIGTERM)
    made.honest.wait(SOON)
    made.process.send_signal(signal.SIGTERM)
    assert made.process.wait(SOON) == 0


@pytest.fixture(autouse=True)
def judged(served: Served) -> Iterator[None]:
    yield
    served.hang_up()
    served.work()


def test_texts_of_services_are_data_of_the_json_and_nothing_else(served: Served) -> None:
    for n, text in enumerate(TEXTS):
        link = served.service(f"hostile/{n}", description=text, program=text, reason=text, commands=[text, "dance"])
        send(link, {"what": "report", "state": "FAILED", "since": {"$time": "2026-01-01T00:00:00Z"}, "steps": 1, "reason": text})
        send(link, {"what": "log", "lines": [{"at": {"$time": "2026-01-01T00:00:00Z"}, "level": text, "text": text}]})
        send(link, {"what": "log", "lines": [{"at": {"$time": "2026-01-01T00:00:00Z"}, "level": "info", "text": text}]})
        served.service(text)
        served.work()


def test_values_of_services_are_bounded(served: Served) -> None:
    for n, value in enumerate(VALUES):
        link = served.service(f"hostile/value-{n}")
        for key in ("steps", "since", "busy", "state", "doing", "reason", "data", "value"):
            send(link, {"what": "report", "state": "RUNNING", "since": {"$time": "2026-01-01T00:00:00Z"}, "steps": 1, "reason": "", key: value})
        for what in ("data", "log", "answer", "introduction"):
            send(link, {"what": what, "value": value, "data": value, "lines": value, "answer": value, "at": value})
        served.service(f"hostile/member-{n}", epoch=value, pid=value, steps=value)
        served.work()
    assert Cost.of(served.process.pid).peak - served.was.resident < 256 << 10, Cost.of(served.process.pid)


def test_random_reports_of_services_end_nothing(served: Served) -> None:
    seed = int(os.environ.get("LINKSPAN_SEED") or time.time_ns() % (1 << 32))
    print(f"LINKSPAN_SEED={seed}")
    chance = Random(seed)
    for n in range(40):
        drawn = {key: chance.choice([*TEXTS, *VALUES]) for key in ("description", "program", "commands", "state", "since", "steps", "reason") if chance.random() < 0.3}
        link = served.service(f"hostile/random-{n}", **drawn)
        for _ in range(5):
            send(link, {"what": chance.choice(["report", "log", "answer", "bye", "introduction", "data"]), **{
                key: chance.choice([*TEXTS, *VALUES]) for key in ("state", "since", "steps", "reason", "lines", "answer", "value", "doing") if chance.random() < 0.5
            }})
        if n % 10 == 0:
            served.work()


def test_hundreds_of_silent_services_delay_no_request(served: Served) -> None:
    """Some have registered and answer nothing, others connect and stay silent."""
    for n in range(SILENT):
        if n % 3:
            served.service(f"silent/{n}")
        else:
            served.links.append(independent.connect_unix(served.path, "service"))
    until("they are listed", lambda: len(served.snapshot()["services"]) > SILENT * 2 // 3)
    served.work()
    # Each command ends at its own time without delaying others. Sixteen fit at once; one more is refused.
    ended: list[int] = []

    def command(n: int) -> None:
        body = {"command": "dance", "wait": True, "within": 1.0}
        ended.append(served.ask("POST", f"/api/services/silent%2F{n}/commands", body)[0])

    asking = [threading.Thread(target=command, args=(n,)) for n in range(1, 16) if n % 3]
    for one in asking:
        one.start()
    served.work()
    for one in asking:
        one.join(SOON)
    assert len(ended) == len(asking) and all(status >= 400 for status in ended), ended
    served.hang_up()
    until("they are shown as disconnected", lambda: all(
        one.get("connected") is not True or not one["name"].startswith("silent/") for one in served.snapshot()["services"]
    ))


@pytest.mark.costly
def test_service_takes_commands_and_never_finishes_them(served: Served) -> None:
    link = served.service("hostile/mute")
    until("it is known", lambda: served.get("/api/services/hostile%2Fmute")[0] == 200)
    begun = [served.ask("POST", "/api/services/hostile%2Fmute/commands", {"command": "dance", "within": 0.5})[0] for _ in range(20)]
    served.work()
    socket_of(link).settimeout(SOON)
    while (frame := link.receive()).kind != COMMAND:
        pass
    ident = frame.value()["id"]
    for outcome, value in (("ACCEPTED", None), ("DONE", "x" * 100_000), ("DONE", TEXTS[2]), ("FAILED", None)):
        send(link, {"what": "answer", "answer": {"id": ident, "outcome": outcome, "state": "READY", "value": value}})
    served.work()
    assert all(status in (200, 202) or status >= 400 for status in begun), begun
