"""The processor time of each test, and which costly tests a daily run has.

A test with the mark `costly` takes seconds of processor time. `tests/run` without a suite's name runs one of eight, others each day, as
LINKSPAN_DRAW has the seed; all others run each time. Whoever names a suite, or runs pytest, runs all of them.
"""

import os
import random
import resource
from collections.abc import Generator
from pathlib import Path

import pytest

SHARE = 1 / 8
"""The part of the costly tests that a daily run has."""

BEGAN = pytest.StashKey[float]()


def processor_time() -> float:
    """The seconds of this process, and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "costly: takes seconds of processor time; a daily run has one of eight, others each day")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the costly tests of other days. Workers of a run have the same seed, so they collect the same."""
    seed = os.environ.get("LINKSPAN_DRAW")
    if not seed:
        return
    left = [item for item in items if item.get_closest_marker("costly") and random.Random(f"{seed} {item.nodeid}").random() >= SHARE]
    if not left:
        return
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]
    if record := os.environ.get("LINKSPAN_LEFT_OUT"):
        Path(record).write_text("".join(f"{item.nodeid}\n" for item in left))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    item.stash[BEGAN] = processor_time()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    try:
        return (yield)
    finally:
        # The file of results has it as a property of the test.
        item.user_properties.append(("processor_seconds", f"{processor_time() - item.stash[BEGAN]:.2f}"))
