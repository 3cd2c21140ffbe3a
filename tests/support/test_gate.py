"""The time gate (benches/gate) names exactly the regressions. Workers report given times."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.tree import ROOT

WORKER = """#!{python}
import sys
words = " ".join(sys.argv[2:])
time = 1000.0
for part, factor in {slower!r}.items():
    if part in words:
        time *= factor
print("ready", flush=True)
for line in sys.stdin:
    count = min(int(line), 200)
    print(time, *[time] * count, flush=True)
"""


def program(folder: Path, name: str, slower: dict[str, float]) -> str:
    path = folder / name
    path.write_text(WORKER.format(python=sys.executable, slower=slower))
    path.chmod(0o755)
    return str(path)


@pytest.mark.costly
@pytest.mark.parametrize(
    ("slower", "named"),
    [
        ({}, []),
        ({"shm 64 apart": 1.02, "unix": 0.5, "fifo": 1.02}, []),
        # Exceeds the limit of distant processors but not of near ones.
        ({"round shm 64 apart": 1.05}, ["64 B by channel, far"]),
        ({"call shm 64 apart": 1.09}, ["64 B by call, near", "64 B by call, far"]),
        ({"unix 64": 1.04}, ["64 B over unix, asleep"]),
        ({"1048576 together": 1.04}, ["1 MiB over shm, asleep", "1 MiB over unix, asleep"]),
    ],
)
def test_gate_names_what_is_slower_than_its_limit(slower: dict[str, float], named: list[str], tmp_path: Path) -> None:
    programs = [program(tmp_path, "old", {}), program(tmp_path, "new", slower)]
    done = subprocess.run([ROOT / "benches/gate", "--programs", *programs, "--quick"], text=True, capture_output=True, timeout=300)
    exceeds = [line.removeprefix("gate: ").removesuffix(" exceeds its limit") for line in done.stdout.splitlines() if line.endswith("exceeds its limit")]
    assert (exceeds, done.returncode) == (named, 1 if named else 0), done.stdout + done.stderr


def test_pair_of_near_and_of_far_processors_is_that_whose_ping_pong_takes_least_and_most(tmp_path: Path) -> None:
    """The worker's time is the other processor's number; `benches/run --near` and `--far` use these pairs."""
    path = tmp_path / "numbered"
    time = "1000.0 * (1 + max(os.sched_getaffinity(0)))"
    path.write_text(WORKER.format(python=sys.executable, slower={}).replace("import sys", "import os, sys").replace("1000.0", time))
    path.chmod(0o755)
    allowed = sorted(os.sched_getaffinity(0))
    for kind, other in (("near", allowed[:2][-1]), ("far", allowed[-1])):
        command = [ROOT / "benches/gate", "--pair", kind, "--programs", str(path), str(path)]
        done = subprocess.run(command, text=True, capture_output=True, timeout=300)
        assert (done.returncode, done.stdout) == (0, f"{allowed[0]},{other}\n"), done.stderr


def test_gate_says_what_could_not_be_measured(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such worker >&2\nexit 1\n")
    broken.chmod(0o755)
    programs = [program(tmp_path, "old", {}), str(broken)]
    done = subprocess.run([ROOT / "benches/gate", "--programs", *programs, "--quick", "--only", "unix"], text=True, capture_output=True, timeout=300)
    assert done.returncode == 2 and "no such worker" in done.stdout and "was not measured" in done.stdout, done.stdout + done.stderr
