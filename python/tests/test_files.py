"""A channel as a file: the library's and other modules' readers and writers, ends, deaths, time-outs, pipes."""

import contextlib
import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading

import linkspan
import pytest

SOON = 30


@pytest.fixture(params=["shm", "unix", "tcp"])
def pair(request, runtime_dir):
    """A reading channel and a writing channel."""
    endpoint = {"shm": "shm:stream", "unix": "unix:stream", "tcp": "tcp://127.0.0.1:0"}[request.param]
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(linkspan.listen(endpoint))
        # The reader is closed first: its last message counts as consumed then.
        out = stack.enter_context(linkspan.connect(listener.endpoint))
        yield stack.enter_context(listener.accept(timeout=SOON)), out


def written(out, data, pieces=(1, 100_000)):
    """Writes the bytes in pieces of random lengths, in a thread."""
    seed = random.randrange(2**32)
    print("seed", seed)
    draw = random.Random(seed)

    def work():
        at = 0
        with out.makefile("wb", timeout=SOON) as file:
            while at < len(data):
                length = draw.randint(*pieces)
                assert file.write(data[at : at + length]) == len(data[at : at + length])
                at += length
                if draw.random() < 0.1:
                    file.flush()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_bytes_arrive_in_order_through_every_way_to_read(pair):
    inn, out = pair
    data = random.Random(1).randbytes(3_000_000).replace(b"\n", b"x") + b"first\nsecond\n\nlast"
    ways = {
        "copyfileobj": lambda file, into: shutil.copyfileobj(file, into),
        "read all": lambda file, into: into.write(file.read()),
        "read": lambda file, into: [into.write(part) for part in iter(lambda: file.read(70_001), b"")],
        "read1": lambda file, into: [into.write(part) for part in iter(lambda: file.read1(1_000), b"")],
        "lines": lambda file, into: [into.write(line) for line in file],
        "readinto": lambda file, into: [into.write(bytes(block[:n])) for block in [bytearray(9_999)] for n in iter(lambda: file.readinto(block), 0)],
    }
    for name, read in ways.items():
        thread = written(out, data)
        into = io.BytesIO()
        with inn.makefile("rb", timeout=SOON) as file:
            read(file, into)
            assert file.read() == b"" and file.readline() == b"", name
        thread.join()
        assert into.getvalue() == data, name


def test_modules_take_it_as_a_file(pair):
    inn, out = pair
    with out.makefile("w", newline="") as text:
        csv.writer(text).writerows([["a", "ä\nb"], [1, 2.5]])
    with inn.makefile("r", newline="", timeout=SOON) as text:
        assert list(csv.reader(text)) == [["a", "ä\nb"], ["1", "2.5"]]
    with out.makefile("w") as text:
        json.dump({"celsius": 21.4}, text)
    with inn.makefile("rb", timeout=SOON) as file:
        assert json.load(file) == {"celsius": 21.4}
    with out.makefile("wb"):
        pass
    with inn.makefile(timeout=SOON) as file:
        assert file.read() == b""


def test_lines_peeks_and_sizes_are_those_of_files(pair):
    inn, out = pair
    with out.makefile("wb") as file:
        file.write(memoryview(b"one\ntwo\nthree"))
        file.write(bytearray())
    with inn.makefile("rb", timeout=SOON) as file:
        assert file.peek()[:3] == b"one" and file.readline(2) == b"on" and file.readline(0) == b"" and file.readline() == b"e\n"
        assert file.read(0) == b"" and file.readlines() == [b"two\n", b"three"] and file.peek() == b""
        assert file.readable() and not file.writable() and not file.seekable()
    with pytest.raises(ValueError, match="closed"):
        file.read()


def test_writer_that_fails_or_is_killed_gives_no_end(pair):
    inn, out = pair
    for mode in ("wb", "w"):
        with pytest.raises(ZeroDivisionError), out.makefile(mode) as file:
            file.write("half\n" if mode == "w" else b"half\n")
            file.flush()
            1 / 0
        with inn.makefile("rb", timeout=SOON) as file, pytest.raises(linkspan.Disconnected, match="gave up"):
            file.read()
    file = out.makefile("wb")
    file.write(b"dropped")
    file.flush()
    del file
    thread = threading.Thread(target=out.close)
    with inn.makefile("rb", timeout=SOON) as file:
        assert file.peek() == b"dropped"
        thread.start()
        with pytest.raises(linkspan.Disconnected):
            file.read()
        thread.join()
        # A failed read keeps its bytes.
        assert file.peek() == b"dropped"


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_killed_process_gives_no_end(transport, runtime_dir):
    script = f"""
import linkspan, os, signal
with linkspan.connect("{transport}:killed") as out, out.makefile("wb") as file:
    file.write(b"x" * 1_000_000)
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    with linkspan.listen(f"{transport}:killed") as listener:
        child = subprocess.Popen([sys.executable, "-c", script])
        with listener.accept(timeout=SOON) as inn, inn.makefile("rb", timeout=SOON) as file:
            with pytest.raises(linkspan.Disconnected):
                file.read()
            # The failed read kept the arrived bytes.
            assert file.peek() == b"x" * len(file.peek())
        assert child.wait(SOON) == -signal.SIGKILL


def test_second_writer_does_not_continue_the_stream_of_the_first(runtime_dir):
    script = """
import linkspan, os, signal, sys
with linkspan.listen("unix:again") as listener, listener.accept(timeout=30) as out:
    file = out.makefile("wb")
    file.write(sys.argv[1].encode())
    file.flush()
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    file.close()
    out.close(timeout=30)
