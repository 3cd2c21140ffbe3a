"""Draws a part of the costly test cases for each day; releases run all cases."""

import os
import random
from collections.abc import Iterable


def drawn(cases: Iterable[str], count: int) -> list[str]:
    """Returns `count` of the cases in their order.

    All workers of a run must collect equal tests, so the run's number is the seed.
    """
    seed = os.environ.get("LINKSPAN_SEED") or os.environ.get("PYTEST_XDIST_TESTRUNUID") or os.urandom(4).hex()
    whole = list(cases)
    return sorted(random.Random(seed).sample(whole, count), key=whole.index)
