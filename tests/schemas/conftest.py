"""Code generated in each language, compiled with strict settings; and the peers that use it."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import linkspan
import pytest
from support.compilers import run, rust_program
from support.tree import PROGRAM, php

HERE = Path(__file__).resolve().parent
SCHEMA = HERE / "schemas/everything.schema.toml"

#: In generated Rust every warning is an error, and every lint of clippy's strict groups.
STRICT_RUST = ["-Dwarnings", "-Dclippy::all", "-Dclippy::pedantic"]


def generate(language: str, schema: Path, out: Path) -> list[Path]:
    run(PROGRAM, "schema", "generate", "--lang", language, schema, "--output", out)
    return sorted(out.iterdir())


def crate(name: str, schema: Path, program: str, out: Path) -> Path:
    """The program, built with the generated code of the schema."""
    generate("rust", schema, out)
    return crate_of(name, program, out)


def crate_of(name: str, program: str, out: Path) -> Path:
    """The program, built with the modules in the folder."""
    (out / "main.rs").write_text(program)
    return rust_program(out / "main.rs", out / name, *STRICT_RUST)


def rust(out: Path) -> list[str]:
    return [str(crate("schemas-peer", SCHEMA, (HERE / "peer.rs").read_text(), out))]


def python(out: Path) -> list[str]:
    generate("python", SCHEMA, out)
    shutil.copy(HERE / "peer.py", out)
    run(sys.executable, "-m", "mypy", "--strict", "--cache-dir", out / "cache", out / "peer.py", out / "grid_everything.py", cwd=out)
    return [sys.executable, str(out / "peer.py")]


def php_command() -> list[str]:
    return php("-d", "error_reporting=-1", "-d", "display_errors=stderr")


def php_peer(out: Path) -> list[str]:
    files = generate("php", SCHEMA, out)
    command = php_command()
    for file in files:
        run(*command, "-l", file)
    run(*command, HERE / "declared.php", *files)
    return ["env", f"GENERATED={out}", *command, str(HERE / "peer.php")]


#: The function that builds the peer of each language.
PEERS: dict[str, Callable[[Path], list[str]]] = {"rust": rust, "python": python, "php": php_peer}


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The command that starts the peer in each language."""
    return {language: make(tmp_path_factory.mktemp(language)) for language, make in PEERS.items()}


@pytest.fixture(autouse=True, scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Directories for this test, for this process and for the peers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINKSPAN_DIR", str(tmp_path_factory.mktemp("run")))
        patch.setenv("LINKSPAN_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield


class Started:
    """A peer that serves, and a channel to it."""

    def __init__(self, command: list[str], endpoint: str, encoding: str, following: str | None) -> None:
        words = [*command, endpoint, encoding, *([following] if following else [])]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.channel: linkspan.Channel = linkspan.connect(endpoint, encoding=encoding, timeout=60.0)

    def call(self, value: object) -> linkspan.Message:
        return self.channel.call(value)

    def stop(self) -> None:
        try:
            self.channel.call(None)
            self.channel.close()
        except linkspan.Error:
            self.process.kill()
        out, err = self.process.communicate(timeout=60.0)
        assert (self.process.returncode, out, err) == (0, "ready\n", "")


@pytest.fixture
def start(peers: dict[str, list[str]]) -> Iterator[Callable[..., Started]]:
    """Starts peers; they are stopped in the opposite order."""
    started: list[Started] = []

    def begin(language: str, endpoint: str, encoding: str = "cbor", following: str | None = None) -> Started:
        started.append(Started(peers[language], endpoint, encoding, following))
        return started[-1]

    yield begin
    for peer in reversed(started):
        peer.stop()