"""
    first = subprocess.Popen([sys.executable, "-c", script, "first", "killed"])
    with linkspan.connect("unix:again", timeout=SOON) as inn, inn.makefile("rb", timeout=SOON) as file:
        assert file.read1() == b"first"
        first.wait(SOON)
        second = subprocess.Popen([sys.executable, "-c", script, "second", "closes"])
        with pytest.raises(linkspan.Disconnected, match="another one began"):
            file.read()
        while inn.recv(timeout=SOON).value:
            pass
    assert second.wait(SOON) == 0


def test_read_after_a_timeout_continues_without_a_loss(pair):
    inn, out = pair
    writer = out.makefile("wb")
    with inn.makefile("rb", timeout=0.05) as file:
        got = []
        for part in (b"ab", b"cd", b"ef"):
            writer.write(part)
            writer.flush()
            with pytest.raises(linkspan.Timeout):
                file.read(7)
        with pytest.raises(TimeoutError):
            file.readline()
        writer.close()
        got.append(file.read())
    assert got == [b"abcdef"]
    writer = out.makefile("w")
    writer.write("abc")
    writer.flush()
    with inn.makefile("r", timeout=0.05) as text:
        with pytest.raises(linkspan.Timeout):
            text.read(5)
        with pytest.raises(linkspan.InvalidState, match="'b'"):
            text.read(1)
    thread = threading.Thread(target=writer.close)
    thread.start()
    assert inn.recv(timeout=SOON).value == b""
    thread.join()


def test_write_that_times_out_took_nothing(runtime_dir):
    with linkspan.listen("shm:slow") as listener, linkspan.connect("shm:slow", replay_count=4) as out, listener.accept(timeout=SOON) as inn:
        data = random.Random(2).randbytes(4_000_000)
        file = out.makefile("wb", timeout=0.02)
        at, retries = 0, 0
        into = io.BytesIO()
        reader = threading.Thread(target=lambda: shutil.copyfileobj(inn.makefile("rb", timeout=SOON), into))
        while at < len(data):
            try:
                at += file.write(data[at : at + 100_000])
            except linkspan.Timeout:
                retries += 1
                if retries == 3:
                    reader.start()
        while True:
            try:
                file.flush()
                break
            except linkspan.Timeout:
                pass
        file.close()
        reader.join()
        assert retries >= 3 and into.getvalue() == data


def test_programs_read_and_write_through_a_pipe(pair):
    inn, out = pair
    data = random.Random(3).randbytes(2_000_000)
    thread = written(out, data)
    with inn.makefile("rb") as file:
        counted = subprocess.run(["wc", "-c"], stdin=file, capture_output=True, check=True, timeout=SOON).stdout
        with pytest.raises(linkspan.InvalidState, match="fileno"):
            file.read()
    thread.join()
    assert int(counted) == len(data)
    got = []

    def read():
        with inn.makefile("rb", timeout=SOON) as file:
            got.append(file.read())

    thread = threading.Thread(target=read)
    thread.start()
    with out.makefile("wb", timeout=SOON) as file:
        subprocess.run(["sh", "-c", "seq 100000"], stdout=file, check=True, timeout=SOON)
    thread.join()
    assert got == [b"".join(b"%d\n" % i for i in range(1, 100_001))]


def pipes():
    """The pipes of this process. The channel makes descriptors of other kinds when it first waits or sends long messages."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return sorted(link for link in found if link.startswith("pipe:"))


def test_pipe_of_a_program_that_ends_early_is_no_error(pair):
    inn, out = pair
    before = pipes()
    for _ in range(6):
        thread = written(out, b"x\n" * 500_000)
        with inn.makefile("rb") as file:
            head = subprocess.run(["head", "-n", "2"], stdin=file, capture_output=True, check=True, timeout=SOON).stdout
        assert head == b"x\nx\n"
        while inn.recv(timeout=SOON).value:
            pass
        thread.join()
        assert pipes() == before


def test_pipe_of_a_stream_without_an_end_says_so_at_close(pair):
    inn, out = pair
    with pytest.raises(ZeroDivisionError), out.makefile("wb") as file:
        file.write(b"half")
        1 / 0
    file = inn.makefile("rb")
    subprocess.run(["cat"], stdin=file, capture_output=True, check=True, timeout=SOON)
    with pytest.raises(linkspan.Disconnected, match="gave up"):
        file.close()
    assert file.closed


def test_writer_that_fails_after_fileno_ends_its_pipe(pair):
    inn, out = pair
    before = pipes()
    with pytest.raises(ZeroDivisionError), out.makefile("wb", timeout=SOON) as file:
        subprocess.run(["echo", "half"], stdout=file, check=True, timeout=SOON)
        1 / 0
    assert pipes() == before and not [thread for thread in threading.enumerate() if thread.name == "linkspan-file"]
    with inn.makefile("rb", timeout=SOON) as file, pytest.raises(linkspan.Disconnected, match="gave up"):
        file.read()


def test_wrong_arguments_and_messages_are_refused_in_words(pair):
    inn, out = pair
    for mode in ("a", "r+b", 3, None):
        with pytest.raises((linkspan.WrongType, TypeError)):
            inn.makefile(mode)
    with pytest.raises(linkspan.WrongType, match="no option encoding"):
        inn.makefile("rb", encoding="utf-8")
    with pytest.raises(linkspan.OutOfRange):
        inn.makefile("rb", timeout=-1)
    out.send({"celsius": 21.4})
    with inn.makefile("rb", timeout=SOON) as file:
        with pytest.raises(linkspan.WrongType, match="is dict, and a file reads bytes"):
            file.read()
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"")
    with out.makefile("wb") as file, pytest.raises(TypeError):
        file.write("text")
    assert inn.recv(timeout=SOON).value == b""
