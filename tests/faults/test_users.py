"""Several users: a shared directory lets them connect; other users get an error that names the obstacle."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from support.rights import several_users
from support.tree import PROGRAM as BUILT

PATIENCE = 60  # seconds; only a hang takes this long
WWW_DATA, NOBODY = 33, 65534

pytestmark = several_users


@pytest.fixture
def folder():
    path = Path(tempfile.mkdtemp(prefix="users-"))
    path.chmod(0o755)
    shutil.copy(BUILT, path / "linkspan")
    (path / "linkspan").chmod(0o755)
    yield path
    shutil.rmtree(path)


def command(folder, uid, *words, groups=()):
    """Runs as a user with exactly these groups."""
    return {
        "args": [str(folder / "linkspan"), *words],
        "user": uid,
        "group": uid,
        "extra_groups": list(groups),
        "env": {**os.environ, "LINKSPAN_DIR": str(folder / "run"), "LINKSPAN_STATE_DIR": str(folder / "run")},
        "cwd": "/",
        "text": True,
        "stdin": subprocess.DEVNULL,
    }


def run(folder, uid, *words, groups=()):
    return subprocess.run(**command(folder, uid, *words, groups=groups), capture_output=True, timeout=PATIENCE)


@pytest.fixture
def publish(folder):
    started = []

    def begin(uid, name, value, *words, groups=()):
        process = subprocess.Popen(**command(folder, uid, "pub", name, value, *words, groups=groups))
        started.append(process)
        waiting = run(folder, 0, "sub", name, "--count", "1", "--json")
        assert waiting.stdout.strip() == value, waiting.stderr
        return process

    yield begin
    for process in started:
        process.terminate()
        process.wait(PATIENCE)


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_members_of_a_group_connect_in_its_directory(folder, publish, transport):
    shared = folder / "run"
    shared.mkdir()
    os.chown(shared, 0, WWW_DATA)
    shared.chmod(0o2770)
    publish(0, f"{transport}:of/root", "1")
    publish(WWW_DATA, f"{transport}:of/www", "2")
    for uid, groups in ((WWW_DATA, ()), (1234, (WWW_DATA,)), (0, ())):
        for name, value in (("of/root", "1"), ("of/www", "2")):
            latest = run(folder, uid, "latest", f"{transport}:{name}", "--json", groups=groups)
            assert (latest.returncode, latest.stdout.strip()) == (0, value), (uid, latest.stderr)
    listed = run(folder, WWW_DATA, "ls").stdout.splitlines()
    assert [line.split()[4] for line in listed[1:]] == ["root", "www-data"]
    assert run(folder, WWW_DATA, "doctor").returncode == 0

    outside = run(folder, NOBODY, "latest", f"{transport}:of/root")
    assert outside.returncode == 1
    assert "PermissionDenied (113)" in outside.stderr and f"gid {WWW_DATA}" in outside.stderr
    finished = run(folder, NOBODY, "doctor")
    assert finished.returncode == 1 and "put the user in that group" in finished.stdout


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_private_directory_refuses_other_users_with_the_reason(folder, publish, transport):
    (folder / "run").mkdir(mode=0o755)
    publish(0, f"{transport}:mine", "1")
    refused = run(folder, NOBODY, "latest", f"{transport}:mine")
    assert refused.returncode == 1
    assert "PermissionDenied (113)" in refused.stderr and "linkspan setup --group" in refused.stderr
    listed = run(folder, NOBODY, "ls")
    assert f"{transport}:mine: PermissionDenied (113)" in listed.stdout
    held = run(folder, NOBODY, "doctor", f"{transport}:mine").stdout
    assert held.startswith(f"problem  {transport}:mine is held by a process whose number this user may not ask for of user root"), held
    assert "container" not in held
    assert run(folder, 0, "latest", f"{transport}:mine", "--json").stdout.strip() == "1"


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_listener_admits_its_list_of_users_alone(folder, publish, transport):
    shared = folder / "run"
    shared.mkdir()
    shared.chmod(0o777)
    name = f"{transport}:listed"
    publish(0, name, "1", "-o", "mode=0666", "-o", f"allow_uids=[0, {WWW_DATA}]")
    assert run(folder, WWW_DATA, "latest", name, "--json").stdout.strip() == "1"
    refused = run(folder, NOBODY, "latest", name)
    assert refused.returncode == 1
    assert f"uid {NOBODY}" in refused.stderr and "is not on the listener's list" in refused.stderr


def test_files_of_another_user_are_kept_and_reported(folder, publish):
    shared = folder / "run"
    shared.mkdir()
    os.chown(shared, 0, WWW_DATA)
    shared.chmod(0o2770)
    for owner, other in ((0, WWW_DATA), (WWW_DATA, 0)):
        process = publish(owner, "shm:left", "1")
        process.kill()
        process.wait(PATIENCE)
        path = shared / "left.shm"
        before = path.lstat()
        # Nobody else takes or removes the name, including root; the error names its owner.
        texts = [
            run(folder, other, "pub", "shm:left", "2").stderr,
            run(folder, other, "clean").stdout,
            run(folder, other, "ls").stdout,
            run(folder, other, "doctor").stdout,
        ]
        for text in texts:
            assert str(path) in text and f"belongs to uid {owner}" in text, texts
        after = path.lstat()
        assert (after.st_ino, after.st_uid, after.st_mode) == (before.st_ino, owner, before.st_mode)
        assert run(folder, owner, "clean").stdout == "removed shm:left\n"
        assert not path.exists()


def at_port(port):
    """Returns a TCP address of this run: all of 127.0.0.0/8 is local."""
    number = os.getpid()
    return f"tcp://127.{65 + (number >> 16)}.{number >> 8 & 255}.{number & 255}:{port}"


def test_tcp_refuses_users_without_the_token(folder, publish):
    (folder / "run").mkdir(mode=0o755)
    name = at_port(20101)
    publish(0, name, "1")
    token = folder / "run" / ".token"
    assert token.stat().st_mode & 0o7777 == 0o600
    refused = run(folder, NOBODY, "latest", name)
    assert refused.returncode == 1 and "PermissionDenied (113)" in refused.stderr
    for part in (str(token), f"uid {NOBODY}", "belongs to uid 0", "mode 0600", "linkspan setup --group"):
        assert part in refused.stderr, refused.stderr

    # A user's own directory and token do not help, and the other program learns nothing.
    own = folder / "own"
    own.mkdir(mode=0o700)
    os.chown(own, NOBODY, NOBODY)
    asked = command(folder, NOBODY, "latest", name)
    asked["env"]["LINKSPAN_DIR"] = str(own)
    refused = subprocess.run(**asked, capture_output=True, timeout=PATIENCE)
    assert refused.returncode == 1
    for part in ("PermissionDenied (113)", "a process of uid 0 listens", str(own / ".token"), "linkspan setup --group"):
        assert part in refused.stderr, refused.stderr
    asked = command(folder, NOBODY, "pub", at_port(20102), "2")
    asked["env"]["LINKSPAN_DIR"] = str(own)
    with subprocess.Popen(**asked) as impostor:
        waiting = run(folder, 0, "sub", at_port(20102), "--count", "1", "--timeout", str(PATIENCE))
        impostor.terminate()
    assert waiting.returncode == 1 and f"a process of uid {NOBODY} listens" in waiting.stderr, waiting.stderr
    assert run(folder, 0, "latest", name, "--json").stdout.strip() == "1"


def test_members_of_a_group_share_the_token(folder, publish):
    shared = folder / "run"
    shared.mkdir()
    os.chown(shared, 0, WWW_DATA)
    shared.chmod(0o2770)
    publish(0, at_port(20111), "1")
    publish(WWW_DATA, at_port(20112), "2")
    assert (shared / ".token").stat().st_mode & 0o7777 == 0o640
    for uid, groups in ((WWW_DATA, ()), (1234, (WWW_DATA,)), (0, ())):
        for name, value in ((at_port(20111), "1"), (at_port(20112), "2")):
            latest = run(folder, uid, "latest", name, "--json", groups=groups)
            assert (latest.returncode, latest.stdout.strip()) == (0, value), (uid, latest.stderr)
    listed = run(folder, WWW_DATA, "ls").stdout.splitlines()
    assert [line.split()[4] for line in listed[1:]] == ["root", "www-data"]
    assert run(folder, NOBODY, "latest", at_port(20111)).returncode == 1


def test_plain_framing_over_tcp_is_for_the_same_user_alone(folder):
    (folder / "run").mkdir(mode=0o755)
    name = at_port(20121)
    host, port = name.removeprefix("tcp://").split(":")
    asked = command(folder, 0, "recv", name, "--json", "--count", "1", "-o", "framing=lines")
    script = f"import socket; s = socket.create_connection(('{host}', {port})); s.sendall(b'%s\\n'); print(s.recv(9))"
    with subprocess.Popen(**asked, stdout=subprocess.PIPE) as server:
        result = None
        while result is None or "ConnectionRefused" in result.stderr:
            words = ["python3", "-c", script % '{"from": "nobody"}']
            result = subprocess.run(words, user=NOBODY, group=NOBODY, capture_output=True, text=True, timeout=PATIENCE)
        assert "b''" in result.stdout or "ConnectionReset" in result.stderr, result
        with socket.create_connection((host, int(port))) as same:
            same.sendall(b'{"from": "root"}\n')
            assert server.stdout.readline().strip() == '{"from":"root"}'
        server.wait(PATIENCE)
