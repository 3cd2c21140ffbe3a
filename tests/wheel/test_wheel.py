"""pip builds the wheel in release mode, and its module and program run in a fresh environment."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
BUILDS = 3000.0  # s: a cold release build on two busy processors
RUNS = 60.0  # s

TALK = """
import linkspan
with linkspan.serve("shm:wheel/double") as server:
    print("ready", flush=True)
    request = server.next(timeout=60)
    request.reply({"twice": 2 * request["value"]})
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as `pip wheel ./python` builds it, with the build tools of this environment instead of downloaded ones."""
    folder = tmp_path_factory.mktemp("wheels")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [*PIP, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT / "python")]
    subprocess.run(command, env={**os.environ, "PATH": path}, check=True, timeout=BUILDS)
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=False)
    python = folder / "bin/python"
    subprocess.run([*PIP, "--python", str(python), "install", "--quiet", "--no-index", str(wheel)], check=True, timeout=RUNS)
    return folder / "bin"


def test_wheel_serves_every_later_python_and_is_stripped(wheel: Path) -> None:
    assert wheel.name.startswith("linkspan-") and "-cp311-abi3-" in wheel.name, wheel.name
    # 6.2 MB when measured; about 60 with debugging information.
    assert wheel.stat().st_size < 12e6, f"{wheel.stat().st_size} bytes"


def test_module_and_program_of_the_wheel_exchange_messages(fresh: Path, tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    env = {"PATH": "/usr/bin:/bin", "LINKSPAN_DIR": str(runtime), "LINKSPAN_STATE_DIR": str(tmp_path / "state")}
    with subprocess.Popen([fresh / "python", "-c", TALK], env=env, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None and server.stdout.readline() == "ready\n"
            command = [fresh / "linkspan", "call", "--json", "shm:wheel/double", '{"value": 21}']
            finished = subprocess.run(command, env=env, capture_output=True, text=True, timeout=RUNS)
            assert finished.returncode == 0 and json.loads(finished.stdout) == {"twice": 42}, finished
            assert server.wait(RUNS) == 0
        finally:
            server.kill()


def test_wheel_contains_types_and_stubs(fresh: Path) -> None:
    [package] = (fresh.parent / "lib").glob("python*/site-packages/linkspan")
    assert (package / "py.typed").exists() and (package / "_native.pyi").exists()
    assert not list(package.glob("**/tests")), "tests are installed"
    assert sysconfig.get_python_version() in package.parts[-3]
