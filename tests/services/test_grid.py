"""A service in each language, through every command in every state, from a controller in each language.

The expected results are in the table of docs/lifecycle.md, which a test compares with the code.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import linkspan
import pytest
from conftest import SOON, Bench
from support.tree import PROGRAM, ROOT
from support.waiting import next_line, until

SERVICES = ["rust", "python", "c", "cpp", "fortran"]
CONTROLLERS = ["rust", "python", "php", "c", "cpp", "fortran", "shell"]
#: The library calls hooks: a step that fails ends the program.
HOOKS = {"rust", "python", "cpp"}
STATES = ["STARTING", "READY", "RUNNING", "PAUSING", "PAUSED", "CHECKPOINTING", "STOPPING"]
#: In a state that a gate holds: long enough for a refusal, and short enough that an answer at the deadline does not
#: take long.
WITHIN = 2.5


def table() -> dict[str, dict[str, str]]:
    text = (ROOT / "docs/lifecycle.md").read_text(encoding="utf-8")
    block = text.split("<!-- checked: lifecycle -->\n")[1].split("<!-- end -->")[0]
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in block.splitlines()]
    head, rows = rows[0][1:], rows[2:]
    assert len(rows) == 8 and len(head) == 9
    return {state: {row[0]: row[1 + at] for row in rows} for at, state in enumerate(head)}


TABLE = table()
REFUSED = "–"


class Commander:
    """A controller of this folder, or the shell, that sends the commands."""

    def __init__(self, bench: Bench, language: str, command: list[str] | None) -> None:
        self.bench, self.language = bench, language
        self.program = command and bench.start(command, stdin=subprocess.PIPE, bufsize=1)
        self.asked: subprocess.Popen[str] | None = None

    def send(self, service: str, command: str, within: float = 20, arguments: object = None) -> None:
        words = json.dumps(arguments, separators=(",", ":"))
        if self.program:
            self.program.stdin.write(f"{service} {command} {within} {words}\n")
            return
        ask = [str(PROGRAM), "service", "call", service, command, words, "--timeout", str(within), "--json"]
        self.asked = self.bench.start(ask, stderr=subprocess.PIPE)

    def answer(self) -> tuple[str, object]:
        if self.program:
            line = next_line(self.program.stdout, f"the answer to the controller in {self.language}")
            assert line, f"the controller in {self.language} ended"
            word, _, rest = line.rstrip("\n").partition(" ")
            if word == "DONE":
                return word, json.loads(rest)
            number, _, text = rest.partition(" ")
            return number, text
        out, err = self.asked.communicate(timeout=SOON)
        if self.asked.returncode == 0:
            return "DONE", json.loads(out)
        found = re.search(r"\((\d{3})\)|\b(1\d\d)\b", err)
        assert found, err
        return found[1] or found[2], err

    def command_answer(self, service: str, command: str, within: float = 20, arguments: object = None) -> tuple[str, object]:
        self.send(service, command, within, arguments)
        return self.answer()


class Target:
    def __init__(self, bench: Bench, language: str, command: list[str]) -> None:
        self.bench, self.language, self.command = bench, language, command
        self.gates = bench.folder / "gates"
        self.gates.mkdir()
        # Other pairs of this process have separate controllers.
        self.watch = linkspan.Controller(f"unix:{bench.folder}/controller")
        self.name = f"grid/{language}"
        self.program: subprocess.Popen[str] | None = None

    def begin(self, state: str = "RUNNING") -> None:
        """Starts a new incarnation, up to STARTING, READY or RUNNING."""
        for old in self.gates.iterdir():
            old.unlink()
        if state == "STARTING":
            self.close("START")
        words = ["ready"] if state == "READY" else []
        self.program = self.bench.start(self.command, self.name, str(self.gates), *words)
        self.until(state, pid=self.program.pid)

    def until(self, state: str, pid: int | None = None) -> None:
        def reached() -> bool:
            try:
                found = self.watch.service(self.name).status()
            except linkspan.NotFound:
                return False
            return found["state"] == state and (pid is None or found["pid"] == pid)

        until(f"{self.name} in {state}", reached, SOON)

    def order(self, command: str) -> None:
        self.watch.service(self.name).command(command, wait=False)

    def close(self, gate: str) -> None:
        (self.gates / gate).touch()

    def open(self, gate: str) -> None:
        (self.gates / gate).unlink()

    def ended(self) -> int:
        return self.program.wait(timeout=SOON)

    def in_state(self, state: str) -> None:
        """Brings a new incarnation into the state; a gate holds states that would pass."""
        match state:
            case "STARTING" | "READY" | "RUNNING":
                self.begin(state)
            case "PAUSED":
                self.begin()
                self.watch.service(self.name).pause()
            case "PAUSING" | "CHECKPOINTING" | "STOPPING":
                gate = {"PAUSING": "PAUSE", "CHECKPOINTING": "CHECKPOINT", "STOPPING": "SHUTDOWN"}[state]
                self.begin()
                self.watch.service(self.name).get_data()
                self.close(gate)
                self.order(gate)
                self.until(state)
            case "FAILED":
                self.begin()
                self.watch.service(self.name).command("break")
                self.until(state)


#: The gate that holds the program in a state.
GATES = {"STARTING": "START", "PAUSING": "PAUSE", "CHECKPOINTING": "CHECKPOINT"}


def check_state(state: str, patient: Target, commander: Commander) -> None:
    """Tries every command that the state refuses or accepts; SHUTDOWN comes last."""
    name, row = patient.name, TABLE[state]
    held = state in GATES or state == "STOPPING"

    def takes(command: str) -> bool:
        return row.get(command, row["its own"]) != REFUSED

    patient.in_state(state)
    for command in ["STATUS", "DESCRIBE", "STATS", "LOG"]:
        number, value = commander.command_answer(name, command)
        assert number == "DONE", (command, state, value)
        if command == "STATUS":
            assert value["state"] == state, value
    for command in ["GET_DATA", "PAUSE", "RUN", "CHECKPOINT", "CONFIG", "BACKUP", "echo"]:
        if not takes(command):
            number, text = commander.command_answer(name, command)
            assert number == "106" and state in text and command in text, (command, state, number, text)
    for command in filter(takes, ["CONFIG", "BACKUP", "echo"]):
        arguments = {"deep": [1, 2.5, "é"]}
        assert commander.command_answer(name, command, arguments=arguments) == ("DONE", arguments), (command, state)
    if takes("GET_DATA"):
        # If the program is busy for long, the newest known data are returned before the deadline.
        number, value = commander.command_answer(name, "GET_DATA", WITHIN if held else 20)
        assert number == "DONE" and value["language"] == patient.language and value["steps"] >= 0, (state, value)
    if takes("echo"):
        number, text = commander.command_answer(name, "fail")
        assert number == "122" and "asked to fail" in text, (state, number, text)
    for command in filter(takes, ["CHECKPOINT", "PAUSE", "RUN"]):
        assert commander.command_answer(name, command)[0] == "DONE", (command, state)
        then = re.split("→ ", row[command])[-1]
        assert patient.watch.service(name).command("STATUS")["state"] == then
        if then != state:
            patient.program.kill()
            patient.ended()
            patient.in_state(state)
    commander.send(name, "SHUTDOWN")
    if state in GATES:
        patient.until("STOPPING")
        patient.open(GATES[state])
    number, value = commander.answer()
    if state == "STOPPING":
        # The second command cancels the current work, the first.
        assert number in {"119", "122"} and re.search("cancelled|give up", value), (number, value)
        assert patient.ended() == 1
    else:
        assert number == "DONE", (state, value)
        assert patient.ended() == 0


def play(service: str, controller: str, peers: dict[str, dict[str, list[str]]], folder: Path) -> None:
    """Takes a service through all states; a failure shows the controller's log."""
    bench = Bench(folder)
    try:
        commander = Commander(bench, controller, peers["controller"].get(controller))
        patient = Target(bench, service, peers["service"][service])
        for state in STATES + ([] if service in HOOKS else ["FAILED"]):
            try:
                check_state(state, patient, commander)
            except Exception as error:
                error.add_note(f"in {state}; the controller saw:\n{bench.log()}")
                raise
    finally:
        bench.close()


@pytest.fixture(scope="session")
def played(request, peers, tmp_path_factory) -> Iterator[dict[tuple[str, str], Future]]:
    """Runs the selected pairs in parallel, because each mostly waits."""
    chosen = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    pairs = [(params["service"], params["controller"]) for params in chosen if "controller" in params]
    with ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as workers:
        try:
            # A socket's path has at most 107 bytes.
            yield {pair: workers.submit(play, *pair, peers, tmp_path_factory.mktemp("b")) for pair in pairs}
        finally:
            workers.shutdown(cancel_futures=True)


@pytest.mark.costly
@pytest.mark.parametrize("controller", CONTROLLERS)
@pytest.mark.parametrize("service", SERVICES)
def test_every_command_in_every_state(service, controller, played):
    played[service, controller].result()


@pytest.mark.parametrize("service", sorted(HOOKS))
def test_failed_step_ends_a_program_with_hooks_and_reports_the_reason(service, peers, bench):
    patient = Target(bench, service, peers["service"][service])
    patient.in_state("FAILED")
    assert patient.ended() == 1
    record = patient.watch.service(patient.name).status()
    assert "asked to break" in record["reason"], record
