"""Builds the peers of tests/peers in each language."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from play import Case, play
from support.compilers import INCLUDE, compiled, fortran_module, shared_library
from support.tree import DEBUG, ROOT, php

PEERS = ROOT / "tests/peers"
LANGUAGES = ["rust", "python", "php", "c", "cpp", "fortran"]
ENCODINGS = ["cbor", "json", "bson", "smile"]
STRICT = ["-Wall", "-Wextra", "-Werror", "-O1", "-g"]


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    out = tmp_path_factory.mktemp("peers")
    library, module = shared_library(), fortran_module("-std=f2018")
    fortran = ["gfortran", "-std=f2018", "-Wall", "-Wextra", "-Werror", f"-I{module}", PEERS / "peer.f90", module / "linkspan.o"]
    return {
        "rust": [str(DEBUG / "test-peer")],
        "python": [str(ROOT / ".venv/bin/python"), str(PEERS / "peer.py")],
        "php": [*php(), str(PEERS / "peer.php")],
        "c": [str(compiled("gcc", "-std=c11", *STRICT, INCLUDE, PEERS / "peer.c", *library, out=out / "c"))],
        "cpp": [str(compiled("g++", "-std=c++17", *STRICT, INCLUDE, PEERS / "peer.cpp", *library, out=out / "cpp"))],
        "fortran": [str(compiled(*fortran, *library, out=out / "fortran"))],
    }


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINKSPAN_DIR", str(tmp_path_factory.mktemp("run")))
        patch.setenv("LINKSPAN_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The normative vectors and the table, by name."""
    table = tmp_path_factory.mktemp("vectors") / "table.json"
    subprocess.run([sys.executable, ROOT / "tests/vectors/table.py", table], check=True)
    return {"values": ROOT / "tests/vectors/values.json", "table": table}


@pytest.fixture(scope="session")
def played(request, peers, runtime, vectors) -> Iterator[dict[Case, Future]]:
    """Runs the selected cases: one per processor, and one more that waits."""
    counts = {name: len(json.loads(file.read_text(encoding="utf-8"))) for name, file in vectors.items()}
    cases = [item.callspec.params["case"] for item in request.session.items if "played" in getattr(item, "fixturenames", ())]
    with ThreadPoolExecutor((os.cpu_count() or 1) + 1) as workers:
        try:
            yield {c: workers.submit(play, c, peers, vectors[c.vectors], counts[c.vectors]) for c in cases}
        finally:
            workers.shutdown(cancel_futures=True)
