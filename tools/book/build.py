#!/usr/bin/env python3
"""Makes the documentation as a book: target/book/html/index.html. Fails on a warning of mdBook and on a link to nothing.

usage: tools/book/build.py [--without-rustdoc]

The pages are files of the tree (SUMMARY.md names them) and reference pages made from the interfaces of each language
(reference/). The Python module has to be built; mdBook is taken from PATH, else built once into target/tools.
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
    """The program, installed where it is missing."""
    tools = TARGET / "tools"
    found = shutil.which("mdbook", path=f"{tools / 'bin'}:{os.environ['PATH']}")
    if not found:
        command = ["cargo", "install", "mdbook", "--version", MDBOOK, "--locked", "--no-default-features", "--features", "search", "--debug"]
        subprocess.run([*command, "--root", str(tools), "--target-dir", str(tools / "build")], check=True)
        shutil.rmtree(tools / "build")
        found = str(tools / "bin/mdbook")
    return found


def rustdoc():
    """The reference of the crate, beside the pages of the book."""
    # Pages of other crates, which were made before, stay out of its search.
    shutil.rmtree(TARGET / "doc", ignore_errors=True)
    env = os.environ | {"RUSTDOCFLAGS": "-D warnings", "CARGO_TARGET_DIR": str(TARGET)}
    subprocess.run(["cargo", "doc", "--quiet", "--no-deps", "-p", "linkspan"], cwd=ROOT, env=env, check=True)
    shutil.copytree(TARGET / "doc", BOOK / "html/rust")


def build(with_rustdoc):
    """Builds the book, and gives what is wrong with it, a line each."""
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
    parser.add_argument("--without-rustdoc", action="store_true", help="leave the reference of the crate out")
    wrong = build(not parser.parse_args().without_rustdoc)
    print("\n".join(wrong) if wrong else BOOK / "html/index.html")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
