"""Two containers that share only the runtime and state directories connect over every local transport.

Each container has separate users, processes, mounts, System V objects and network. Neither side sees the other's
process numbers.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from support.namespaces import needed
from support.tree import PROGRAM as BUILT

PATIENCE = 60  # seconds; only a hang takes this long
NAMESPACES = ["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--ipc", "--net", "--uts"]
#: Hides directories that containers often share by accident.
INSIDE = 'mount -t tmpfs none /dev/shm && mount -t tmpfs none /run && exec "$@"'

pytestmark = needed(*NAMESPACES)


@pytest.fixture
def folder():
    """The program and the two directories that both containers share."""
    path = Path(tempfile.mkdtemp(prefix="containers-", dir="/var/tmp"))
    shutil.copy(BUILT, path / "linkspan")
    for name in ("run", "state"):
        (path / name).mkdir(mode=0o700)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def container(folder):
    """Starts the program in a separate container; the test's end kills it."""
    started = []

    def start(*words):
        environment = {**os.environ, "LINKSPAN_DIR": str(folder / "run"), "LINKSPAN_STATE_DIR": str(folder / "state")}
        process = subprocess.Popen(
            ["unshare", *NAMESPACES, "sh", "-c", INSIDE, "sh", str(folder / "linkspan"), *words],
            env=environment,
            cwd="/",
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)  # its child is killed with it
        process.communicate(timeout=PATIENCE)


def printed(process):
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, (process.args, out, err)
    return out.strip()


def run(container, *words):
    return printed(container(*words))


def test_containers_do_not_see_each_other_s_processes(container, folder):
    server = container("recv", "unix:of/one", "--count", "1", "--json")
    run(container, "send", "unix:of/one", "1")
    assert printed(server) == "1"
    here = subprocess.run(["unshare", *NAMESPACES, "sh", "-c", "ls /proc | grep -c '^[0-9]'"], capture_output=True, text=True)
    assert int(here.stdout) < 6, here


@pytest.mark.parametrize("transport", ["shm", "unix", "fifo", "spool"])
def test_calls_are_answered_between_containers(container, transport):
    name = f"{transport}:box/echo"
    container("recv", name, "--count", "0", "--timeout", "forever", "--reply", '{"done": true}')
    for _ in range(3):
        assert json.loads(run(container, "call", name, "7", "--json")) == {"done": True}


@pytest.mark.parametrize("transport", ["shm", "unix", "fifo", "spool", "dgram"])
def test_messages_arrive_between_containers(container, transport):
    name = f"{transport}:box/word"
    reader = container("recv", name, "--count", "3", "--json")
    if transport == "dgram":
        # A mailslot drops messages sent before it has a reader.
        while run(container, "ls", "--json").find("box/word") < 0:
            assert reader.poll() is None
    for value in ("1", '"two"', "3"):
        run(container, "send", name, value)
    assert printed(reader).splitlines() == ["1", '"two"', "3"]


@pytest.mark.parametrize("transport", ["shm", "unix", "file", "journal"])
def test_values_are_published_between_containers(container, transport):
    name = f"{transport}:box/value"
    publisher = container("pub", name, '{"n": 1}')
    waiting = container("sub", name, "--count", "1", "--json")
    assert json.loads(printed(waiting)) == {"n": 1}
    assert json.loads(run(container, "latest", name, "--json")) == {"n": 1}
    assert publisher.poll() in ((0,) if transport == "file" else (None, 0))


@pytest.mark.parametrize("transport", ["shm", "unix", "fifo", "spool", "dgram"])
def test_name_is_held_across_containers_and_free_once_its_holder_is_dead(container, transport):
    name = f"{transport}:box/held"
    forever = ("recv", name, "--count", "0", "--timeout", "forever")
    first = container(*forever)
    while run(container, "ls", "--json").find("box/held") < 0:
        assert first.poll() is None, first.communicate()
    second = container(*forever)
    out, err = second.communicate(timeout=PATIENCE)
    assert second.returncode == 1 and "AddressInUse" in err, (out, err)
    first.kill()
    first.communicate(timeout=PATIENCE)  # until its children have ended
    # The lock ends with the process, although the process number is invisible here.
    third = container("recv", name, "--count", "1", "--json")
    run(container, "send", name, "5")
    assert printed(third) == "5"


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_subscriber_notices_a_killed_publisher_in_another_container(container, transport):
    name = f"{transport}:box/killed"
    first = container("pub", name, "1")
    reader = container("sub", name, "--count", "2", "--json")
    assert reader.stdout.readline().strip() == "1"
    first.kill()
    container("pub", name, "2")
    assert printed(reader) == "2"


def test_listing_names_holders_in_other_containers_by_user(container):
    name = "unix:box/listed"
    publisher = container("pub", name, "1")
    assert json.loads(run(container, "sub", name, "--count", "1", "--json")) == 1
    lines = [json.loads(line) for line in run(container, "ls", "--json").splitlines()]
    listed = [line for line in lines if line["endpoint"] == name]
    assert listed and listed[0]["user"] == "root", listed
    assert listed[0]["pid"] is None, "a number of another container would mean another process here"
    assert publisher.poll() is None
