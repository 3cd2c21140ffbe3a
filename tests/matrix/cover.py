"""A few combinations of many choices in which every two choices occur together: a greedy cover, the same in each run."""

import itertools
from collections.abc import Callable, Sequence

Combination = tuple[str, ...]


def pairs(combination: Combination) -> set[tuple[int, str, int, str]]:
    """Returns the pairs of choices in a combination, with the axes of both."""
    return {(i, a, j, b) for (i, a), (j, b) in itertools.combinations(enumerate(combination), 2)}


def every_pair(axes: Sequence[Sequence[str]]) -> list[Combination]:
    """Returns combinations of one choice of each axis, in which any two choices of two axes occur together."""
    return cover(list(itertools.product(*axes)), pairs)


def cover(grid: Sequence[Combination], met: Callable[[Combination], set]) -> list[Combination]:
    """Returns enough cases of a grid to cover all its pairs: each time the first of those that add most."""
    what = {combination: met(combination) for combination in grid}
    missing = set().union(*what.values())
    chosen = []
    while missing:
        best = max(what, key=lambda combination: len(what[combination] & missing))
        missing -= what.pop(best)
        chosen.append(best)
    return chosen
