"""Gives the interpreter that runs this the module as cargo has built it for a profile, instead of an installation.

usage: python_module.py PROFILE, PROFILE being the folder in cargo's target directory: debug, release

maturin would build the module once more, for its package alone.
"""

import compileall
import os
import py_compile
import shutil
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def replaced(file: Path, write) -> None:
    """Makes a file beside and renames it: programs may have the old one open."""
    beside = file.with_name(f".{file.name}.new")
    write(beside)
    beside.rename(file)


if len(sys.argv) != 2:
    raise SystemExit(__doc__)
built = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / sys.argv[1] / "lib_native.so"
if not built.exists():
    raise SystemExit(f"{built} is not built: cargo build -p linkspan-python")
replaced(ROOT / "python/linkspan/_native.abi3.so", lambda file: shutil.copy(built, file))
replaced(Path(sysconfig.get_path("purelib")) / "linkspan.pth", lambda file: file.write_text(f"{ROOT / 'python'}\n"))
# Programs of tests begin thousands of times, often where Python may not write what it has compiled. A source that has
# changed since is compared by its text, not by its time, which has seconds alone.
for folder in ("python/linkspan", "tests/support"):
    compileall.compile_dir(ROOT / folder, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
