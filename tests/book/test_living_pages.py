"""Living pages name existing things, state their rules themselves, and ARCHITECTURE.md stays short."""

import re

import pytest

from support.tree import ROOT, tracked

# Historical records, change lists, and foreign texts.
NOT_LIVING = re.compile(r"docs/decisions/\d|CHANGELOG\.md|fuzz/seeds/|tests/vectors/|examples/")
KNOWN = r"\.(?:rs|py|pyi|md|toml|h|hpp|c|cpp|f90|in|php|phpt|sh|json|txt|yml)"
SPAN = re.compile(r"`([^`\n]+)`")
# Names like paths of the tree: an endpoint, a foreign file, a file that a tutorial makes.
ELSEWHERE = {
    "bridge/status", "perf/local_lat.cpp", "perf/local_thr.cpp", "examples/python/publish_subscribe_dynamic_data", "lab/src/main.rs", "php/work.php",
    "tests/conformance/data",
}
# Pages that depend on names, with their least number of names.
NAMES = {
    "docs/security.md": 20, "docs/promises.md": 10, "docs/first-service.md": 2, "tests/README.md": 20, "README.md": 10, "ARCHITECTURE.md": 20,
}
#: Pages that may also link to recorded measurements and alternatives.
MAY_LEAD_TO_RECORDS = re.compile(r"docs/README\.md|docs/design/|docs/decisions/README\.md|benches/")


@pytest.fixture(scope="module")
def files():
    return tracked()


@pytest.fixture(scope="module")
def living(files):
    pages = {path: (ROOT / path).read_text(encoding="utf-8") for path in files if path.endswith(".md") and not NOT_LIVING.match(path)}
    assert {"README.md", "ARCHITECTURE.md", "docs/concepts.md", "docs/how-to/restart.md", "tests/README.md"} <= pages.keys() and len(pages) > 40
    return pages


def named(text, top):
    """Returns files, folders and functions in a page's prose: known endings, or paths from a root folder."""
    for span in SPAN.findall("".join(text.split("```")[::2])):
        name, _, function = span.partition("::")
        if re.search(r"[ *{}<$|\"=…]|NNNN|NAME", name) or name.startswith("/") or name in ELSEWHERE:
            continue
        is_file = re.search(rf"{KNOWN}$", name) and ("/" in name or name.endswith(".rs"))
        if is_file or "/" in name and name.split("/")[0] in top and "/target/" not in name:
            yield name, function


def faults(page, text, files):
    top = {path.split("/")[0] for path in files if "/" in path}
    folders = {"/".join(path.split("/")[:n]) for path in files for n in range(1, path.count("/") + 1)}
    for name, function in named(text, top):
        bare = name.rstrip("/")
        found = [path for path in files if path == bare or path.endswith(f"/{bare}")]
        if not found and not any(folder == bare or folder.endswith(f"/{bare}") for folder in folders):
            yield f"{page}: there is no {name}"
        elif function and found and not any(re.search(rf"\b(fn|def) {re.escape(function)}\b", (ROOT / path).read_text()) for path in found):
            yield f"{page}: there is no {function} in {name}"


def test_files_and_tests_that_pages_name_exist(living, files):
    assert [fault for page, text in living.items() for fault in faults(page, text, files)] == []


@pytest.mark.parametrize("page", NAMES)
def test_page_names_files(page, living, files):
    top = {path.split("/")[0] for path in files if "/" in path}
    links = [target for target in re.findall(r"\]\(([^)\s]+)\)", living[page]) if "/" in target]
    assert len(list(named(living[page], top))) + len(links) >= NAMES[page]


def test_pages_state_their_rules_and_lead_to_no_decision_for_one(living):
    led = {page: re.findall(r"decisions/\d{4}[\w-]*|\b[Dd]ecisions? \[?\d+", text) for page, text in living.items() if not MAY_LEAD_TO_RECORDS.match(page)}
    assert {page: found for page, found in led.items() if found} == {}


def test_documentation_of_the_crates_leads_to_no_decision(files):
    sources = [path for path in files if path.endswith(".rs") and not path.startswith("fuzz/")]
    assert len(sources) > 500
    led = [f"{path}: {line.strip()}" for path in sources for line in (ROOT / path).read_text(encoding="utf-8").splitlines()
           if re.search(r"//.*(\b[Dd]ecisions? \d+|docs/decisions/\d)", line)]
    assert led == []


def test_architecture_has_at_most_250_lines_of_120_columns(living):
    lines = living["ARCHITECTURE.md"].splitlines()
    assert len(lines) <= 250
    assert [f"{number}: {len(line)}" for number, line in enumerate(lines, 1) if len(line) > 120] == []


def test_readme_has_at_most_120_lines_and_concepts_at_most_1500_words(living):
    assert len(living["README.md"].splitlines()) <= 120
    assert len(living["docs/concepts.md"].split()) <= 1500


def test_name_that_is_gone_is_found():
    files = ["tests/x.py", "a/src/b.rs", "docs/d.md"]
    text = "`tests/x.py`, `b.rs`, `tests/gone.py`, `tests/a b`, `other/thing`, `tests/NAME`\n```sh\n`tests/code.py`\n```\nand `c.rs`"
    assert list(faults("p.md", text, files)) == ["p.md: there is no tests/gone.py", "p.md: there is no c.rs"]
