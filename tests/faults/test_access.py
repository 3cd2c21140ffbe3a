"""Mode and group on every local transport, user lists, and repairs by doctor, with real users."""

import os
import select
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from support.rights import several_users
from support.tree import PROGRAM as BUILT
from support.waiting import until

PATIENCE = 60  # seconds; only a hang takes this long
TALKING = ["shm", "unix", "fifo", "spool", "dgram"]
STORING = ["file", "journal"]
LOCAL = TALKING + STORING

#: Groups of the directory and of the endpoints.
AROUND, OWN = 20100, 20200
OWNER, FELLOW, INSIDER, OUTSIDER = 20001, 20002, 20003, 20004
GROUPS = {0: (), OWNER: (AROUND, OWN), FELLOW: (AROUND, OWN), INSIDER: (AROUND,), OUTSIDER: ()}

pytestmark = several_users


@pytest.fixture
def folder():
    """A world-readable folder with the program, and a directory that a group shares."""
    path = Path(tempfile.mkdtemp(prefix="access-"))
    path.chmod(0o755)
    shutil.copy(BUILT, path / "linkspan")
    (path / "linkspan").chmod(0o755)
    make(path / "run", AROUND, 0o2775)
    yield path
    shutil.rmtree(path)


def make(path, gid, mode):
    path.mkdir(parents=True)
    os.chown(path, 0, gid)
    path.chmod(mode)


def mode(path):
    return path.stat().st_mode & 0o7777


def command(folder, uid, *words, where="run", groups=None):
    place = str(folder / where)
    return {
        "args": [str(folder / "linkspan"), *words],
        "user": uid,
        "group": uid,
        "extra_groups": list(GROUPS.get(uid, ()) if groups is None else groups),
        "env": {**os.environ, "LINKSPAN_DIR": place, "LINKSPAN_STATE_DIR": place},
        "cwd": "/",
        "text": True,
        "stdin": subprocess.DEVNULL,
    }


def run(folder, uid, *words, **more):
    return subprocess.run(**command(folder, uid, *words, **more), capture_output=True, timeout=PATIENCE)


@pytest.fixture
def start(folder):
    started = []

    def begin(uid, *words, **more):
        process = subprocess.Popen(**command(folder, uid, *words, **more), stdout=subprocess.PIPE)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait(PATIENCE)
        process.stdout.close()


class Offer:
    def __init__(self, folder, start, transport, uid, *options, name=None, **more):
        self.folder, self.stores, self.more = folder, transport in STORING, more
        self.name = name or f"{transport}:offer"
        if self.stores:
            self.process = start(uid, "pub", self.name, '"kept"', *options, **more)
        else:
            self.process = start(uid, "recv", self.name, "--json", "--count", "0", "--timeout", "forever", *options, **more)
        self.admits(uid)

    def ask(self, uid, patience=PATIENCE):
        more = ("--timeout", str(patience))
        if self.stores:
            return run(self.folder, uid, "latest", self.name, "--json", *more, **self.more)
        return run(self.folder, uid, "send", self.name, str(uid), *more, **self.more)

    def admits(self, uid):
        asked = self.ask(uid)
        # A missing value differs from a refusal: the publisher is starting.
        while self.stores and ("NotFound" in asked.stderr or "Empty" in asked.stderr):
            # A store keeps the value after its publisher's end.
            has_ended = self.process.poll() is not None
            asked = self.ask(uid)
            if has_ended:
                break
        assert asked.returncode == 0, (uid, asked.stderr)
        if self.stores:
            assert asked.stdout.strip() == '"kept"'
        else:
            assert select.select([self.process.stdout], [], [], PATIENCE)[0], f"what uid {uid} sent never came"
            assert self.process.stdout.readline().strip() == str(uid)

    def refuses(self, uid, *parts):
        asked = self.ask(uid)
        assert asked.returncode == 1, (uid, asked.stdout, asked.stderr)
        for part in ("PermissionDenied (113)", f"uid {uid} ", *parts):
            assert part in asked.stderr, (uid, part, asked.stderr)


@pytest.mark.parametrize("transport", LOCAL)
@pytest.mark.parametrize("bits", ["0600", "0660"])
def test_mode_and_group_decide_who_is_admitted(folder, start, transport, bits):
    offer = Offer(folder, start, transport, OWNER, "-o", f"mode={bits}", "-o", f"group={OWN}")
    offer.admits(0)
    named = ("with mode ", f"uid {OWNER}" if transport != "fifo" else "belongs to uid", "linkspan setup --group")
    if bits == "0660":
        offer.admits(FELLOW)
    else:
        offer.refuses(FELLOW, *named)
    offer.refuses(INSIDER, *named)
    named = ("with mode ", "belongs to uid", "linkspan setup --group")
    offer.refuses(OUTSIDER, *named)
    offer.admits(OWNER)


