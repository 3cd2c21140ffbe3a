"""The peers of tests/peers, built, and how each language starts one."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from play import Case, play

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
PEERS = ROOT / "tests/peers"
LANGUAGES = ["rust", "python", "php", "c", "cpp", "fortran"]
ENCODINGS = ["cbor", "json", "bson", "smile"]
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
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Directories of their own, for this process as for the peers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINKSPAN_DIR", str(tmp_path_factory.mktemp("run")))
        patch.setenv("LINKSPAN_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of vectors by name: our law, and the table."""
    table = tmp_path_factory.mktemp("vectors") / "table.json"
    run(sys.executable, ROOT / "tests/vectors/table.py", table)
    return {"values": ROOT / "tests/vectors/values.json", "table": table}


@pytest.fixture(scope="session")
def played(request, peers, runtime, vectors) -> Iterator[dict[Case, Future]]:
    """Every case that was selected, at work: as many at a time as there are processors, and one that waits."""
    counts = {name: len(json.loads(file.read_text(encoding="utf-8"))) for name, file in vectors.items()}
    selected = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    cases = [params["case"] for params in selected if "case" in params]
    with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as workers:
        try:
            yield {c: workers.submit(play, c, peers, vectors[c.vectors], counts[c.vectors]) for c in cases}
        finally:
            workers.shutdown(cancel_futures=True)
