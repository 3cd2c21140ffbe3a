"""Gives the interpreter that runs this the module as `tests/run build` has built it, in place of an installation.

maturin would build the core once more, for the module's package alone.
"""

import compileall
import py_compile
import shutil
import sysconfig
from pathlib import Path

from tree import DEBUG, ROOT


def replaced(file: Path, write) -> None:
    """Makes a file beside and renames it: programs may have the old one open."""
    beside = file.with_name(f".{file.name}.new")
    write(beside)
    beside.rename(file)


built = DEBUG / "lib_native.so"
if not built.exists():
    raise SystemExit(f"{built} is not built: tests/run build")
replaced(ROOT / "python/linkspan/_native.abi3.so", lambda file: shutil.copy(built, file))
replaced(Path(sysconfig.get_path("purelib")) / "linkspan.pth", lambda file: file.write_text(f"{ROOT / 'python'}\n"))
# Programs of tests begin thousands of times, often where Python may not write what it has compiled. A source that has changed since is compared
# by its text, not by its time, which has seconds alone.
for folder in ("python/linkspan", "tests/support"):
    compileall.compile_dir(ROOT / folder, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
