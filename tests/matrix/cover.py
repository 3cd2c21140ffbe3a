"""A few combinations of many choices in which every two choices meet: a greedy cover, the same in each run."""

import itertools
from collections.abc import Callable, Sequence

Combination = tuple[str, ...]


def pairs(combination: Combination) -> set[tuple[int, str, int, str]]:
    """The pairs of choices that meet in it, with the places of both."""
    return {(i, a, j, b) for (i, a), (j, b) in itertools.combinations(enumerate(combination), 2)}


def every_pair(axes: Sequence[Sequence[str]]) -> list[Combination]:
    """Combinations of one choice of each axis: any two choices of two axes meet in at least one of them."""
    return cover(list(itertools.product(*axes)), pairs)


def cover(grid: Sequence[Combination], met: Callable[[Combination], set]) -> list[Combination]:
    """Of a grid, so many that all is met that is met anywhere: each time the first of those that add most."""
    what = {combination: met(combination) for combination in grid}
    missing = set().union(*what.values())
    chosen = []
    while missing:
        best = max(what, key=lambda combination: len(what[combination] & missing))
        missing -= what.pop(best)
        chosen.append(best)
    return chosen
