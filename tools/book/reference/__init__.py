"""Reference pages of the book, made from the header of C, the module of Fortran, the stub of PHP and the module of Python."""

from pathlib import Path

from . import c, fortran, php, python

RUST = """# Rust: the crate

The reference of the crate is made by rustdoc: [linkspan](../rust/linkspan/index.html).
"""


def pages():
    """Each generated page by its path in the book."""
    made = {name: module.page() for name, module in (("c", c), ("fortran", fortran), ("php", php), ("python", python))}
    return {Path(f"reference/{name}.md"): text for name, text in (made | {"rust": RUST}).items()}
