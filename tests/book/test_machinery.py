"""The table of tests/README.md says for each public verb and program with which test each part of the machinery is tried, or why it is not.

A verb without a row fails, and so does a cell without a test and without a reason, and a test that is not there."""

import inspect
import re
import subprocess

import linkspan
import linkspan.aio
import pytest
from support.tree import PROGRAM, ROOT, tracked

HEADING = "## Each verb and each part of the machinery"
COLUMNS = (
    "killed, in turns", "each way to wait", "hostile peer", "hostile file", "fuzzing", "forks", "signals", "full disk, memory", "limits", "power cut",
    "overload", "another user",
)
#: Commands that print texts of the program itself.
TEXTS = {"completions", "man", "help"}


def rows() -> dict[str, list[str]]:
    text = (ROOT / "tests/README.md").read_text(encoding="utf-8")
    assert HEADING in text, "the table is missing"
    section = text.split(HEADING, 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    assert tuple(cells[0][1:]) == COLUMNS
    return {row[0]: row[1:] for row in cells[2:]}


def commands(*words: str) -> set[str]:
    done = subprocess.run([PROGRAM, *words, "--help"], capture_output=True, text=True, check=True)
    listed = done.stdout.split("Commands:\n", 1)[1].split("\n\n", 1)[0]
    return set(re.findall(r"^  ([a-z][a-z-]*)(?:  |$)", listed, re.M)) - TEXTS


def functions(module) -> set[str]:
    public = [name for name in getattr(module, "__all__", dir(module)) if not name.startswith("_")]
    own = [name for name in public if getattr(getattr(module, name), "__module__", "").startswith("linkspan")]
    return {name for name in own if inspect.isroutine(getattr(module, name))}


def test_each_verb_and_program_has_a_row() -> None:
    first = " ".join(rows())
    named = set(re.findall(r"`([^`]+)`", first))
    expected = functions(linkspan) | {f"linkspan {word}" for word in commands()} | {f"recording {word}" for word in commands("recording")}
    assert len(expected) > 30
    missing = sorted(expected - named)
    assert not missing, f"no row of the table in tests/README.md names {missing}"


@pytest.mark.parametrize("verb", list(rows()))
def test_each_cell_names_a_test_or_a_reason(verb: str) -> None:
    all_files = tracked()
    cells = rows()[verb]
    assert len(cells) == len(COLUMNS)
    for column, cell in zip(COLUMNS, cells, strict=True):
        assert cell, f"{verb}, {column}: neither a test nor a reason"
        for name in re.findall(r"`([^`]+)`", cell):
            path, _, function = name.partition("::")
            files = [file for file in all_files if file == path or file.endswith(f"/{path}") or file.startswith(f"{path}/")]
            assert files, f"{verb}, {column}: there is no {path}"
            if function:
                defines = re.compile(rf"\b(fn|def) {re.escape(function)}\b")
                found = [file for file in files if defines.search((ROOT / file).read_text(encoding="utf-8"))]
                assert len(found) == 1, f"{verb}, {column}: {function} is in {found} of {files}"
