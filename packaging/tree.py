"""Build folders, version and date of the packages, and running of commands."""

import gzip
import os
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.setdefault("CARGO_TARGET_DIR", str(ROOT / "target")))
DIST = ROOT / "dist"
#: Folders that become packages.
STAGE = TARGET / "packaging"
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def epoch() -> int:
    """Returns SOURCE_DATE_EPOCH or the last commit's time; without either the build fails."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"packaging: git does not say the time of the last commit of {ROOT}; set SOURCE_DATE_EPOCH, or mend it: {done.stderr.strip()}")
    return int(done.stdout)


EPOCH = epoch()
os.environ["SOURCE_DATE_EPOCH"] = str(EPOCH)


def run(command: list, **env: str) -> None:
    """Prints and runs a command in the tree; it must succeed."""
    print("+", " ".join(map(str, command)), flush=True)
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True, env={**os.environ, **env})


def write_gzip(path: Path, content: bytes) -> None:
    """Writes a reproducible compressed file."""
    with gzip.GzipFile(path, "wb", compresslevel=9, mtime=EPOCH) as packed:
        packed.write(content)
