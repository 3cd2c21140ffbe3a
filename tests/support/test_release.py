"""A release builds the tagged commit, and a failed step leaves no commit.

`make` and `cargo` are stand-ins.
"""

import ast
import json
import os
import re
import shutil
import subprocess

import pytest
from support.tree import ROOT

PLACES = ["Cargo.toml", "c-api/fortran/fpm.toml", "clients/js/package.json", "clients/python-remote/linkspan_remote/version.py"]
FILES = [*PLACES, "Cargo.lock", "CHANGELOG.md", "packaging/release"]
STEPS = ["lint", "semver", "test", "test-bridge", "test-memory", "dist", "dist-test"]
MAKE = """#!/bin/sh
echo "$1 $(git log -1 --format=%s) $(git status --porcelain)" >> "$NOTES"
[ "$1" != "$FAILS" ]
"""


@pytest.fixture
def release(tmp_path):
    """Runs packaging/release 9.8.7 in a test repository; returns its end, `make`'s records and git's answers."""
    tree, bin = tmp_path / "tree", tmp_path / "bin"
    for file in FILES:
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tree / file)
    bin.mkdir()
    for name, text in (("make", MAKE), ("cargo", "#!/bin/sh\n")):
        (bin / name).write_text(text)
        (bin / name).chmod(0o755)
    who = {f"GIT_{role}_{what}": "linkspan@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    notes = tmp_path / "notes"

    def git(*words):
        return subprocess.run(["git", *words], cwd=tree, check=True, capture_output=True, text=True, env={**os.environ, **who}).stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "Before")

    def run(fails=""):
        environment = {**os.environ, **who, "PATH": f"{bin}:{os.environ['PATH']}", "NOTES": str(notes), "FAILS": fails}
        done = subprocess.run([tree / "packaging/release", "9.8.7"], capture_output=True, text=True, env=environment)
        return done, notes.read_text().splitlines(), git

    return run


def test_every_step_sees_the_commit_that_is_tagged(release):
    done, steps, git = release()
    assert done.returncode == 0, done.stderr
    assert steps == [f"{step} Version 9.8.7 " for step in STEPS]
    assert git("rev-parse", "v9.8.7^{commit}") == git("rev-parse", "HEAD")
    assert git("diff", "--stat", "HEAD~1", "--", *PLACES, "CHANGELOG.md").count("|") == len(PLACES) + 1


@pytest.mark.parametrize("step", STEPS)
def test_failing_step_leaves_neither_commit_nor_tag(release, step):
    done, steps, git = release(fails=step)
    assert done.returncode != 0
    assert f"make {step}" in done.stderr and "nothing is committed" in done.stderr, done.stderr
    assert len(steps) == STEPS.index(step) + 1
    assert (git("log", "--format=%s"), git("tag")) == ("Before", "")
    assert "9.8.7" in git("diff", "--", "CHANGELOG.md")
    git("checkout", ".")
    assert git("status", "--porcelain") == ""


def test_published_crates_need_only_published_ones_and_each_list_of_them_is_the_same():
    """`cargo publish` needs a split-off crate before its users, so each list must name it earlier."""
    done = subprocess.run(["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"], cwd=ROOT, check=True, capture_output=True, text=True)
    needs = {package["name"]: {each["name"] for each in package["dependencies"] if each["kind"] != "dev"} for package in json.loads(done.stdout)["packages"]}
    lists = {}
    for file in ("packaging/build", "tests/dist/test_crates.py"):
        [listed] = re.findall(r"^CRATES = (\(.*\))$", (ROOT / file).read_text(), re.M)
        lists[file] = list(ast.literal_eval(listed))
    page = (ROOT / "packaging/README.md").read_text()
    [order] = re.findall(r"^2\. Crates: (.*)$", page, re.M)
    lists["order of publishing"] = re.findall(r"-p (linkspan[a-z-]*)", order)
    [row] = re.findall(r"^\| (`linkspan-VERSION\.crate`.*?) \|", page, re.M)
    crates = lists["packaging/build"]
    assert sorted(re.findall(r"`(linkspan(?:-[a-z]+)*)-(?:VERSION|…)", row)) == sorted(crates)
    assert all(listed == crates for listed in lists.values()), lists
    for at, crate in enumerate(crates):
        assert (needs[crate] & needs.keys()) <= {*crates[:at]}, crate
