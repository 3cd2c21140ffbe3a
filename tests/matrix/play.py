"""Runs two peers on one file of vectors: call, send or subscribe."""

import itertools
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import linkspan
from support.network import free_port
from support.waiting import next_line

#: Seconds; only guards against a hang.
SOON = 90
PATTERNS = {
    "call": ["shm", "unix", "tcp", "fifo", "spool"],
    "send": ["dgram"],
    "publish": ["shm", "unix", "tcp", "file", "journal"],
}
#: Patterns with their transports: `tcp publish`.
WAYS = [f"{transport} {pattern}" for pattern, transports in PATTERNS.items() for transport in transports]


class Case(NamedTuple):
    first: str
    second: str
    way: str
    encoding: str
    vectors: str

    def __str__(self) -> str:
        return "-".join([self.vectors, *self.way.split(), self.first, self.second, self.encoding])


#: Short names, because a socket's path has 107 bytes.
_numbers = itertools.count()


def endpoint_of(transport: str, name: str) -> str:
    return f"tcp://127.0.0.1:{free_port()}" if transport == "tcp" else f"{transport}:{name}"


def play(case: Case, peers: dict[str, list[str]], vectors: Path, count: int) -> None:
    """Runs a case; fails if a value changed or a peer failed."""
    transport, pattern = case.way.split()
    name = f"matrix/{next(_numbers)}-{case.first}-{case.second}"
    words = [endpoint_of(transport, name), case.encoding]
    {"call": called, "send": sent, "publish": published}[pattern](
        peers[case.first], peers[case.second], words, str(vectors), count
    )


def begin(command: list[str], *words: str, stdin: int | None = subprocess.DEVNULL) -> subprocess.Popen[str]:
    pipes = {"stdin": stdin, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen([*command, *words], text=True, **pipes)


def ready(child: subprocess.Popen[str]) -> None:
    line = next_line(child.stdout, f"\"ready\" of {child.args}", SOON)
    if line != "ready\n":
        raise AssertionError(f"it is not ready: {line}{child.communicate(timeout=SOON)[0]}")


def ends(child: subprocess.Popen[str], expected: str) -> None:
    text = child.communicate(timeout=SOON)[0]
    assert (child.returncode, text) == (0, expected), f"it ended with {child.returncode}: {text}"


def called(first: list[str], second: list[str], words: list[str], vectors: str, count: int) -> None:
    with begin(first, "serve", *words) as server:
        try:
            ready(server)
            with begin(second, "call", *words, vectors) as caller:
                try:
                    ends(caller, f"{count} called, {count} sent, 2 failed\n")
                finally:
                    caller.kill()
            # A named pipe has one client at a time.
            with linkspan.connect(words[0], timeout=SOON) as channel:
                channel.call({"peer": "stop"})
            ends(server, "")
        finally:
            server.kill()


def sent(first: list[str], second: list[str], words: list[str], vectors: str, count: int) -> None:
    with begin(first, "receive", *words, vectors) as receiver:
        try:
            ready(receiver)
            with begin(second, "send", *words, vectors) as sender:
                try:
                    ends(sender, "")
                finally:
                    sender.kill()
            ends(receiver, f"{count} received\n")
        finally:
            receiver.kill()


def published(first: list[str], second: list[str], words: list[str], vectors: str, count: int) -> None:
    """Feeds the subscriber's output to the publisher, so each value arrives before the next."""
    read_end, write_end = os.pipe()
    try:
        with begin(first, "publish", *words, vectors, stdin=read_end) as publisher:
            try:
                ready(publisher)
                with subprocess.Popen(
                    [*second, "subscribe", *words, vectors], stdin=subprocess.DEVNULL, stdout=write_end,
                    stderr=subprocess.STDOUT,
                ) as subscriber:
                    try:
                        os.close(write_end)  # so that the publisher sees its end
                        write_end = -1
                        ends(publisher, f"{count} published\n")
                        assert subscriber.wait(SOON) == 0, "the subscriber ended badly"
                    finally:
                        subscriber.kill()
            finally:
                publisher.kill()
    finally:
        for descriptor in (read_end, write_end):
            if descriptor >= 0:
                os.close(descriptor)
