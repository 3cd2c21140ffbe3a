"""README's and the first programs on every suitable transport, with only the endpoint changed.

C, C++ and Rust read the endpoint from the environment, so each program is compiled once. Other languages get it in
the source.
"""

import itertools
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from support.compilers import INCLUDE, compiled, fortran_module, rust_program, shared_library
from support.tree import PROGRAM, ROOT, php

LANGUAGES = {"rs": "Rust", "py": "Python", "php": "PHP", "c": "C", "cpp": "C++", "f90": "Fortran"}
PUBLISH = ["shm", "unix", "tcp", "file", "journal"]
BOTH_WAYS = ["shm", "unix", "tcp", "fifo", "spool"]
#: Seconds; only guards against a hang.
SOON = 60

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)(?:,no_run)?\n(.*?)^```$", README, re.M | re.S)
#: Label and position of each README block.
IN_README = {"rs": ("rust", 0), "py": ("python", 1), "php": ("php", 0), "c": ("c", 0), "cpp": ("cpp", 0), "f90": ("fortran", 0)}
#: Expressions that replace the endpoint in compiled languages.
FROM_ENVIRONMENT = {
    "c": 'getenv("ENDPOINT")',
    "cpp": 'std::getenv("ENDPOINT")',
    "rs": '&std::env::var("ENDPOINT").unwrap_or_default()',
}


def block(word: str, position: int) -> str:
    return [text for name, text in BLOCKS if name == word][position]


def source(program: str, language: str) -> tuple[str, str]:
    if program == "readme-publisher":
        return block("python", 0), "lab/temperature"
    if program == "readme":
        return block(*IN_README[language]), "lab/temperature"
    return (ROOT / f"examples/first/{program}.{language}").read_text(encoding="utf-8"), f"first/{program}"


def replaced(program: str, language: str, endpoint: str) -> str:
    text, before = source(program, language)
    new = FROM_ENVIRONMENT.get(language, f'"{endpoint}"')
    text, times = re.subn(rf"""(["']){before}\1""", new, text)
    assert times in (1, 2), f"{program} in {language}: its endpoint stands there {times} times"
    return text


class Programs:
    """Each program, compiled once per endpoint, or once if it reads the environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers = ThreadPoolExecutor(2)
        self.libraries = shared_library()
        self.module = self.workers.submit(fortran_module, "-std=f2018")
        # Builds the slow ones while others run.
        everything = itertools.product(("readme", "publish", "call", "channel"), FROM_ENVIRONMENT)
        self.begun: dict[tuple[str, str], Future] = {
            (program, language): self.workers.submit(self.compile, program, language, "") for program, language in everything
        }

    def compile(self, program: str, language: str, endpoint: str) -> Path:
        name = re.sub(r"\W", "-", f"{program}-{language}-{endpoint}")
        text, out = self.folder / f"{name}.{language}", self.folder / name
        text.write_text(replaced(program, language, endpoint), encoding="utf-8")
        match language:
            case "c":
                compiled("gcc", "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-include", "stdlib.h", INCLUDE, text, *self.libraries, out=out)
            case "cpp":
                compiled("g++", "-std=c++17", "-include", "cstdlib", INCLUDE, text, *self.libraries, out=out)
            case "f90":
                module = self.module.result()
                compiled("gfortran", "-std=f2018", f"-I{module}", text, module / "linkspan.o", *self.libraries, out=out)
            case "rs":
                rust_program(text, out)
        return out

    def command(self, program: str, language: str, endpoint: str) -> list[str]:
        if language in FROM_ENVIRONMENT:
            return [str(self.begun[program, language].result())]
        if language not in ("py", "php"):
            return [str(self.compile(program, language, endpoint))]
        file = self.folder / f"{program}-{abs(hash(endpoint))}.{language}"
        file.write_text(replaced(program, language, endpoint), encoding="utf-8")
        if language == "py":
            return [sys.executable, "-u", str(file)]
        return [*php(), str(file)]


@pytest.fixture(scope="module")
def programs(tmp_path_factory) -> Iterator[Programs]:
    made = Programs(tmp_path_factory.mktemp("transports"))
    yield made
    made.workers.shutdown(cancel_futures=True)


Start = Callable[..., subprocess.Popen]


@pytest.fixture
def folders(tmp_path_factory) -> dict[str, str]:
    """Short directories for one test: a socket's path has at most 107 bytes."""
    folder = tmp_path_factory.mktemp("t")
    return {"LINKSPAN_DIR": str(folder / "run"), "LINKSPAN_STATE_DIR": str(folder / "state")}


@pytest.fixture
def start(programs: Programs, folders: dict[str, str]) -> Iterator[Start]:
    """Starts programs at an endpoint in separate directories and ends the remaining ones."""
    started: list[subprocess.Popen] = []

    def begin(program: str, language: str, endpoint: str, *words: str, **more) -> subprocess.Popen:
        command = [*programs.command(program, language, endpoint), *words]
        environment = {**os.environ, **folders, "ENDPOINT": endpoint}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        started.append(subprocess.Popen(command, env=environment, text=True, **pipes))
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def endpoint_on(transport: str) -> str:
    """Returns a name, or a free port below the ephemeral ones."""
    if transport != "tcp":
        return f"{transport}:first/{random.randrange(1 << 32):08x}"
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
                return f"tcp://127.0.0.1:{port}"
            except OSError:
                continue
    raise AssertionError("none of 100 ports is free")


def printed(process: subprocess.Popen) -> str:
    out, err = process.communicate(timeout=SOON)
    assert process.returncode == 0, err
    return out


def once_each(transports: list[str]) -> list[tuple[str, str, str]]:
    """Pairs all languages once over all transports, with each language once per transport (tournament rounds)."""
    first, *ring = LANGUAGES
    rounds = [[first, *ring[k:], *ring[:k]] for k in range(len(ring))]
    return [(t, seats[i], seats[-1 - i]) for t, seats in zip(transports, rounds, strict=True) for i in range(3)]


def others(transports: list[str]) -> list[tuple[str, str, str]]:
    """Each language in each role per transport, paired with another one; on the first transport with itself."""
    names = list(LANGUAGES)
    return [(t, one, names[(i + k) % len(names)]) for k, t in enumerate(transports) for i, one in enumerate(names)]


@pytest.mark.costly
@pytest.mark.parametrize("transport", PUBLISH)
def test_readme(start: Start, transport: str) -> None:
    endpoint = endpoint_on(transport)
    publisher = start("readme-publisher", "py", endpoint, stdin=subprocess.PIPE)
    # The prompt follows the first message.
    assert publisher.stdout.read(len("Enter ends it")) == "Enter ends it", publisher.communicate()
    hearers = {language: start("readme", language, endpoint) for language in LANGUAGES}
    for language, hearer in hearers.items():
        line = hearer.stdout.readline().strip()
        assert line == "21.4", (language, line, hearer.poll() is not None and hearer.stderr.read())
        hearer.terminate()
        hearer.wait(SOON)
    _, err = publisher.communicate("\n", timeout=SOON)
    assert publisher.returncode == 0, err


@pytest.mark.parametrize("transport", PUBLISH)
def test_shell_of_the_concepts(folders: dict[str, str], transport: str) -> None:
    endpoint = endpoint_on(transport)
    page = (ROOT / "docs/concepts.md").read_text(encoding="utf-8")
    shown = re.search(r"^```sh\n(.*?)^```$", page, re.M | re.S)
    assert shown, "the page shows what there is in the shell"
    lines = [line.replace("lab/temperature", endpoint) for line in shown[1].splitlines()]
    environment = {**os.environ, **folders, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    shell = {"shell": True, "env": environment, "text": True}
    publish, subscribe = (next(line for line in lines if line.startswith(f"linkspan {verb} ")) for verb in ("pub", "sub"))
    with subprocess.Popen(f"exec {publish}", **shell) as publisher:
        try:
            with subprocess.Popen(f"exec {subscribe}", stdout=subprocess.PIPE, **shell) as subscriber:
                try:
                    assert json.loads(subscriber.stdout.readline()) == {"celsius": 21.4}
                finally:
                    subscriber.kill()
        finally:
            publisher.kill()


@pytest.mark.costly
@pytest.mark.parametrize(("transport", "publisher", "subscriber"), others(PUBLISH))
def test_publish(start: Start, transport: str, publisher: str, subscriber: str) -> None:
    endpoint = endpoint_on(transport)
    source = start("publish", publisher, endpoint)
    lines = printed(start("publish", subscriber, endpoint, "subscribe")).splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [f"°C from {LANGUAGES[publisher]}"] * 3
    celsius = [float(line.split()[0]) for line in lines]
    assert celsius[0] >= 20 and celsius == sorted(set(celsius))
    assert source.poll() is None, source.communicate()


@pytest.mark.costly
@pytest.mark.parametrize(("transport", "server", "caller"), others(BOTH_WAYS))
def test_call(start: Start, transport: str, server: str, caller: str) -> None:
    endpoint = endpoint_on(transport)
    serves = start("call", server, endpoint, "serve")
    assert printed(start("call", caller, endpoint)) == f"the sum is 6.5, says {LANGUAGES[server]}\n"
    serves.send_signal(signal.SIGTERM)
    assert printed(serves) == ""


@pytest.mark.parametrize(("transport", "one", "other"), once_each(BOTH_WAYS))
def test_channel(start: Start, transport: str, one: str, other: str) -> None:
    endpoint = endpoint_on(transport)
    both = [start("channel", language, endpoint) for language in (one, other)]
    lines = sorted(printed(process) for process in both)
    received = {line.removeprefix("the ").strip().replace(" received from ", ":") for line in lines}
    assert received in (
        {f"connector:{LANGUAGES[one]}", f"listener:{LANGUAGES[other]}"},
        {f"connector:{LANGUAGES[other]}", f"listener:{LANGUAGES[one]}"},
    )


@pytest.mark.parametrize(
    ("program", "transport", "language"),
    [
        *(("channel", "dgram", language) for language in LANGUAGES),
        *(("publish", transport, language) for transport, language in zip(("fifo", "spool", "dgram"), ("c", "py", "rs"))),
        *(("call", transport, language) for transport, language in zip(("file", "journal"), ("php", "f90"))),
    ],
)
def test_pattern_that_a_transport_lacks_is_refused_with_the_reason(start: Start, program, transport, language) -> None:
    process = start(program, language, endpoint_on(transport))
    out, err = process.communicate(timeout=SOON)
    assert process.returncode != 0
    assert "cannot do that" in out + err, (out, err)
