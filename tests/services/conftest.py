"""A controller for each test, and the services and controllers of this folder in each language."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.compilers import INCLUDE, compiled, fortran_module, shared_library
from support.tree import DEBUG, PROGRAM, php

HERE = Path(__file__).resolve().parent
STRICT = ["-Wall", "-Wextra", "-Werror", "-O1", "-g"]
#: Seconds; only guards against a hang.
SOON = 60


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, list[str]]]:
    out = tmp_path_factory.mktemp("peers")
    module = fortran_module("-std=f2018")
    compilers = {
        "c": ["gcc", "-std=c11", "-D_POSIX_C_SOURCE=200809L", *STRICT, INCLUDE],
        "cpp": ["g++", "-std=c++17", *STRICT, INCLUDE],
        "f90": ["gfortran", "-std=f2018", *STRICT, f"-I{module}", module / "linkspan.o"],
    }
    names = {"c": "c", "cpp": "cpp", "f90": "fortran"}
    built: dict[str, dict[str, list[str]]] = {}
    for role in ("service", "controller"):
        for suffix, compiler in compilers.items():
            compiled(*compiler, HERE / f"{role}.{suffix}", *shared_library(), out=out / f"{role}-{suffix}")
        built[role] = {names[suffix]: [str(out / f"{role}-{suffix}")] for suffix in compilers}
        built[role]["rust"] = [str(DEBUG / f"test-grid-{role}")]
        built[role]["python"] = [sys.executable, str(HERE / f"{role}.py")]
    built["controller"]["php"] = [*php(), str(HERE / "controller.php")]
    return built


#: pytest changes names of `os.environ` between tests, while threads may copy it.
ENVIRONMENT = dict(os.environ)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**ENVIRONMENT, "LINKSPAN_DIR": str(folder), "LINKSPAN_CONTROLLER": f"unix:{folder}/controller"}
        self.children: list[subprocess.Popen[str]] = []
        self.controller = self.start_controller()

    def start_controller(self) -> "subprocess.Popen[str]":
        return self.start(
            [str(PROGRAM), "controller", "--quiet", "--listen", self.env["LINKSPAN_CONTROLLER"]], stderr=subprocess.DEVNULL
        )

    def start(self, command: list[str], *words: str, **more: object) -> "subprocess.Popen[str]":
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "text": True, **more}
        child = subprocess.Popen([*command, *words], env=self.env, **pipes)
        self.children.append(child)
        return child

    def close(self) -> None:
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout, child.stderr):
                if pipe:
                    pipe.close()


    def log(self) -> str:
        words = [str(PROGRAM), "service", "logs", "--lines", "60"]
        return subprocess.run(words, env=self.env, capture_output=True, text=True, timeout=SOON).stdout


@pytest.fixture
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    # A socket's path has at most 107 bytes.
    bench = Bench(tmp_path_factory.mktemp("b"))
    yield bench
    bench.close()
