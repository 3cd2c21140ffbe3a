"""Runs the pages of C, C++ and Fortran from top to bottom like a reader."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from conftest import PROGRAM, ROOT, run

# A block with a file's name, or commands.
BLOCK = re.compile(r"(?:`(?P<name>[\w.]+)`[^\n]*:\n\n)?```(?P<kind>\w+)\n(?P<text>.*?)```\n", re.S)
# `make install` would make a slow release build; the fixture installed with the same script.
MAKE = """#!/bin/sh
test "$*" = "install PREFIX=$HOME/.local" || exit 1
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A home in a path without space, for the reasons of `one_word`."""
    with TemporaryDirectory(prefix="lkh-", dir="/tmp") as place:
        yield Path(place)


@pytest.mark.costly
@pytest.mark.parametrize(("page", "times"), [("c", 4), ("cpp", 3), ("fortran", 4)])
def test_page_commands_build_and_run_its_programs(page, times, tmp_path, environment, home, one_word):
    work, stubs = (tmp_path / name for name in ("work", "stubs"))
    for folder in (work, stubs):
        folder.mkdir()
    (home / ".local").symlink_to(one_word)
    (stubs / "make").write_text(MAKE)
    (stubs / "make").chmod(0o755)
    (stubs / "linkspan").symlink_to(PROGRAM)
    path = f"{stubs}:{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    # Paths come only from the page. CMake runs the system's make.
    variables = ("PKG_CONFIG_PATH", "LD_LIBRARY_PATH")
    env = {k: v for k, v in environment.items() if k not in variables} | {"HOME": str(home), "PATH": path}
    printed = ""
    for block in BLOCK.finditer((ROOT / f"docs/{page}.md").read_text()):
        if block["kind"] != "sh":
            assert block["name"], f"a block of {block['kind']} without the name of its file"
            (work / block["name"]).write_text(block["text"])
            continue
        commands = block["text"].replace("cmake -S", "cmake -DCMAKE_MAKE_PROGRAM=/usr/bin/make -S")
        printed += run("bash", "-euc", commands, env=env, cwd=work)
    assert len(re.findall(r"^21\.4$", printed, re.M)) == times, printed
