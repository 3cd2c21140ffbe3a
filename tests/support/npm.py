"""npm packages for tests, fetched once into target/npm. Tests are skipped without a registry."""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

from support.tree import TARGET

PACKAGES = {
    "esbuild": "0.25.12", "typescript": "5.9.3", "@types/node": "22.19.1",
    # Readers of viewers for recordings and the gateway.
    "@foxglove/ws-protocol": "0.8.0", "@lichtblick/cdr": "1.0.1", "@lichtblick/rosmsg": "1.0.0", "@lichtblick/rosmsg2-serialization": "1.0.0", "@mcap/core": "2.2.2", "ws": "8.18.3",
}  # fmt: skip


def npm() -> Path:
    folder = TARGET / "npm"
    folder.mkdir(parents=True, exist_ok=True)
    modules = folder / "node_modules"
    program = shutil.which("npm")
    if not program:
        pytest.skip("npm is not installed")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all((modules / name).is_dir() for name in PACKAGES):
            (folder / "package.json").write_text("{}")
            words = [program, "install", "--no-audit", "--no-fund", "--no-save", "--prefix", folder, *(f"{name}@{version}" for name, version in PACKAGES.items())]
            try:
                done = subprocess.run(words, capture_output=True, text=True, timeout=300)
            except subprocess.TimeoutExpired:
                pytest.skip("the registry of npm does not answer")
            if done.returncode:
                pytest.skip(f"npm has no packages: {done.stderr[-500:]}")
    return modules


def compiled(folder: Path, *files: Path, emits: bool = True) -> None:
    """Compiles TypeScript strictly, next to this tree's package `linkspan-client`."""
    modules = npm()
    (folder / "package.json").write_text('{"type": "module"}')
    link = folder / "node_modules"
    if not link.exists():
        link.mkdir()
        for name in ("typescript", "@types", "undici-types"):
            (link / name).symlink_to(modules / name)
        (link / "linkspan-client").symlink_to(TARGET.parent / "clients/js")
    words = ["node", modules / "typescript/bin/tsc", "--strict", "--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--noUnusedLocals", "--verbatimModuleSyntax"]
    words += ["--erasableSyntaxOnly", "--target", "es2023", "--module", "nodenext", "--types", "node", *([] if emits else ["--noEmit"])]
    done = subprocess.run([*words, *files], cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def minified(source: Path, folder: Path) -> Path:
    made = folder / source.name
    words = [npm() / ".bin/esbuild", source, "--minify", "--line-limit=160", "--format=esm", f"--banner:js=// Made of ../{source.name} by tests/support/npm.py: read that one.", f"--outfile={made}"]
    subprocess.run(words, check=True, capture_output=True, timeout=300)
    return made
