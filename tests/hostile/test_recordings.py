"""Hostile recordings and publishers against the recorder, every tool, replay and Python.

Each case has limits of memory and processor time. A day runs a few with a printed seed; a night runs ten minutes.
"""

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import independent
import linkspan
import pytest
from frames import checked, scramble
from mcap.writer import Writer
from party import EFFORT
from peer import Host, Pulpit, ignoring_its_end
from support.recordings import NUMBERS, TEXTS, damaged, forged
from support.tree import DEBUG
from support.waiting import until

#: Cases of a day, and seconds of a night.
CASES, NIGHT = 4, 30 * EFFORT
#: Resident MiB, and processor seconds in a test build.
MEMORY, PROCESSOR = 600, 60
RECORDER = DEBUG / "linkspan-record"
#: Characters that a terminal obeys; line ends are checked separately.
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

#: Reads a recording in every way; only foreign exceptions end it.
READER = """
import sys, warnings
warnings.simplefilter("ignore")
import linkspan
path = sys.argv[1]
def does(what):
    try:
        return what()
    except (linkspan.Error, ValueError) as error:
        # pandas and pyarrow raise a ValueError for values without a form. Linkspan's own errors derive from
        # linkspan.Error.
        if not isinstance(error, linkspan.Error) and error.__traceback__.tb_next is not None and "linkspan" in error.__traceback__.tb_next.tb_frame.f_code.co_filename:
            deep = error.__traceback__
            while deep.tb_next: deep = deep.tb_next
            if "linkspan" in deep.tb_frame.f_code.co_filename: raise
        str(error), repr(error)
recording = does(lambda: linkspan.Recording(path))
if recording is not None:
    for what in ("names", "facts", "notes", "parts", "problems", "begin", "end", "events", "__len__", "__repr__", "_repr_html_"):
        does(lambda: (lambda found: found() if callable(found) else found)(getattr(recording, what)))
    def messages():
        for message in recording:
            message.name, message.sequence, message.source, message.received, message.sent, message.encoding, repr(message)
            does(lambda: message.value)
    does(messages)
    for name in does(lambda: list(recording.names)) or []:
        table = does(lambda: recording.table(name))
        does(lambda: recording.frames(name))
        does(lambda: recording.schema(name))
        does(lambda: [len(batch) for batch in recording.batches(name, rows=3)])
        if table is not None:
            repr(table), does(table._repr_html_)
            assert len(set(table.columns)) == len(table.columns)
            for column in table.columns:
                table[column], table.unit(column)
            does(lambda: table.to_arrow().validate(full=True))
            does(table.to_pandas)
    does(lambda: recording.table("*"))
print("read", flush=True)
"""


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR, PROCESSOR + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(words: list[object], folder: Path, environment: dict[str, str]) -> tuple[int, str, int]:
    """Runs a program under the limits; returns code, output and MiB."""
    with (folder / "printed").open("w+b") as printed:
        child = subprocess.Popen(
            list(map(str, words)), cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, preexec_fn=limited,
        )  # fmt: skip
        # The program ends itself, or the processor limit ends it.
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        text = printed.read().decode(errors="replace")
    return child.returncode, text, used.ru_maxrss >> 10


def judge(words: list[object], folder: Path, environment: dict[str, str], *, shown: bool) -> None:
    code, text, memory = run(words, folder, environment)
    said = f"{words}: {code}, {memory} MiB\n{text[-3000:]!r}"
    # `check` exits with 5 for a whole, unclosed part, and with 6 for losses.
    assert code in (0, 1, 5, 6), said
    assert "panicked" not in text and "Traceback" not in text and memory < MEMORY, said
    if shown:
        assert not OBEYED.search(text), said
        lines = text.splitlines()
        assert not any(line.startswith("complete: 7 messages") for line in lines), said


