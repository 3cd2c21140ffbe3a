"""The tables of tests/README.md name a test or a reason for each public verb, object and program.

Missing and outdated rows fail, and cells without a collected test or reason. The tests plant bad tables and new
public names.
"""

import linkspan
import machinery
import pytest
from machinery import COLUMNS, Row, public, rows, section, wrong_cell
from support.tree import ROOT, tracked

SECTION = section((ROOT / "tests/README.md").read_text(encoding="utf-8"))
ROWS = rows(SECTION)


def test_each_public_thing_has_a_row_and_each_row_is_of_public_things() -> None:
    there, named = public(), {name for row in ROWS for name in row.names}
    assert len(there) > 200
    missing, gone = sorted(there - named), sorted(named - there)
    assert not missing, f"no row of the table in tests/README.md names {missing}"
    assert not gone, f"the table in tests/README.md names what is not public: {gone}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
def test_each_cell_names_a_test_or_a_reason(row: Row) -> None:
    assert len(row.cells) == len(COLUMNS)
    files = tracked()
    for column, cell in zip(COLUMNS, row.cells, strict=True):
        wrong = wrong_cell(cell, files)
        assert not wrong, f"{row.title}, {column}: {wrong}"


@pytest.mark.parametrize(
    "cell",
    [
        "", "x", "-", "tests/book", "memory", "no file.py", "see tests/book", "a server", "`tests/book`", "`x`", "`tests/book/conftest.py`", "`test_nothing.py`",
        "`fuzz/seeds/nothing`", "`tests/README.md`", "`tests/book/test_text.py::test_nothing`", "`tests/book/test_decisions.py::index`",
        # An ambiguous file name, a function that is not a test, a good name next to a bad one.
        "`syscall_kills.rs`", "`rust-core/tests/kills.rs::main`", "`tests/support/waiting.py::until`", "no peer `x`", "`kills.rs` `x`",
    ],
)  # fmt: skip
def test_bad_cell_is_found(cell: str) -> None:
    assert wrong_cell(cell, tracked())


@pytest.mark.parametrize("cell", ["no file", "nothing is on disk", "connects for one call; `kills.rs`", "`fuzz/seeds/cbor`", "`test_overload.py::test_overload`"])
def test_good_cell_is_taken(cell: str) -> None:
    assert wrong_cell(cell, tracked()) == ""


def test_table_without_a_row_or_with_one_of_nothing_is_found() -> None:
    lines = SECTION.splitlines()
    row, further = (line for line in lines if line.startswith("| keys of machines"))
    with pytest.raises(AssertionError, match="no row is called"):
        rows("\n".join(line for line in lines if line not in (row, further)))
    without = rows(SECTION.replace("`linkspan keys`", "`linkspan locks`"))
    named = {name for one in without for name in one.names}
    assert public() - named == {"linkspan keys"} and named - public() == {"linkspan locks"}
    with pytest.raises(AssertionError, match="two rows"):
        rows("\n".join(line for one in lines for line in ([one, one] if one in (row, further) else [one])))


def test_further_table_with_other_rows_or_columns_is_found() -> None:
    lines = SECTION.splitlines()
    _, further = (line for line in lines if line.startswith("| keys of machines"))
    at = lines.index(further)
    for wrong in ([], [further.replace("keys of machines", "locks of machines")], [lines[at + 1], further]):
        with pytest.raises(AssertionError, match="other rows"):
            rows("\n".join([*lines[:at], *wrong, *lines[at + max(1, len(wrong)) :]]))
    for column in COLUMNS:
        with pytest.raises(AssertionError, match="other columns"):
            rows(SECTION.replace(f"| {column} |", "| another one |"))
    # Moves a cell to the second table, so the row keeps its number of cells.
    moved = SECTION.replace("| own files |", "|", 1).replace(f"\n{further}", f"\n{further} own files |")
    with pytest.raises(AssertionError, match="more or fewer cells"):
        rows(moved)
    with pytest.raises(AssertionError, match="other columns"):
        rows(SECTION.split("\n### ", 1)[0])


def test_what_becomes_public_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the class, method, asyncio function, command nor C function has a row."""
    before = public()

    class Planted:
        def act(self) -> None: ...

    async def planted() -> None: ...

    planted.__module__ = "linkspan.aio"
    monkeypatch.setattr(linkspan, "Planted", Planted, raising=False)
    monkeypatch.setattr(linkspan, "__all__", [*linkspan.__all__, "Planted"])
    monkeypatch.setattr(linkspan.aio, "planted", planted, raising=False)
    monkeypatch.setattr(linkspan.Recording, "planted", lambda self: None, raising=False)
    asked = machinery.commands
    monkeypatch.setattr(machinery, "commands", lambda *words: asked(*words) | {"planted"})
    header = machinery.header()
    monkeypatch.setattr(machinery, "header", lambda: header + "LINKSPAN_API linkspan_status linkspan_planted_open(const char *name);\n")
    found = public() - before
    wanted = {"Planted", "Planted.act", "aio.planted", "Recording.planted", "linkspan planted", "service planted", "schema planted", "linkspan_planted"}
    assert wanted <= found, found
