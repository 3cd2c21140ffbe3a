"""A service in Python's standard library, written only from docs/wire-format.md and docs/lifecycle.md.

One thread reads from the controller and answers at once; the program pulls its tasks. It sends JSON and leaves
deadlines to the controller.
"""

import json
import os
import queue
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from independent import COMMAND, ERROR, EVENT, JSON, SOON, Link, Refused, connect_unix, random

#: States that permit each command; the service's own commands follow CONFIG.
STATES = {
    "GET_DATA": "READY RUNNING PAUSING PAUSED CHECKPOINTING STOPPING",
    "PAUSE": "READY RUNNING",
    "RUN": "READY PAUSED FAILED",
    "CHECKPOINT": "READY RUNNING",
    "SHUTDOWN": "STARTING READY RUNNING PAUSING PAUSED CHECKPOINTING STOPPING FAILED",
}
BEYOND = "READY RUNNING PAUSED"
LEADS = ("PAUSE", "RUN", "CHECKPOINT")
MEANWHILE = {"PAUSE": "PAUSING", "CHECKPOINT": "CHECKPOINTING", "SHUTDOWN": "STOPPING"}
AT_ONCE = ("STATUS", "DESCRIBE", "STATS", "LOG", "CANCEL")

Map = dict[str, Any]


