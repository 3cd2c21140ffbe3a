"""`run` ends on its own or at a signal, with exit code 0, and leaves no process, file, socket or shared memory."""

import os
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import PARTS, PATIENCE, finish, launch
from support.limits import within


def processes_with(text):
    """Returns the processes that were started with this text in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if text.encode() in environ.read_bytes():
                found.append(int(environ.parent.name))
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue
    return found


def shared_memory():
    """Returns the names of shared memory. Leaves out names that concurrent tests make: of browsers, zenoh's programs and temporary folders."""
    return {name for name in os.listdir("/dev/shm") if not name.startswith((".tmp", ".org.chromium.")) and not name.endswith(".zenoh")}


def assert_nothing_is_left(running, folder, memory):
    assert processes_with(f"TMPDIR={folder}") == []
    assert list(folder.iterdir()) == []
    assert shared_memory() <= memory
    assert str(folder) not in Path("/proc/net/unix").read_text()
    where = urlsplit(running.address)
    with socket.socket() as probe:
        assert probe.connect_ex((where.hostname, where.port)) != 0


def test_demonstration_ends_after_its_time(tmp_path):
    memory = shared_memory()
    running = launch(DEMO_SECONDS="3", TMPDIR=str(tmp_path))
    assert set(running.pids()) == {*PARTS, "page"}
    assert len(processes_with(f"TMPDIR={tmp_path}")) > len(PARTS)
    rest, _ = running.process.communicate(timeout=PATIENCE)
    assert running.process.returncode == 0, rest
    assert_nothing_is_left(running, tmp_path, memory)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_demonstration_ends_at_a_signal(tmp_path, how):
    memory = shared_memory()
    running = launch(TMPDIR=str(tmp_path))
    assert finish(running, how) == 0
    assert_nothing_is_left(running, tmp_path, memory)


def test_program_missing_at_the_end_is_reported(tmp_path):
    running = launch(TMPDIR=str(tmp_path))
    os.kill(running.pids()["statistics"], signal.SIGKILL)
    with within("the line about the killed program"):
        for line in running.process.stdout:
            if "statistics ended (SIGKILL)" in line:
                break
    assert finish(running) == 1
    assert "missing at the end: statistics" in running.lines[-1]


@pytest.mark.costly
def test_two_demonstrations_run_side_by_side(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    one, other = launch(TMPDIR=str(first)), launch(TMPDIR=str(second))
    assert one.address != other.address
    assert finish(one) == 0
    assert set(other.pids()) == {*PARTS, "page"}
    assert finish(other) == 0
