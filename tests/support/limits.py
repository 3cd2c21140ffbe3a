"""Deadlines for waits without one: the test fails at the line that waits too long.

The deadline interrupts reads, joins and system calls of the main thread by a signal. If code keeps the interpreter,
pytest's faulthandler ends the suite a little later.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Generator, Iterator
from types import FrameType

import pytest

from support.waiting import PATIENCE


@contextlib.contextmanager
def within(what: str | Callable[[], str], patience: float = 3 * PATIENCE) -> Iterator[None]:
    """Fails with the awaited condition if the block takes longer; main thread only."""
    deadline = time.monotonic() + patience

    def expire(_number: int, _frame: FrameType | None) -> None:
        # pytest.fail raises no Exception, so a test that catches Exception still ends.
        pytest.fail(f"{what if isinstance(what, str) else what()}: not within {patience:.0f} s")

    outer_deadline = time.monotonic() + (signal.getitimer(signal.ITIMER_REAL)[0] or float("inf"))
    if outer_deadline <= deadline:
        # The outer deadline is earlier.
        yield
        return
    outer = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, patience)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, outer)
        if outer_deadline != float("inf"):
            signal.setitimer(signal.ITIMER_REAL, max(outer_deadline - time.monotonic(), 0.001))


def patience_with(item: pytest.Item) -> float:
    """Returns the time for a part of a test: slightly less than the limit of `tests/run`."""
    return 0.9 * float(item.config.getini("faulthandler_timeout") or 600)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    with within(f"what {item.name} takes", patience_with(item)):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    with within(item.name, patience_with(item)):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    with within(f"the end of what {item.name} took", patience_with(item)):
        return (yield)
