"""The book's pages in the tree, and the rewriting of links that leave the book."""

import os
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUMMARY = Path(__file__).with_name("SUMMARY.md")
IMAGE = {".png", ".svg", ".json"}
# `[text](target)` outside of code; the target may have a fragment.
LINK = re.compile(r"(?P<code>```.*?```|`[^`\n]*`)|(?P<image>!?)\[(?P<text>[^\]\[]*(?:\[[^\]]*\][^\]\[]*)*)\]\((?P<target>[^)\s]+)\)", re.S)


# A record's head: number, title, and status (holds, replaced, history), with optional text.
HEAD = re.compile(r"# (\d+)\. (.+)\n\nStatus: ((?:holds|replaced by \[\d{4}\]\(|history)[^\n]*)\.\n\n")
INDEX = ROOT / "docs/decisions/README.md"


def decisions():
    """Returns the decision records in order: path from the root, number, title."""
    for path, number, title, _ in records():
        yield path, number, title


def records():
    """Returns the records with their status. Raises ValueError for a record without a head."""
    for path in sorted((ROOT / "docs/decisions").glob("[0-9]*.md")):
        head = HEAD.match(path.read_text())
        if head is None:
            raise ValueError(f"{path.relative_to(ROOT)} does not begin with a title and a line `Status: holds.`, `replaced by …` or `history`")
        number, title, status = head.groups()
        yield path.relative_to(ROOT), int(number), title, status


def summary():
    """Returns the table of contents for mdBook."""
    entries = "\n".join(f"    - [{number}. {title}]({path})" for path, number, title in decisions())
    return SUMMARY.read_text().replace("{decisions}", entries)


def chapters():
    """Returns the files in the table of contents, from the book's root."""
    return [Path(name) for name in re.findall(r"\]\(([^)]+\.md)\)", summary())]


def decisions_page():
    """Returns the index of the records with their status."""
    rows = [f"| {number} | [{title}]({path.name}) | {status} |" for path, number, title, status in records()]
    return """# Decisions

Each record has a question, what was measured, the choice, and the rejected alternatives, in at most 400 words. The pages of the documentation and the
[chapters of the design](../design/README.md) say what holds; a record says why. A record that replaces another one takes over what still
holds of it, and the older file goes. Its number is not used again. `python3 tools/book/pages.py` writes this list.

| | decision | status |
|---|---|---|
""" + "\n".join(rows) + "\n"


class Links:
    """Rewrites links: those to pages stay, those to other files become paths of the tree."""

    def __init__(self, book):
        self.book = book                # every file that the book has, from its root
        self.broken = []                # (page, target): no such file in the tree

    def rewrite(self, page, text):
        def one(found):
            target, _, fragment = (found["target"] or "").partition("#")
            if found["code"] or not target or re.match(r"[a-z]+:", target):
                return found[0]
            path = (ROOT / page.parent / target).resolve().relative_to(ROOT)
            path = path / "README.md" if path / "README.md" in self.book else path
            if path in self.book:
                # mdBook makes index.html of a README.md but does not change links to it.
                there = os.path.relpath(path, page.parent).replace("README.md", "index.html")
                return found[0].replace(found["target"], f"{there}#{fragment}" if fragment else there)
            if not (ROOT / path).exists():
                self.broken.append((page, found["target"]))
            name = found["text"].strip("`")
            known = f"`{path}`" if name in (str(path), path.name, target) else f"{found['text']} (`{path}` in the source)"
            return known + (f", {fragment}" if fragment else "")

        return LINK.sub(one, text)


def assemble(into, references):
    """Writes the pages into a folder, with generated `references` by path. Returns links to missing files."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(parents=True)
    book = set(chapters())
    images = {p.relative_to(ROOT) for folder in ("docs", "benches/plots") for p in (ROOT / folder).rglob("*") if p.suffix in IMAGE}
    links = Links(book | images)
    for page in book:
        text = references.get(page) or (ROOT / page).read_text()
        target = into / page
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text if page in references else links.rewrite(page, text))
    for image in images:
        (into / image).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / image, into / image)
    (into / "SUMMARY.md").write_text(summary())
    return links.broken


if __name__ == "__main__":
    INDEX.write_text(decisions_page())
