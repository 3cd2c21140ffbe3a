"""Hostile texts in listings stay in their line and are not interpreted."""

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from peer import Host, ignoring_its_end

Linkspan = Callable[..., subprocess.CompletedProcess[str]]
#: Each form of line end, escape sequences with 7 and 8 bits, and bidirectional controls.
HOSTILE = "x\nshm:lab/fake  publish\r\x85\u2028\x1b[2J\x9b31m\x7f\u202egnp\u2066\u061c"
INTERPRETED = set(range(0x20)) | set(range(0x7F, 0xA0)) | {0x61C, *range(0x200E, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A)}
KEYS = ("encoding", "schema", "reply_schema", "mismatch", "machine")


def interpreted(text: str) -> str:
    return "".join(c for c in text if ord(c) in INTERPRETED)


@pytest.mark.parametrize("words", [("ping", "unix:hostile/listed", "-n", "1"), ("ls",), ("ls", "-v"), ("ls", "--json"), ("doctor",), ("doctor", "--json"), ("top", "--once", "--every", "0.1")], ids=" ".join)
def test_listing_of_a_hostile_name_is_one_line_without_interpreted_characters(
    run: Path, linkspan: Linkspan, words: tuple[str, ...]
) -> None:
    host = Host(run, "unix:hostile/listed")

    def answer() -> None:
        with ignoring_its_end():
            while host.listens:
                s, theirs, descriptors = host.next_client()
                host.answer(s, theirs, descriptors, "publish", title=HOSTILE, state={**dict.fromkeys(KEYS, HOSTILE), "connected": [{"id": 1, "program": HOSTILE, "pid": HOSTILE, "since": [], "behind": -1}, HOSTILE]})

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        done = linkspan(*words)
    finally:
        host.hide()
        thread.join(10)
    assert "hostile/listed" in done.stdout and "gnp" in done.stdout, done
    assert not any(line.lstrip().startswith("shm:lab/fake") for line in done.stdout.splitlines()), done.stdout
    assert not interpreted(done.stdout.replace("\n", "")) and not interpreted(done.stderr.replace("\n", "")), ascii(done.stdout)
    if words == ("ls", "--json"):
        [listed] = [one for one in map(json.loads, done.stdout.splitlines()) if one["endpoint"] == "unix:hostile/listed"]
        assert listed["mismatch"] == listed["schema"] == HOSTILE
