"""Packaging and workflows read the previous release and a commit's time, also in another user's checkout."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from support.tree import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
WHO = {f"GIT_{role}_{what}": "linkspan@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
#: A variable of git's own tests: every tree seems to belong to another user, as in a workflow's container.
ANOTHER = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}


class Repository(NamedTuple):
    """A tree with packaging/, a `cargo` that records its arguments, and an empty HOME."""

    tree: Path
    notes: Path
    env: dict[str, str]

    def run(self, *command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*map(str, command)], cwd=self.tree, capture_output=True, text=True, env={**self.env, **env})

    def git(self, *words: str) -> str:
        done = self.run("git", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, *tags: str) -> None:
        self.git("commit", "--quiet", "--allow-empty", "--message", f"Before {tags}")
        for tag in tags:
            self.git("tag", "--annotate", "--message", tag, tag)

    def compared(self) -> str | None:
        self.notes.unlink(missing_ok=True)
        done = self.run("packaging/semver")
        assert done.returncode == 0, done.stderr
        if not self.notes.exists():
            assert "no tag of a release before" in done.stdout
            return None
        [line] = self.notes.read_text().splitlines()
        words = line.split()
        assert words[:3] == ["semver-checks", "check-release", "--baseline-rev"] and words[4:6] == ["--package", "linkspan-value"]
        assert line.count("--package") == 11 and words[3] in done.stdout
        return words[3]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    tree, place, notes, home = (tmp_path / name for name in ("tree", "bin", "notes", "home"))
    shutil.copytree(ROOT / "packaging", tree / "packaging")
    shutil.copy(ROOT / "Cargo.toml", tree)
    for folder in (place, home):
        folder.mkdir()
    for name, text in (("cargo", '#!/bin/sh\necho "$@" >> "$NOTES"\n'), ("cargo-semver-checks", "#!/bin/sh\n")):
        (place / name).write_text(text)
        (place / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") and name != "SOURCE_DATE_EPOCH"}
    made = Repository(tree, notes, {**kept, **WHO, "PATH": f"{place}:{os.environ['PATH']}", "NOTES": str(notes), "HOME": str(home)})
    made.git("init", "--quiet")
    made.git("add", ".")
    return made


# Commits with tags; the last one is the expected tag.
@pytest.mark.parametrize(
    ("commits", "before"),
    [
        ([[]], None),
        ([["v0.1.0"]], None),
        ([["v0.1.0"], []], "v0.1.0"),
        ([["v0.1.0"], ["v0.2.0"]], "v0.1.0"),
        ([["v0.1.0"], ["v0.2.0", "v0.2.0-again"]], "v0.1.0"),
        ([["v0.2.0"], ["v0.9.3"], ["v0.10.0"], []], "v0.10.0"),
        ([["v0.1.0"], ["v0.2.0-rc1"], ["v0.2.0"]], "v0.1.0"),
        ([["v0.1.0"], ["v0.2.0-rc1"], ["v0.2.0-rc2"]], "v0.1.0"),
        ([["v0.2.0-rc1"], []], None),
    ],
    ids=lambda each: " ".join(",".join(tags) or "none" for tags in each) if isinstance(each, list) else str(each),
)
def test_interfaces_are_compared_with_the_newest_release_before_the_commit(commits: list[list[str]], before: str | None, repository: Repository) -> None:
    for tags in commits:
        repository.commit(*tags)
    assert repository.compared() == before


def test_release_from_a_branch_is_compared_with_the_one_that_it_stands_on(repository: Repository) -> None:
    repository.commit("v0.1.0")
    repository.git("branch", "old")
    repository.commit("v0.2.0")
    repository.git("checkout", "--quiet", "old")
    repository.commit("v0.1.1")
    assert repository.compared() == "v0.1.0"


def test_what_is_built_has_the_time_of_the_last_commit_and_says_why_it_has_none(repository: Repository) -> None:
    repository.env["GIT_COMMITTER_DATE"] = "1000000000 +0000"
    repository.commit()
    epoch = ["python3", "-c", "import sys; sys.path.insert(0, 'packaging'); import tree; print(tree.EPOCH)"]
    assert repository.run(*epoch).stdout == "1000000000\n"
    assert repository.run(*epoch, SOURCE_DATE_EPOCH="5").stdout == "5\n"
    refused = repository.run(*epoch, **ANOTHER)
    assert refused.returncode == 1 and "SOURCE_DATE_EPOCH" in refused.stderr and "dubious ownership" in refused.stderr, refused.stderr
    assert repository.run(*epoch, **ANOTHER, SOURCE_DATE_EPOCH="5").stdout == "5\n"
    assert repository.run("packaging/semver", **ANOTHER).returncode != 0


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.name)
def test_workflow_in_a_container_lets_git_read_the_checkout_of_another_user(workflow: Path, repository: Repository) -> None:
    repository.commit("v0.1.0")
    repository.commit()
    assert repository.run("git", "log", **ANOTHER).returncode != 0
    for job in yaml.safe_load(workflow.read_text())["jobs"].values():
        assert "container" in job
        words = [step.get("run", step.get("uses", "")) for step in job["steps"]]
        [at] = [at for at, text in enumerate(words) if "safe.directory" in text]
        [checkout] = [at for at, text in enumerate(words) if text.startswith("actions/checkout@")]
        assert checkout < at < min(number for number, text in enumerate(words) if text.startswith("make "))
        done = repository.run("bash", "-euc", words[at], GITHUB_WORKSPACE=str(repository.tree), **ANOTHER)
        assert done.returncode == 0, done.stderr
        assert repository.run("git", "log", **ANOTHER).returncode == 0
        assert repository.run("packaging/semver", **ANOTHER).returncode == 0
