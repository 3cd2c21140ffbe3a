"""A sender that ends without close reports unconsumed messages on stderr and by callback."""

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
#: Seconds; only guards against a hang.
SOON = 60
#: Takes two messages, consumes the first by the second call, and is killed.
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


#: Acknowledges one message and waits for its end; a second argument makes it connect.
RECEIVER_OF_ONE = """
import sys
import linkspan
listener = None if sys.argv[2:] else linkspan.listen(sys.argv[1], ack="manual")
print("listens", flush=True)
channel = listener.accept() if listener else linkspan.connect(sys.argv[1], ack="manual")
channel.recv()
channel.ack()
sys.stdin.readline()
"""


def commands(program: str, out: Path) -> dict[str, list[str]]:
    library, module = shared_library(), fortran_module("-std=f2018")
    fortran = ["gfortran", "-std=f2018", "-Wall", "-Wextra", "-Werror", f"-I{module}", HERE / f"{program}.f90", module / "linkspan.o"]
    return {
        "c": [str(compiled("gcc", "-std=c11", *STRICT, INCLUDE, HERE / f"{program}.c", *library, out=out / f"{program}-c"))],
        "cpp": [str(compiled("g++", "-std=c++17", *STRICT, INCLUDE, HERE / f"{program}.cpp", *library, out=out / f"{program}-cpp"))],
        "fortran": [str(compiled(*fortran, *library, out=out / f"{program}-fortran"))],
        "python": [PYTHON, str(HERE / f"{program}.py")],
        "php": [*php(), str(HERE / f"{program}.php")],
    }


@pytest.fixture(scope="module")
def senders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    made = commands("sender", tmp_path_factory.mktemp("senders"))
    return {**made, "c that frees": [*made["c"], "free"], "python aio": [PYTHON, str(HERE / "sender_aio.py")]}


@pytest.fixture(scope="module")
def reporters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    return commands("reporter", tmp_path_factory.mktemp("reporters"))


@pytest.mark.costly
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


#: Each language's ways to end a channel without close, and their further output.
WAYS: dict[tuple[str, str], list[str]] = {
    ("c", "free"): [],
    ("c", "exit"): [],
    ("c", "fork"): [],
    ("c", "again"): ["free: InvalidState", "close: Timeout"],
    ("c", "thread"): ["freed"],
    ("cpp", "destructor"): [],
    ("cpp", "exit"): [],
    ("cpp", "throws"): [],
    ("cpp", "accepted"): [],
    ("fortran", "free"): [],
    ("fortran", "exit"): [],
    ("python", "free"): [],
    ("python", "gc"): [],
    ("python", "exit"): [],
    ("php", "free"): ["after"],
    ("php", "gc"): [],
    ("php", "exit"): [],
}


@pytest.mark.costly
@pytest.mark.parametrize(("language", "way"), WAYS, ids=["-".join(way) for way in WAYS])
def test_callback_gets_the_number_that_was_not_consumed(language: str, way: str, reporters: dict[str, list[str]], runtime: None) -> None:
    name = f"shm:unconsumed/{language}-{way}"
    command = [*reporters[language], name, way]
    receiver = [PYTHON, "-c", RECEIVER_OF_ONE, name, *(["connects"] if way == "accepted" else [])]
    with subprocess.Popen(receiver, stdin=PIPE, stdout=PIPE, text=True) as receives:
        try:
            assert receives.stdout and receives.stdout.readline() == "listens\n"
            with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as sends:
                try:
                    assert sends.stdout
                    first = sends.stdout.readline()
                    assert first == "sent\n", first + (sends.stderr.read() if sends.stderr else "")
                    said, printed = sends.communicate("\n", timeout=SOON)
                finally:
                    sends.kill()
        finally:
            receives.kill()
    assert said.splitlines() == ["unconsumed 999, call 1", *WAYS[language, way]], said + printed
    lines = [line for line in printed.splitlines() if line.startswith("linkspan: ")]
    assert sends.returncode == 0 and lines[0].startswith(f"linkspan: {name}: 999 of the messages"), printed
    assert lines[1:] == (["linkspan: on_unconsumed threw an exception: from the callback"] if way == "throws" else []), printed
