"""One table states each wait's result by object, operation and time-out, in each language."""

import subprocess
from pathlib import Path

import pytest
from conftest import STRICT
from support.compilers import INCLUDE, compiled, fortran_module, shared_library
from support.tree import ROOT, php

HERE = Path(__file__).parent / "waits"
TABLE = HERE / "waits.txt"
#: Seconds; only guards against a hang.
SOON = 120


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    out = tmp_path_factory.mktemp("waits")
    library, module = shared_library(), fortran_module("-std=f2018")
    fortran = ["gfortran", "-std=f2018", "-Wall", "-Wextra", "-Werror", f"-I{module}", HERE / "waits.f90", module / "linkspan.o"]
    return {
        "c": [str(compiled("gcc", "-std=c11", *STRICT, INCLUDE, HERE / "waits.c", *library, out=out / "waits-c"))],
        "cpp": [str(compiled("g++", "-std=c++17", *STRICT, INCLUDE, HERE / "waits.cpp", *library, out=out / "waits-cpp"))],
        "fortran": [str(compiled(*fortran, *library, out=out / "waits-fortran"))],
        "python": [str(ROOT / ".venv/bin/python"), str(HERE / "waits.py")],
        "php": [*php(), str(HERE / "waits.php")],
    }


@pytest.mark.costly
@pytest.mark.parametrize("transport", ["unix", "shm"])
@pytest.mark.parametrize("language", ["c", "cpp", "fortran", "python", "php"])
def test_each_wait_ends_as_the_table_says(language: str, transport: str, programs: dict[str, list[str]], runtime: None) -> None:
    rows = [" ".join(line.split()) for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    done = subprocess.run([*programs[language], TABLE, transport], capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == rows
