"""Files that programs use while a test changes them."""

import shutil
from pathlib import Path


def remove_used_tree(folder: Path) -> None:
    """Removes a folder although running programs may add and remove files."""
    for _ in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
    shutil.rmtree(folder)
