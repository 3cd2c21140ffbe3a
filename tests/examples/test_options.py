"""Examples of docs/options.md make their objects in Python and PHP with the row's option."""

import grp
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.tree import ROOT, php

#: Seconds; only guards against a hang.
SOON = 60
ROW = re.compile(r"^\| `(\w+)` \| .* \| `([^`]+)` \| `([^`]+)` \|$", re.M)
SCHEMA = 'name = "power"\ntype = "f64"\n'
# A server for callers, then each example's object, made and closed.
PYTHON = """
import sys
import linkspan
from linkspan import connect, listen, publisher, serve, subscribe
server = serve("lab/sum")
for line in sys.stdin:
    made = eval(line)
    made.close()
    print("made")
"""
PHP = """<?php
use function Linkspan\\{connect, listen, publisher, serve, subscribe};
$server = serve('lab/sum');
EXAMPLES
"""


def rows() -> list[tuple[str, str, str]]:
    text = (ROOT / "docs/options.md").read_text(encoding="utf-8")
    found = ROW.findall(text.split("<!-- checked: options -->")[1].split("<!-- end -->")[0])
    assert len(found) > 30, "each row has an example in Python and one in PHP"
    return found


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "power.toml").write_text(SCHEMA)
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "state").mkdir(mode=0o700)
    return {**os.environ, "LINKSPAN_DIR": str(tmp_path / "run"), "LINKSPAN_STATE_DIR": str(tmp_path / "state")}


def here(example: str) -> str:
    """Adapts the example, because this user may not be in group sensors."""
    return example.replace("sensors", grp.getgrgid(os.getegid()).gr_name)


def test_examples_use_the_option_of_their_row() -> None:
    for name, python, script in rows():
        assert re.search(rf"\b{name}_?=", python) and re.search(rf"\b{name}:", script), f"{name}: {python}, {script}"


def test_examples_make_their_objects_in_python(place: dict[str, str], tmp_path: Path) -> None:
    lines = "".join(f"{here(python)}\n" for _, python, _ in rows())
    done = subprocess.run([sys.executable, "-c", PYTHON], input=lines, cwd=tmp_path, env=place, capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines().count("made") == len(rows())


def test_examples_make_their_objects_in_php(place: dict[str, str], tmp_path: Path) -> None:
    examples = "".join(f"$made = {here(script)}; $made->close(); echo \"made\\n\";\n" for *_, script in rows())
    (tmp_path / "options.php").write_text(PHP.replace("EXAMPLES", examples))
    done = subprocess.run([*php(), "options.php"], cwd=tmp_path, env=place, capture_output=True, text=True, timeout=SOON)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines().count("made") == len(rows()), done.stdout
