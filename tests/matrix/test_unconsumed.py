"""A sender with the option linger that ends without close says on one line of stderr how much was not consumed, in each language."""

import re
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest
from conftest import STRICT
from support.compilers import INCLUDE, compiled, fortran_module, shared_library
from support.tree import ROOT, php

HERE = Path(__file__).parent / "unconsumed"
PYTHON = str(ROOT / ".venv/bin/python")
#: Only guards against a hang.
SOON = 60
#: Takes two messages, of which the call for the second consumes the first, and is killed.
RECEIVER = """
import sys, time
import linkspan
listener = linkspan.listen(sys.argv[1])
print("listens", flush=True)
channel = listener.accept()
channel.recv()
channel.recv()
print("taken", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def senders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    out, library, module = tmp_path_factory.mktemp("senders"), shared_library(), fortran_module("-std=f2018")
    fortran = ["gfortran", "-std=f2018", "-Wall", "-Wextra", "-Werror", f"-I{module}", HERE / "sender.f90", module / "linkspan.o"]
    c = str(compiled("gcc", "-std=c11", *STRICT, INCLUDE, HERE / "sender.c", *library, out=out / "c"))
    return {
        "c": [c],
        "c that frees": [c, "free"],
        "cpp": [str(compiled("g++", "-std=c++17", *STRICT, INCLUDE, HERE / "sender.cpp", *library, out=out / "cpp"))],
        "fortran": [str(compiled(*fortran, *library, out=out / "fortran"))],
        "python": [PYTHON, str(HERE / "sender.py")],
        "python aio": [PYTHON, str(HERE / "sender_aio.py")],
        "php": [*php(), str(HERE / "sender.php")],
    }


@pytest.mark.parametrize("language", ["c", "c that frees", "cpp", "fortran", "python", "python aio", "php"])
def test_end_of_a_sender_says_how_much_was_not_consumed(language: str, senders: dict[str, list[str]], runtime: None) -> None:
    name = f"shm:unconsumed/{language.replace(' ', '-')}"
    with subprocess.Popen([sys.executable, "-c", RECEIVER, name], stdout=PIPE, text=True) as receiver:
        try:
            assert receiver.stdout and receiver.stdout.readline() == "listens\n"
            command, *words = senders[language]
            arguments = [*words, name] if language in ("python", "python aio", "php") else [name, *words]
            with subprocess.Popen([command, *arguments], stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as sender:
                try:
                    assert sender.stdout and sender.stdin
                    flushed = sender.stdout.readline()
                    assert re.search(r"\b99[89]\b|\b1000\b", flushed), flushed
                    assert receiver.stdout.readline() == "taken\n"
                    receiver.kill()
                    receiver.wait(SOON)
                    _, printed = sender.communicate("\n", timeout=SOON)
                finally:
                    sender.kill()
        finally:
            receiver.kill()
    lines = [line for line in printed.splitlines() if line.startswith("linkspan: ")]
    assert sender.returncode == 0 and len(lines) == 1, printed
    assert re.match(rf"linkspan: {name}: (998|999) of the messages that were sent had not been consumed", lines[0]), lines
