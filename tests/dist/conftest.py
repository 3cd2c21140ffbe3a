"""Roots with the packages of dist/, without Rust, a compiler or this tree."""

import os
import platform
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.tree import ROOT, TARGET

DIST = ROOT / "dist"
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
MACHINE = platform.machine()
#: Machines with a wheel, programs and the C library.
MACHINES = ("x86_64", "aarch64")
SOON = 600.0  # s: only guards against a hang
#: Packages beyond Debian's minimum: interpreters and dependencies.
PACKAGES = ["python3", "python3-venv", "python3-numpy", "php-cli", "libgcc-s1", "systemd"]

Run = Callable[..., str]


def artefact(pattern: str) -> Path:
    found = sorted(DIST.glob(pattern))
    assert len(found) == 1, f"{pattern} in {DIST}: {[path.name for path in found]}; build it: make dist"
    return found[0]


@pytest.fixture(scope="session")
def pristine() -> Path:
    """A fresh Debian 12, made once; tests copy it before changes."""
    assert os.geteuid() == 0, "a root of its own needs root: run it as root"
    assert shutil.which("debootstrap"), "debootstrap is missing: tools/apt.sh dist"
    folder = TARGET / "dist-test/debian12"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        included = f"--include={','.join(PACKAGES)}"
        subprocess.run(["debootstrap", "--variant=minbase", included, "bookworm", folder], check=True, timeout=SOON, stdout=subprocess.DEVNULL)
        for absent in ("rustc", "cargo", "gcc", "cc"):
            assert not any((folder / place / absent).exists() for place in ("usr/bin", "usr/local/bin")), absent
        (folder / "ready").touch()
    return folder


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy with the artefacts at /dist."""
    folder = tmp_path / "root"
    subprocess.run(["cp", "-a", "--reflink=auto", pristine, folder], check=True, timeout=SOON)
    shutil.copytree(DIST, folder / "dist")
    yield folder
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=True, timeout=SOON)


@pytest.fixture
def run(root: Path) -> Run:
    """Runs a shell command in the root in separate namespaces; returns its output."""

    def run(script: str) -> str:
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--net", "--uts", "chroot", root]
        prepare = "mount -t proc proc /proc; mount -t tmpfs tmpfs /dev/shm; mount -t tmpfs tmpfs /run; ip link set lo up 2>/dev/null; "
        done = subprocess.run(
            [*command, "/bin/sh", "-c", f"{prepare} set -e; cd /root; {script}"],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "LINKSPAN_DIR": "/run/test"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SOON,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    return run


def files(folder: Path, *, without: tuple[str, ...] = ()) -> set[str]:
    found = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    return {path for path in found if not path.startswith(without)}
