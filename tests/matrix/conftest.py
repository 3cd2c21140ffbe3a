"""The peers of tests/peers, built, and how each language starts one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
PEERS = ROOT / "tests/peers"
VECTORS = ROOT / "tests/vectors/values.json"
LANGUAGES = ["rust", "python", "php", "c", "cpp", "fortran"]
LIBRARIES = [str(TARGET / "liblinkspan_c.a"), "-lpthread", "-ldl", "-lm"]
STRICT = ["-Wall", "-Wextra", "-Werror", "-O1", "-g"]


def run(*command: object) -> None:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The command that is the peer in each language."""
    out = tmp_path_factory.mktemp("peers")
    include = f"-I{ROOT / 'c-api/include'}"
    fortran = ROOT / "c-api/fortran/linkspan.f90"
    run("gcc", "-std=c11", *STRICT, include, PEERS / "peer.c", "-o", out / "c", *LIBRARIES)
    run("g++", "-std=c++17", *STRICT, include, PEERS / "peer.cpp", "-o", out / "cpp", *LIBRARIES)
    module = ["-std=f2018", "-J", out, "-c", fortran, "-o", out / "linkspan.o"]
    run("gfortran", *module)
    run("gfortran", "-std=f2018", "-Wall", "-Wextra", "-Werror", "-I", out, PEERS / "peer.f90", out / "linkspan.o", "-o", out / "fortran", *LIBRARIES)
    php = shutil.which("php")
    assert php, "php is not installed"
    extension = TARGET / "liblinkspan_php.so"
    assert extension.exists(), f"{extension} is not built: cargo build -p linkspan-php"
    return {
        "rust": [str(TARGET / "examples/peer")],
        "python": [str(ROOT / ".venv/bin/python"), str(PEERS / "peer.py")],
        "php": [php, "-n", "-d", f"extension={extension}", str(PEERS / "peer.php")],
        "c": [str(out / "c")],
        "cpp": [str(out / "cpp")],
        "fortran": [str(out / "fortran")],
    }


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment with a runtime directory of its own."""
    return {**os.environ, "LINKSPAN_DIR": str(tmp_path_factory.mktemp("run"))}
