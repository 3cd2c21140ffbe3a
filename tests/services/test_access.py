"""Access to a controller: programs of its user have it, other users of the machine do not, other machines need a key."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SOON
from support.rights import several_users
from support.tree import PROGRAM
from support.waiting import until

pytestmark = several_users
OWNER, OUTSIDER = 12_345, 23_456
#: A documentation address (RFC 5737), which only the test's machine has.
OUTSIDE = "192.0.2.1"


class Net:
    """A network namespace with a free port, users with separate directories, and machines with keys."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="net-"))
        self.folder.chmod(0o755)
        shutil.copy(PROGRAM, self.folder / "linkspan")
        up = f"ip link set lo up && ip address add {OUTSIDE}/32 dev lo && echo ready && exec cat"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.keeper = subprocess.Popen(["unshare", "--net", "sh", "-c", up], **pipes)
        assert self.keeper.stdout.readline() == "ready\n"
        self.started: list[subprocess.Popen[str]] = []

    def words(self, user: int, *words: str) -> dict[str, object]:
        home = self.folder / str(user)
        if not home.exists():
            home.mkdir(mode=0o700)
            os.chown(home, user, user)
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        enter = ["nsenter", f"--target={self.keeper.pid}", "--net", *become, str(self.folder / "linkspan"), *words]
        env = {**os.environ, "LINKSPAN_DIR": str(home), "LINKSPAN_KEYS": str(home / "keys")}
        env.pop("LINKSPAN_CONTROLLER", None)
        return {"args": enter, "env": env, "cwd": "/", "text": True}

    def run(self, user: int, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(**self.words(user, *words), capture_output=True, timeout=SOON)

    def start(self, user: int, *words: str) -> None:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.started.append(subprocess.Popen(**self.words(user, *words), **quiet))

    def services(self, user: int, *words: str) -> dict[str, str]:
        finished = self.run(user, "service", "ls", "--json", *words)
        records = [json.loads(line) for line in finished.stdout.splitlines()]
        return {record["name"]: record["state"] for record in records}

    def until(self, user: int, name: str, state: str, *words: str) -> None:
        until(f"{name} in {state}", lambda: self.services(user, *words).get(name) == state, SOON)

    def close(self) -> None:
        for child in [*self.started, self.keeper]:
            child.terminate()
            child.wait(timeout=SOON)
        self.keeper.stdin.close()
        self.keeper.stdout.close()
        shutil.rmtree(self.folder)


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    yield net
    net.close()


def test_another_user_of_the_machine_is_refused(net):
    loopback = ["--controller", "tcp://127.0.0.1:17170"]
    net.start(OWNER, "controller", "--quiet")
    # A service of this user finds the token, over TCP and over the socket.
    net.start(OWNER, "service", "run", "--name", "near", *loopback, "--", "sleep", "1000")
    net.until(OWNER, "near", "RUNNING")
    assert net.services(OWNER, *loopback) == {"near": "RUNNING"}
    for words in (["ls"], ["status", "near"], ["pause", "near"], ["shutdown", "near"]):
        finished = net.run(OUTSIDER, "service", *words, *loopback, "--timeout", "5")
        assert finished.returncode == 1 and "PermissionDenied (113)" in finished.stderr, finished
        assert "token" in finished.stderr, finished.stderr
    # The other user's service is also refused, and harmlessly keeps trying.
    net.start(OUTSIDER, "service", "run", "--name", "outsider", *loopback, "--", "sleep", "1000")
    socket = f"unix:{net.folder / str(OWNER)}/controller"
    finished = net.run(OUTSIDER, "service", "ls", "--controller", socket, "--timeout", "5")
    assert finished.returncode != 0 and "PermissionDenied" in finished.stderr, finished
    paused = net.run(OWNER, "service", "pause", "near", "--wait")
    assert paused.returncode == 0, paused
    assert net.services(OWNER) == {"near": "PAUSED"}


def test_service_of_another_machine_needs_a_trusted_key(net):
    outside = f"tcp://{OUTSIDE}:17171"
    machines = {"here": OWNER, "there": OUTSIDER, "nowhere": 34_567}
    keys = {name: net.run(user, "keys", "new").stdout.strip() for name, user in machines.items()}
    assert all(key.startswith("ed25519:") for key in keys.values()), keys
    assert net.run(OWNER, "keys", "trust", "there", keys["there"]).returncode == 0
    for name in ("there", "nowhere"):
        assert net.run(machines[name], "keys", "trust", "here", keys["here"]).returncode == 0
    net.start(OWNER, "controller", "--quiet", "--listen", "unix:controller", "--listen", outside)
    for name in ("there", "nowhere"):
        net.start(machines[name], "service", "run", "--name", f"from/{name}", "--controller", outside, "--", "sleep", "1000")
    net.until(OWNER, "from/there", "RUNNING")
    done = net.run(OWNER, "service", "pause", "from/there", "--wait")
    assert done.returncode == 0, done
    # The controller can be queried from there only.
    assert net.services(OUTSIDER, "--controller", outside) == {"from/there": "PAUSED"}
    finished = net.run(machines["nowhere"], "service", "ls", "--controller", outside, "--timeout", "5")
    assert finished.returncode == 1 and "PermissionDenied" in finished.stderr, finished
    assert net.services(OWNER) == {"from/there": "PAUSED"}