@pytest.mark.parametrize("transport", LOCAL)
def test_created_files_have_the_mode_and_the_group(folder, start, transport):
    Offer(folder, start, transport, OWNER, "-o", "mode=0640", "-o", f"group={OWN}")
    made = folder / "run" / f"offer.{transport}"
    facts = made.stat()
    assert (facts.st_uid, facts.st_gid) == (OWNER, OWN)
    assert mode(made) & 0o666 == 0o640
    for inside in made.rglob("*") if made.is_dir() else []:
        assert inside.stat().st_gid == OWN, inside


@pytest.mark.parametrize("transport", LOCAL)
def test_group_without_the_user_is_refused_and_nothing_is_left(folder, transport):
    verb = ("pub", f"{transport}:x", "1") if transport in STORING else ("recv", f"{transport}:x")
    refused = run(folder, INSIDER, *verb, "-o", "mode=0660", "-o", f"group={OWN}")
    assert refused.returncode == 1
    for part in ("PermissionDenied (113)", f"uid {INSIDER} ", f"gid {OWN}", "usermod -a -G"):
        assert part in refused.stderr, refused.stderr
    # The next writer completes the empty directory of the journal. Lock files are never removed.
    left = [path.name for path in (folder / "run").iterdir() if not path.name.startswith(".lock")]
    assert left == (["x.journal"] if transport == "journal" else []), left


@pytest.mark.parametrize("transport", [*LOCAL, "tcp"])
def test_root_a_system_user_and_a_normal_user_connect_after_setup(folder, start, transport):
    # Every Debian has this system group; the other users are its members.
    system, group = 33, "www-data"
    (folder / "etc").mkdir()
    made = run(folder, 0, "setup", "--group", group, "--root", str(folder))
    assert made.returncode == 0, made.stderr
    where = "run/linkspan"
    assert mode(folder / where) == 0o2770
    users = {0: (), system: (), OWNER: (system,)}
    shares = {"where": where}
    for at, uid in enumerate(users):
        name = f"{transport}:of/{uid}"
        if transport == "tcp":
            number = os.getpid()
            name = f"tcp://127.{66 + (number >> 16)}.{number >> 8 & 255}.{number & 255}:{20130 + at}"
        GROUPS.update(users)
        try:
            stores = transport in STORING
            offer = Offer(folder, start, transport, uid, name=name, **shares)
            for other in users:
                offer.admits(other)
            assert stores == offer.stores
        finally:
            GROUPS[OWNER] = (AROUND, OWN)
    outside = run(folder, OUTSIDER, "latest" if transport in STORING else "send", name,
                  *([] if transport in STORING else ["1"]), "--timeout", "5", where=where)
    assert outside.returncode == 1
    assert "PermissionDenied (113)" in outside.stderr and f"uid {OUTSIDER} " in outside.stderr, outside.stderr


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_lists_of_users_and_groups_on_sockets(folder, start, transport):
    offer = Offer(folder, start, transport, OWNER, "-o", "mode=0666", "-o", f"allow_uids=[{OWNER}, {OUTSIDER}]",
                  "-o", f"allow_gids=[{OWN}]")
    offer.admits(OUTSIDER)
    offer.admits(FELLOW)
    offer.refuses(INSIDER, "is not on the listener's list", f"allow_gids [{OWN}]", "have it added there")
    offer.refuses(0, "is not on the listener's list")
    offer.admits(OUTSIDER)


@pytest.mark.parametrize("transport", ["fifo", "spool", "dgram", "file", "journal", "tcp"])
@pytest.mark.parametrize("option", ["allow_uids", "allow_gids"])
def test_lists_are_refused_where_the_kernel_does_not_identify_the_peer(folder, transport, option):
    name = "tcp://127.0.0.1:20140" if transport == "tcp" else f"{transport}:x"
    verb = ("pub", name, "1") if transport in STORING else ("recv", name)
    refused = run(folder, 0, *verb, "-o", f"{option}=[0]")
    assert refused.returncode == 2
    assert "Unsupported" in refused.stderr and option in refused.stderr and "use unix:" in refused.stderr or (
        transport in ("spool", "file", "journal") and "Unsupported" in refused.stderr), refused.stderr
    assert list((folder / "run").iterdir()) == []


def doctor(folder, uid, *words, **more):
    return run(folder, uid, "doctor", *words, **more)


