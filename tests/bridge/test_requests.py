"""Requests between machines: answers, failures, missing servers, servers and bridges that are killed."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SOON, Lines, Machine, kill
from support.waiting import until


class Sender:
    def __init__(self, machine: Machine, name: str) -> None:
        command = [sys.executable, str(Path(__file__).with_name("sending_end.py")), name]
        self.process = subprocess.Popen(command, env=machine.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        machine.running.append(self.process)
        self.lines = Lines(self.process)

    def do(self, line: str) -> dict:
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()
        return json.loads(self.lines.next())


def test_request_is_answered_by_the_other_machine(pair):
    north, south, _ = pair
    north.start("reply", "lab/echo", "--command", "cat")
    south.has("lab/echo")
    assert south.listed("lab/echo")["machine"] == "north"
    for value in ('{"a": [1, 2.5, "x"]}', "7", "null"):
        assert south.run("call", "lab/echo", value, "--json").strip() == value.replace(": ", ":").replace(", ", ",")
    assert until("they are counted", lambda: north.status().get("requests_in") == 3)
    until("here, too", lambda: south.status().get("requests_out") == 3)


def test_failure_of_the_handler_reaches_the_caller(pair):
    north, south, _ = pair
    north.start("reply", "lab/fails", "--shell", "--command", "echo broken >&2; exit 3")
    south.has("lab/fails")
    output = south.run("call", "lab/fails", "1", code=1)
    assert "Remote" in output and "broken" in output


def test_missing_server_is_not_found_and_no_answer_is_timeout(pair):
    north, south, _ = pair
    assert "NotFound" in south.run("call", "lab/nobody", "1", "-t", "0.5", code=4)
    server = north.start("reply", "lab/slow", "--shell", "--command", "sleep 20")
    south.has("lab/slow")
    assert "Timeout" in south.run("call", "lab/slow", "1", "-t", "0.5", code=3)
    kill(server)
    until("the name goes with its server", lambda: south.listed("lab/slow") is None)
    assert "NotFound" in south.run("call", "lab/slow", "1", "-t", "0.5", code=4)


@pytest.mark.parametrize("what", ["server", "server that has answered", "listener"])
def test_name_of_a_killed_idle_program_disappears(pair, what):
    """A killed program does not remove its name, and nothing else changes in the machine's runtime directory."""
    north, south, _ = pair
    command = ("recv", "lab/idle", "-t", "forever") if what == "listener" else ("reply", "lab/idle", "--command", "cat")
    program = north.start(*command)
    south.has("lab/idle")
    if what == "server that has answered":
        for value in "123":
            assert south.run("call", "lab/idle", value, "--json").strip() == value
    kill(program)
    until("the name goes with its program", lambda: south.listed("lab/idle") is None)
    north.start(*command)
    south.has("lab/idle")


@pytest.mark.parametrize("which", ["server", "bridge"])
def test_pending_request_ends_when_its_other_end_is_killed(machines, meeting, which):
    north, south = machines("north"), machines("south")
    bridge = north.bridge("--export", "lab/*", *meeting.listen())
    south.bridge("--import", "lab/*", *meeting.connect())
    server = north.start("reply", "lab/slow", "--shell", "--command", "sleep 5")
    south.has("lab/slow")
    caller = south.start("call", "lab/slow", "1", "-t", "20")
    until("the request has arrived", lambda: north.status().get("requests_in") == 1)
    kill(server if which == "server" else bridge)
    assert caller.wait(SOON) in (1, 4), south.log.read_text()
    assert "Disconnected" in south.log.read_text() or "NotFound" in south.log.read_text()


def test_send_to_a_stopped_server_fails_and_its_successor_receives_the_message(pair):
    north, south, _ = pair
    file = north.folder / "handled"

    def serve() -> subprocess.Popen:
        return north.start("reply", "lab/log", "--shell", "--command", f"cat >> '{file}'; echo >> '{file}'")

    def send(machine, value: int, *more: str) -> int:
        return machine.start("send", "lab/log", str(value), *more).wait(SOON)

    def handled() -> list[str]:
        return file.read_text().split() if file.exists() else []

    server = serve()
    south.has("lab/log")
    assert send(south, 1) == 0 and "1" in handled(), "it is acknowledged once it has been handled"
    server.send_signal(signal.SIGSTOP)
    assert send(north, 2, "-t", "2") != 0, "it does not even answer a hello"
    assert send(south, 2, "-t", "2") == 3, "Timeout: the bridge there has it, and the server has not handled it"
    server.send_signal(signal.SIGCONT)
    assert send(south, 3) == 0 and "3" in handled()
    server.send_signal(signal.SIGSTOP)
    waiting = south.start("send", "lab/log", "4", "-t", str(SOON))
    until("the message is on its way to the server", lambda: north.status().get("requests_in", 0) >= 4)
    kill(server)
    server = serve()
    assert waiting.wait(SOON) == 0 and "4" in handled(), "the next server gets what the one before had not handled"


def test_message_handled_late_is_handled_once_and_delays_no_acknowledgement(machines, meeting):
    north, south = machines("north"), machines("south")
    north.bridge("--export", "lab/*", *meeting.listen())
    file = south.folder / "bridge.toml"
    file.write_text("request_timeout = 0.5\n")
    south.bridge("--config", file, "--import", "lab/*", *meeting.connect())
    handled = north.folder / "handled"
    # "slow" exceeds the bridge's wait several times.
    work = f"read x; case $x in *slow*) sleep 2;; esac; echo $x >> '{handled}'; echo $x"
    north.start("reply", "lab/log", "--shell", "--command", work)
    south.has("lab/log")
    do = Sender(south, "lab/log").do

    def is_handled(value: str) -> bool:
        return handled.exists() and value in handled.read_text()

    assert do("send first")["outcome"] is None
    until("what was handled is acknowledged", lambda: is_handled("first") and do("call a")["unacknowledged"] == 0)
    do("send slow")
    do("send behind")
    until("both are acknowledged once they were handled", lambda: is_handled("behind") and do("call c")["unacknowledged"] == 0)
    assert "is not acknowledged yet" in south.log.read_text()
    assert do("close")["outcome"] is None
    assert [handled.read_text().count(value) for value in ("first", "slow", "behind")] == [1, 1, 1]