class Service:
    """Commands wait in `tasks`; the program takes them and calls `finish`."""

    def __init__(self, directory: Path, name: str, commands: tuple[str, ...] = ()) -> None:
        self.path, self.name, self.commands = directory / "controller.unix", name, commands
        self.epoch, self.state, self.since = random(), "READY", time.time()
        self.doing: tuple[str, float] | None = None
        self.tasks: queue.Queue[Map] = queue.Queue()
        self.begun: list[str] = []
        self.open: dict[str, str] = {}
        self.answers: dict[str, Map] = {}
        self.link: Link | None = None
        self.refused: tuple[Any, ...] | None = None
        self.connections = 0
        self.lock = threading.RLock()
        self.ended = threading.Event()
        threading.Thread(target=self._receive, daemon=True).start()

    # Sending.

    def _send_event(self, what: str, **more: Any) -> None:
        if self.link is not None:
            try:
                self.link.send_body(EVENT, JSON, json.dumps({"what": what, **more}).encode())
            except OSError:
                pass  # The reading thread notices it, and the controller sends the command again.

    def _report(self) -> Map:
        report = {"state": self.state, "since": _time(self.since), "steps": 0, "reason": ""}
        if self.doing is not None:
            report |= {"doing": self.doing[0], "busy": time.monotonic() - self.doing[1]}
        return report

    def _description(self) -> Map:
        return {
            "name": self.name, "epoch": self.epoch, "pid": os.getpid(), "program": "independent",
            "description": "written from the documents", "commands": list(self.commands),
        }  # fmt: skip

    def _answer(self, ident: str, outcome: str, value: Any = None, error: tuple[int, str, str] | None = None) -> None:
        answer: Map = {"id": ident, "outcome": outcome, "state": self.state}
        answer |= {"value": value} if error is None else {"error": dict(zip(("code", "type", "text"), error))}
        if outcome != "ACCEPTED":
            self.answers[ident] = answer
        self._send_event("answer", answer=answer)

    def _enter(self, state: str) -> None:
        self.state, self.since = state, time.time()
        self._send_event("report", **self._report())

    # Receiving.

    def _receive(self) -> None:
        while not self.ended.is_set():
            try:
                self._receive_one()
            except (OSError, EOFError, Refused) as why:
                self.refused = why.args if isinstance(why, Refused) else self.refused
            with self.lock:
                self.link = None
            self.ended.wait(0.05)

    def _receive_one(self) -> None:
        link = connect_unix(self.path, "service")
        while True:
            frame = link.receive()
            if frame.kind == COMMAND:
                with self.lock:
                    self._take(frame.value())
            elif frame.kind == EVENT:
                self._handle(link, frame.value())

    def _handle(self, link: Link, message: Map) -> None:
        match message["what"]:
            case "welcome":
                with self.lock:
                    self.link = link
                    self._send_event("introduction", **self._description(), **self._report())
                    self.connections += 1
                threading.Thread(target=self._beat, args=(link, message["heartbeat"]), daemon=True).start()
            case "refused":
                raise Refused(message["code"], message["text"])

    def _beat(self, link: Link, heartbeat: float) -> None:
        while not self.ended.wait(heartbeat) and self.link is link:
            with self.lock:
                self._send_event("report", **self._report())

    def _take(self, order: Map) -> None:
        ident, command = order["id"], order["command"]
        if ident in self.answers:
            return self._send_event("answer", answer=self.answers[ident])
        if ident in self.open:
            return self._answer(ident, "ACCEPTED")
        if order.get("epoch", self.epoch) != self.epoch:
            return self._answer(ident, "REJECTED", error=(106, "InvalidState", "that was another incarnation"))
        if command in AT_ONCE:
            return self._answer_at_once(ident, command)
        if command not in STATES and command not in self.commands:
            return self._answer(ident, "REJECTED", error=(116, "Unsupported", f"{command} is not known here"))
        leads = command in LEADS and any(other in LEADS for other in self.open.values())
        if leads or self.state not in STATES.get(command, BEYOND).split():
            return self._answer(ident, "REJECTED", error=(106, "InvalidState", f"{command} in {self.state}"))
        self._answer(ident, "ACCEPTED")
        self.open[ident] = command
        self.tasks.put({**order, "before": self.state})
        if command in MEANWHILE and self.state != MEANWHILE[command]:
            self._enter(MEANWHILE[command])

    def _answer_at_once(self, ident: str, command: str) -> None:
        match command:
            case "STATUS":
                self._answer(ident, "DONE", {"name": self.name, "epoch": self.epoch, **self._report()})
            case "DESCRIBE":
                self._answer(ident, "DONE", self._description())
            case "STATS":
                self._answer(ident, "DONE", {"begun": len(self.begun)})
            case "LOG":
                self._answer(ident, "DONE", [])
            case _:
                self._answer(ident, "FAILED", error=(103, "NotFound", "nothing is given up here"))

    # The program's side.

    def task(self) -> Map:
        """Returns the next command; the program is busy until it calls `finish`."""
        order = self.tasks.get(timeout=SOON)
        with self.lock:
            self.begun.append(order["id"])
            self.doing = order["command"], time.monotonic()
        return order

    def busy(self, doing: str | None) -> None:
        with self.lock:
            self.doing = None if doing is None else (doing, time.monotonic())
            self._send_event("report", **self._report())

    def finish(self, order: Map, value: Any = None, error: Exception | None = None) -> None:
        ident, command = order["id"], order["command"]
        with self.lock:
            self.doing = None
            del self.open[ident]
            then = {"PAUSE": "PAUSED", "RUN": "RUNNING", "SHUTDOWN": "STOPPED"}.get(command)
            if error is not None or command == "CHECKPOINT":
                then = order["before"] if command in MEANWHILE else None
            if then is not None:
                self._enter(then)
            if error is None:
                self._answer(ident, "DONE", value)
            else:
                self._answer(ident, "FAILED", error=(0, type(error).__name__, str(error)))
            if command == "SHUTDOWN" and error is None:
                self._send_event("bye", state=self.state)
                self.close()

    def close(self) -> None:
        self.ended.set()
        with self.lock:
            if self.link is not None:
                self.link.stream.keeps.shutdown(2)


def _time(seconds: float) -> Map:
    return {"$time": datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")}


class Client:
    """Sends a request to a controller."""

    def __init__(self, directory: Path) -> None:
        self.link = connect_unix(directory / "controller.unix", "controller")
        self.hello = self.link.receive().value()
        assert self.hello["what"] == "hello"

    def ask(self, what: str, **more: Any) -> Any:
        return self.link.call({"what": what, **more})

    def watch(self, *services: str, data_every: float) -> None:
        body = json.dumps({"what": "watch", "services": services, "data_every": data_every}).encode()
        self.link.send_body(EVENT, JSON, body)

    def next_push(self, what: str) -> Map:
        while (frame := self.link.receive()).kind != EVENT or frame.value()["what"] != what:
            assert frame.kind != ERROR
        return frame.value()
