"""The command line and the configuration file: what is refused, and what `check` says."""

import os
import shutil
import subprocess

from conftest import PROGRAM, SOON, say


def test_check_says_what_a_configuration_would_do(machines):
    north = machines("north")
    say(north.publisher("lab/a"), 1)
    north.has("lab/a")
    file = north.folder / "bridge.toml"
    file.write_text(
        'machine = "north"\nexport = ["lab/*"]\nimport = ["far/*"]\n[zenoh]\nlisten = ["tcp/127.0.0.1:7447"]\n'
    )
    said = north.run("bridge", "check", file)
    assert said.splitlines() == [
        "realm default, this machine is north",
        "listens at tcp/127.0.0.1:7447",
        "exports lab/*",
        "imports far/*",
        "would export now: lab/a (shm:lab/a)",
    ]


def test_mistakes_are_told_with_their_place(machines):
    north = machines("north")
    file = north.folder / "bridge.toml"
    for text, expected in [
        ('realm = "a"\nexprot = ["x"]\n', f"{file}:2:1: "),
        ('export = ["lab/*"]\n[zenoh]\nlisten = ["tcp/0.0.0.0:7447"]\n', "trusted_network"),
        ("export = [", f"{file}:1:"),
    ]:
        file.write_text(text)
        assert expected in north.run("bridge", "check", file, code=1)
        assert expected in north.run("bridge", "--config", file, code=1)
    assert "nothing to carry" in north.run("bridge", "--listen", "tcp/127.0.0.1:0", code=1)


def test_program_that_is_missing_is_said_to_be(tmp_path):
    alone = tmp_path / "linkspan"
    shutil.copy(PROGRAM, alone)
    env = os.environ | {"PATH": str(tmp_path), "LINKSPAN_DIR": str(tmp_path)}
    done = subprocess.run([str(alone), "bridge", "--help"], env=env, capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 4 and "cargo install linkspan-bridge" in done.stderr, done
