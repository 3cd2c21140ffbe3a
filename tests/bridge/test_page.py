"""Runs every block of docs/bridge.md; only the port changes."""

import os
import re
import subprocess
import sys
from pathlib import Path

from conftest import ROOT, SOON, TARGET, Lines, free_port
from support.waiting import until


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs/bridge.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def followed(north, south, first: str, second: str, names: list[str]) -> str:
    """Returns the output on south; background programs end with their process group."""
    running = []
    try:
        for machine, block in ((north, first), (south, second)):
            env = machine.env | {"PATH": f"{TARGET}:{os.environ['PATH']}"}
            out = machine.folder / "out"
            with out.open("wb") as file:
                shell = subprocess.Popen(
                    ["sh", "-ec", block], env=env, stdout=file, cwd=machine.folder.parent, start_new_session=True
                )
            running.append(shell)
            if machine is north:
                for name in names:
                    north.has(name)
            else:
                assert shell.wait(SOON) == 0
                return out.read_text()
    finally:
        for shell in running:
            os.killpg(shell.pid, 15)
            shell.wait(SOON)
    raise AssertionError("not reached")


def test_two_machines_in_five_minutes(machines):
    port = str(free_port())
    first, second = (block.replace("7447", port) for block in blocks("sh")[:2])
    output = followed(machines("north"), machines("south"), first, second, ["lab/temperature", "lab/echo"])
    assert output.splitlines()[:2] == ['{"celsius":21.4}', '{"a":1}'], output
    assert re.search(r"^shm:lab/temperature .* north$", output, re.M), output


def test_bridge_that_keeps_messages_takes_the_place_of_the_first_one(machines):
    port = str(free_port())
    plain, second, keeping = (block.replace("7447", port) for block in blocks("sh")[:3])
    programs = plain.split("\n", 1)[1]
    output = followed(machines("north"), machines("south"), keeping + programs, second, ["lab/temperature", "lab/echo"])
    assert output.splitlines()[:2] == ['{"celsius":21.4}', '{"a":1}'], output


def test_security(machines):
    port = str(free_port())
    issue, first, second, again = (block.replace("7449", port) for block in blocks("sh")[9:13])
    north, south = machines("north"), machines("south")
    env = north.env | {"PATH": f"{TARGET}:{os.environ['PATH']}"}

    def done(block: str) -> str:
        return subprocess.run(
            ["sh", "-ec", block], env=env, cwd=north.folder.parent, capture_output=True, text=True, timeout=SOON, check=True
        ).stdout

    assert re.search(r"^north\.1  until \d{4}-\d\d-\d\d\nsouth\.1  until ", done(issue), re.M)
    assert followed(north, south, first, second, ["lab/temperature"]).splitlines() == ['{"celsius":21.4}']
    assert "revoked south.1" in done(again) and (north.folder.parent / "authority/south.2/machine.key").exists()
    file = north.folder.parent / "authority/bridge.toml"
    file.write_text(blocks("toml")[0].replace("south.1", "south.2"), encoding="utf-8")
    output = south.run("bridge", "check", file)
    for line in ("this machine is south", "connects to tls/127.0.0.1:7449", "knows north by its certificate"):
        assert line in output, output


def test_channel_of_another_machine(pair):
    north, south, _ = pair
    channel = subprocess.Popen([sys.executable, "-uc", blocks("python")[0]], env=north.env, stdout=subprocess.PIPE)
    north.running.append(channel)
    south.has("lab/valve")
    env = south.env | {"PATH": f"{TARGET}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-ec", blocks("sh")[3]], env=env, timeout=SOON, check=True)
    assert Lines(channel).next() == "{'open': True}"
    assert channel.wait(SOON) == 0


def test_journal_of_another_machine(machines):
    port = str(free_port())
    first, second = (block.replace("7447", port) for block in blocks("sh")[4:6])
    output = followed(machines("north"), machines("south"), first, second, ["bridge/status"])
    assert output.splitlines() == ['{"celsius":21.4}'], output


def test_services_of_another_machine(machines):
    port, north, south = str(free_port()), machines("north"), machines("south")
    controller, service, commands = (block.replace("7447", port) for block in blocks("sh")[6:9])
    shells = []

    def begin(machine, block: str) -> subprocess.Popen:
        env = machine.env | {"PATH": f"{TARGET}:{os.environ['PATH']}"}
        shells.append(subprocess.Popen(["sh", "-ec", block], env=env, stdout=subprocess.PIPE, start_new_session=True))
        return shells[-1]

    try:
        begin(south, controller)
        south.has("bridge/status")
        begin(north, service)
        until("the controller has the service", lambda: "webcam@north" in south.run("service", "ls"))
        output = begin(south, commands).communicate(timeout=SOON)[0].decode()
        assert shells[-1].returncode == 0 and "webcam@north" in output, output
    finally:
        for shell in shells:
            if shell.poll() is None or shell is not shells[-1]:
                try:
                    os.killpg(shell.pid, 15)
                except ProcessLookupError:
                    pass
            shell.wait(SOON)


def test_configuration_file(machines, tmp_path: Path):
    south, file = machines("south"), tmp_path / "bridge.toml"
    file.write_text(blocks("toml")[1], encoding="utf-8")
    output = south.run("bridge", "check", file)
    for line in ("this machine is south", "connects to tcp/127.0.0.1:7447", "exports plant/*", "imports lab/*"):
        assert line in output, output


def test_nats_in_place_of_zenoh(machines):
    port = str(free_port())
    first, second = (block.replace("4222", port) for block in blocks("sh")[13:])
    output = followed(machines("north"), machines("south"), first, second, ["lab/temperature", "lab/echo"])
    assert output.splitlines()[:2] == ['{"celsius":21.4}', '{"a":1}'], output


def test_configuration_file_with_nats(machines, tmp_path: Path):
    south, file = machines("south"), tmp_path / "bridge.toml"
    text = blocks("toml")[2]
    file.write_text(text, encoding="utf-8")
    output = south.run("bridge", "check", file)
    assert "goes through the NATS server at tls://nats.example.org:4222" in output and "imports lab/*" in output
    # Enables the options that the page comments out.
    file.write_text(re.sub(r"^# (credentials|ca|bucket)", r"\1", text, flags=re.M), encoding="utf-8")
    for name in ("ca.pem", "south.creds"):
        (tmp_path / name).write_text("")
    output = south.run("bridge", "check", file)
    assert f"trusts the authority {tmp_path}/ca.pem" in output and f"shows it the credentials in {tmp_path}/south.creds" in output