def tools(path: Path, out: Path, environment: dict[str, str]) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    recording = [RECORDER, "recording"]
    for words in (["info"], ["check"], ["info", "--json"]):
        judge([*recording, *words, path], out, environment, shown=words[-1] != "--json")
    for words in (
        ["cut", path, "-o", "cut.mcap"], ["cut", path, "-o", "packed.mcap", "--compression", "zstd"], ["merge", path, path, "-o", "merged.mcap"], ["split", path, "--at", "1kB", "-o", "parts/x.mcap"],
        ["report", path, "-o", "report.html"], *(["export", path, f"--{form}", "-o", form] for form in ("csv", "jsonl", "parquet", "arrow", "hdf5", "ros2")),
    ):  # fmt: skip
        judge([*recording, *words], out, environment, shown=True)
    judge([RECORDER, "replay", "--as-fast-as-possible", path], out, environment, shown=True)
    code, text, memory = run([sys.executable, "-c", READER, path], out, environment)
    assert code == 0 and text.endswith("read\n") and memory < 2 * MEMORY, f"{code}, {memory} MiB\n{text[-3000:]}"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "run").mkdir(mode=0o700)
    return {
        **os.environ, "LINKSPAN_DIR": str(tmp_path / "run"), "LINKSPAN_STATE_DIR": str(tmp_path / "state"), "LINKSPAN_PYTHON": sys.executable,
        "LINKSPAN_CONTROLLER": f"unix:{tmp_path}/run/controller",
    }  # fmt: skip


def cases(does: Callable[[random.Random], None]) -> None:
    """Runs cases with one seed each; a given seed is one case."""
    given = os.environ.get("LINKSPAN_SEED")
    seeds = [int(given)] if given else [random.SystemRandom().randrange(1 << 32) for _ in range(CASES if EFFORT == 1 else 100_000)]
    ends = time.monotonic() + NIGHT
    for seed in seeds:
        print(f"LINKSPAN_SEED={seed}")
        does(random.Random(seed))
        if EFFORT > 1 and time.monotonic() > ends:
            break


@pytest.mark.costly
def test_tools_and_readers_take_any_recording(tmp_path: Path, environment: dict[str, str]) -> None:
    def case(chance: random.Random) -> None:
        tools(forged(chance, tmp_path / "forged.mcap"), tmp_path / "out", environment)

    cases(case)


VERDICT = """
import json, sys
import linkspan
recording = linkspan.Recording(sys.argv[1])
messages = [[message.name, message.sequence, message.value] for message in recording]
print(json.dumps({"problems": len(recording.problems), "messages": sorted(messages), "names": sorted(recording.names)}))
"""


@pytest.mark.parametrize("what", ["channel", "schema"])
def test_number_that_is_given_twice_is_a_problem(tmp_path: Path, environment: dict[str, str], what: str) -> None:
    """A redefined channel or schema makes the owner of later messages ambiguous."""

    def text(value: str) -> bytes:
        return len(value).to_bytes(4, "little") + value.encode()

    def record(code: int, content: bytes) -> bytes:
        return bytes([code]) + len(content).to_bytes(8, "little") + content

    def schema(name: str) -> bytes:
        notation = f'name = "{name}"\n[fields]\nv = "i64"\n'
        return record(3, bytes([1, 0]) + text(name) + text("linkspan") + text(notation))

    def channel(number: int, topic: str, incarnation: int) -> bytes:
        facts = {"linkspan.endpoint": f"shm:{topic}", "linkspan.incarnation": f"{incarnation:016x}", "linkspan.first": "1", "linkspan.source": "s"}
        listed = b"".join(text(key) + text(fact) for key, fact in facts.items())
        return record(4, bytes([number, 0, 1, 0]) + text(topic) + text("cbor") + len(listed).to_bytes(4, "little") + listed)

    def message(number: int, sequence: int) -> bytes:
        time = (1_700_000_000_000_000_000).to_bytes(8, "little")
        return record(5, bytes([number, 0]) + sequence.to_bytes(4, "little") + 2 * time + linkspan.encode({"v": sequence}))

    again = channel(1, "lab/b", 2) + message(1, 1) if what == "channel" else schema("second") + channel(2, "lab/b", 2) + message(2, 1)
    magic = b"\x89MCAP0\r\n"
    head = magic + record(1, text("linkspan") + text("linkspan 0.1.0")) + schema("first") + channel(1, "lab/a", 1) + message(1, 1)
    tail = record(15, bytes(4)) + record(2, bytes(20)) + magic
    (tmp_path / "once.mcap").write_bytes(head + head[head.index(schema("first")) : -len(message(1, 1))] + message(1, 2) + tail)
    (tmp_path / "twice.mcap").write_bytes(head + again + tail)
    _, once, _ = run([RECORDER, "recording", "check", "once.mcap"], tmp_path, environment)
    assert "once more" not in once, once
    code, twice, _ = run([RECORDER, "recording", "check", "twice.mcap"], tmp_path, environment)
    assert code != 0 and f"the {what} 1 comes once more and is another one" in twice and "complete:" not in twice, twice


