"""A hostile second user: its files in a directory, and files elsewhere that must not change."""

import fcntl
import hashlib
import os
import signal
import socket
import stat
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Ids that only these tests use; the kernel needs no names.
GROUP, MEMBER, OUTSIDER, HONEST = 12_000, 12_001, 12_002, 12_003
#: Seconds; only guards against a hang.
PATIENCE = 60.0

Snapshot = dict[str, tuple[object, ...]]


def snapshot(tree: Path) -> Snapshot:
    """Returns identity, owner, mode, times and contents of each file."""
    found: Snapshot = {}
    for path in [tree, *sorted(tree.rglob("*"))]:
        at = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(at.st_mode) else ""
        found[str(path)] = (at.st_ino, at.st_uid, at.st_gid, at.st_mode, at.st_nlink, at.st_size, at.st_mtime_ns, at.st_ctime_ns, content)
    return found


def canaries(tree: Path) -> None:
    tree.mkdir(mode=0o755)
    for owner, name in ((0, "root"), (HONEST, "honest")):
        for folder in (tree / name, tree / name / "server", tree / name / "client", tree / name / "hello", tree / name / "rejected"):
            folder.mkdir(mode=0o755)
            for number in (1, 2):
                file = folder / f"{number:020}.somebody.json"
                file.write_text(f"{{\"precious\": {number}}}\n")
                file.chmod(0o600 if number == 1 else 0o644)
                os.utime(file, (1e9, 1e9))
                os.chown(file, owner, owner)
            os.chown(folder, owner, owner)
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(tree / "socket"))
    os.mkfifo(tree / "pipe", 0o600)


def as_user(uid: int, groups: list[int], does: Callable[[], None]) -> int:
    """Starts a process of another user; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setgroups(groups)
        os.setresgid(groups[0] if groups else uid, groups[0] if groups else uid, groups[0] if groups else uid)
        os.setresuid(uid, uid, uid)
        os.umask(0)
        does()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - it ends here, whatever it was
        os._exit(1)


def done_as(uid: int, groups: list[int], does: Callable[[], None]) -> None:
    """Runs as another user to the end; ignores refusals of the kernel."""
    os.waitpid(as_user(uid, groups, does), 0)


@contextmanager
def meanwhile(uid: int, groups: list[int], does: Callable[[], None]) -> Iterator[int]:
    """Another user repeats this, or holds its result, until the block ends."""

    def for_ever() -> None:
        while True:
            with suppress(OSError):
                does()
            time.sleep(0)

    pid = as_user(uid, groups, for_ever)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


#: Every name that a program looks up in its directories for lab/x.
RUNTIME = (
    "lab@x.unix", "lab@x.shm", "lab@x.dgram", "lab@x.fifo", "lab@x.fifo.reply", "lab@x.file", "lab@x.spool", ".owner.lab@x.fifo",
    ".owner.lab@x.dgram", ".owner.lab@x.unix", ".owner.127.0.0.1:1.tcp", ".new.lab@x.unix", ".new.lab@x.shm", ".new.lab@x.fifo",
    ".new.lab@x.fifo.reply", ".new.lab@x.file", ".new.lab@x.dgram", ".new..owner.lab@x.fifo", ".new..owner.lab@x.dgram", ".new..token",
    "controller.unix", ".owner.controller.unix", "independent", "a b\x1b[2J.unix", "lab@x.spool.unix",
)  # fmt: skip
STATE = ("lab@x.journal", "lab@x.spool", ".new.lab@x.journal")
SPOOL = ("server", "client", "hello", "rejected", ".boot", "hello/.lock", "hello/server", "hello/panel", ".new.server")
JOURNAL = (".lock", "committed", "00000000000000000001.segment", "logger.consumer", ".new.committed", ".new.00000000000000000001.segment")

Lay = Callable[[Path, Path], None]


def link_to(target: str) -> Lay:
    return lambda at, canary: os.symlink(str(canary / target) if not target.startswith("/") else target, at)


def sparse(at: Path, _: Path) -> None:
    with at.open("wb") as file:
        file.truncate(1 << 40)


def garbage(at: Path, _: Path) -> None:
    at.write_bytes(b"\xa3cpid\x01cuid\x00gprogram\x1b[2J" + bytes(range(256)) * 16)


def silent_socket(at: Path, _: Path) -> None:
    s = socket.socket(socket.AF_UNIX)
    here = os.open(at.parent, os.O_PATH)
    s.bind(f"/proc/self/fd/{here}/{at.name}")


def closed_directory(at: Path, _: Path) -> None:
    at.mkdir(mode=0)


def hard_link(at: Path, _: Path) -> None:
    own = at.parent / f".{at.name}.own"
    own.write_bytes(b"mine")
    os.link(own, at)


#: Objects that a user may place in a writable directory.
THINGS: dict[str, Lay] = {
    "a link to root's file": link_to("root/00000000000000000001.somebody.json"),
    "a link to root's directory": link_to("root"),
    "a link to what is not there": link_to("root/new"),
    "a link to another user's directory": link_to("honest"),
    "a link to a socket": link_to("socket"),
    "a link to a pipe": link_to("pipe"),
    "a link to /dev/zero": link_to("/dev/zero"),
    "a link to itself": lambda at, _: os.symlink(at.name, at),
    "a pipe": lambda at, _: os.mkfifo(at, 0o666),
    "an empty file": lambda at, _: at.write_bytes(b""),
    "a file of garbage": garbage,
    "a file of a TiB without anything": sparse,
    "a hard link": hard_link,
    "a directory": lambda at, _: at.mkdir(mode=0o777),
    "a closed directory": closed_directory,
    "a socket without a listener": silent_socket,
}  # fmt: skip


def lay(directory: Path, names: tuple[str, ...], thing: Lay, canary: Path) -> None:
    for name in names:
        at = directory / name
        with suppress(OSError):
            at.parent.mkdir(exist_ok=True, mode=0o777)
        with suppress(OSError):
            thing(at, canary)


def hold_locks(path: Path) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666)
    fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))


def hold_leases(*paths: Path) -> None:
    """Takes a lease on each file and ignores requests to release it."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    for path in paths:
        with suppress(OSError):
            fcntl.fcntl(os.open(path, os.O_RDONLY | os.O_NONBLOCK), fcntl.F_SETLEASE, fcntl.F_RDLCK)
        with suppress(OSError):
            fcntl.fcntl(os.open(path, os.O_RDWR | os.O_NONBLOCK), fcntl.F_SETLEASE, fcntl.F_WRLCK)
    signal.pause()


