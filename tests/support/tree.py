"""Where the tree is, and what `tests/run build` has built of it."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The folder of builds; the programs and libraries that the tests use are in `DEBUG`.
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
DEBUG = TARGET / "debug"
#: The shell program.
PROGRAM = DEBUG / "linkspan"
EXTENSION = DEBUG / "liblinkspan_php.so"


def php(*options: str) -> list[str]:
    """The command that is PHP with the extension alone; a script follows it."""
    program = shutil.which("php")
    assert program, "php is not installed: tools/apt.sh"
    assert EXTENSION.exists(), f"{EXTENSION} is not built: tests/run build"
    return [program, "-n", "-d", f"extension={EXTENSION}", *options]


def tracked() -> list[str]:
    """The files of the tree, also new ones, by their paths from the root; without what is built."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in listed.splitlines() if (ROOT / path).exists()]
