"""An independent service and client with the program `linkspan` as their peer."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.waiting import until

from conftest import Start
from service import Client, Service
from independent import SOON

Map = dict[str, Any]


def calibrate(arguments: Map) -> Map:
    if not arguments["gain"]:
        raise ValueError("gain is 0")
    return {"gain": arguments["gain"] * 2}


class Program(threading.Thread):
    def __init__(self, service: Service) -> None:
        super().__init__(daemon=True)
        self.service = service
        self.start()

    def run(self) -> None:
        while self.service.state != "STOPPED":
            order = self.service.task()
            try:
                self.service.finish(order, self.do(order))
            except ValueError as error:
                self.service.finish(order, error=error)

    def do(self, order: Map) -> Any:
        match order["command"]:
            case "GET_DATA":
                return {"begun": len(self.service.begun)}
            case "calibrate":
                return calibrate(order["arguments"])


@pytest.fixture
def controller(run: Path, linkspan: Start) -> Callable[[], subprocess.Popen[str]]:
    def start() -> subprocess.Popen[str]:
        child = linkspan("controller", "--no-tcp")
        return child

    return start


@pytest.fixture
def service(run: Path) -> Iterator[Service]:
    service = Service(run, "lab/independent", ("calibrate",))
    yield service
    service.close()


@pytest.fixture
def shell(linkspan: Start) -> Callable[..., Any]:
    """Runs `linkspan service …`; returns its last JSON line, or standard error after a failure."""

    def call(*words: str, code: int = 0) -> Any:
        child = linkspan("service", *words, "--json")
        out, errors = child.communicate(timeout=SOON)
        assert child.returncode == code, (words, out, errors)
        return json.loads(out.splitlines()[-1]) if code == 0 and out else errors

    return call


def test_independent_peer_service_carries_out_its_commands(service: Service, controller: Any, shell: Any) -> None:
    program = Program(service)  # It starts before its controller.
    controller()
    until("connections: 1", lambda: service.connections == 1)
    name = "lab/independent"
    status = shell("status", name)
    found = {key: status[key] for key in ("view", "state", "epoch", "program", "commands")}
    assert found == {
        "view": "CONNECTED", "state": "READY", "epoch": service.epoch, "program": "independent", "commands": ["calibrate"],
    }  # fmt: skip
    assert shell("describe", name)["description"] == "written from the documents"
    assert shell("call", name, "STATUS")["state"] == "READY"
    for command, state in [
        ("run", "RUNNING"), ("checkpoint", "RUNNING"), ("pause", "PAUSED"), ("run", "RUNNING"), ("pause", "PAUSED"),
    ]:  # fmt: skip
        shell(command, name, "--wait")
        assert shell("status", name)["state"] == state
    # A paused service refuses these commands itself.
    for command in ("pause", "checkpoint"):
        refused = shell(command, name, "--wait", code=1)
        assert "InvalidState" in refused and f"{command.upper()} in PAUSED" in refused, refused
    assert shell("get", name) == {"begun": 6}
    assert shell("call", name, "calibrate", '{"gain": 21}') == {"gain": 42}
    failed = shell("call", name, "calibrate", '{"gain": 0}', code=1)
    assert "ValueError" in failed and "gain is 0" in failed, failed
    unknown = shell("call", name, "dance", code=1)
    assert "Unsupported" in unknown, unknown
    shell("shutdown", name, "--wait")
    program.join(SOON)
    assert not program.is_alive()
    status = shell("status", name)
    assert (status["view"], status["state"]) == ("GONE", "STOPPED")


def test_independent_peer_service_reconnects_to_the_next_controller(service: Service, controller: Any, shell: Any) -> None:
    Program(service)
    first = controller()
    until("connections: 1", lambda: service.connections == 1)
    shell("run", "lab/independent", "--wait")
    first.kill()
    first.wait()
    controller()
    until("connections: 2", lambda: service.connections == 2)
    status = shell("status", "lab/independent")
    assert (status["state"], status["epoch"]) == ("RUNNING", service.epoch)
    shell("pause", "lab/independent", "--wait")
    assert service.state == "PAUSED"


def test_independent_peer_service_answers_during_a_long_step(run: Path, service: Service, controller: Any, shell: Any) -> None:
    controller()
    until("connections: 1", lambda: service.connections == 1)
    client = Client(run)
    service.busy("STEP")
    # Answers arrive although the program fetches no task.
    assert shell("call", "lab/independent", "STATUS")["doing"] == "STEP"
    command = {"service": "lab/independent", "id": "mine", "command": "RUN", "within": float(SOON)}
    assert client.ask("command", wait="accepted", **command)["outcome"] == "ACCEPTED"
    assert client.ask("command", wait="accepted", **command)["outcome"] == "ACCEPTED"
    assert client.ask("answer", service="lab/independent", id="mine")["outcome"] == "ACCEPTED"
    refused = client.ask("command", **{**command, "id": "other", "command": "PAUSE"})
    assert (refused["outcome"], refused["error"]["code"]) == ("REJECTED", 106)
    service.busy(None)
    service.finish(service.task())
    # A repeated id names one command, which ran once.
    done = {"id": "mine", "outcome": "DONE", "state": "RUNNING", "value": None}
    assert client.ask("command", **command) == done
    assert Client(run).ask("command", **command) == done
    assert service.begun == ["mine"]


def test_command_sent_before_a_disconnect_is_carried_out_once(run: Path, service: Service, controller: Any) -> None:
    controller()
    until("connections: 1", lambda: service.connections == 1)
    client = Client(run)
    command = {"service": "lab/independent", "id": "once", "command": "RUN", "within": float(SOON)}
    client.ask("command", wait="accepted", **command)
    order = service.task()
    # The connection breaks during the command; the controller sends it again and gets one answer.
    assert service.link is not None
    service.link.stream.keeps.shutdown(2)
    until("connections: 2", lambda: service.connections == 2)
    service.finish(order)
    assert client.ask("command", **command)["outcome"] == "DONE"
    assert service.begun == ["once"] and service.tasks.empty()


def test_second_service_of_the_same_name_is_refused(run: Path, service: Service, controller: Any, shell: Any) -> None:
    controller()
    until("connections: 1", lambda: service.connections == 1)
    second = Service(run, "lab/independent")
    try:
        until("the second is refused", lambda: second.refused is not None)
        assert second.refused is not None and second.refused[0] == 105
        status = shell("status", "lab/independent")
        assert status["epoch"] == service.epoch and "another program" in status["problem"], status
    finally:
        second.close()


def test_independent_peer_client_watches_data(run: Path, service: Service, controller: Any) -> None:
    Program(service)
    controller()
    until("connections: 1", lambda: service.connections == 1)
    client = Client(run)
    (record,) = client.ask("services", after="")["services"]
    assert record["name"] == "lab/independent" and "PAUSE" in record["allowed"]
    client.watch("lab/independent", data_every=0.05)
    assert client.next_push("service")["service"]["name"] == "lab/independent"
    first, second = client.next_push("data"), client.next_push("data")
    assert first["value"]["begun"] < second["value"]["begun"] and first["at"] < second["at"]
    with pytest.raises(RuntimeError) as unknown:
        Client(run).ask("status", service="pump")
    assert unknown.value.args[0] == 103 and "lab/independent" in unknown.value.args[1]
