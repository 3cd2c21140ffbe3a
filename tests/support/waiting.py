"""Waits for a condition; the deadline's error names it."""

import select
import time
from collections.abc import Callable
from typing import IO, TypeVar

T = TypeVar("T")
#: Seconds; only a hang takes this long.
PATIENCE = 60.0


def until(what: str, condition: Callable[[], T], patience: float = PATIENCE) -> T:
    """Returns the first true result of the condition; after the deadline fails with the last one."""
    deadline = time.monotonic() + patience
    while True:
        before = time.monotonic()
        if found := condition():
            return found
        after = time.monotonic()
        assert after < deadline, f"{what}: not within {patience:.0f} s; last {found!r}"
        # A condition may start programs, so checks take at most a third of the processor time.
        time.sleep(max(0.01, 2 * (after - before)))


def next_line(pipe: IO[str], what: str, patience: float = PATIENCE) -> str:
    """Returns a program's next line, or nothing after its end. Works in any thread."""
    ready = select.select([pipe], [], [], patience)[0]
    assert ready, f"{what}: not within {patience:.0f} s"
    return pipe.readline()
