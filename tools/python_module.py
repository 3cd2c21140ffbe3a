"""Gives this interpreter the module from cargo's build, without an installation.

usage: python_module.py PROFILE

PROFILE is the folder in cargo's target directory: debug or release. maturin would build the module again.
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
    """Renames a complete file over the old one, which programs may have open."""
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
# Test programs start thousands of times, often without write access for compiled files. Later changes are detected by
# text, because times have only seconds.
for folder in ("python/linkspan", "tests/support"):
    compileall.compile_dir(ROOT / folder, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
