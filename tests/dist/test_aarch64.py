"""The aarch64 programs, C library and wheel under qemu, with Debian's Python for that machine."""

import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import MACHINE, SOON, VERSION, artefact
from support.tree import TARGET

C = """
#include <linkspan.h>
#include <stdio.h>
int main(void) {
    linkspan_message *reading = NULL;
    double celsius;
    linkspan_status status = linkspan_latest("lab/temperature", NULL, 60000000000, &reading);
    if (status == LINKSPAN_OK) status = linkspan_message_get_f64(reading, "celsius", &celsius);
    if (status == LINKSPAN_OK) printf("%.1f\\n", celsius);
    else fprintf(stderr, "%s\\n", linkspan_last_error_text());
    linkspan_message_release(reading);
    return status != LINKSPAN_OK;
}
"""
PYTHON = """
import platform, sys, linkspan
assert platform.machine() == "aarch64"
with linkspan.publisher("lab/temperature") as out:
    out.send({"celsius": 21.4})
    sys.stdin.read()
"""

Output = Callable[..., str]


@pytest.fixture
def folder(foreign: Path, tmp_path: Path) -> Iterator[Path]:
    """A runtime directory inside the emulated root, because the emulator looks there first."""
    made = foreign / f"run-{tmp_path.name}"
    made.mkdir(mode=0o700)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def output(folder: Path, tmp_path: Path) -> Output:
    def output(*command: object, **env: str) -> str:
        words = list(map(str, command))
        env = {**os.environ, "LINKSPAN_DIR": str(folder), **env}
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=SOON, cwd=tmp_path)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout

    return output


def program(machine: str, tmp_path: Path, name: str = "linkspan") -> list[object]:
    folder = tmp_path / machine
    tarfile.open(artefact(f"{name}-{VERSION}-{machine}-linux.tar.gz")).extractall(folder, filter="tar")
    built = folder / f"{name}-{VERSION}-{machine}-linux" / name
    return [built] if machine == MACHINE else [f"qemu-{machine}", built]


@pytest.fixture(scope="session")
def foreign() -> Path:
    """Debian's Python packages for aarch64, unpacked."""
    folder = TARGET / "dist-test/debian12-aarch64"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        command = ["debootstrap", "--foreign", "--arch=arm64", "--variant=minbase", "--include=python3", "bookworm", folder]
        subprocess.run(command, check=True, timeout=SOON, stdout=subprocess.DEVNULL)
        for package in (folder / "var/cache/apt/archives").glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, folder], check=True, timeout=SOON)
        (folder / "ready").touch()
    return folder


@pytest.fixture
def publisher(foreign: Path, folder: Path, tmp_path: Path) -> Iterator[None]:
    modules = tmp_path / "modules"
    zipfile.ZipFile(artefact(f"linkspan-{VERSION}-cp311-abi3-*_aarch64.whl")).extractall(modules)
    command = ["qemu-aarch64", "-L", foreign, foreign / "usr/bin/python3.11", "-c", PYTHON]
    env = {**os.environ, "LINKSPAN_DIR": f"/{folder.name}", "PYTHONPATH": str(modules)}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE) as running:
        yield
        running.stdin.close()
        assert running.wait(SOON) == 0


def test_static_programs_exchange_messages_with_those_of_this_machine(output: Output, folder: Path, tmp_path: Path) -> None:
    here, there = program(MACHINE, tmp_path), program("aarch64", tmp_path)
    assert VERSION in output(*there, "--version")
    for other in ("linkspan-bridge", "linkspan-gateway"):
        assert VERSION in output(*program("aarch64", tmp_path, other), "--version")
    for publisher, reader in ((here, there), (there, here)):
        with subprocess.Popen([*map(str, publisher), "pub", "lab/sum", '{"sum":3}'], env={**os.environ, "LINKSPAN_DIR": str(folder)}) as running:
            try:
                assert output(*reader, "latest", "lab/sum", "--timeout", "60", "--json") == '{"sum":3}\n'
            finally:
                running.terminate()


def test_wheel_publishes_to_the_program_of_this_machine(publisher: None, output: Output, tmp_path: Path) -> None:
    assert output(*program(MACHINE, tmp_path), "latest", "lab/temperature", "--timeout", "60", "--json") == '{"celsius":21.4}\n'


@pytest.mark.parametrize("kind", ["shared", "static"])
def test_c_program_reads_what_this_machine_publishes(foreign: Path, folder: Path, kind: str, output: Output, tmp_path: Path) -> None:
    """The emulator drops MAP_POPULATE and lacks cachestat, so an emulated publisher's memory seems to have holes."""
    made = artefact(f"liblinkspan-{VERSION}-aarch64-linux-glibc.tar.gz")
    tarfile.open(made).extractall(tmp_path, filter="tar")
    library = tmp_path / made.name.removesuffix(".tar.gz")
    (tmp_path / "main.c").write_text(C)
    linked = ["-llinkspan"] if kind == "shared" else [library / "lib/liblinkspan.a", "-lpthread", "-ldl", "-lm"]
    output("aarch64-linux-gnu-gcc", "main.c", "-o", "main", f"-I{library}/include", f"-L{library}/lib", *linked)
    emulated = ["qemu-aarch64", "-L", foreign, "-E", f"LD_LIBRARY_PATH={library}/lib", tmp_path / "main"]
    publisher = [*map(str, program(MACHINE, tmp_path)), "pub", "lab/temperature", '{"celsius":21.4}']
    with subprocess.Popen(publisher, env={**os.environ, "LINKSPAN_DIR": str(folder)}) as running:
        try:
            assert output(*emulated, LINKSPAN_DIR=f"/{folder.name}") == "21.4\n"
        finally:
            running.terminate()
