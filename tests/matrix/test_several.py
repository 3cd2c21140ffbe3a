"""Subscribers to several names, and a pattern's newest message, in each language."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import STRICT
from support.compilers import INCLUDE, compiled, fortran_module, shared_library
from support.limits import within
from support.tree import php

import linkspan

HERE = Path(__file__).parent / "several"


@pytest.fixture(scope="module")
def receivers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    out, library, module = tmp_path_factory.mktemp("receivers"), shared_library(), fortran_module("-std=f2018")
    fortran = ["gfortran", "-std=f2018", "-Wall", "-Wextra", "-Werror", f"-I{module}", HERE / "several.f90", module / "linkspan.o"]
    return {
        "c": [str(compiled("gcc", "-std=c11", *STRICT, INCLUDE, HERE / "several.c", *library, out=out / "c"))],
        "cpp": [str(compiled("g++", "-std=c++17", *STRICT, INCLUDE, HERE / "several.cpp", *library, out=out / "cpp"))],
        "fortran": [str(compiled(*fortran, *library, out=out / "fortran"))],
        "python": [sys.executable, str(HERE / "several.py")],
        "php": [*php(), str(HERE / "several.php")],
    }


@pytest.mark.costly
@pytest.mark.parametrize("language", ["c", "cpp", "fortran", "python", "php"])
def test_messages_of_several_names_have_their_names(language: str, receivers: dict[str, list[str]], runtime: None) -> None:
    names = ["several/a", "unix:several/b", "else/*"]
    with linkspan.publisher("several/a") as a, linkspan.publisher("unix:several/b") as b:
        with subprocess.Popen([*receivers[language], *names], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            try:
                with within("the subscriber", 60):
                    assert running.stdout.readline() == "ready\n"
                    for publisher in (a, b):
                        publisher.wait_for_subscribers(1, timeout=60)
                    a.send({"i": 1})
                    b.send({"i": 2})
                    with linkspan.publisher("else/c") as c:
                        c.wait_for_subscribers(1, timeout=60)
                        c.send({"i": 3})
                        out, err = running.communicate(timeout=60)
            finally:
                running.kill()
    assert running.returncode == 0, err
    lines = out.splitlines()
    assert sorted(lines[:3]) == ["shm:else/c 3", "shm:several/a 1", "unix:several/b 2"], out + err
    assert lines[3:] == ["unix:several/b 2"]


@pytest.mark.parametrize("language", ["c", "cpp", "fortran", "python", "php"])
def test_no_name_at_all_is_refused(language: str, receivers: dict[str, list[str]], runtime: None) -> None:
    done = subprocess.run(receivers[language], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "nothing to subscribe to" in done.stdout + done.stderr, done.stdout + done.stderr
