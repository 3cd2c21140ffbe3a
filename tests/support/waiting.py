"""Waiting for a condition, with a deadline that says what was awaited."""

import select
import time
from collections.abc import Callable
from typing import IO, TypeVar

T = TypeVar("T")
#: Seconds; only a hang takes so long.
PATIENCE = 60.0


def until(what: str, condition: Callable[[], T], patience: float = PATIENCE) -> T:
    """Returns what the condition gives as soon as that is true; fails with the last of it after so many seconds."""
    deadline = time.monotonic() + patience
    while True:
        before = time.monotonic()
        if found := condition():
            return found
        after = time.monotonic()
        assert after < deadline, f"{what}: not within {patience:.0f} s; last {found!r}"
        # A condition that starts a program takes processor time that what is awaited needs: at most a third of it.
        time.sleep(max(0.01, 2 * (after - before)))


def next_line(pipe: IO[str], what: str, patience: float = PATIENCE) -> str:
    """The next line of a program that prints one and then waits for an answer; nothing where it ended. In any thread."""
    ready = select.select([pipe], [], [], patience)[0]
    assert ready, f"{what}: not within {patience:.0f} s"
    return pipe.readline()
