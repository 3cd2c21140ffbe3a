"""Paths of the tree and of the builds of `tests/run build`."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The folder of builds; `DEBUG` has the tested programs and libraries.
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
DEBUG = TARGET / "debug"
PROGRAM = DEBUG / "linkspan"
EXTENSION = DEBUG / "liblinkspan_php.so"


def php(*options: str) -> list[str]:
    """Returns the PHP command with only the extension; append a script."""
    program = shutil.which("php")
    assert program, "php is not installed: tools/apt.sh"
    assert EXTENSION.exists(), f"{EXTENSION} is not built: tests/run build"
    return [program, "-n", "-d", f"extension={EXTENSION}", *options]


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in listed.splitlines() if (ROOT / path).exists()]
