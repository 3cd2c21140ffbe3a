"""Measures processor time of tests and selects costly ones for daily runs.

A test marked `costly` takes seconds of processor time. `tests/run` without a suite's name runs one costly test in eight,
chosen by the seed LINKSPAN_DRAW. With a suite's name, or under pytest, all costly tests run.
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
    """Returns the processor seconds of this process and its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "costly: takes seconds of processor time; a daily run has one of eight, others each day")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects the costly tests of other days. All workers have one seed, so they collect equal tests."""
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
        item.user_properties.append(("processor_seconds", f"{processor_time() - item.stash[BEGAN]:.2f}"))
