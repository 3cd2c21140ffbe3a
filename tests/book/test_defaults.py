"""Each option has one default in every language and document.

A test of the core checks docs/options.md. Bindings leave defaults to the core, so only the texts and constants
listed here can differ.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = {"": 1, "s": 1, "seconds": 1, "MiB": 1 << 20, "KiB": 1 << 10, "GiB": 1 << 30}
# Option, file, and text around the value. Every occurrence must state the default, and most must occur.
STATED = [
    ("timeout", "rust-core/os/src/deadline.rs", r"LAST_RESORT: Duration = Duration::from_secs\((\d+)\)"),
    ("timeout", "rust-core/os/src/deadline.rs", r"The time-out in the object's options; (\d+) (s) where they have none"),
    ("timeout", "rust-core/src/lib.rs", r"the option `timeout`, or (\d+) (s)"),
    ("timeout", "c-api/include/linkspan.h", r"that of the object's options, (\d+) (s) by default"),
    ("timeout", "c-api/include/linkspan/options.hpp", r"\((\d+) (s) where they say nothing"),
    ("timeout", "c-api/include/linkspan.h", r"`LINKSPAN_DEFAULT` itself is (\d+) (s)"),
    ("timeout", "python/linkspan/options.py", r"time-out of calls in seconds, (\d+) by default"),
    ("timeout", "python/linkspan/verbs.py", r"the option `timeout`: (\d+) (seconds) by default"),
    ("timeout", "python/README.md", r"left out, (\d+) (s)"),
    ("timeout", "php/src/lib.rs", r'c"linkspan.timeout", c"(\d+)"'),
    ("timeout", "php/src/options.rs", r'ini_text\(c"linkspan.timeout"\).unwrap_or\("(\d+)"\)'),
    ("timeout", "php/stubs/linkspan.stub.php", r"`linkspan.timeout` \((\d+) (s)\)"),
    ("timeout", "php/README.md", r"linkspan.timeout = (\d+)"),
    ("timeout", "docs/concepts.md", r"A call without one waits at most (\d+) (s)"),
    ("timeout", "docs/c.md", r"(\d+) (s), or the option `timeout`"),
    ("timeout", "docs/cpp.md", r"(\d+) (s), or the option `timeout`"),
    ("timeout", "docs/fortran.md", r"(\d+) (s), or the option `timeout`"),
    ("max_message_size", "python/linkspan/options.py", r"`max_message_size`: [^:]*: (\d+) (MiB)"),
    ("max_message_size", "docs/c.md", r"an encoded message that is sent or taken \| (\d+) (MiB)"),
    ("max_message_size", "docs/cpp.md", r"an encoded message that is sent or taken \| (\d+) (MiB)"),
    ("max_message_size", "docs/fortran.md", r"an encoded message that is sent or taken \| (\d+) (MiB)"),
    ("replay_count", "python/linkspan/options.py", r"`replay_count`: [^:]*: ([\d,]+)"),
    ("replay_bytes", "python/linkspan/options.py", r"`replay_bytes`: [^:]*: (\d+) (MiB)"),
    ("absent_clients", "c-api/include/linkspan.h", r"a listener keeps messages, 0 for (\d+)"),
    ("absent_clients", "c-api/fortran/linkspan.f90.in", r"a listener keeps messages; 0 is (\d+)"),
    ("absent_clients", "python/linkspan/options.py", r"`absent_clients`: [^:]*: (\d+)"),
]


def table():
    """Returns the options of the core with their defaults from docs/options.md."""
    text = (ROOT / "docs/options.md").read_text()
    rows = text.split("<!-- checked: options -->")[1].split("<!-- end -->")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", rows, re.M))


@pytest.fixture(scope="module")
def defaults():
    found = table()
    assert {"timeout", "spin", "encoding", "max_message_size"} <= found.keys() and len(found) > 20, found
    return found


def stated(places):
    for option, path, pattern in places:
        for one in re.finditer(pattern, (ROOT / path).read_text()):
            number, unit = (*one.groups(), "")[:2]
            yield option, path, one[0], int(number.replace(",", "")) * UNITS[unit]


def test_stated_defaults_are_those_of_the_core(defaults):
    found = list(stated(STATED))
    assert [one for one in found if one[3] != int(defaults[one[0]])] == []
    # A few texts may be rewritten; after many rewrites the patterns must change.
    assert len({one[:2] for one in found}) >= len({one[:2] for one in STATED}) * 3 // 4, found


def test_segments_have_one_default(defaults):
    """The table has no number, because it depends on another option; both texts must agree."""
    patterns = {"docs/options.md": r"none: (\d+ MiB), less if retain_bytes", "python/linkspan/options.py": r"a journal's segment: (\d+ MiB)"}
    assert len({re.search(pattern, (ROOT / path).read_text())[1] for path, pattern in patterns.items()}) == 1
    assert defaults["segment_bytes"] == "none"


def test_commands_that_wait_have_the_default_time_out(defaults):
    """`sub` waits without end and `latest` does not wait, as in every language."""
    text = (ROOT / "programs/cli/src/args.rs").read_text()
    stated = re.findall(r'value_name = "SECONDS", default_value = "(\w+)", (?:allow_hyphen_values = true, )?value_parser = timeout', text)
    assert stated.count(defaults["timeout"]) >= 4 and set(stated) == {defaults["timeout"], "forever", "0"}, stated


@pytest.mark.parametrize(("path", "beginning", "end", "name"), [
    ("python/linkspan/options.py", "class Options(", "\nclass ", r"^    (\w+): "),
    ("c-api/include/linkspan.h", "typedef struct linkspan_options {", "} linkspan_options;", r"^    [^/\n]*?(\w+)(?:\[\w*\])?(?:\)\([^)]*\))?;"),
    ("c-api/fortran/linkspan.f90.in", "type :: linkspan_options\n", "end type", r"^      [^!\n]*:: (\w+)"),
], ids=["python", "c", "fortran"])
def test_every_language_has_every_option(path, beginning, end, name, defaults):
    text = (ROOT / path).read_text()
    fields = text.split(beginning, 1)[1].split(end, 1)[0]
    names = {one.rstrip("_") for one in re.findall(name, fields, re.M)}
    assert defaults.keys() - names == set(), f"{path} has {sorted(names)}"


def test_php_names_every_option(defaults):
    text = (ROOT / "php/stubs/linkspan.stub.php").read_text().split("*/", 1)[0]
    assert {name for name in defaults if not re.search(rf"\b{name}\b", text)} == set()


def test_different_default_is_found(tmp_path):
    (tmp_path / "a.md").write_text("A call waits 10 s. A message has 1 MiB.")
    places = [("timeout", tmp_path / "a.md", r"waits (\d+) (s)"), ("max_message_size", tmp_path / "a.md", r"has (\d+) (MiB)")]
    assert [(one[0], one[3]) for one in stated(places)] == [("timeout", 10), ("max_message_size", 1 << 20)]
