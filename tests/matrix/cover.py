"""A greedy cover: few combinations that contain any two choices together, equal in each run."""

import itertools
from collections.abc import Callable, Sequence

Combination = tuple[str, ...]


def pairs(combination: Combination) -> set[tuple[int, str, int, str]]:
    return {(i, a, j, b) for (i, a), (j, b) in itertools.combinations(enumerate(combination), 2)}


def every_pair(axes: Sequence[Sequence[str]]) -> list[Combination]:
    """Returns combinations of one choice per axis that contain any two choices together."""
    return cover(list(itertools.product(*axes)), pairs)


def cover(grid: Sequence[Combination], met: Callable[[Combination], set]) -> list[Combination]:
    """Covers all pairs of a grid: adds the first case that contributes most."""
    what = {combination: met(combination) for combination in grid}
    missing = set().union(*what.values())
    chosen = []
    while missing:
        best = max(what, key=lambda combination: len(what[combination] & missing))
        missing -= what.pop(best)
        chosen.append(best)
    return chosen