@pytest.mark.costly
def test_tools_agree_of_any_damage(tmp_path: Path, environment: dict[str, str]) -> None:
    """Tools and Python agree about losses, and none says complete if a stored message is unreadable."""
    folder, out = tmp_path / "recorded", tmp_path / "out"
    folder.mkdir()
    publisher = subprocess.Popen([sys.executable, "-c", HONEST], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    recorder = subprocess.Popen([RECORDER, "record", "lab/*", "-o", "r.mcap", "--sync", "20ms"], cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    assert publisher.stdout and publisher.stdout.readline() == "sent\n"
    publisher.communicate("")
    recorder.send_signal(signal.SIGINT)
    assert recorder.wait(60) == 0
    data = (folder / "r.mcap").read_bytes()
    stored = [["lab/honest", at + 1, at] for at in range(200)]

    def case(chance: random.Random) -> None:
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        path = out / "damaged.mcap"
        path.write_bytes(damaged(chance, data))
        recording = [RECORDER, "recording"]
        codes, texts = {}, {}
        for name, words in {
            "info": [*recording, "info", path, "--json"], "check": [*recording, "check", path], "cut": [*recording, "cut", path, "-o", "cut.mcap"],
            "merge": [*recording, "merge", path, path, "-o", "merged.mcap"], "report": [*recording, "report", path, "-o", "report.html"],
            "replay": [RECORDER, "replay", "--as-fast-as-possible", path],
        }.items():  # fmt: skip
            codes[name], texts[name], memory = run(words, out, environment)
            assert "panicked" not in texts[name] and memory < MEMORY, (name, texts[name], memory)
        code, text, memory = run([sys.executable, "-c", VERDICT, path], out, environment)
        said = f"{codes}\n{texts}\n{text[-2000:]}"
        assert code == 0 and memory < MEMORY, said
        python = json.loads(text)
        info = json.loads(texts["info"].splitlines()[0])
        assert len(info["problems"]) == python["problems"], said
        if codes["info"] == 0:
            # Unclosed parts are reported and lose nothing. Without a summary, numbers reveal losses.
            assert codes["check"] in ((0,) if not python["problems"] else (1, 5)), said
            assert {codes[name] for name in ("cut", "merge", "report", "replay")} == {0}, said
        else:
            assert set(codes.values()) == {1}, said
        if codes["check"] == 0:
            assert python["messages"] == stored and python["names"] == ["lab/honest"] and texts["check"].startswith("complete: 200 messages, 0 missed"), said

    cases(case)


def spoiled(chance: random.Random, record: bytearray) -> None:
    """Puts any number into a field of the record's frame, under its checksum."""
    frame = bytearray(record[8:])
    begin, end = chance.choice([(5, 6), (6, 7), (8, 10), (16, 24), (24, 32), (32, 40), (40, 48), (48, 56)])
    frame[begin:end] = (chance.choice(NUMBERS) & (1 << 8 * (end - begin)) - 1).to_bytes(end - begin, "little")
    record[8:72] = checked(bytes(frame))[:64]


def hostile(chance: random.Random, directory: Path, name: str, stops: threading.Event) -> None:
    """Starts a publisher over shared memory with any numbers, or over a socket with any frames."""
    if chance.randrange(2):
        publisher = Pulpit(directory, f"shm:{name}")
        publisher.listener.socket.settimeout(0.2)
        while not stops.is_set():
            with ignoring_its_end():
                publisher.admit(source=chance.choice(TEXTS)[:100])
            for _ in range(chance.randrange(20)):
                sequence = chance.choice([None, *NUMBERS])
                spoil = (lambda record: spoiled(chance, record)) if chance.randrange(4) == 0 else None
                publisher.publish({chance.choice(TEXTS): chance.choice([*NUMBERS, *TEXTS]) for _ in range(3)}, sequence, spoil)
        publisher.close()
        return
    host = Host(directory, f"unix:{name}")
    host.listener.socket.settimeout(0.2)
    while not stops.is_set():
        with ignoring_its_end():
            link = host.accept("publish", source=chance.choice(TEXTS)[:100])
            for at in range(chance.randrange(20)):
                frame = independent.Frame(
                    independent.DATA, independent.CBOR, 0, chance.choice([at + 1, *NUMBERS]), 0, chance.choice([0, 1, -1, (1 << 63) - 1]), b"",
                    independent.encode(chance.choice(TEXTS)),
                )  # fmt: skip
                link.stream.keeps.sendall(scramble(chance, at + 1) if chance.randrange(5) == 0 else frame.to_bytes(checked=True))
            link.stream.keeps.close()
    host.close()


HONEST = """
import sys, linkspan
with linkspan.publisher("lab/honest") as out:
    out.wait_for_subscribers(1, timeout=60)
    for i in range(200): out.send(i)
    print("sent", flush=True)
    sys.stdin.read()
"""


@pytest.mark.costly
def test_recorder_records_beside_any_publisher(tmp_path: Path, environment: dict[str, str]) -> None:
    """Honest messages are recorded, the recorder ends on request, and its file is whole."""

    def case(chance: random.Random) -> None:
        directory, out = tmp_path / "run", tmp_path / "recorded"
        shutil.rmtree(directory, ignore_errors=True)
        shutil.rmtree(out, ignore_errors=True)
        directory.mkdir(mode=0o700)
        out.mkdir()
        stops = threading.Event()
        names = [f"lab/{chance.choice(['a', 'b', 'x', 'long' * 15])}{at}" for at in range(5)]
        threads = [
            threading.Thread(target=hostile, args=(random.Random(chance.random()), directory, name, stops), daemon=True) for name in names
        ]
        with (out / "printed").open("w+b") as printed:
            recorder = subprocess.Popen(
                [RECORDER, "record", "*", "-o", "r.mcap", "--sync", "0.1"], cwd=out, env=environment, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed,
                preexec_fn=limited,
            )  # fmt: skip
            try:
                for thread in threads:
                    thread.start()
                honest = subprocess.Popen([sys.executable, "-c", HONEST], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                assert honest.stdout and honest.stdout.readline() == "sent\n"
                time.sleep(1.0)
                honest.communicate("")
                assert recorder.poll() is None, printed.seek(0) or printed.read()
            finally:
                stops.set()
                for thread in threads:
                    thread.join(30)
                recorder.send_signal(signal.SIGINT)
                _, status, used = os.wait4(recorder.pid, 0)
                recorder.returncode = os.waitstatus_to_exitcode(status)
            printed.seek(0)
            text = printed.read().decode(errors="replace")
        said = f"{recorder.returncode}, {used.ru_maxrss >> 10} MiB\n{text[-3000:]!r}"
        assert recorder.returncode in (0, 1) and "panicked" not in text and used.ru_maxrss >> 10 < MEMORY, said
        assert not OBEYED.search(text.replace("\r", "")), said
        import linkspan

        recording = linkspan.Recording(out / "r.mcap")
        found = [message.value for message in recording.messages("lab/honest")]
        missed = recording.names["lab/honest"].missed
        assert len(found) + missed == 200 and found == sorted(found) and not recording.problems, (len(found), missed, recording.problems, said)
        tools(out / "r.mcap", tmp_path / "out", environment)

    cases(case)


def test_generator_makes_recordings_that_are_read(tmp_path: Path) -> None:
    """Readers that stop at the first record would make these tests useless."""
    import linkspan

    chance, read = random.Random(1), 0
    for _ in range(50):
        try:
            read += sum(1 for _ in linkspan.Recording(forged(chance, tmp_path / "x.mcap"))) > 5
        except linkspan.Error:
            pass
    assert read > 10


STAYS = """
import sys, linkspan
with linkspan.publisher("lab/x") as out:
    out.send(1)
    print("sent", flush=True)
    sys.stdin.read()
"""


def killed_part(folder: Path, environment: dict[str, str]) -> bytes:
    """Returns a part of a killed recorder, which the next one would continue."""
    publisher = subprocess.Popen([sys.executable, "-c", STAYS], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert publisher.stdout and publisher.stdout.readline() == "sent\n"
    words = [RECORDER, "record", "lab/x", "-o", "killed.mcap", "--sync", "50ms"]
    recorder = subprocess.Popen(words, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    path = folder / "killed.mcap"
    until("the message is in the file", lambda: path.exists() and b"lab/x" in path.read_bytes())
    recorder.kill()
    recorder.wait()
    publisher.communicate("")
    data = path.read_bytes()
    path.unlink()
    return data


def place(what: str, path: Path, part: bytes, chance: random.Random) -> None:
    match what:
        case "random bytes":
            path.write_bytes(chance.randbytes(100_000))
        case "a foreign recording":
            with path.open("wb") as file:
                writer = Writer(file)
                writer.start(profile="ros2")
                writer.add_message(writer.register_channel("/imu", "cdr", 0), 1, b"1234", 1)
                writer.finish()
        case "the beginning of a foreign recording":
            place("a foreign recording", path, part, chance)
            path.write_bytes(path.read_bytes()[:-40])
        case "a FIFO":
            os.mkfifo(path)
        case "a link":
            (path.parent / "elsewhere").write_bytes(part)
            path.symlink_to(path.parent / "elsewhere")
        case "a link to nothing":
            path.symlink_to(path.parent / "nothing")
        case "a directory":
            path.mkdir()


NO_PARTS = ["random bytes", "a foreign recording", "the beginning of a foreign recording", "a FIFO", "a link", "a link to nothing", "a directory"]
#: A link to a killed part is that part if the user names it; next to it, readers do not follow it.
PLACES = [(what, name) for what in NO_PARTS for name in ("r.mcap", "r.0002.mcap") if (what, name) != ("a link", "r.mcap")]


@pytest.mark.parametrize(("what", "name"), PLACES)
def test_what_is_no_killed_part_is_not_continued_and_stays(tmp_path: Path, environment: dict[str, str], what: str, name: str) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    folder = tmp_path / "recorded"
    folder.mkdir()
    part = killed_part(folder, environment)
    if name != "r.mcap":
        (folder / "r.mcap").write_bytes(part)
    place(what, folder / name, part, random.Random(seed))

    def state() -> dict[str, object]:
        files = {file.name: (file.lstat().st_mode, file.lstat().st_ino) for file in folder.iterdir()}
        return files | {file.name + " has": file.read_bytes() for file in folder.iterdir() if file.is_file()}

    before = state()
    code, text, memory = run([RECORDER, "record", "lab/x", "-o", "r.mcap", "--for", "1s"], folder, environment)
    said = f"{code}, {memory} MiB\n{text!r}"
    assert code == 1 and name in text and "panicked" not in text and memory < MEMORY, said
    after = {file: found for file, found in state().items() if not file.startswith("printed")}
    assert after == before, said


def test_killed_part_with_changed_bytes_is_continued_or_refused_and_stays(tmp_path: Path, environment: dict[str, str]) -> None:
    part = killed_part(tmp_path, environment)

    def case(chance: random.Random) -> None:
        folder = tmp_path / f"recorded{chance.randrange(1 << 32)}"
        folder.mkdir()
        data = bytearray(part)
        for _ in range(chance.choice([1, 2, 8])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        data = data[: chance.choice([len(data), chance.randrange(len(data))])] + chance.choice([b"", chance.randbytes(1_000), part, bytes(100_000)])
        (folder / "r.mcap").write_bytes(data)
        code, text, memory = run([RECORDER, "record", "lab/x", "-o", "r.mcap", "--for", "100ms"], folder, environment)
        said = f"{code}, {memory} MiB\n{text[-3000:]!r}"
        assert code in (0, 1) and "panicked" not in text and memory < MEMORY and not OBEYED.search(text), said
        # The recorder only reads it and writes the next part.
        assert (folder / "r.mcap").read_bytes() == data, said
        assert (folder / "r.0002.mcap").exists() == (code == 0), said
        shutil.rmtree(folder)

    cases(case)
