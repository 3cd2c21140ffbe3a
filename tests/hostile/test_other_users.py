"""A hostile user inside and one outside a group's directory: no foreign file changes, no program hangs."""

import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import other_user
import independent
from conftest import PROGRAM, drawn
from other_user import GROUP, HONEST, JOURNAL, MEMBER, OUTSIDER, RUNTIME, SPOOL, STATE, THINGS, Honest, Snapshot
from support.rights import several_users

pytestmark = several_users

LOOKS = (("ls",), ("ls", "--json"), ("doctor",), ("clean",))
WAIT = ("--timeout", "0.3")
SAME_NAMES = tuple(
    [("recv", f"{t}:lab/x", "--count", "1", *WAIT) for t in ("unix", "shm", "fifo", "dgram", "spool")]
    + [("call", f"{t}:lab/x", "1", *WAIT) for t in ("unix", "shm", "fifo", "spool")]
    + [("send", f"{t}:lab/x", "1", *WAIT) for t in ("dgram", "fifo", "unix")]
    + [("pub", "file:lab/x", "1", "--for", "0"), ("pub", "journal:lab/x", "1"), ("latest", "file:lab/x", *WAIT)]
    + [("sub", f"{t}:lab/x", "--count", "1", *WAIT) for t in ("journal", "file", "unix")]
    + [("sub", "journal:lab/x", "-o", "client_id=logger", "--count", "1", *WAIT)]
    + [("call", "spool:lab/x", "1", "-o", "durable=true", *WAIT), ("recv", "spool:lab/x", "-o", "durable=true", "--count", "1", *WAIT)]
)  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="other-users-"))
    path.chmod(0o755)
    shutil.copy(PROGRAM, path / "linkspan")
    for name in ("run", "state"):
        (path / name).mkdir()
        os.chown(path / name, 0, GROUP)
        (path / name).chmod(0o2770)
    other_user.canaries(path / "canary")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def honest(folder: Path) -> Honest:
    return Honest(folder, folder / "linkspan")


@pytest.fixture
def before(folder: Path) -> Iterator[Snapshot]:
    was = other_user.snapshot(folder / "canary")
    yield was
    now = other_user.snapshot(folder / "canary")
    assert now == was, {path: (was.get(path), now.get(path)) for path in was.keys() | now.keys() if was.get(path) != now.get(path)}


@pytest.mark.costly
@pytest.mark.parametrize("thing", drawn(THINGS))
def test_member_creates_objects_at_every_name(folder: Path, honest: Honest, before: Snapshot, thing: str) -> None:
    canary = folder / "canary"

    def lay() -> None:
        other_user.lay(folder / "run", RUNTIME, THINGS[thing], canary)
        other_user.lay(folder / "state", STATE, THINGS[thing], canary)

    other_user.done_as(MEMBER, [GROUP], lay)
    honest.all_at_once(*LOOKS)
    honest.meet("unix", "other")
    honest.all_at_once(*SAME_NAMES)
    honest.all_at_once(*LOOKS)


@pytest.mark.costly
@pytest.mark.parametrize("thing", drawn(THINGS))
def test_member_creates_objects_in_its_spool_and_journal(folder: Path, honest: Honest, before: Snapshot, thing: str) -> None:
    """Another user's program uses the member's directories."""
    canary = folder / "canary"

    def lay() -> None:
        for spool in (folder / "run/lab@x.spool", folder / "state/lab@x.spool"):
            spool.mkdir(mode=0o2770)
            other_user.lay(spool, SPOOL, THINGS[thing], canary)
        (folder / "state/lab@x.journal").mkdir(mode=0o2770)
        other_user.lay(folder / "state/lab@x.journal", JOURNAL, THINGS[thing], canary)

    other_user.done_as(MEMBER, [GROUP], lay)
    honest.all_at_once(*LOOKS)
    honest.all_at_once(*[words for words in SAME_NAMES if "spool:lab/x" in words or "journal:lab/x" in words])
    honest.meet("spool", "other")
    honest.all_at_once(*LOOKS)


