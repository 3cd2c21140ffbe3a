"""Where the packages are built, their version and date, and how a command is run."""

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
    """The time in what is built: SOURCE_DATE_EPOCH, or that of the last commit; without either nothing is built."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"packaging: git does not say the time of the last commit of {ROOT}; set SOURCE_DATE_EPOCH, or mend it: {done.stderr.strip()}")
    return int(done.stdout)


EPOCH = epoch()
os.environ["SOURCE_DATE_EPOCH"] = str(EPOCH)


def run(command: list, **env: str) -> None:
    """Runs a command in the tree, and prints it; it has to end well."""
    print("+", " ".join(map(str, command)), flush=True)
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True, env={**os.environ, **env})


def write_gzip(path: Path, content: bytes) -> None:
    """Writes a compressed file that is the same wherever and whenever it is made."""
    with gzip.GzipFile(path, "wb", compresslevel=9, mtime=EPOCH) as packed:
        packed.write(content)
