"""Files that programs use while a test changes them."""

import shutil
from pathlib import Path


def remove_used_tree(folder: Path) -> None:
    """Removes a folder in which running programs make and remove files, so that what was listed may be gone or something may be new."""
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
    shutil.rmtree(folder)
