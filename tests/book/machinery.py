"""The machinery tables of tests/README.md: their names, the public names, and defects of cells."""

import builtins
import inspect
import re
import subprocess
from dataclasses import dataclass, replace

import linkspan
import linkspan.aio
from belongs import BELONGS
from support.tree import PROGRAM, ROOT

HEADING = "## Each verb and each part of the machinery"
#: Columns of each table. All tables have equal rows; the first one lists the names of a row.
TABLES = (
    ("killed, in turns", "each way to wait", "hostile peer", "hostile file", "fuzzing", "forks", "signals", "full disk, memory", "limits", "power cut", "overload", "another user"),
    ("busy receiver", "not allocated or empty argument", "restart between two calls", "asked twice", "file of another writer", "half-open connection", "value at the edge in every view"),
)  # fmt: skip
COLUMNS = tuple(column for columns in TABLES for column in columns)
#: Commands that print texts of the program itself.
TEXTS = {"completions", "man", "help"}
#: Commands with subcommands. The bridge is missing, because the daily suites do not build it.
WITH_COMMANDS = ("service", "keys", "schema", "recording", "gateway")
#: Row names outside `public`: a module, a wheel, an option, methods, Rust-only parts.
ELSEWHERE = {"linkspan.aio", "linkspan-remote", "shared", "loan", "loan_bytes", "recv_async", "Reactor"}
#: A macro makes a test of each case in this file for every transport.
CASES = ROOT / "rust-core/tests/conformance/mod.rs"
ARTICLES = {"a", "an", "the"}
#: Tests that are whole programs.
WHOLE = re.compile(r"c-api/tests/.+\.(c|cpp|f90)|php/tests/.+\.phpt")
#: Folders with one fuzzer's seeds.
SEEDS = re.compile(r"fuzz/seeds/[a-z]+")


@dataclass(frozen=True)
class Row:
    """A row: title, names of its first cell and of BELONGS, and its other cells in all tables."""

    title: str
    names: frozenset[str]
    cells: tuple[str, ...]


def section(page: str) -> str:
    assert HEADING in page, "the tables are missing"
    return page.split(HEADING, 1)[1].split("\n## ", 1)[0]


