"""A bridge to which the kernel refuses a wait, as a filter of a sandbox does: it ends with the name of the call, and does not go on for ever."""

import errno
import subprocess
from pathlib import Path

import pytest
from conftest import SOON
from support.network import free_port
from support.refused import CALLS, built
from support.tree import DEBUG


@pytest.fixture(scope="module")
def refuse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("refuse"))


@pytest.mark.parametrize("words", [["--export", "lab/*"], ["--import", "lab/*"]], ids=["exports", "imports"])
@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
@pytest.mark.parametrize("call", ["ppoll", "epoll_pwait"])
def test_bridge_whose_wait_is_refused_ends_with_the_name_of_the_call(machines, refuse: Path, call: str, number: int, words: list[str]) -> None:
    north = machines("north")
    command = [refuse, CALLS[call], number, DEBUG / "linkspan-bridge", "--machine", "north", *words, "--listen", f"tcp/127.0.0.1:{free_port()}"]
    done = subprocess.run(list(map(str, command)), env=north.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 1 and call in done.stderr and "panicked" not in done.stderr, done
