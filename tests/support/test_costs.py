"""Costly tests of a daily run and of other days."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.tree import ROOT

TESTS = """
import pytest

@pytest.mark.costly
@pytest.mark.parametrize("at", range(60))
def test_costly(at):
    pass

@pytest.mark.parametrize("at", range(5))
def test_other(at):
    pass
"""


def ran(folder: Path, workers: int, **env: str) -> set[str]:
    (folder / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (folder / "test_it.py").write_text(TESTS)
    record = folder / "left-out"
    record.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-n", str(workers), "-c", os.devnull, "--rootdir", folder, folder]
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith(("LINKSPAN_", "PYTEST_"))}
    surroundings |= {"PYTHONPATH": str(ROOT / "tests"), "LINKSPAN_LEFT_OUT": str(record)} | env
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {line.split("::")[1].split()[0] for line in done.stdout.splitlines() if "PASSED" in line and "::" in line}
    left = {line.split("::")[1] for line in record.read_text().splitlines()} if record.exists() else set()
    assert len(found) + len(left) == 65 and not found & left
    return found


@pytest.mark.costly
@pytest.mark.parametrize("workers", [0, 2])
def test_daily_run_has_an_eighth_of_the_costly_tests_others_each_day_and_all_others(tmp_path: Path, workers: int) -> None:
    one, again, other = (ran(tmp_path, workers, LINKSPAN_DRAW=seed) for seed in ("1", "1", "2"))
    assert one == again != other
    for day in (one, other):
        assert {f"test_other[{at}]" for at in range(5)} <= day
        assert 2 <= len(day) - 5 <= 11


def test_run_that_draws_nothing_has_all(tmp_path: Path) -> None:
    assert len(ran(tmp_path, 0)) == 65
