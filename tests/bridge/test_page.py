"""Every block of docs/bridge.md, as it stands there, but for the port."""

import os
import re
import subprocess
from pathlib import Path

from conftest import ROOT, SOON, TARGET, free_port


def blocks(language: str) -> list[str]:
    text = (ROOT / "docs/bridge.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def test_two_machines_in_five_minutes(machines):
    north, south = machines("north"), machines("south")
    first, second = (block.replace("7447", port) for port in [str(free_port())] for block in blocks("sh"))
    # A group of its own, so that what is left in the background ends with it.
    said = {}
    running = []
    try:
        for machine, block in ((north, first), (south, second)):
            env = machine.env | {"PATH": f"{TARGET}:{os.environ['PATH']}"}
            out = machine.folder / "out"
            with out.open("wb") as file:
                shell = subprocess.Popen(["sh", "-ec", block], env=env, stdout=file, start_new_session=True)
            running.append(shell)
            if machine is north:
                north.has("lab/temperature")
                north.has("lab/echo")
            else:
                assert shell.wait(SOON) == 0
                said = out.read_text()
    finally:
        for shell in running:
            os.killpg(shell.pid, 15)
            shell.wait(SOON)
    lines = said.splitlines()
    assert lines[:2] == ['{"celsius":21.4}', '{"a":1}'], said
    assert re.search(r"^shm:lab/temperature .* north$", said, re.M), said


def test_configuration_file(machines, tmp_path: Path):
    south, file = machines("south"), tmp_path / "bridge.toml"
    file.write_text(blocks("toml")[0], encoding="utf-8")
    said = south.run("bridge", "check", file)
    for line in ("this machine is south", "connects to tcp/127.0.0.1:7447", "exports plant/*", "imports lab/*"):
        assert line in said, said
