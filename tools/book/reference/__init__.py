"""Reference pages of the book from C's header, Fortran's module, PHP's stub and Python's module."""

from pathlib import Path

from . import c, fortran, php, python

RUST = """# Rust: the crate

The reference of the crate is made by rustdoc: [linkspan](../rust/linkspan/index.html).
"""


def pages():
    """Returns generated pages by their path in the book."""
    made = {name: module.page() for name, module in (("c", c), ("fortran", fortran), ("php", php), ("python", python))}
    return {Path(f"reference/{name}.md"): text for name, text in (made | {"rust": RUST}).items()}
