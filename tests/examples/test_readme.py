"""README's first programs, unchanged; each receives from README's publisher."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from support.compilers import INCLUDE, fortran_module, shared_library
from support.compilers import compiled as built
from support.tree import PROGRAM, ROOT
from support.tree import php as php_command
from support.waiting import until

PYTHON = str(ROOT / ".venv/bin/python")
#: Seconds; only guards against a hang.
SOON = 60
SERVICE = "docs/first-service.md"



def block(language: str, position: int = 0, page: str = "README.md") -> str:
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S)
    return [text for word, text in blocks if word == language][position]


def compiled(folder: Path, name: str, text: str, *command: object) -> list[str]:
    (folder / name).write_text(text, encoding="utf-8")
    return [str(built(*command, folder / name, *shared_library(), out=folder / "program"))]


def fortran(folder: Path) -> list[str]:
    module = fortran_module("-std=f2018")
    words = ["gfortran", "-std=f2018", "-Wall", "-Werror", f"-I{module}", module / "linkspan.o"]
    return compiled(folder, "first.f90", block("fortran"), *words)


def php(folder: Path) -> list[str]:
    (folder / "first.php").write_text(block("php"), encoding="utf-8")
    return [*php_command(), str(folder / "first.php")]


PROGRAMS = {
    "python": lambda folder: [PYTHON, "-c", block("python", 1)],
    "c": lambda folder: compiled(folder, "first.c", block("c"), "gcc", "-std=c11", "-Wall", "-Werror", INCLUDE),
    "cpp": lambda folder: compiled(folder, "first.cpp", block("cpp"), "g++", "-std=c++17", "-Wall", "-Werror", INCLUDE),
    "fortran": fortran,
    "php": php,
}


@pytest.mark.parametrize("language", PROGRAMS)
def test_first_program(language: str, tmp_path: Path) -> None:
    command = PROGRAMS[language](tmp_path)
    environment = {**os.environ, "LINKSPAN_DIR": str(tmp_path / "run")}
    pipes = {"env": environment, "text": True, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([PYTHON, "-u", "-c", block("python")], **pipes) as publisher:
        assert publisher.stdout is not None
        # The prompt follows the first message.
        assert publisher.stdout.read(len("Enter ends it")) == "Enter ends it"
        with subprocess.Popen(command, **pipes) as hearer:
            assert hearer.stdout is not None
            assert hearer.stdout.readline().strip() == "21.4"
            hearer.terminate()
            hearer.wait(SOON)
        publisher.communicate("\n", timeout=SOON)
        assert publisher.returncode == 0


def test_first_program_in_javascript(tmp_path: Path) -> None:
    environment = {**os.environ, "LINKSPAN_DIR": str(tmp_path / "run"), "LINKSPAN_STATE_DIR": str(tmp_path), "HOME": str(tmp_path)}
    pipes = {"env": environment, "text": True, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    modules = tmp_path / "node_modules"
    modules.mkdir()
    (modules / "linkspan-client").symlink_to(ROOT / "clients/js")
    (tmp_path / "first.mjs").write_text(block("js"), encoding="utf-8")
    gateway = subprocess.Popen([PROGRAM, "gateway", "--listen", "127.0.0.1:0"], **pipes)
    publisher = subprocess.Popen([PYTHON, "-u", "-c", block("python")], **pipes)
    hearer = None
    try:
        assert publisher.stdout is not None and gateway.stdout is not None
        assert publisher.stdout.read(len("Enter ends it")) == "Enter ends it"
        address = gateway.stdout.readline().strip()
        hearer = subprocess.Popen(["node", tmp_path / "first.mjs", address], **pipes)
        assert hearer.stdout is not None
        assert hearer.stdout.readline().strip() == "21.4"
    finally:
        for program in (hearer, publisher, gateway):
            if program:
                program.terminate()
                program.communicate(timeout=SOON)


def test_first_service(tmp_path: Path) -> None:
    environment = {**os.environ, "LINKSPAN_DIR": str(tmp_path / "run")}
    shell = {"env": environment, "cwd": tmp_path, "text": True}
    linkspan = str(PROGRAM)
    controller = subprocess.Popen([linkspan, "controller", "--no-tcp", "--quiet"], **shell)
    service = subprocess.Popen([PYTHON, "-c", block("python", 0, SERVICE)], **shell)
    try:
        (tmp_path / "first.php").write_text(block("php", 0, SERVICE), encoding="utf-8")
        words = [*php_command(), "first.php"]

        def answered() -> subprocess.CompletedProcess | None:
            done = subprocess.run(words, **shell, capture_output=True, timeout=SOON)
            assert done.returncode == 0 or re.search("NotFound|InvalidState", done.stdout + done.stderr), done
            return done if done.returncode == 0 else None

        # Fails until the service is registered.
        assert int(until("an answer of the service", answered, SOON).stdout) >= 0
        # The page's program paused it, and a second pause would fail.
        subprocess.run([linkspan, "service", "run", "lab/counter", "--wait"], **shell, check=True, timeout=SOON)
        for line in block("sh", 0, SERVICE).splitlines():
            command = line.split("#")[0].strip()
            if not command.startswith("linkspan service") or "--name" in command:
                continue
            finished = subprocess.run(command.replace("linkspan", linkspan, 1), shell=True, **shell, capture_output=True, timeout=SOON)
            assert finished.returncode == 0, finished
        assert service.wait(timeout=SOON) == 0
    finally:
        service.kill()
        controller.terminate()
        assert controller.wait(timeout=SOON) == 0
