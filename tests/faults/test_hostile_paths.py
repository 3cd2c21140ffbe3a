"""Hostile files in a shared directory: every command reports them and never blocks."""

import contextlib
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from support.rights import several_users
from support.tree import PROGRAM as BUILT

PATIENCE = 60  # seconds; only a hang takes this long
MEMBER, GROUP = 1234, 4321
F_SETLEASE = 1024

pytestmark = several_users

COMMANDS = {
    "ls": ["ls"],
    "clean": ["clean"],
    "doctor": ["doctor"],
    "repair": ["doctor", "--repair"],
    "send": ["send", "{endpoint}", "1", "--timeout", "0.2"],
    "recv": ["recv", "{endpoint}", "--count", "1", "--timeout", "0.2"],
    "pub": ["pub", "{endpoint}", "1", "--for", "0.1"],
    "latest": ["latest", "{endpoint}"],
}


class Folder:
    """A directory that a group shares, next to root's files that must not change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.chmod(0o755)
        shutil.copy(BUILT, path / "linkspan")
        self.run = path / "run"
        self.run.mkdir()
        os.chown(self.run, 0, GROUP)
        self.run.chmod(0o2770)
        self.own = path / "own"
        self.own.mkdir(mode=0o755)
        self.secret = self.own / "secret"
        self.secret.write_text("precious")
        self.secret.chmod(0o600)
        (self.own / "inner").write_text("precious, too")
        self.before = self.look()

    def look(self) -> list[tuple[str, int, int, int, int, bytes]]:
        found = []
        for path in sorted(self.own.iterdir()):
            facts = path.lstat()
            found.append((path.name, facts.st_mode, facts.st_uid, facts.st_gid, facts.st_nlink, path.read_bytes()))
        return found

    def command(self, *words: str, directory: Path | None = None, uid: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(self.path / "linkspan"), *words],
            env={
                **os.environ, "LINKSPAN_DIR": str(directory or self.run),
                "LINKSPAN_STATE_DIR": str(self.path / "state"), "LINKSPAN_KEYS": str(self.path / "keys"),
            },
            cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, user=uid,
            group=uid or None, extra_groups=[GROUP] if uid else None, check=False,
        )
        output = done.stdout + done.stderr
        assert done.returncode in {0, 1, 2, 3, 4}, output
        assert "Internal" not in output, output
        assert "panicked" not in output, output
        return done

    def try_all(self, endpoint: str) -> dict[str, subprocess.CompletedProcess[str]]:
        results = {}
        for name, words in COMMANDS.items():
            results[name] = self.command(*[word.format(endpoint=endpoint) for word in words])
            assert self.look() == self.before, f"{name} reached what lies elsewhere"
        return results


@pytest.fixture
def folder():
    path = Path(tempfile.mkdtemp(prefix="hostile-"))
    yield Folder(path)
    shutil.rmtree(path)


@contextlib.contextmanager
def as_member():
    os.setegid(GROUP)
    os.seteuid(MEMBER)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def put_pipe(folder: Folder, path: Path) -> None:
    os.mkfifo(path, 0o666)


def put_link(folder: Folder, path: Path) -> None:
    path.symlink_to(folder.secret)


def put_link_to_directory(folder: Folder, path: Path) -> None:
    path.symlink_to(folder.own)


def put_directory(folder: Folder, path: Path) -> None:
    path.mkdir()
    (path / "file").touch()


def put_long_file(folder: Folder, path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2 << 30)
    path.chmod(0o666)


def put_leased_file(folder: Folder, path: Path) -> None:
    global leased
    leased = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    fcntl.fcntl(leased, F_SETLEASE, fcntl.F_WRLCK)


leased = -1
PUTS = [put_pipe, put_link, put_link_to_directory, put_directory, put_long_file]

#: Names that the library itself uses, for endpoints of each kind.
PLACES = [
    (".lock", "shm:x"), (".lock", "fifo:x"), (".lock", "dgram:x"),
    ("x.shm", "shm:x"), ("x.unix", "unix:x"), ("x.fifo", "fifo:x"), ("x.fifo.reply", "fifo:x"), ("x.dgram", "dgram:x"),
    (".owner.x.fifo", "fifo:x"), (".owner.x.dgram", "dgram:x"), (".new.x.shm", "shm:x"), (".new.x.fifo", "fifo:x"),
    (".new..owner.x.fifo", "fifo:x"), (".new.x.dgram", "dgram:x"),
    (".token", "tcp://127.91.3.7:20301"), (".new..token", "tcp://127.91.3.7:20301"),
    (".owner.127.91.3.7:20301.tcp", "tcp://127.91.3.7:20301"),
]


@pytest.mark.costly
@pytest.mark.parametrize(("name", "endpoint"), PLACES)
@pytest.mark.parametrize("put", PUTS, ids=lambda put: put.__name__.removeprefix("put_"))
def test_object_of_another_user_at_a_name_is_reported_and_not_followed(folder, name, endpoint, put):
    path = folder.run / name
    with as_member():
        put(folder, path)
    before = path.lstat()
    folder.try_all(endpoint)
    after = path.lstat()
    assert (after.st_ino, after.st_uid, after.st_mode) == (before.st_ino, MEMBER, before.st_mode), "it is the member's"


@pytest.mark.parametrize("name", [".lock", ".owner.x.fifo", ".token", "x.shm"])
def test_device_at_a_name_is_not_opened(folder, name):
    path = folder.run / name
    # /dev/zero has no end.
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    os.chown(path, MEMBER, GROUP)
    endpoint = "tcp://127.91.3.8:20302" if name == ".token" else "fifo:x" if "fifo" in name else "shm:x"
    results = folder.try_all(endpoint)
    output = "".join(result.stdout + result.stderr for result in results.values())
    assert str(path) in output, output
    assert ("a device" if name != ".owner.x.fifo" else f"belongs to uid {MEMBER}") in output, output


@pytest.mark.parametrize("name", [".lock", ".owner.x.fifo", ".token"])
def test_file_under_a_write_lease_is_reported_and_not_waited_for(folder, name):
    path = folder.run / name
    with as_member():
        holder = os.open(path, os.O_RDWR | os.O_CREAT, 0o660)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        fcntl.fcntl(holder, F_SETLEASE, fcntl.F_WRLCK)
        endpoint = "tcp://127.91.3.9:20303" if name == ".token" else "fifo:x"
        results = folder.try_all(endpoint)
    finally:
        os.close(holder)
        signal.signal(signal.SIGIO, before)
    output = "".join(result.stdout + result.stderr for result in results.values())
    # The library does not read the record of a name without a holder.
    assert ("lease" if name != ".owner.x.fifo" else f"belongs to uid {MEMBER}") in output, output


@contextlib.contextmanager
def living_holder(folder):
    holder = subprocess.Popen(
        [str(folder.path / "linkspan"), "recv", "fifo:x", "--count", "0", "--timeout", "forever"],
        env={**os.environ, "LINKSPAN_DIR": str(folder.run)}, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert folder.command("send", "fifo:x", "1", "--timeout", "20").returncode == 0
        yield folder.run / ".owner.x.fifo"
    finally:
        holder.kill()
        holder.wait(PATIENCE)


@pytest.mark.parametrize("put", [*PUTS, put_leased_file], ids=lambda put: put.__name__.removeprefix("put_"))
def test_owner_record_is_read_up_to_a_limit(folder, put):
    with living_holder(folder) as record:
        with as_member():
            record.unlink()
            put(folder, record)
        try:
            listed = folder.command("ls")
            assert "fifo:x" in listed.stdout
            assert str(record) in listed.stdout, listed.stdout
            folder.command("doctor")
            folder.command("clean")
            assert folder.look() == folder.before
            assert record.lstat().st_uid == MEMBER
            assert put is not put_leased_file or "lease" in listed.stdout, listed.stdout
        finally:
            if put is put_leased_file:
                os.close(leased)


def test_false_owner_record_is_attributed_to_its_writer(folder):
    with living_holder(folder) as record:
        with as_member():
            record.unlink()
            record.write_text('{"pid":1,"program":"not\\u001b[2Jme","uid":0,"pattern":"channel"}')
        row = next(line for line in folder.command("ls").stdout.splitlines() if line.startswith("fifo:x"))
        assert str(MEMBER) in row.split(), "the user is the owner of the file, as the kernel says"
        assert "\x1b" not in row


@pytest.mark.parametrize("what", ["pipe", "device", "file", "link", "link on the way"])
def test_invalid_runtime_directory_is_refused(folder, what):
    place = folder.run / "place"
    directory = place
    with as_member():
        if what == "pipe":
            os.mkfifo(place)
        elif what == "file":
            place.touch()
        elif what == "link":
            place.symlink_to(folder.own)
        elif what == "link on the way":
            place.symlink_to(folder.path)
            directory = place / "own"
    if what == "device":
        os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    for name, words in COMMANDS.items():
        done = folder.command(*[word.format(endpoint="shm:x") for word in words], directory=directory)
        output = done.stdout + done.stderr
        assert done.returncode == 1, (name, output)
        assert str(place) in output, (name, output)
        assert ("symbolic link" if "link" in what else "no directory") in output, (name, output)
        assert folder.look() == folder.before, name


def test_own_link_to_the_runtime_directory_is_followed(folder):
    place = folder.path / "here"
    place.symlink_to(folder.run)
    assert folder.command("ls", directory=place).returncode == 0


def test_directory_in_tmp_of_another_user_is_refused():
    uid = 4243
    place = Path(f"/tmp/linkspan-{uid}")
    if Path("/run/linkspan").exists() or Path(f"/run/user/{uid}").exists():
        pytest.skip("another runtime directory comes first on this machine")
    program = Path(tempfile.mkdtemp(prefix="hostile-"))
    program.chmod(0o755)
    shutil.copy(BUILT, program / "linkspan")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("LINKSPAN")}
    elsewhere = program / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    os.chown(elsewhere, uid, uid)
    try:
        for put in (lambda: place.symlink_to(elsewhere), lambda: place.mkdir(mode=0o777), lambda: os.mkfifo(place)):
            with as_member():
                put()
            for words in (["ls"], ["clean"], ["doctor"], ["send", "shm:x", "1", "--timeout", "0.2"]):
                done = subprocess.run(
                    [str(program / "linkspan"), *words], env=environment, cwd="/", stdin=subprocess.DEVNULL,
                    capture_output=True, text=True, timeout=PATIENCE, user=uid, group=uid, extra_groups=[], check=False,
                )
                assert done.returncode == 1, done
                assert str(place) in done.stdout + done.stderr, done
            assert list(elsewhere.iterdir()) == []
            if place.is_dir() and not place.is_symlink():
                place.rmdir()
            else:
                place.unlink()
    finally:
        shutil.rmtree(program)


@pytest.mark.parametrize("what", ["secret", "inner"])
def test_mode_of_the_lock_file_is_not_set_on_another_file(folder, what):
    # The member linked a file of root's under the lock file's name.
    (folder.run / "notes").write_text("of root's")
    (folder.run / "notes").chmod(0o600)
    with as_member():
        (folder.run / "notes").rename(folder.run / ".lock")
    folder.try_all("shm:x")
    assert stat.S_IMODE((folder.run / ".lock").lstat().st_mode) == 0o600


@pytest.mark.parametrize("put", [put_pipe, put_directory, put_long_file], ids=lambda put: put.__name__.removeprefix("put_"))
def test_keys_are_read_without_waiting_and_up_to_a_limit(folder, put):
    keys = folder.path / "keys"
    keys.mkdir(mode=0o700)
    put(folder, keys / "own.key")
    (keys / "own.key").chmod(0o600)
    for words in (["keys", "show"], ["doctor"], ["send", "tcp://127.91.3.10:20304", "1", "--timeout", "0.2"]):
        done = folder.command(*words)
        assert "own.key" in done.stdout + done.stderr or words[0] == "send", done