def test_doctor_repairs_a_directory_without_setgid_and_a_lock_file(folder):
    shared = folder / "run"
    shared.chmod(0o770)
    lock = shared / ".lock"
    lock.touch(0o600)
    os.chown(lock, OUTSIDER, OUTSIDER)
    found = doctor(folder, FELLOW)
    assert found.returncode == 1
    assert "lacks the setgid bit" in found.stdout and f"chmod 2770 {shared}" in found.stdout, found.stdout
    # Only the owner may repair it; the error explains this.
    tried = doctor(folder, FELLOW, "--repair")
    assert tried.returncode == 1 and "not repaired" in tried.stdout and "let root run" in tried.stdout, tried.stdout
    assert mode(shared) == 0o770
    repaired = doctor(folder, 0, "--repair")
    assert repaired.returncode == 0, repaired.stdout
    assert repaired.stdout.count("repaired: ") == 2
    assert (mode(shared), mode(lock), lock.stat().st_gid) == (0o2770, 0o660, AROUND)
    assert "repaired" not in doctor(folder, 0, "--repair").stdout
    assert doctor(folder, FELLOW).returncode == 0


def test_doctor_closes_a_world_writable_directory(folder):
    shared = folder / "run"
    shared.chmod(0o777)
    found = doctor(folder, 0)
    assert found.returncode == 1 and "everybody may take and replace names" in found.stdout
    assert doctor(folder, 0, "--repair").returncode == 0
    assert mode(shared) == 0o2775


def test_doctor_returns_a_lock_file_to_the_owner_of_the_directory(folder, start):
    own = folder / "own"
    own.mkdir(mode=0o700)
    os.chown(own, OWNER, OWNER)
    # A root program left this file in a user's directory.
    (own / ".lock").touch(0o600)
    refused = run(folder, OWNER, "recv", "shm:x", where="own")
    assert refused.returncode == 1
    for part in ("PermissionDenied (113)", f"uid {OWNER} ", "belongs to uid 0", "mode 0600", "linkspan doctor --repair"):
        assert part in refused.stderr, refused.stderr
    assert f"chown {OWNER} {own}/.lock" in doctor(folder, OWNER, where="own").stdout
    assert doctor(folder, 0, "--repair", where="own").returncode == 0
    Offer(folder, start, "shm", OWNER, where="own")


def test_doctor_follows_no_link_to_a_file_of_another_user(folder):
    precious = folder / "precious"
    precious.touch(0o600)
    (folder / "run" / ".lock").symlink_to(precious)
    doctor(folder, 0, "--repair")
    assert mode(precious) == 0o600


@pytest.mark.parametrize("transport", TALKING)
def test_doctor_removes_names_of_dead_processes_only_in_a_repair(folder, start, transport):
    offer = Offer(folder, start, transport, OWNER)
    # The program prints a message before consuming it; a spool with a message is kept.
    spool = folder / "run/offer.spool"
    until("the message is consumed", lambda: not any([*spool.glob("client/*"), *spool.glob("server/*")]))
    offer.process.kill()
    offer.process.wait(PATIENCE)

    def left():
        # Another user's repair creates a separate lock file.
        return sorted(path for path in (folder / "run").rglob("*") if not path.name.startswith(".lock"))

    before = left()
    finished = doctor(folder, OWNER)
    assert finished.returncode == 0 and f"dead processes left files of {transport}:offer: " in finished.stdout, finished.stdout
    # Without --repair, and for another user, they stay.
    other = doctor(folder, 0, "--repair")
    assert left() == before, other.stdout
    repaired = doctor(folder, OWNER, "--repair")
    assert repaired.returncode == 0 and "is removed" in repaired.stdout and f"{transport}:offer" in repaired.stdout, repaired.stdout
    # The next sender looks for the spool, so it stays.
    assert spool.exists() == (transport == "spool")
    assert "dead processes" not in doctor(folder, OWNER).stdout


def test_doctor_reports_two_users_with_different_directories(folder, start):
    other = Path(f"/tmp/linkspan-{FELLOW}")
    other.mkdir(mode=0o700)
    try:
        os.chown(other, FELLOW, FELLOW)
        Offer(folder, start, "unix", FELLOW, where=str(other))
        finished = doctor(folder, 0)
        assert f"{other} of {FELLOW}:{FELLOW}" in finished.stdout and "holds unix:offer" in finished.stdout, finished.stdout
        assert "the same LINKSPAN_DIR" in finished.stdout and "linkspan setup --group NAME" in finished.stdout
        assert f"{other} of" in doctor(folder, OWNER).stdout
    finally:
        shutil.rmtree(other)
