"""The aarch64 program under qemu, alone and together with the local one.

It tests the build, sizes, byte orders, page layouts, system call numbers, and shared memory between architectures.
Emulation keeps the host's memory order, so missing fences stay hidden; the loom models look for them.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.waiting import until

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TRIPLE = "aarch64-unknown-linux-gnu"
SOON = 120.0  # seconds; the test does not depend on time

Start = Callable[..., subprocess.Popen[str]]
PAIRS = [("aarch64", "aarch64"), ("aarch64", "native"), ("native", "aarch64")]
TRANSPORTS = ["shm", "unix", "tcp", "fifo"]


@pytest.fixture(scope="session")
def programs() -> dict[str, list[str]]:
    for needed in ("qemu-aarch64", "aarch64-linux-gnu-gcc"):
        assert shutil.which(needed), f"{needed} is missing: apt-get install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    installed = subprocess.run(["rustup", "target", "list", "--installed"], capture_output=True, text=True, check=True).stdout
    assert TRIPLE in installed, f"rustup target add {TRIPLE}"
    env = {**os.environ, "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER": "aarch64-linux-gnu-gcc", "CARGO_PROFILE_DEV_DEBUG": "0"}
    # Names the libraries in the program, because qemu's option -L would show it another root directory.
    lib = "/usr/aarch64-linux-gnu/lib"
    link = f"-Clink-arg=-Wl,-rpath,{lib},--dynamic-linker,{lib}/ld-linux-aarch64.so.1"
    build = ["cargo", "rustc", "--locked", "--quiet", "-p", "linkspan-cli", "--bin", "linkspan", "--target", TRIPLE, "--", link]
    subprocess.run(build, cwd=ROOT, env=env, check=True, timeout=3000)
    subprocess.run(["cargo", "build", "--locked", "--quiet", "-p", "linkspan-cli"], cwd=ROOT, check=True, timeout=3000)
    emulated = str(TARGET / TRIPLE / "debug/linkspan")
    return {"aarch64": ["qemu-aarch64", emulated], "native": [str(TARGET / "debug/linkspan")]}


@pytest.fixture
def start(tmp_path: Path, programs: dict[str, list[str]]) -> Iterator[Start]:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    env = {**os.environ, "LINKSPAN_DIR": str(runtime), "LINKSPAN_STATE_DIR": str(tmp_path / "state")}
    started: list[subprocess.Popen[str]] = []

    def begin(machine: str, *words: object, stdin: int | None = subprocess.DEVNULL) -> subprocess.Popen[str]:
        command = [*programs[machine], *(str(word) for word in words)]
        child = subprocess.Popen(command, env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(child)
        return child

    yield begin
    for child in started:
        child.kill()
        child.communicate()


def output(child: subprocess.Popen[str], text: str | None = None) -> str:
    out, err = child.communicate(text, timeout=SOON)
    assert child.returncode == 0, f"{child.args}: {child.returncode}\n{out}{err}"
    return out


def endpoint(transport: str) -> str:
    high, low = os.getpid() >> 8 & 127, os.getpid() & 255
    return f"tcp://127.{1 + high}.{low}.9:23999" if transport == "tcp" else f"{transport}:arm/it"


def each_pair(test: Callable[..., None]) -> Callable[..., None]:
    pairs = pytest.mark.parametrize(("one", "other"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
    return pairs(pytest.mark.parametrize("transport", TRANSPORTS)(test))


def test_program_is_of_the_other_architecture(programs: dict[str, list[str]]) -> None:
    machine = Path(programs["aarch64"][-1]).read_bytes()[18:20]
    assert int.from_bytes(machine, "little") == 183, "EM_AARCH64 of the ELF header"
    assert Path(sys.executable).resolve().read_bytes()[18:20] != machine, "this machine is one itself"


@each_pair
def test_messages_of_every_size_arrive(start: Start, one: str, other: str, transport: str) -> None:
    lines = [f'{{"n":{n},"text":"{"x" * (n * 37 % 3000)}"}}' for n in range(300)] + [f'"{"y" * 300_000}"']
    receiver = start(one, "recv", endpoint(transport), "--count", len(lines), "--json", "--timeout", SOON)
    sender = start(other, "send", endpoint(transport), "--timeout", SOON, stdin=subprocess.PIPE)
    with ThreadPoolExecutor(1) as reading:
        received = reading.submit(output, receiver)
        output(sender, "\n".join(lines) + "\n")
        assert received.result().splitlines() == lines


@each_pair
def test_calls_are_answered(start: Start, one: str, other: str, transport: str) -> None:
    server = start(one, "reply", endpoint(transport), "--command", "cat", "--count", 2)
    for text in ("[1,2,3]", '{"pi":3.141592653589793}'):
        assert output(start(other, "call", endpoint(transport), text, "--json", "--timeout", SOON)).strip() == text
    output(server)


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
@pytest.mark.parametrize("transport", ["shm", "unix", "tcp"])
def test_subscribers_and_latest_get_what_is_published(start: Start, one: str, other: str, transport: str) -> None:
    publisher = start(one, "pub", endpoint(transport), "--wait-for", 1, "--timeout", SOON, "--for", SOON, stdin=subprocess.PIPE)
    subscriber = start(other, "sub", endpoint(transport), "--count", 200, "--json", "--timeout", SOON)
    assert publisher.stdin is not None
    publisher.stdin.write("".join(f"{n}\n" for n in range(200)))
    publisher.stdin.close()
    publisher.stdin = None
    assert output(subscriber).split() == [str(n) for n in range(200)]
    assert output(start(other, "latest", endpoint(transport), "--json")).strip() == "199"


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_receiver_of_the_other_architecture_succeeds_a_killed_one(start: Start, transport: str) -> None:
    sender = start("native", "send", endpoint(transport), "--timeout", SOON, stdin=subprocess.PIPE)
    first = start("aarch64", "recv", endpoint(transport), "--count", 0, "--json", "--timeout", SOON)
    assert sender.stdin is not None and first.stdout is not None
    sender.stdin.write("".join(f"{n}\n" for n in range(50)))
    sender.stdin.flush()
    got = [first.stdout.readline().strip() for _ in range(50)]
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = start("native", "recv", endpoint(transport), "--count", 0, "--json", "--timeout", SOON)
    assert second.stdout is not None
    # It may repeat the last printed number and omits none.
    output(sender, "".join(f"{n}\n" for n in range(50, 100)))
    after = []
    while not after or after[-1] != "99":
        line = second.stdout.readline()
        assert line, f"the second receiver ended after {after}: {second.communicate()[1]}"
        after.append(line.strip())
    assert got == [str(n) for n in range(50)] and set(after) >= {str(n) for n in range(50, 100)}, (got, after)
    assert after == sorted(after, key=int), after


def test_listing_shows_both_architectures(start: Start) -> None:
    servers = [start(machine, "reply", f"shm:arm/{machine}", "--command", "cat") for machine in ("native", "aarch64")]

    def listed() -> bool:
        assert all(server.poll() is None for server in servers)
        names = {line.split()[0] for line in output(start("aarch64", "ls")).splitlines() if line.startswith("shm:arm/")}
        return names == {"shm:arm/native", "shm:arm/aarch64"}

    until("both names", listed, SOON)
