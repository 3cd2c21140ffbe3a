"""`linkspan rate` while publishers are killed, and while it is stopped itself."""

import contextlib
import json
import mmap
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from support.tree import PROGRAM
from support.waiting import next_line, until

Start = Callable[..., "subprocess.Popen[str]"]

LIVES = 10
MESSAGES = 100_000

#: Writes the number of its published messages into memory that outlives it.
PUBLISHER = """
import linkspan, mmap, struct, sys
name, page, count = sys.argv[1], open(sys.argv[2], "r+b"), int(sys.argv[3])
page = mmap.mmap(page.fileno(), 8)
publisher = linkspan.publisher(name)
publisher.wait_for_subscribers(1, timeout=60)
print("begun", flush=True)
for number in range(1, count + 1):
    publisher.send(number)
    page[:] = struct.pack("<Q", number)
print("done", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def run() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def program(*words: object) -> subprocess.Popen[str]:
        started.append(subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield program
    for child in started:
        child.kill()
        with contextlib.suppress(BrokenPipeError):
            child.communicate()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[mmap.mmap]:
    (tmp_path / "page").write_bytes(bytes(8))
    with (tmp_path / "page").open("r+b") as file, mmap.mmap(file.fileno(), 8) as memory:
        yield memory


def line(pipe: IO[str]) -> dict:
    return json.loads(next_line(pipe, "a line of rate"))


@pytest.mark.costly
@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_counters_equal_those_of_killed_publishers(transport: str, run: Start, runtime: Path, tmp_path: Path, page: mmap.mmap) -> None:
    """Half of the publishers are killed in the middle of their messages."""
    name = f"{transport}:lab/t"
    rate = run(PROGRAM, "rate", name, "--json", "--every", "0.1")
    sent = 0
    for life in range(LIVES):
        page[:] = bytes(8)
        publisher = run(sys.executable, "-c", PUBLISHER, name, tmp_path / "page", MESSAGES)
        assert next_line(publisher.stdout, "the publisher begins") == "begun\n"
        if life % 2:
            half = life * MESSAGES // LIVES
            until("it has published a part", lambda half=half: int.from_bytes(page[:], "little") >= half)
        else:
            assert next_line(publisher.stdout, "the publisher is done") == "done\n"
        publisher.kill()
        publisher.wait()
        sent += int.from_bytes(page[:], "little")
        # A killed publisher may have published one message more than it noted.
        most = sent + (life + 2) // 2
        while (total := line(rate.stdout)["total"])["messages"] + total["missed"] < sent:
            assert total["messages"] + total["missed"] <= most
    rate.send_signal(signal.SIGINT)
    last = [json.loads(text) for text in rate.stdout][-1]["total"]
    assert rate.wait() == 130
    assert sent <= last["messages"] + last["missed"] <= sent + LIVES // 2, (last, sent)
    assert last["publishers"] == LIVES and last["uncounted_publishers"] == 0, last
    if transport == "shm":
        assert sent > MESSAGES * LIVES // 2


def test_rate_that_was_stopped_shows_the_delay_and_counts_what_it_missed(run: Start, runtime: Path) -> None:
    feed = run(PROGRAM, "pub", "unix:lab/t", "-o", "buffer=65536")
    until("it publishes", lambda: (runtime / "lab@t.unix").exists())
    feed.stdin.write("1\n")
    feed.stdin.flush()
    rate = run(PROGRAM, "rate", "unix:lab/t", "--json", "--every", "0.1")
    # The first line shows that it is connected. It does not count the value that was there before.
    begin = line(rate.stdout)["total"]["messages"]
    rate.send_signal(signal.SIGSTOP)
    count = 300
    for _ in range(count):
        feed.stdin.write(json.dumps("x" * 5_000) + "\n")
    feed.stdin.flush()

    def published() -> int:
        listed = subprocess.run([PROGRAM, "ls", "unix:lab/t", "--json"], capture_output=True, text=True, check=True)
        return json.loads(listed.stdout)["messages"]

    until("all is published", lambda: published() == count + 1)
    held = 0.5
    with pytest.raises(subprocess.TimeoutExpired):
        rate.wait(timeout=held)
    rate.send_signal(signal.SIGCONT)
    delays = []
    while (found := line(rate.stdout))["total"]["messages"] + found["total"]["missed"] < begin + count:
        delays += [found["delay"]["max"]] if found["delay"] else []
    delays += [found["delay"]["max"]] if found["delay"] else []
    assert max(delays) > held, delays
    assert found["total"]["missed"] > 0, found
