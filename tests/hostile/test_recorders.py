"""A recorder of all names next to hostile publishers with any numbers, events and amounts."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import independent
from party import SOON
from independent import Frame, Link
from peer import Host, Pulpit, socket_of
from support.tree import DEBUG
from support.waiting import until

RECORDER = DEBUG / "linkspan-record"
HONEST = """
import sys, time, linkspan
with linkspan.publisher("shm:lab/honest") as out:
    out.wait_for_subscribers(1, timeout=60)
    for i in range(int(sys.argv[1])):
        out.send({"i": i})
        time.sleep(0.001)
    print("sent", flush=True)
    sys.stdin.read()
"""


class Recorded:
    """A recorder of `*`, an honest publisher, and a runtime directory for hostile ones."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.run = folder, folder / "run"
        self.run.mkdir(mode=0o700)
        self.env = {**os.environ, "LINKSPAN_DIR": str(self.run), "LINKSPAN_STATE_DIR": str(folder / "state")}
        self.env["LINKSPAN_CONTROLLER"] = f"unix:{self.run}/controller"
        self.children: list[subprocess.Popen[str]] = []

    def start(self, *words: object) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        child = subprocess.Popen(list(map(str, words)), cwd=self.folder, env=self.env, text=True, stdin=pipe, stdout=pipe, stderr=pipe)
        self.children.append(child)
        return child

    def record(self, *words: object) -> "subprocess.Popen[str]":
        return self.start(RECORDER, "record", "*", "-o", "r.mcap", "--sync", "20ms", *words)

    def tool(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([RECORDER, *words], cwd=self.folder, env=self.env, text=True, capture_output=True, timeout=4 * SOON)

    def info(self) -> dict:
        done = self.tool("recording", "info", "r.mcap", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else {"names": {}, "events": {}}

    def name(self, name: str) -> dict:
        return self.info()["names"].get(name, {"messages": 0, "missed": 0})

    def stop(self, recorder: "subprocess.Popen[str]") -> str:
        recorder.send_signal(signal.SIGINT)
        out, err = recorder.communicate(timeout=SOON)
        assert recorder.returncode == 0, f"{recorder.returncode}\n{out}{err}"
        return out + err


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    made = Recorded(tmp_path)
    yield made
    for child in made.children:
        if child.poll() is None:
            # A debugger's child survives it and keeps the pipes.
            for traced in Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split():
                os.kill(int(traced), signal.SIGKILL)
            child.kill()
        child.communicate()


class Preacher:
    def __init__(self, directory: Path) -> None:
        self.host = Host(directory, "unix:hostile/numbers")
        self.link: Link | None = None

    def admit(self) -> None:
        self.link = self.host.accept("publish")

    def publish(self, value: object, number: int) -> None:
        if self.link is None:
            self.admit()
        assert self.link
        body = independent.encode(value)
        # The recorder hangs up after a number that does not rise.
        with suppress(BrokenPipeError):
            self.link.stream.put(Frame(independent.DATA, independent.CBOR, 0, number, 0, time.time_ns(), b"", body))

    def close(self) -> None:
        self.host.close()
        if self.link:
            socket_of(self.link).close()


NUMBERS = [(1, 1 << 63, 3), ((1 << 64) - 1,), ((1 << 64) - 2, (1 << 64) - 1, 5), (0, 1, 0), (1 << 62, 1 << 63, (1 << 64) - 3)]


@pytest.mark.costly
@pytest.mark.parametrize("transport", ["shm", "unix"])
@pytest.mark.parametrize("numbers", NUMBERS)
def test_numbers_of_one_publisher_end_no_recording(recorded: Recorded, numbers: tuple[int, ...], transport: str) -> None:
    recorder = recorded.record()
    honest = recorded.start(sys.executable, "-c", HONEST, 1_000)
    until("the honest one is recorded", lambda: recorded.name("lab/honest")["messages"] > 0)
    if transport == "shm":
        pulpit: Pulpit | Preacher = Pulpit(recorded.run, "shm:hostile/numbers")
        pulpit.publish("first", numbers[0])
        pulpit.admit()
    else:
        pulpit = Preacher(recorded.run)
        pulpit.publish("first", numbers[0])
    for number in numbers[1:]:
        pulpit.publish("more", number)
        time.sleep(0.05)
    assert honest.stdout and honest.stdout.readline() == "sent\n"
    until("all honest ones are recorded", lambda: recorded.name("lab/honest")["messages"] == 1_000)
    assert recorder.poll() is None, recorder.communicate()
    printed = recorded.stop(recorder)
    assert "panicked" not in printed, printed
    info = recorded.info()
    assert info["names"]["lab/honest"]["missed"] == 0
    for words in (["info"], ["check"]):
        assert "panicked" not in recorded.tool("recording", *words, "r.mcap").stderr
    checked = recorded.tool("recording", "check", "r.mcap").stdout
    wrong = any(b <= a or b > (1 << 64) - 2 for a, b in zip((0, *numbers), numbers))
    assert bool(re.search("^(refused|unconnected): hostile/numbers: ", checked, re.MULTILINE)) == wrong, checked
    assert "repeat" not in checked and "overlap" not in checked and "gap" not in checked, checked
    pulpit.close()


def resident(process: "subprocess.Popen[str]") -> int:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) << 10


FLOOD = """
import sys, linkspan
body = bytes(int(sys.argv[2]))
with linkspan.publisher(f"shm:flood/{sys.argv[1]}", buffer=4_000_000) as out:
    while True: out.send(body)
"""


@pytest.mark.parametrize("when", ["before", "while it records"])
def test_store_of_a_stranger_ends_no_recording(recorded: Recorded, when: str) -> None:
    """An invalid file, a pipe, and a sparse TiB file are refused by name; others are recorded."""
    def make() -> None:
        (recorded.run / "lab@bad.file").write_bytes(b"x")
        os.mkfifo(recorded.run / "lab@pipe.file", 0o666)
        with (recorded.run / "lab@huge.file").open("wb") as file:
            file.truncate(1 << 40)

    publish = "import linkspan\nwith linkspan.publisher('file:lab/good') as out: out.send({'a': 1})"
    if when == "before":
        make()
        subprocess.run([sys.executable, "-c", publish], env=recorded.env, check=True, timeout=SOON)
    # Quiet recorders also report losses at the end.
    recorder = recorded.record("file:lab/*", *(["--quiet"] if when == "before" else []))
    honest = recorded.start(sys.executable, "-c", HONEST, 100)
    assert honest.stdout
    assert honest.stdout.readline() == "sent\n"
    until("the honest ones are recorded", lambda: recorded.name("lab/honest")["messages"] == 100)
    if when != "before":
        make()
        subprocess.run([sys.executable, "-c", publish], env=recorded.env, check=True, timeout=SOON)
    until("the good store is recorded", lambda: recorded.name("lab/good")["messages"] == 1)
    until("the bad ones are reported", lambda: recorded.info()["events"].get("unconnected", 0) >= 3)
    assert recorder.poll() is None
    assert "events of names that could not be received from" in recorded.stop(recorder)
    said = recorded.tool("recording", "check", "r.mcap").stdout
    assert all(f"unconnected: {name}" in said for name in ("lab/bad", "lab/pipe", "lab/huge")), said


EDGES = (0, 1, 2, 3, (1 << 62) - 1, 1 << 62, 1 << 63, (1 << 64) - 2, (1 << 64) - 1)
TEXTS = ("lab/x", "\x1b[2J", "a\ncomplete: 7 messages, 0 missed", "\u202egpj.exe", "\x9b31m", "\0", "../../etc/passwd", "x" * 70_000)


def forged_frame(chance: random.Random, number: int) -> bytes:
    """Returns a frame with valid checksums and arbitrary fields."""
    value = chance.choice((7, "text", {"a": [1, 2]}, {chance.choice(TEXTS)[:99]: chance.choice(TEXTS)}, [[[[]]]]))
    body = chance.choice((independent.encode(value), b"", b"\xff" * 9, bytes(chance.randbytes(40)), b"\x9b" + b"\xff" * 8))
    fields = {
        chance.choice(("session", "source", "schema", "until", "missed", "machine", "number", "sent", "begins", chance.choice(TEXTS)[:200])):
            chance.choice((chance.choice(EDGES), chance.choice(TEXTS)[:400], {"a": 1}, [1], None, b"\0\1"))
        for _ in range(chance.randrange(6))
    }  # fmt: skip
    extension = chance.choice((independent.encode(fields), independent.encode({"session": 1, "source": chance.choice(TEXTS)[:400]}), b"\xff" * 8))
    extension = extension.ljust((len(extension) + 7) // 8 * 8, b"\0")
    kind = chance.choice((independent.DATA, independent.DATA, independent.DATA, chance.randrange(256)))
    encoding = chance.choice((independent.CBOR, independent.CBOR, chance.randrange(256)))
    flags = chance.choice((0, 0, 1 << chance.randrange(16), chance.randrange(1 << 16)))
    sent = chance.choice((time.time_ns(), 0, -1, (1 << 63) - 1, -(1 << 63)))
    frame = Frame(kind, encoding, flags, number, chance.choice((0, 0, *EDGES)), sent, extension, body)
    return frame.to_bytes(chance.random() < 0.7) + chance.randbytes(chance.choice((0, 0, 5)))


@pytest.mark.parametrize("what", ["put in its place", "written in place"])
def test_files_with_valid_sums_and_any_values_end_no_recording(recorded: Recorded, what: str) -> None:
    """Numbers, times, senders and texts of a stranger's `file:` are arbitrary: readers accept or refuse them and
    never show raw text."""
    seed = int(os.environ.get("LINKSPAN_SEED") or random.randrange(1 << 32))
    print("seed", seed)
    chance = random.Random(f"{seed} {what}")
    path = recorded.run / "hostile@file.file"
    path.write_bytes(Frame(independent.DATA, independent.CBOR, 0, 1, 0, time.time_ns(), b"", independent.encode(1)).to_bytes(True))
    recorder = recorded.record("file:hostile/*")
    follower = recorded.start(DEBUG / "linkspan", "sub", "file:hostile/file")
    honest = recorded.start(sys.executable, "-c", HONEST, 500)
    until("the honest one is recorded", lambda: recorded.name("lab/honest")["messages"] > 0)
    printed = ""
    for round in range(150):
        forged = forged_frame(chance, round + 2 if round < 75 else chance.choice(EDGES))
        if what == "written in place":
            path.write_bytes(forged)
            os.utime(path)
        else:
            new = recorded.run / ".new.hostile@file.file"
            new.write_bytes(forged)
            new.rename(path)
        if round % 15 == 0:
            for words in (("latest", "file:hostile/file", "--timeout", "0"), ("ls",), ("ls", "--json")):
                done = subprocess.run([DEBUG / "linkspan", *words], env=recorded.env, text=True, capture_output=True, timeout=SOON)
                assert done.returncode in (0, 1, 2, 3, 4), (words, forged, done)
                printed += done.stdout + done.stderr
        time.sleep(0.005)
    assert recorder.poll() is None, (recorder.communicate(), forged)
    assert honest.stdout and honest.stdout.readline() == "sent\n"
    until("all honest ones are recorded", lambda: recorded.name("lab/honest")["messages"] == 500)
    until("values that are some are recorded", lambda: recorded.name("hostile/file")["messages"] > 1)
    printed += recorded.stop(recorder)
    # Only an invalid value ends a program that follows the name.
    if follower.poll() is None:
        follower.send_signal(signal.SIGINT)
    out, err = follower.communicate(timeout=SOON)
    assert follower.returncode in (0, 1, 2, 3, 4, 130), (follower.returncode, err)
    printed += out + err
    for words in (["info"], ["info", "--json"], ["check"], ["report", "--force"], ["export", "--jsonl", "-o", "x.jsonl"]):
        done = recorded.tool("recording", words[0], "r.mcap", *words[1:])
        assert done.returncode in ((0, 1, 6) if words == ["check"] else (0, 1)), (words, done)
        printed += done.stdout + done.stderr
    assert "panicked" not in printed, printed
    raw = [line for line in printed.splitlines() if re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", line)]
    assert not raw and not any(line.startswith("complete: 7") for line in printed.splitlines()), raw[:3]


def test_journal_that_fails_holds_up_no_other_one(recorded: Recorded) -> None:
    """A journal whose segment becomes a pipe fails in each round. Before, each message of other journals had a
    separate sync."""
    publish = "import sys, linkspan\nwith linkspan.publisher(sys.argv[1]) as out:\n    for i in range(int(sys.argv[2])): out.send({'i': i})"

    def published(name: str, count: int) -> None:
        subprocess.run([sys.executable, "-c", publish, name, str(count)], env=recorded.env, check=True, timeout=SOON)

    published("journal:lab/bad", 10)
    published("journal:lab/good", 10)
    # A slow disk: 1,000 syncs take longer than a test waits.
    slow = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=200000"]
    recorder = recorded.start(*slow, RECORDER, "record", "journal:lab/*", "-o", "r.mcap", "--sync", "20ms")
    until("both are recorded", lambda: [recorded.name(f"lab/{name}")["messages"] for name in ("bad", "good")] == [10, 10])
    journal = recorded.folder / "state/lab@bad.journal"
    for file in (*journal.glob("*.segment"), journal / "committed"):
        file.unlink()
        os.mkfifo(file)
    published("journal:lab/good", 1_000)
    until("the good one is recorded", lambda: recorded.name("lab/good")["messages"] == 1_010)
    until("the bad one is reported", lambda: recorded.info()["events"].get("refused", 0) == 1)
    [child] = Path(f"/proc/{recorder.pid}/task/{recorder.pid}/children").read_text().split()
    os.kill(int(child), signal.SIGINT)
    out, err = recorder.communicate(timeout=SOON)
    assert recorder.returncode == 0, out + err


@pytest.mark.parametrize("when", ["before", "while it records"])
def test_journal_whose_segments_were_removed_is_not_recorded_as_complete(recorded: Recorded, when: str) -> None:
    """The committed word proves earlier messages, but a reader that waits for the first one never reports the loss."""
    def publish(name: str) -> None:
        code = "import sys, linkspan\nwith linkspan.publisher(sys.argv[1]) as out:\n    for i in range(10): out.send({'i': i})"
        subprocess.run([sys.executable, "-c", code, name], env=recorded.env, check=True, timeout=SOON)

    def remove_segments() -> None:
        publish("journal:lab/lost")
        for segment in (recorded.folder / "state/lab@lost.journal").glob("*.segment"):
            segment.unlink()

    publish("journal:lab/good")
    if when == "before":
        remove_segments()
    recorder = recorded.record("journal:lab/*")
    until("the good one is recorded", lambda: recorded.name("lab/good")["messages"] == 10)
    if when != "before":
        recorder.send_signal(signal.SIGSTOP)
        remove_segments()
        recorder.send_signal(signal.SIGCONT)
    until("the lost one is reported", lambda: recorded.info()["events"].get("unconnected", 0) >= 1)
    assert "of names that could not be received from" in recorded.stop(recorder)
    said = recorded.tool("recording", "check", "r.mcap").stdout
    assert "unconnected: lab/lost: " in said and "has no segment" in said, said
    listed = subprocess.run([DEBUG / "linkspan", "ls"], env=recorded.env, text=True, capture_output=True, check=True, timeout=SOON)
    assert "has no segment; put the segments back" in listed.stdout, listed.stdout
    read = "import linkspan\nwith linkspan.subscribe('journal:lab/lost', from_='first') as s: s.recv(timeout=5)"
    refused = subprocess.run([sys.executable, "-c", read], env=recorded.env, text=True, capture_output=True, timeout=SOON)
    assert "linkspan.errors.Corrupt" in refused.stderr and "has no segment" in refused.stderr, refused.stderr


@pytest.mark.costly
def test_flood_of_one_name_costs_another_one_no_message_and_the_recorder_its_buffer_at_most(recorded: Recorded) -> None:
    # A slow disk keeps the recorder's queue full.
    slow = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=write,writev,fdatasync", "-e", "inject=write,writev,fdatasync:delay_enter=30000"]
    recorder = recorded.start(*slow, RECORDER, "record", "*", "-o", "r.mcap", "--sync", "1s", "--buffer", "32MB")
    until("it records", lambda: (recorded.folder / "r.mcap").exists())
    [child] = Path(f"/proc/{recorder.pid}/task/{recorder.pid}/children").read_text().split()
    recorded.start(sys.executable, "-c", FLOOD, 1, 100_000)
    until("the flood is recorded", lambda: recorded.name("flood/1")["missed"] > 0)
    honest = recorded.start(sys.executable, "-c", HONEST, 1_000)
    assert honest.stdout and honest.stdout.readline() == "sent\n"
    status = dict(line.split(":", 1) for line in Path(f"/proc/{child}/status").read_text().splitlines())
    assert int(status["VmHWM"].split()[0]) << 10 < 160_000_000, status["VmHWM"]
    os.kill(int(child), signal.SIGINT)
    out, err = recorder.communicate(timeout=SOON)
    assert recorder.returncode == 0, err
    found = recorded.info()["names"]
    assert found["lab/honest"]["missed"] == 0 and found["lab/honest"]["messages"] == 1_000, found
    assert recorded.tool("recording", "check", "r.mcap").stdout.startswith("complete: ")


def test_message_longer_than_the_buffer_costs_another_name_no_message(recorded: Recorded) -> None:
    script = """
import time, linkspan
body = bytes(9_000_000)
with linkspan.publisher("shm:rt/large") as large, linkspan.publisher("shm:rt/small") as small:
    for out in large, small:
        out.wait_for_subscribers(1, timeout=60)
    for i in range(20):
        large.send(body)
        small.send(i)
        time.sleep(0.05)
    for out in large, small:
        out.flush(timeout=60)
"""
    recorder = recorded.record("--buffer", "4MiB")
    sent = recorded.start(sys.executable, "-c", script)
    assert sent.wait(SOON) == 0, sent.communicate()
    recorded.stop(recorder)
    names = recorded.info()["names"]
    assert (names["rt/small"]["messages"], names["rt/small"]["missed"]) == (20, 0), names
    assert names["rt/large"]["messages"] > 0 and names["rt/large"]["messages"] + names["rt/large"]["missed"] == 20, names


def test_publisher_that_answers_no_question_costs_another_name_no_message(recorded: Recorded) -> None:
    """While the recorder waits for its answer, others fill the buffer twice."""
    script = """
import sys, time, linkspan
from contextlib import ExitStack
with ExitStack() as stack:
    outs = [stack.enter_context(linkspan.publisher(f"shm:lab/{n}")) for n in range(4)]
    for out in outs:
        out.wait_for_subscribers(1, timeout=60)
    body = bytes(2_000)
    for i in range(1_000):
        for out in outs:
            out.send(body)
        if i == 150:
            print("begun", flush=True)
        time.sleep(0.004)
    for out in outs:
        out.flush(timeout=60)
"""
    recorder = recorded.record("--buffer", "1MiB")
    honest = recorded.start(sys.executable, "-c", script)
    assert honest.stdout and honest.stdout.readline() == "begun\n"
    silent = Preacher(recorded.run)
    silent.publish("first", 1)
    assert honest.wait(SOON) == 0, honest.communicate()
    recorded.stop(recorder)
    silent.close()
    names = recorded.info()["names"]
    assert {name: (names[name]["messages"], names[name]["missed"]) for name in names if name.startswith("lab/")} == {f"lab/{n}": (1_000, 0) for n in range(4)}


@pytest.mark.costly
def test_gaps_and_names_that_come_and_go_take_no_memory(recorded: Recorded) -> None:
    script = """
import sys, linkspan
from pathlib import Path
size, rounds, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
i = 0
# On a slow disk the recorder's buffer is sometimes full, and the recorder misses messages.
while i < rounds or len(list(folder.glob("r*.mcap"))) <= 3:
    with linkspan.publisher(f"shm:guest/{i}", buffer=2 * size + 65536) as out:
        out.wait_for_subscribers(1, timeout=60)
        out.send(bytes(size))
        out.flush(timeout=60)
    i += 1
print("sent", flush=True)
"""
    # Each part begins with the newest message of living names.
    recorder = recorded.record("--split", "20MB", "--buffer", "16MB")
    guests = recorded.start(sys.executable, "-c", script, 2_000_000, 60, recorded.folder)
    pulpit = Preacher(recorded.run)
    for number in range(1, 200_001, 2):
        pulpit.publish(0, number)
    assert guests.stdout and guests.stdout.readline() == "sent\n", guests.communicate()
    until("it is recorded", lambda: recorded.name("hostile/numbers")["messages"] + recorded.name("hostile/numbers")["missed"] >= 199_999)
    assert resident(recorder) < 120_000_000, resident(recorder)
    recorded.stop(recorder)
    parts = sorted(recorded.folder.glob("r*.mcap"), key=lambda part: (len(part.name), part.name))
    assert len(parts) > 3
    assert parts[-1].stat().st_size < 60_000_000, "names that have gone are not repeated"
    pulpit.close()


@pytest.mark.parametrize(
    ("thread", "how"),
    [(thread, "panic") for thread in ("receiving", "reading", "writing", "main")] + [("receiving", "return"), ("reading", "return")],
)
def test_thread_that_ends_early_ends_the_recording_with_an_error(recorded: Recorded, thread: str, how: str) -> None:
    fault, journal = recorded.folder / "fault", recorded.folder / "journal"
    recorded.env["LINKSPAN_TEST_FAULT"] = f"{thread}:{fault}"
    recorder = recorded.record(f"journal:{journal}/log")
    honest = recorded.start(sys.executable, "-c", HONEST, 200)
    assert honest.stdout and honest.stdout.readline() == "sent\n"
    until("they are recorded", lambda: recorded.name("lab/honest")["messages"] == 200)
    fault.write_text(how)
    out, err = recorder.communicate(timeout=SOON)
    assert recorder.returncode == 1, (recorder.returncode, out, err)
    last = err.splitlines()[-1]
    assert last.startswith("linkspan-record: Internal (") and f"the {thread} thread " in last and "the recording ends here" in last, err
    checked = recorded.tool("recording", "check", "r.mcap")
    # An unclosed but otherwise whole part has a separate code.
    assert checked.returncode in (1, 5, 6) and "complete" not in checked.stdout, checked
    assert recorded.name("lab/honest")["messages"] == 200


def test_recorder_without_a_connection_to_a_living_name_is_not_complete(recorded: Recorded) -> None:
    recorder = recorded.record()
    honest = recorded.start(sys.executable, "-c", HONEST, 200)
    assert honest.stdout and honest.stdout.readline() == "sent\n"
    silent = Host(recorded.run, "unix:hostile/silent")
    until("it is told", lambda: recorded.info()["events"].get("unconnected", 0) > 0)
    until("the others are recorded", lambda: recorded.name("lab/honest")["messages"] == 200)
    recorded.stop(recorder)
    silent.close()
    checked = recorded.tool("recording", "check", "r.mcap")
    assert checked.returncode == 6 and "unconnected: hostile/silent: there is no connection" in checked.stdout, checked
    assert "complete" not in checked.stdout


@pytest.mark.parametrize("transport", ["unix", "shm"])
@pytest.mark.parametrize("moment", ["asked", "there"])
def test_name_that_no_connection_led_to_when_the_recording_ended_is_not_complete(recorded: Recorded, transport: str, moment: str) -> None:
    """The name is too new to know whether it answers, so its messages are unknown."""
    recorder = recorded.record()
    honest = recorded.start(sys.executable, "-c", HONEST, 50)
    assert honest.stdout and honest.stdout.readline() == "sent\n"
    until("it records", lambda: recorded.name("lab/honest")["messages"] == 50)
    silent = Host(recorded.run, f"{transport}:hostile/silent")
    if moment == "asked":
        asked = silent.next_client()
    recorded.stop(recorder)
    if moment == "asked":
        asked[0].close()
    silent.close()
    checked = recorded.tool("recording", "check", "r.mcap")
    assert checked.returncode == 6 and "unconnected: hostile/silent: " in checked.stdout and "complete" not in checked.stdout, checked


IDLE = """
import sys, linkspan
outs = [linkspan.publisher(f"shm:idle/{sys.argv[2]}-{number}") for number in range(int(sys.argv[1]))]
print("there", flush=True)
sys.stdin.read()
"""


@pytest.mark.costly
@pytest.mark.parametrize(("idle", "descriptors"), [(1_000, 18_000), (3_000, 4_096)], ids=["within its bound", "beyond its bound"])
def test_honest_name_next_to_thousands_of_idle_names_is_recorded_or_named(recorded: Recorded, idle: int, descriptors: int) -> None:
    crowd = [recorded.start(sys.executable, "-c", IDLE, 250, number) for number in range(idle // 250)]
    for one in crowd:
        assert one.stdout and one.stdout.readline() == "there\n"
    recorder = recorded.start("prlimit", f"--nofile={descriptors}", RECORDER, "record", "*", "-o", "r.mcap", "--sync", "20ms")
    until("it records", lambda: (recorded.folder / "r.mcap").exists())
    honest = recorded.start(sys.executable, "-c", HONEST, 200)
    if idle * 16 < descriptors:
        assert honest.stdout and honest.stdout.readline() == "sent\n"
        until("the honest ones are recorded", lambda: recorded.name("lab/honest")["messages"] == 200)
    else:
        until("the recorder names what it cannot record", lambda: "unconnected: lab/honest: " in recorded.tool("recording", "check", "r.mcap").stdout)
    printed = recorded.stop(recorder)
    checked = recorded.tool("recording", "check", "r.mcap")
    if idle * 16 < descriptors:
        assert checked.stdout == "complete: 200 messages, 0 missed and said so\n", checked
    else:
        assert "events of names that could not be received from" in printed, printed
        assert re.search(r"^unconnected: lab/honest: .* names are received from, and no more are allowed", checked.stdout, re.MULTILINE), checked.stdout
        assert checked.returncode == 6
