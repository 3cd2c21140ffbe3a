"""All language pairs in both roles, with transport, pattern, encoding and equal vectors.

By default any two choices meet, in different combinations for vectors and table. LINKSPAN_GRID=full (`make
test-all`, `tests/run --all`) runs the whole grid.
"""

import itertools
import json
import os

import pytest
from conftest import ENCODINGS, LANGUAGES
from cover import every_pair, pairs
from play import PATTERNS, WAYS, Case, play

AXES = [LANGUAGES, LANGUAGES, WAYS, ENCODINGS]
FULL = os.environ.get("LINKSPAN_GRID") == "full"


def of_values() -> list[Case]:
    chosen = itertools.product(*AXES) if FULL else every_pair(AXES)
    return [Case(*combination, "values") for combination in chosen]


def of_table() -> list[Case]:
    """Reverses the axes, so other choices meet than in the cover of the values."""
    chosen = itertools.product(*AXES) if FULL else every_pair([axis[::-1] for axis in AXES])
    return [Case(*combination, "table") for combination in chosen]


@pytest.mark.costly
@pytest.mark.parametrize("case", of_values(), ids=str)
def test_every_vector_arrives_unchanged(case: Case, played) -> None:
    played[case].result()


@pytest.mark.costly
@pytest.mark.parametrize("case", of_table(), ids=str)
def test_table_arrives_unchanged(case: Case, played) -> None:
    played[case].result()


@pytest.mark.parametrize("way", ["unix call", "dgram send", "shm publish"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_peer_detects_a_difference(language: str, way: str, peers, runtime, vectors, tmp_path) -> None:
    """One value of three differs from its encoding; the peer must fail and name it."""
    cases = json.loads(vectors["values"].read_text(encoding="utf-8"))[:3]
    case = Case(language, language, way, "json", "difference")
    file = tmp_path / "vectors.json"
    for name, output in (("false", "f4"), ("changed", "f5")):
        cases[2] |= {"name": name, "cbor": output}
        file.write_text(json.dumps(cases), encoding="utf-8")
        if name == "changed":
            with pytest.raises(AssertionError, match="changed|2: it was not received"):
                play(case, peers, file, len(cases))
        else:
            play(case, peers, file, len(cases))


@pytest.mark.parametrize("cases", [of_values(), of_table()], ids=["values", "table"])
def test_combinations_cover_every_pair_of_choices(cases: list[Case]) -> None:
    every = set().union(*map(pairs, itertools.product(*AXES)))
    chosen = [tuple(case[:4]) for case in cases]
    assert set().union(*map(pairs, chosen)) == every
    assert len(every) == 6 * 6 + 2 * 6 * 11 + 2 * 6 * 4 + 11 * 4
    transports_and_patterns = {(way.split()[0], way.split()[1]) for _, _, way, _ in chosen}
    assert transports_and_patterns == {(t, pattern) for pattern, transports in PATTERNS.items() for t in transports}


def test_values_and_table_are_in_different_combinations() -> None:
    values, table = ({tuple(case[:4]) for case in cases} for cases in (of_values(), of_table()))
    assert FULL or len(values & table) < len(values) // 2


def test_every_language_has_the_same_table(vectors) -> None:
    """Checks the file: three shapes of 1,000 equal rows with all kinds."""
    cases = {case["name"]: json.loads(case["json"]) for case in json.loads(vectors["table"].read_text(encoding="utf-8"))}
    rows, records, columns = (cases[f"table as {shape}"] for shape in ("rows", "records", "columns"))
    assert len(rows) == 1000 and {len(row) for row in rows} == {4}
    assert [list(record.values()) for record in records] == rows
    assert list(map(list, zip(*columns.values(), strict=True))) == rows
    assert [{type(value) for value in column} for column in zip(*rows)] == [{int}, {str}, {bool}, {str, type(None)}]
    ids, names = [row[0] for row in rows], [row[1] for row in rows]
    assert min(ids) < -(2**31) and max(ids) > 2**31 and any(0 <= i < 500 for i in ids)
    assert any(not name.isascii() for name in names)
