"""Services under another machine's controller: each command runs at most once, despite kills and faults."""

import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import PROGRAM, SOON, TARGET, Machine, free_port, kill
from support.waiting import until
from networks import ADDRESS, Wire, wire

__all__ = ["wire"]
END, COMMANDS = (Path(__file__).with_name(name) for name in ("service_end.py", "command_end.py"))
EXPORTS, IMPORTS = ("--export", "controller", "--listen"), ("--import", "controller", "--peer")


def serve(machine: Machine, name: str) -> subprocess.Popen:
    with machine.log.open("ab") as log:
        command = [sys.executable, str(END), name, str(machine.folder / "added")]
        machine.running.append(subprocess.Popen(command, env=machine.env, stderr=log))
    return machine.running[-1]


def control(machine: Machine) -> subprocess.Popen:
    return machine.start("controller", "--no-tcp", "--quiet")


def records(machine: Machine) -> dict[str, dict]:
    done = subprocess.run([str(PROGRAM), "service", "ls", "--json"], env=machine.env, capture_output=True, timeout=SOON)
    return {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}


def runs(machine: Machine, name: str) -> dict:
    def record() -> dict | None:
        one = records(machine).get(name, {})
        return one if (one.get("view"), one.get("state")) == ("CONNECTED", "RUNNING") else None

    return until(f"{name} runs under the controller of {machine.name}", record)


def data(machine: Machine, name: str) -> dict:
    return json.loads(machine.run("service", "get", name, "--json"))


@pytest.fixture
def joined(machines) -> tuple[Machine, Machine, dict[str, subprocess.Popen], int]:
    """North has the controller, south its service; returns the programs by role."""
    north, south, port = machines("north"), machines("south"), free_port()
    running = {
        "controller": control(north),
        "north bridge": north.bridge(*EXPORTS, f"tcp/127.0.0.1:{port}"),
        "south bridge": south.bridge(*IMPORTS, f"tcp/127.0.0.1:{port}"),
        "service": serve(south, "power"),
    }
    runs(north, "power@south")
    return north, south, running, port


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces everywhere")
def test_every_command_reaches_services_of_another_machine_and_survives_a_partition(machines, wire: Wire):
    north, south = machines("north"), machines("south")
    control(north)
    for machine, namespace, words in (
        (north, wire.names[0], [*EXPORTS, ADDRESS]),
        (south, wire.names[1], [*IMPORTS, ADDRESS]),
    ):
        command = ["ip", "netns", "exec", namespace, str(TARGET / "linkspan-bridge"), "--machine", machine.name]
        with machine.log.open("ab") as log:
            machine.running.append(
                subprocess.Popen([*command, "--trusted-network", *words], env=machine.env, stderr=log)
            )
    service = serve(south, "power")
    assert runs(north, "power@south")["machine"] == "south"
    for command, state in (("pause", "PAUSED"), ("run", "RUNNING"), ("checkpoint", "RUNNING")):
        north.run("service", command, "power@south", "--wait")
        assert json.loads(north.run("service", "status", "power@south", "--json"))["state"] == state
    assert data(north, "power@south")["hooks"] == ["pause", "resume", "checkpoint"]
    wire.is_cut = True
    assert "Timeout" in north.run("service", "call", "power@south", "add", "1", "--timeout", "2", code=3)
    wire.is_cut = False
    runs(north, "power@south")
    assert north.run("service", "call", "power@south", "add", "2", "--timeout", "20", "--json").strip() == "2"
    added = (south.folder / "added").read_text().split()[1::2]
    assert added == ["2"], "none is carried out twice, and none after its time"
    north.run("service", "shutdown", "power@south", "--wait")
    assert service.wait(SOON) == 0
    until("its goodbye has arrived", lambda: records(north)["power@south"]["view"] == "GONE")


def test_names_of_several_machines_are_listed_together(joined, machines):
    north, south, _, port = joined
    west = machines("west")
    west.bridge(*IMPORTS, f"tcp/127.0.0.1:{port}")
    for machine in (north, west):
        serve(machine, "power")
    epochs = {runs(north, name)["epoch"] for name in ("power", "power@south", "power@west")}
    assert len(epochs) == 3
    assert re.search(r"^power@south +RUNNING ", north.run("service", "ls"), re.M)
    assert north.run("service", "call", "power@west", "add", "7", "--json").strip() == "7"
    assert [(one.folder / "added").read_text().split()[1:] for one in (west,)] == [["7"]]
    assert (south.folder / "added").read_text() == "" and (north.folder / "added").read_text() == ""
    listed = next(map(json.loads, south.run("ls", "controller", "--json").splitlines()))
    assert (listed["endpoint"], listed["machine"], listed["pattern"]) == ("unix:controller", "north", "controller")
    # Only programs on the controller's machine may give commands to every service.
    assert "PermissionDenied" in south.run("service", "ls", code=1)


def test_bridge_is_a_service_of_the_controller_that_it_carries(joined):
    north, _, running, _ = joined
    runs(north, "bridge@south")
    assert data(north, "bridge@south")["imported"] == {"controller": "north"}
    assert "Unsupported" in north.run("service", "pause", "bridge@south", "--wait", code=1)
    assert runs(north, "bridge@south") and runs(north, "power@south")
    north.run("service", "shutdown", "bridge@south", "--wait")
    assert running["south bridge"].wait(SOON) == 0
    until("its services are away", lambda: records(north)["power@south"]["view"] == "DISCONNECTED")


class Caller:
    """Sends power@south one command after another and records the results."""

    def __init__(self, machine: Machine) -> None:
        self.file = machine.folder / "ended"
        with self.file.open("wb") as out, machine.log.open("ab") as log:
            command = [sys.executable, str(COMMANDS), "power@south"]
            self.process = subprocess.Popen(command, env=machine.env, stdin=subprocess.PIPE, stdout=out, stderr=log)
        machine.running.append(self.process)

    def ended(self, how: str) -> dict[int, str]:
        whole, _, _ = self.file.read_text().rpartition("\n")
        lines = [line.split(" ", 2) for line in whole.splitlines() if line.startswith(how)]
        return {int(number): " ".join(text) for _, number, *text in lines}


@pytest.mark.parametrize("whom", ["north bridge", "south bridge", "service", "controller"])
def test_commands_are_carried_out_at_most_once_while_programs_are_killed(joined, whom):
    seed = int(os.environ.get("LINKSPAN_SEED", random.randrange(1 << 32)))
    print(f"LINKSPAN_SEED={seed}")
    chance = random.Random(seed)
    north, south, running, port = joined
    again = {
        "north bridge": lambda: north.bridge(*EXPORTS, f"tcp/127.0.0.1:{port}"),
        "south bridge": lambda: south.bridge(*IMPORTS, f"tcp/127.0.0.1:{port}"),
        "service": lambda: serve(south, "power"),
        "controller": lambda: control(north),
    }[whom]
    caller = Caller(north)
    for _ in range(3):
        time.sleep(chance.uniform(0.2, 0.8))
        kill(running[whom])
        running[whom] = again()
        before = len(caller.ended("done"))
        until("commands are carried out again", lambda before=before: len(caller.ended("done")) > before + 5)
    caller.process.stdin.close()
    assert caller.process.wait(SOON) == 0
    added = [int(number) for number in (south.folder / "added").read_text().split()[1::2]]
    assert len(added) == len(set(added)), "no command is carried out twice"
    assert caller.ended("done").keys() <= set(added), "what is answered was carried out"
    wrong = [text for text in caller.ended("failed").values() if not re.match("Timeout|Disconnected|NotFound", text)]
    assert not wrong, wrong[:5]