@pytest.mark.parametrize("inside", [".boot", "server", "client", "hello", "rejected"])
def test_member_creates_a_spool_of_links(folder: Path, honest: Honest, before: Snapshot, inside: str) -> None:
    """One part at a time is a link, so sweeps of the valid others get far."""
    canary = folder / "canary/root"

    def lay() -> None:
        spool = folder / "run/lab@x.spool"
        spool.mkdir(mode=0o2770)
        for name in ("server", "client", "hello", "rejected"):
            if name == inside:
                (spool / name).symlink_to(canary / name)
            else:
                (spool / name).mkdir(mode=0o2770)
        if inside == ".boot":
            (spool / ".boot").symlink_to(canary / f"{1:020}.somebody.json")
        else:
            (spool / ".boot").write_text("00000000-0000-0000-0000-000000000000")

    other_user.done_as(MEMBER, [GROUP], lay)
    honest.all_at_once(*LOOKS)
    honest.all_at_once(*[words for words in SAME_NAMES if "spool:lab/x" in words])
    honest.meet("spool", "other")


@pytest.mark.costly
def test_member_replaces_files_of_others_in_a_loop(folder: Path, honest: Honest, before: Snapshot) -> None:
    """A file and a link replace each other, also during creation under another name."""
    canary = folder / "canary"
    targets = [canary / "root" / f"{1:020}.somebody.json", canary / "honest", canary / "socket"]

    def exchange() -> None:
        run = folder / "run"
        for name in os.listdir(run):
            if name.startswith(".new.") or name.endswith((".unix", ".fifo", ".reply", ".dgram", ".spool")):
                link = run / f".swap.{os.getpid()}"
                for target in targets:
                    link.symlink_to(target)
                    os.rename(link, run / name)

    with other_user.meanwhile(MEMBER, [GROUP], exchange), other_user.meanwhile(MEMBER, [GROUP], exchange):
        for _ in range(3):
            honest.all_at_once(*SAME_NAMES)
            honest.all_at_once(*LOOKS)


def test_member_swaps_directories_in_a_loop(folder: Path, honest: Honest, before: Snapshot) -> None:
    """Directories of a spool and a journal turn into links between two checks."""
    canary = folder / "canary/root"

    def exchange() -> None:
        for at in (folder / "run/lab@x.spool", folder / "state/lab@x.spool", folder / "state/lab@x.journal"):
            at.mkdir(mode=0o2770, exist_ok=True)
            for name in ("server", "client", "hello", "rejected"):
                (at / name).mkdir(mode=0o2770, exist_ok=True)
                aside = at / f".{name}"
                os.rename(at / name, aside)
                (at / name).symlink_to(canary / name)
                (at / name).unlink()
                os.rename(aside, at / name)
            aside = at.with_name(f".aside.{at.name}")
            os.rename(at, aside)
            at.symlink_to(canary)
            at.unlink()
            os.rename(aside, at)

    with other_user.meanwhile(MEMBER, [GROUP], exchange):
        for _ in range(3):
            honest.all_at_once(*LOOKS, *[words for words in SAME_NAMES if "spool:lab/x" in words or "journal:lab/x" in words])


def test_member_holds_leases_on_its_files(folder: Path, honest: Honest, before: Snapshot) -> None:
    spool, journal = folder / "run/lab@x.spool", folder / "state/lab@x.journal"
    requests = [spool / "server" / f"{n:020}.member.json" for n in (1, 2)]
    others = [folder / "run/.owner.lab@x.fifo", folder / "run/lab@x.file", spool / ".boot", spool / "hello/.lock", journal / "committed"]

    def write() -> None:
        for part in ("server", "client", "hello", "rejected"):
            (spool / part).mkdir(mode=0o2770, parents=True)
        spool.chmod(0o2770)
        journal.mkdir(mode=0o2770)
        for file in [*requests, *others]:
            file.write_text("{}")
            file.chmod(0o666)

    other_user.done_as(MEMBER, [GROUP], write)
    with other_user.meanwhile(MEMBER, [GROUP], lambda: other_user.hold_leases(*requests, *others)):
        honest.all_at_once(*LOOKS)
        honest.all_at_once(*[words for words in SAME_NAMES if words[0] != "recv"])
        honest.all_at_once(("recv", "spool:lab/x", "--count", "1", "--timeout", "3"))
        honest.meet("spool", "other")
        honest.meet("unix", "other")


