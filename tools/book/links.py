"""Checks the links of a built book: each file and each fragment that a page names is there."""

from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What one page of HTML names, and the fragments that it has."""

    def __init__(self):
        super().__init__()
        self.names, self.fragments = set(), set()

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.fragments |= {values[key] for key in ("id", "name") if values.get(key)}
        self.names |= {values[key] for key in ("href", "src") if values.get(key)}


def read(path):
    page = Page()
    page.feed(path.read_text())
    return page


def check(root, left_out=()):
    """What the pages below `root` name and is not there, a line each; `left_out` are beginnings of paths that nothing is said about.

    The pages of rustdoc are checked by rustdoc."""
    paths = [path for path in sorted(root.rglob("*.html")) if path.relative_to(root).parts[0] != "rust"]
    found = {path: read(path) for path in paths if path.name not in ("404.html", "print.html", "toc.html")}
    wrong = []
    for path, page in found.items():
        for name in sorted(page.names):
            url = urlsplit(name)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            target = target / "index.html" if target.is_dir() else target
            inside = target.relative_to(root.resolve()).as_posix() if target.is_relative_to(root.resolve()) else ""
            where = path.relative_to(root)
            if inside.startswith(tuple(left_out)) and left_out:
                continue
            if not inside or not target.exists():
                wrong.append(f"{where}: links to {name}, which is not there")
            elif url.fragment and target in found and unquote(url.fragment) not in found[target].fragments:
                wrong.append(f"{where}: links to {name}, but that page has no such heading")
    return wrong
