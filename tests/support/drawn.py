"""A part of the cases of a test, drawn by chance: others each day, where each case is costly and all of them run before a release."""

import os
import random
from collections.abc import Iterable


def drawn(cases: Iterable[str], count: int) -> list[str]:
    """So many of the cases, in their order; the names of tests show which.

    The workers of a run must collect the same tests, so the choice is seeded with the run's number."""
    seed = os.environ.get("LINKSPAN_SEED") or os.environ.get("PYTEST_XDIST_TESTRUNUID") or os.urandom(4).hex()
    whole = list(cases)
    return sorted(random.Random(seed).sample(whole, count), key=whole.index)