def rows(section: str) -> list[Row]:
    tables = [
        [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
        for block in re.findall(r"^\|.*(?:\n\|.*)*", section, re.M)
    ]
    assert [tuple(cells[0][1:]) for cells in tables] == list(TABLES), "the tables have other columns"
    assert all(len(line) == len(cells[0]) for cells in tables for line in cells), "a row has more or fewer cells than its table has columns"
    found: list[Row] = []
    for first, *others in tables[0][2:]:
        title = first.split(":")[0]
        named = set(re.findall(r"`([^`]+)`", first.split(":", 1)[-1])) - ELSEWHERE
        found.append(Row(title, frozenset(named | {" ".join(name.split()) for name in BELONGS.get(title, "").split(";")}) - {""}, tuple(others)))
    for further in tables[1:]:
        titles = [first for first, *_ in further[2:]]
        assert titles == [row.title for row in found], "a further table has other rows"
        found = [replace(row, cells=(*row.cells, *others)) for row, (_, *others) in zip(found, further[2:], strict=True)]
    titles = [row.title for row in found]
    assert len(set(titles)) == len(titles), "two rows have one title"
    assert set(BELONGS) <= set(titles), f"no row is called {set(BELONGS) - set(titles)}"
    return found


def commands(*words: str) -> set[str]:
    done = subprocess.run([PROGRAM, *words, "--help"], capture_output=True, text=True, check=True)
    listed = done.stdout.split("Commands:\n", 1)[1].split("\n\n", 1)[0]
    return set(re.findall(r"^  ([a-z][a-z-]*)(?:  |$)", listed, re.M)) - TEXTS


def methods(of: type) -> set[str]:
    """Returns a class's public methods, without inherited ones of `str`, `Enum` or `Mapping`."""
    own = [base for base in of.__mro__ if getattr(builtins, base.__name__, None) is not base and base.__module__ not in ("enum", "typing", "collections.abc")]
    return {name for base in own for name in vars(base) if not name.startswith("_") and callable(getattr(of, name))}


def of_module(module: object, names: list[str], prefix: str) -> set[str]:
    """Returns a module's functions, classes and methods, without errors."""
    found = set()
    for name in names:
        what = getattr(module, name)
        if inspect.isclass(what) and not issubclass(what, BaseException):
            found |= {f"{prefix}{name}", *(f"{prefix}{name}.{method}" for method in methods(what))}
        elif inspect.isroutine(what):
            found.add(f"{prefix}{name}")
    return found


def header() -> str:
    return (ROOT / "c-api/include/linkspan.h").read_text(encoding="utf-8")


def c_objects() -> set[str]:
    """Returns the objects of C functions: `linkspan_channel` for `linkspan_channel_send`."""
    return set(re.findall(r"\b(linkspan_[a-z0-9]+)[a-z0-9_]*\([^)]*\)\s*;", header()))


def public() -> set[str]:
    """Returns all public names of Python, asyncio, two levels of shell commands, and C objects."""
    aio = [name for name in vars(linkspan.aio) if not name.startswith("_") and getattr(getattr(linkspan.aio, name), "__module__", "") == "linkspan.aio"]
    aio = [name for name in aio if inspect.isclass(getattr(linkspan.aio, name)) or inspect.isroutine(getattr(linkspan.aio, name))]
    second = {f"{first} {word}" for first in WITH_COMMANDS for word in commands(first)}
    first = {f"linkspan {word}" for word in commands()}
    return of_module(linkspan, linkspan.__all__, "") | of_module(linkspan.aio, aio, "aio.") | first | second | c_objects()


def is_test(text: str, path: str, function: str) -> bool:
    """Returns whether the runner collects a function as a test."""
    if path.endswith(".py"):
        in_name = path.rsplit("/", 1)[-1].startswith("test_") and function.startswith("test_")
        return in_name and bool(re.search(rf"^(async )?def {re.escape(function)}\(", text, re.M))
    if path.startswith("rust-core/tests/conformance/") and re.search(rf"^pub fn {re.escape(function)}\(", text, re.M):
        return bool(re.search(rf"^ +{re.escape(function)},?$", CASES.read_text(encoding="utf-8"), re.M))
    # The attribute directly precedes the function, also for proptest and loom.
    found = re.search(rf"((?:^[ \t]*(?:#\[.*|///.*)\n)*)^[ \t]*(?:pub )?(?:async )?fn {re.escape(function)}\b", text, re.M)
    return bool(found and re.search(r"#\[(tokio::)?test\b", found[1]) and "#[ignore" not in found[1])


def has_tests(text: str, path: str) -> bool:
    """Returns whether a file has test functions or is a test program."""
    if path.endswith(".py"):
        return path.rsplit("/", 1)[-1].startswith("test_") and bool(re.search(r"^(async )?def test_", text, re.M))
    cases = re.findall(r"^pub fn (\w+)\(", text, re.M) if path.startswith("rust-core/tests/conformance/") else []
    return "#[test]" in text or any(is_test(text, path, case) for case in cases) or bool(WHOLE.fullmatch(path))


def wrong_cell(cell: str, files: list[str]) -> str:
    """Returns a cell's defect.

    Each name must match one test or one file with tests; a cell without names is a reason of several words.
    """
    named = re.findall(r"`([^`]+)`", cell)
    if not named:
        words = re.findall(r"[A-Za-z][A-Za-z']*", cell)
        is_path = re.search(r"/|::|\.(py|rs|c|cpp|f90|phpt)\b|`", cell)
        return "" if len(set(words) - ARTICLES) >= 2 and not is_path else f"{cell!r} is neither a test in backticks nor a reason of two words"
    for name in named:
        path, _, function = name.partition("::")
        if SEEDS.fullmatch(name):
            if not any(file.startswith(f"{name}/") for file in files):
                return f"there are no seeds in {name}"
            continue
        found = [file for file in files if file == path or file.endswith(f"/{path}")]
        text = {file: (ROOT / file).read_text(encoding="utf-8") for file in found}
        if function:
            tests = [file for file in found if is_test(text[file], file, function)]
            if len(tests) != 1:
                return f"{function} is a test in {tests} of {found or path}"
        elif len(found) != 1:
            return f"{path} is {found or 'no file'}"
        elif not has_tests(text[found[0]], found[0]):
            return f"{path} has no tests"
    return ""
