"""A bridge without permission for a wait or thread ends with its name, instead of looping or panicking."""

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import SOON
from support.network import free_port
from support.refused import CALLS, built, folder_of_another, run_with
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


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
@pytest.mark.parametrize("engine", [["--listen", "tcp/127.0.0.1:{port}"], ["--engine", "nats", "--server", "nats://127.0.0.1:{port}"]], ids=["zenoh", "nats"])
def test_bridge_that_may_have_few_threads_says_so(engine: list[str]) -> None:
    """tokio starts the engine's threads and panics if it cannot."""
    words = [word.replace("{port}", str(free_port())) for word in engine]
    with folder_of_another() as (folder, environment):
        shutil.copy(str(DEBUG / "linkspan-bridge"), folder / "program")
        command = [folder / "program", "--machine", "north", "--export", "lab/*", *words]
        ends = [run_with(threads, command, folder, environment) for threads in range(1, 13)]
    refused = [text for code, text in ends if code == 1 and "ulimit -u" in text]
    assert len(refused) > 6 and all("thread" in text for text in refused), ends
    assert all("ulimit -u" in text for text in (ends[3][1], ends[5][1])), ends
