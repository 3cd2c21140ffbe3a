"""`linkspan recording view` under attack.

Covers forged files, links, pipes, changing files, kills, few descriptors, stopped readers and gigabytes.
"""

import contextlib
import http.client
import os
import random
import resource
import socket
import subprocess
import time
from pathlib import Path

import pytest
from conftest import Bench
from mcap.writer import Writer
from support.forged import forged
from support.recordings import written
from support.tree import DEBUG
from support.waiting import PATIENCE, until
from test_scope_recording import RECORD, Refused, Shown

#: Extra bytes over an idle gateway: pieces of 32 readers, and memory that the allocator keeps.
ROOM = 96 << 20


def files(shown: Shown) -> list[tuple[str, int]]:
    status, listed, _ = shown.request("/api/recording", shown.token)
    assert status == 200, listed
    return [(one["name"], one["size"]) for one in listed["files"]]


def content(shown: Shown, number: int = 0) -> http.client.HTTPResponse:
    """Returns the answer with a file before any of its body is read."""
    connection = http.client.HTTPConnection("127.0.0.1", shown.port, timeout=PATIENCE)
    connection.request("GET", f"/api/recording/{number}", headers={"Authorization": f"Bearer {shown.token}"})
    answer = connection.getresponse()
    assert answer.status == 200
    return answer


def resident(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def part(path: Path, identity: str, name: str = "lab/a") -> Path:
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="linkspan")
        writer.add_metadata("linkspan.recording", {"id": identity})
        channel = writer.register_channel(name, "cbor", 0, {"linkspan.incarnation": "7" * 16, "linkspan.first": "1"})
        writer.add_message(channel, 1_000, b"\x01", 1_000, 1)
        writer.finish()
    return path


def viewed(bench: Bench, *words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(word) for word in (RECORD, "recording", "view", *words)], cwd=bench.folder, env=bench.env, capture_output=True, text=True, timeout=PATIENCE)


def test_forged_recordings_are_viewed_or_refused(bench: Bench) -> None:
    """Forged numbers, shapes, lengths and texts, whole or cut off: it serves the file's bytes or reports the
    defect."""
    seed = int.from_bytes(os.urandom(4))
    print(f"seed {seed}")
    chance = random.Random(seed)
    file = bench.folder / "forged.mcap"
    whole = forged(seed)
    shown_files = 0
    for data in [whole, *(forged(chance.getrandbits(32)) for _ in range(6)), whole[: chance.randrange(len(whole))], whole[:8], whole[:7], b"", b"\x89MCAP0\r\n" * 2]:
        file.write_bytes(data)
        try:
            shown = Shown(bench, file)
            assert files(shown) == [("forged.mcap", len(data))] and content(shown).read() == data
            error = shown.stop()
            shown_files += 1
        except Refused as refused:
            error, code = refused.args
            assert code == 1 and "Malformed (115)" in error, error
        assert "panicked" not in error and not [c for c in error if c != "\n" and not c.isprintable()], error
    # Every file with the first bytes of a recording is shown; the page reports its damage.
    assert shown_files >= 8


def test_what_lies_in_the_place_of_a_part_is_not_shown(bench: Bench) -> None:
    """Others may write to the folder: the page does not get the files that they add."""
    secret = part(bench.folder / "secret.mcap", "5" * 32)
    base = part(bench.folder / "run.mcap", "4" * 32)
    (bench.folder / "run.0002.mcap").symlink_to(secret)
    os.mkfifo(bench.folder / "run.0003.mcap")
    (bench.folder / "run.0004.mcap").symlink_to("/proc/self/environ")
    (bench.folder / "run.0005.mcap").symlink_to("nowhere")
    (bench.folder / "run.0006.mcap").mkdir()
    part(bench.folder / "run.0007.mcap", "5" * 32)
    (bench.folder / "run.0008.mcap").write_text("no recording")
    part(bench.folder / "run.0009.mcap", "4" * 32)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(bench.folder / "run.0010.mcap"))
    shown = Shown(bench, base)
    assert [name for name, _ in files(shown)] == ["run.mcap", "run.0009.mcap"]
    assert content(shown, 1).read() == (bench.folder / "run.0009.mcap").read_bytes()
    assert shown.request("/api/recording/2", shown.token)[0] == 404
    error = shown.stop()
    for number in ("0002", "0003", "0004", "0005", "0006", "0007", "0008", "0010"):
        assert f"run.{number}.mcap" in error, (number, error)
    listener.close()
    # A file on the command line may be a link but not a pipe.
    (bench.folder / "link.mcap").symlink_to(base)
    shown = Shown(bench, bench.folder / "link.mcap")
    assert files(shown) == [("link.mcap", base.stat().st_size)]
    assert shown.stop() == ""
    os.mkfifo(bench.folder / "pipe.mcap")
    for name, kind in (("pipe.mcap", "Unsupported"), ("run.0005.mcap", "NotFound"), ("run.0006.mcap", "Unsupported")):
        done = viewed(bench, bench.folder / name)
        assert done.returncode == 1 and kind in done.stderr and name in done.stderr, done


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a file of another user")
def test_part_of_another_user_is_not_shown(bench: Bench) -> None:
    base = part(bench.folder / "run.mcap", "4" * 32)
    other = part(bench.folder / "run.0002.mcap", "4" * 32)
    os.chown(other, 65534, 65534)
    shown = Shown(bench, base)
    assert [name for name, _ in files(shown)] == ["run.mcap"]
    assert "belongs to another user" in shown.stop()


