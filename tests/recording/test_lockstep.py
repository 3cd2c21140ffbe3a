"""Lockstep replay to programs of different rates: asyncio, C, and a restarted program."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import Lab, ended, sent
from support.compilers import INCLUDE, compiled, shared_library

from test_replay import REPLAY

COUNTS = {"lab/fast": 200, "lab/mid": 50, "lab/slow": 10}

#: Takes one slow message after each 20 fast ones, and sums them.
ASYNC = """
import asyncio, sys, linkspan.aio
async def main():
    async with await linkspan.aio.connect("lab/fast") as fast, await linkspan.aio.connect("lab/slow") as slow:
        total = 0
        for block in range(10):
            for _ in range(20):
                message = await fast.recv(timeout=60)
                total = total * 3 % 1_000_003 + message["i"]
                print("fast", message.sequence, message["i"], flush=True)
            message = await slow.recv(timeout=60)
            total = total * 5 % 1_000_003 + message["i"]
            print("slow", message.sequence, message["i"], total, flush=True)
asyncio.run(main())
"""

#: Two tasks, each waiting for its name.
TASKS = """
import asyncio, sys, linkspan.aio
async def take(name, count):
    async with await linkspan.aio.connect(name) as channel:
        for _ in range(count):
            message = await channel.recv(timeout=60)
            print(name.removeprefix("lab/"), message.sequence, message["i"], flush=True)
async def main():
    await asyncio.gather(take("lab/fast", 200), take("lab/slow", 10))
asyncio.run(main())
"""

#: Prints number and value of the given count of messages; uses a client_id if given.
IN_C = """
#include <linkspan.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void need(linkspan_status status, const char *what) {
    if (status == LINKSPAN_OK) return;
    fprintf(stderr, "%s: %s\\n", what, linkspan_last_error_text());
    exit(1);
}

int main(int words, char **word) {
    linkspan_options options = LINKSPAN_OPTIONS_INIT;
    linkspan_channel *channel;
    options.client_id = words > 3 ? word[3] : NULL;
    options.timeout = INT64_C(60000000000);
    need(linkspan_channel_connect(word[1], &options, options.timeout, &channel), "connect");
    for (int64_t i = 0, last = atoi(word[2]) - 1; i < last;) {
        linkspan_message *message;
        linkspan_message_info info = LINKSPAN_MESSAGE_INFO_INIT;
        need(linkspan_channel_recv(channel, options.timeout, &message), "recv");
        need(linkspan_message_get_i64(message, "i", &i), "get");
        need(linkspan_message_get_info(message, &info), "look");
        printf("mid %" PRIu64 " %" PRId64 "\\n", info.sequence, i);
        fflush(stdout);
        need(linkspan_message_release(message), "release");
    }
    need(linkspan_channel_free(channel), "free");
}
"""


@pytest.fixture(scope="session")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("consumer")
    source = folder / "consumer.c"
    source.write_text(IN_C)
    return compiled("gcc", "-std=c11", "-Wall", "-Werror", INCLUDE, source, *shared_library(), out=folder / "consumer")


@pytest.fixture
def several(lab: Lab) -> Lab:
    recorder = lab.record(*COUNTS, "-o", "run.mcap", "--messages", sum(COUNTS.values()))
    publishers = [lab.publisher(name, count, 0.8 / count) for name, count in COUNTS.items()]
    for publisher in publishers:
        sent(publisher)
    ended(recorder)
    for publisher in publishers:
        publisher.communicate("")
    return lab


def replayed(lab: Lab) -> "subprocess.Popen[str]":
    return lab.start(REPLAY, "replay", "run.mcap", *[word for name in COUNTS for word in ("--lockstep", name)], "--speed", "50")


def lines(text: str, name: str) -> list[tuple[int, int]]:
    found = [line.split() for line in text.splitlines()]
    return [(int(words[1]), int(words[2])) for words in found if words[0] == name]


def whole(name: str) -> list[tuple[int, int]]:
    return [(i + 1, i) for i in range(COUNTS[f"lab/{name}"])]


@pytest.mark.costly
@pytest.mark.parametrize("script", [ASYNC, TASKS], ids=["one task", "two tasks"])
def test_programs_of_different_rates_get_all_in_lockstep(several: Lab, in_c: Path, script: str) -> None:
    printed = []
    for _ in range(2):
        programs = [several.python(script), several.start(in_c, "lab/mid", COUNTS["lab/mid"])]
        replay = replayed(several)
        of_python, of_c = map(ended, programs)
        assert "260 messages replayed" in ended(replay)
        assert lines(of_python, "fast") == whole("fast") and lines(of_python, "slow") == whole("slow")
        assert lines(of_c, "mid") == whole("mid")
        printed.append((of_python if script is ASYNC else "", of_c))
    assert printed[0] == printed[1]


#: Exits abruptly after the given count of messages.
BRUSQUE = """
import os, signal, sys, linkspan
channel = linkspan.connect("lab/slow")
for _ in range(int(sys.argv[1])):
    print("slow", (message := channel.recv(timeout=60)).sequence, message["i"], flush=True)