def test_member_holds_locks_on_every_byte(folder: Path, honest: Honest, before: Snapshot) -> None:
    """Taking a name fails in time, and listings continue."""
    honest.meet("unix", "first")

    def hold() -> None:
        for directory in (folder / "run", folder / "state"):
            other_user.hold_locks(directory / ".lock")
        signal.pause()

    with other_user.meanwhile(MEMBER, [GROUP], hold):
        honest.all_at_once(*LOOKS)
        honest.all_at_once(*SAME_NAMES)


def test_member_writes_false_owner_records(folder: Path, honest: Honest, before: Snapshot) -> None:
    """`.owner.` files of every kind for locked names; listings neither read nor follow them."""
    names = ("lab@x.fifo", "lab@x.dgram", "127.0.0.1:9.tcp")

    def lie() -> None:
        run = folder / "run"
        for n, thing in enumerate(THINGS.values()):
            for name in names:
                file = name.replace("lab@x", f"lab@x{n}").replace(":9.", f":{n + 10}.")
                try:
                    thing(run / f".owner.{file}", folder / "canary")
                except OSError:
                    continue
                independent.try_lock(run, file)
        signal.pause()

    honest.meet("unix", "first")
    with other_user.meanwhile(MEMBER, [GROUP], lie):
        honest.all_at_once(*LOOKS)
        honest.meet("unix", "other")
        honest.meet("fifo", "other")


@pytest.mark.costly
@pytest.mark.parametrize("kind", ["zero", "null", "tty", "hard link", "root's pipe"])
def test_device_or_hard_link_at_a_name(folder: Path, honest: Honest, before: Snapshot, kind: str) -> None:
    """Only root can make these; programs must still handle them."""

    def thing(at: Path, canary: Path) -> None:
        match kind:
            case "zero" | "null" | "tty":
                os.mknod(at, stat.S_IFCHR | 0o666, os.makedev(*{"zero": (1, 5), "null": (1, 3), "tty": (5, 0)}[kind]))
            case "hard link":
                own = folder / "linked"
                own.touch()
                os.link(own, at)
            case _:
                os.mkfifo(at, 0o666)

    other_user.lay(folder / "run", RUNTIME, thing, folder / "canary")
    other_user.lay(folder / "state", STATE, thing, folder / "canary")
    spool = folder / "run/lab@y.spool"
    spool.mkdir(mode=0o2770)
    other_user.lay(spool, SPOOL, thing, folder / "canary")
    honest.all_at_once(*LOOKS)
    honest.all_at_once(*SAME_NAMES, ("recv", "spool:lab/y", "--count", "1", *WAIT), ("call", "spool:lab/y", "1", *WAIT))
    honest.meet("unix", "other")


def test_outsider_has_no_access(folder: Path, honest: Honest, before: Snapshot) -> None:
    serving = honest.start(0, "recv", "unix:lab/kept", "--count", "1", "--json", "--timeout", "30")
    was = set(os.listdir(folder / "run"))
    reached = folder / "reached"
    reached.mkdir()
    reached.chmod(0o777)

    def attack() -> None:
        for what in (
            lambda: os.listdir(folder / "run"),
            lambda: other_user.lay(folder / "run", RUNTIME, THINGS["a file of garbage"], folder / "canary"),
            lambda: independent.connect_unix(folder / "run/lab@kept.unix", "channel"),
            lambda: os.chdir(folder / "run"),
            lambda: os.rename(folder / "run", folder / "gone"),
        ):
            try:
                what()
            except (OSError, independent.Refused):
                continue
            if what() is not None:
                (reached / "it").touch()

    other_user.done_as(OUTSIDER, [], attack)
    assert not list(reached.iterdir())
    code, output = honest.run(OUTSIDER, "ls")
    assert "lab/kept" not in output, (code, output)
    assert honest.run(HONEST, "send", "unix:lab/kept", "7", "--timeout", "30")[0] == 0
    assert honest.outcome(serving) == (0, "7\n")
    left = set(os.listdir(folder / "run")) - was - {"lab@kept.unix"}
    assert all(name.startswith(".lock") for name in left), left
