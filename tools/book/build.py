#!/usr/bin/env python3
"""Builds the documentation as a book: target/book/html/index.html.

usage: tools/book/build.py [--without-rustdoc]

Fails on mdBook's warnings and broken links. SUMMARY.md names the pages; reference/ makes further ones from the
interfaces. The Python module must be built. mdBook comes from PATH, or is built once into target/tools.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import links  # noqa: E402
import pages  # noqa: E402
import reference  # noqa: E402

ROOT = pages.ROOT
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BOOK = TARGET / "book"
MDBOOK = "0.5.4"


def mdbook():
    """Returns mdBook, which is installed if it is missing."""
    tools = TARGET / "tools"
    found = shutil.which("mdbook", path=f"{tools / 'bin'}:{os.environ['PATH']}")
    if not found:
        command = ["cargo", "install", "mdbook", "--version", MDBOOK, "--locked", "--no-default-features", "--features", "search", "--debug"]
        subprocess.run([*command, "--root", str(tools), "--target-dir", str(tools / "build")], check=True)
        shutil.rmtree(tools / "build")
        found = str(tools / "bin/mdbook")
    return found


def rustdoc():
    """Builds the crate's reference, next to the book's pages."""
    # The search must omit earlier pages of other crates.
    shutil.rmtree(TARGET / "doc", ignore_errors=True)
    env = os.environ | {"RUSTDOCFLAGS": "-D warnings", "CARGO_TARGET_DIR": str(TARGET)}
    subprocess.run(["cargo", "doc", "--quiet", "--no-deps", "-p", "linkspan"], cwd=ROOT, env=env, check=True)
    shutil.copytree(TARGET / "doc", BOOK / "html/rust")


def build(with_rustdoc):
    """Builds the book; returns its defects."""
    broken = pages.assemble(BOOK / "src", reference.pages())
    wrong = [f"{page}: no such file in the tree: {target}" for page, target in broken]
    shutil.copy(Path(__file__).with_name("book.toml"), BOOK / "book.toml")
    shutil.rmtree(BOOK / "html", ignore_errors=True)
    done = subprocess.run([mdbook(), "build", str(BOOK)], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    wrong += [line for line in done.stdout.splitlines() if re.search(r"\b(WARN|ERROR)\b", line)]
    if done.returncode:
        return [*wrong, f"mdbook build ended with {done.returncode}:\n{done.stdout}"]
    if with_rustdoc:
        rustdoc()
    return wrong + links.check(BOOK / "html", [] if with_rustdoc else ["rust/"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--without-rustdoc", action="store_true", help="leave out the reference of the crate")
    wrong = build(not parser.parse_args().without_rustdoc)
    print("\n".join(wrong) if wrong else BOOK / "html/index.html")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