os._exit(3) if sys.argv[2] == "exit" else os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("how", ["exit", "kill"])
def test_program_may_end_in_any_way_after_its_last_message(several: Lab, how: str) -> None:
    program = several.python(BRUSQUE, COUNTS["lab/slow"], how)
    replay = several.start(REPLAY, "replay", "run.mcap", "--lockstep", "lab/slow", "--speed", "50")
    assert lines(program.communicate(timeout=60)[0], "slow") == whole("slow")
    said = ended(replay)
    assert "260 messages replayed" in said, said
    assert "the program at shm:lab/slow ended after its last message, 10, without a close: it counts as consumed" in said, said


def test_program_that_ends_in_the_middle_of_its_input_has_ended_and_is_not_late(several: Lab) -> None:
    program = several.python(BRUSQUE, COUNTS["lab/slow"] - 1, "exit")
    replay = several.start(REPLAY, "replay", "run.mcap", "--lockstep", "lab/slow", "--speed", "50", "--deadline", "3s")
    assert lines(program.communicate(timeout=60)[0], "slow") == whole("slow")[:-1]
    said = replay.communicate(timeout=60)[1]
    assert replay.returncode == 1 and "the program at shm:lab/slow ended before its last message: message 9 was not consumed" in said, said
    assert "no program took its place within --deadline (3 s)" in said and "was late" not in said, said


#: Takes one message after connecting and closes the channel.
SUCCESSOR = """
import linkspan
with linkspan.connect("lab/slow", timeout=60) as channel:
    print("connected", flush=True)
    print("slow", (message := channel.recv(timeout=60)).sequence, message["i"], flush=True)
"""


def test_program_that_is_killed_with_its_last_message_and_started_again_gets_it(several: Lab) -> None:
    waits = BRUSQUE.replace("    print", "    sys.stdin.readline() if _ == int(sys.argv[1]) - 1 else None\n    print")
    first = several.python(waits, COUNTS["lab/slow"], "kill")
    replay = several.start(REPLAY, "replay", "run.mcap", "--lockstep", "lab/slow", "--speed", "50")
    assert first.stdout and first.stdin
    begun = [first.stdout.readline() for _ in range(COUNTS["lab/slow"] - 1)]
    second = several.python(SUCCESSOR)
    assert second.stdout and second.stdout.readline() == "connected\n"
    rest = first.communicate("\n", timeout=60)[0]
    assert lines("".join(begun) + rest, "slow") == whole("slow")
    assert lines(ended(second), "slow") == whole("slow")[-1:]
    said = ended(replay)
    assert "260 messages replayed" in said and "counts as consumed" not in said, said


@pytest.mark.parametrize("client_id", [[], ["solver"]], ids=["no client_id", "client_id"])
def test_program_that_is_killed_and_started_again_goes_on_where_it_was(several: Lab, in_c: Path, client_id: list[str]) -> None:
    others = several.python(ASYNC)
    first = several.start(in_c, "lab/mid", COUNTS["lab/mid"], *client_id)
    replay = replayed(several)
    assert first.stdout
    begun = "".join(first.stdout.readline() for _ in range(20))
    os.kill(first.pid, signal.SIGKILL)
    begun += first.stdout.read()
    begun = begun[: begun.rfind("\n") + 1]
    second = several.start(in_c, "lab/mid", COUNTS["lab/mid"], *client_id)
    rest = ended(second)
    before, after = lines(begun, "mid"), lines(rest, "mid")
    assert len(before) - 1 <= after[0][1] <= len(before), (before, after)
    assert before == whole("mid")[: len(before)] and after == whole("mid")[after[0][1] :]
    of_python = ended(others)
    assert lines(of_python, "fast") == whole("fast") and lines(of_python, "slow") == whole("slow")
    assert "260 messages replayed" in ended(replay)