def test_another_file_in_the_place_of_one_is_not_shown(bench: Bench) -> None:
    """Another file may replace the checked one before it is opened, or later."""
    file = written(bench.folder / "run.mcap", [("lab/a", 1)])
    secret = bench.folder / "secret"
    secret.write_text("secret")
    facts = file.stat()
    gateway = [str(DEBUG / "linkspan-gateway"), "view"]
    # The viewer identifies the checked file by its inode: a link, pipe or copy at its path is another file.
    for change in (lambda: file.symlink_to(secret), lambda: os.mkfifo(file), lambda: file.write_bytes(b"x"), lambda: None):
        file.rename(bench.folder / "moved.mcap")
        change()
        done = subprocess.run([*gateway, f"--is={facts.st_dev}:{facts.st_ino}", "--", str(file)], env=bench.env, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 1 and done.stdout == "" and "panicked" not in done.stderr, done
        assert ("another file took the place" in done.stderr) == file.is_file(), done
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
        (bench.folder / "moved.mcap").rename(file)
    for words in (["--", file], ["--is=1", "--", file], ["--is=x:y", "--", file], ["--is=1:2", "--is=3:4", "--", file]):
        assert subprocess.run([*gateway, *words], env=bench.env, capture_output=True, timeout=PATIENCE).returncode in (1, 2), words
    shown = Shown(bench, file)
    whole = file.read_bytes()
    for change in (lambda: file.symlink_to(secret), lambda: os.mkfifo(file), lambda: file.write_bytes(b"x"), lambda: None):
        file.unlink()
        change()
        assert files(shown) == [("run.mcap", len(whole))] and content(shown).read() == whole
        if not os.path.lexists(file):
            break
    assert shown.stop() == ""


def test_killed_view_hinders_no_successor_and_leaves_nothing(bench: Bench) -> None:
    file = written(bench.folder / "run.mcap", [("lab/a", 1)])
    before = sorted(path.name for path in bench.folder.rglob("*"))
    first = Shown(bench, file)
    answer = content(first)
    first.child.kill()
    first.child.wait(PATIENCE)
    assert sorted(path.name for path in bench.folder.rglob("*")) == before
    second = Shown(bench, "--listen", f"127.0.0.1:{first.port}", file)
    assert second.token != first.token and second.request("/api/recording", first.token)[0] == 401
    assert content(second).read() == file.read_bytes()
    done = viewed(bench, "--listen", f"127.0.0.1:{first.port}", file)
    assert done.returncode == 1 and "AddressInUse" in done.stderr
    answer.close()
    assert second.stop() == ""


def test_few_descriptors_keep_no_one_out(bench: Bench) -> None:
    file = written(bench.folder / "run.mcap", [("lab/a", 1)])
    few = ("prlimit", "--nofile=40:40")
    shown = Shown(bench, file, through=few)
    # With more connections than descriptors, silent ones give way.
    idle = [socket.create_connection(("127.0.0.1", shown.port), PATIENCE) for _ in range(100)]
    assert content(shown).read() == file.read_bytes()
    for connection in idle:
        connection.close()
    assert content(shown).read() == file.read_bytes()
    assert shown.stop() == ""
    with pytest.raises(Refused) as refused:
        Shown(bench, file, through=("prlimit", "--nofile=8:8"))
    error, code = refused.value.args
    assert code == 1 and "panicked" not in error and "Too many open files" in error and "ulimit -n" in error, error
    base = part(bench.folder / "many.mcap", "4" * 32)
    for number in range(2, 60):
        os.link(base, bench.folder / f"many.{number:04}.mcap")
    with pytest.raises(Refused) as refused:
        Shown(bench, base, through=few)
    error, code = refused.value.args
    assert code == 1 and "Too many open files" in error and "ulimit -n" in error and "panicked" not in error, error
    shown = Shown(bench, base)
    assert len(files(shown)) == 59
    assert shown.stop() == ""


def test_file_of_several_gigabytes_and_readers_that_stop_cost_bounded_memory(bench: Bench) -> None:
    file = written(bench.folder / "run.mcap", [("lab/a", 1)])
    whole = file.read_bytes()
    shown = Shown(bench, file)
    content(shown).read()
    before = resident(shown.child.pid)
    # The file grows while it is shown, as during recording.
    os.truncate(file, 6 << 30)
    assert files(shown) == [("run.mcap", 6 << 30)]
    stopped = [content(shown) for _ in range(32)]
    reader = content(shown)
    read = 0
    beginning = b""
    start = time.monotonic()
    while read < 512 << 20:
        piece = reader.read(1 << 20)
        beginning = beginning or piece
        read += len(piece)
    assert beginning.startswith(whole) and reader.getheader("Content-Length") == str(6 << 30)
    print(f"{read >> 20} MiB in {time.monotonic() - start:.1f} s beside 32 readers that take nothing")
    grown = resident(shown.child.pid) - before
    assert grown < ROOM, f"{grown >> 20} MiB more"
    for answer in [*stopped, reader]:
        answer.close()
    threads = f"/proc/{shown.child.pid}/task"
    until("their threads have nothing to do", lambda: resident(shown.child.pid) - before < ROOM and len(os.listdir(threads)) > 0)
    os.truncate(file, len(whole))
    assert content(shown).read() == whole
    assert shown.stop() == ""
    # A file of this length is not read completely before it is shown.
    os.truncate(file, 6 << 30)
    shown = Shown(bench, file, through=("prlimit", "--cpu=20:20"))
    assert resident(shown.child.pid) < before + ROOM
    assert shown.stop() == ""