class Honest:
    def __init__(self, folder: Path, program: Path) -> None:
        self.folder, self.program = folder, program

    def start(self, uid: int, *words: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ, "LINKSPAN_DIR": str(self.folder / "run"), "LINKSPAN_STATE_DIR": str(self.folder / "state"), "HOME": "/nonexistent",
        }
        return subprocess.Popen(
            [self.program, *words], user=uid, group=uid, extra_groups=[] if uid == OUTSIDER else [GROUP], env=environment, cwd="/", text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )

    def outcome(self, child: subprocess.Popen[str]) -> tuple[int, str]:
        """Checks the end in time, and output without control characters."""
        try:
            out, errors = child.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            out, errors = child.communicate()
            raise AssertionError(f"{child.args} did not end in {PATIENCE:.0f} s\n{out}\n{errors}") from None
        # 101 is a panic; a negative code is a signal.
        assert 0 <= child.returncode < 100, f"{child.args} ended with {child.returncode}\n{out}\n{errors}"
        assert "panicked" not in errors and "Internal" not in errors + out, f"{child.args}\n{out}\n{errors}"
        shown = (out + errors).replace("\n", "")
        assert "\x1b" not in shown, f"{child.args} showed control characters: {shown!r}"
        return child.returncode, out + errors

    def run(self, uid: int, *words: str) -> tuple[int, str]:
        return self.outcome(self.start(uid, *words))

    def all_at_once(self, *commands: tuple[str, ...]) -> None:
        """Runs each command as root and as another user."""
        children = [self.start(uid, *words) for words in commands for uid in (0, HONEST)]
        for child in children:
            self.outcome(child)

    def meet(self, transport: str, name: str) -> None:
        """Root and another user exchange messages, in both roles."""
        for server, client in ((0, HONEST), (HONEST, 0)):
            endpoint = f"{transport}:{name}{server}"
            serving = self.start(server, "recv", endpoint, "--count", "1", "--reply", '"yes"', "--json", "--timeout", "30")
            code, output = self.run(client, "call", endpoint, '"question"', "--json", "--timeout", "30")
            assert (code, output.strip()) == (0, '"yes"'), f"{endpoint}: {output}"
            code, output = self.outcome(serving)
            assert (code, output.strip()) == (0, '"question"'), f"{endpoint}: {output}"
