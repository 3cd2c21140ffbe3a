"""`make uninstall` removes everything that `make install` added and keeps other files."""

import os
import subprocess
from pathlib import Path

import pytest

from conftest import DEADLINE
from support.tree import DEBUG, ROOT

INSTALL = ROOT / "packaging/install"


def install(*words: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([INSTALL, *map(str, words)], env={**os.environ, **env}, capture_output=True, text=True, timeout=DEADLINE)


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A prefix with foreign files and an older release."""
    root = tmp_path_factory.mktemp("root with space")
    prefix = root / "opt/local"
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin/other").write_text("of another program")
    (prefix / "share/linkspan").mkdir(parents=True)
    (prefix / "share/linkspan/old.supp").write_text("of the older release")
    (prefix / "share/linkspan/installed").write_text("share/linkspan/\nshare/linkspan/old.supp\n")
    done = install("/opt/local", DEBUG, DESTDIR=str(root), STRIP=":")
    assert done.returncode == 0, done.stderr
    return root, prefix


def test_list_names_each_installed_file_and_made_folder(installed: tuple[Path, Path]) -> None:
    _, prefix = installed
    listed = set((prefix / "share/linkspan/installed").read_text().splitlines())
    there = {path + "/" if (prefix / path).is_dir() else path for path in below(prefix)}
    others = {"bin/", "bin/other", "share/", "share/linkspan/installed"}
    assert there - listed == others and listed <= there, (there - listed, listed - there)
    assert {"bin/linkspan", "lib/liblinkspan.so", "include/linkspan.h", "share/zsh/site-functions/_linkspan"} <= listed
    assert not (prefix / "share/linkspan/old.supp").exists()


def test_uninstall_leaves_the_files_of_others_and_nothing_else(installed: tuple[Path, Path]) -> None:
    root, prefix = installed
    again = install("/opt/local", DEBUG, DESTDIR=str(root), STRIP=":")
    assert again.returncode == 0, again.stderr
    (prefix / "share/doc/linkspan/notes").write_text("of the user")
    done = subprocess.run(
        ["make", "--no-print-directory", "-C", ROOT, "uninstall", "PREFIX=/opt/local"],
        env={**os.environ, "DESTDIR": str(root)}, capture_output=True, text=True, timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    kept = {"bin", "bin/other", "share", "share/doc", "share/doc/linkspan", "share/doc/linkspan/notes"}
    assert below(prefix) == kept
    twice = install("--undo", "/opt/local", DESTDIR=str(root))
    assert twice.returncode == 1 and "has installed nothing" in twice.stderr
    assert below(prefix) == kept


def test_uninstall_removes_nothing_outside_of_the_prefix(tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    (prefix / "share/linkspan").mkdir(parents=True)
    kept = tmp_path / "kept"
    kept.touch()
    (prefix / "share/linkspan/installed").write_text(f"../kept\n{kept}\nshare/../../kept\nshare/linkspan/\nshare/\n")
    done = install("--undo", prefix)
    assert done.returncode == 0 and done.stderr.count("it stays") == 3, done.stderr
    assert kept.exists() and below(prefix) == set()
