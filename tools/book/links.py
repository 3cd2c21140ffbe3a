"""Checks that the links of a built book lead to existing files and fragments."""

from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links and fragments of an HTML page."""

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
    """Returns broken links below `root`, except for paths that begin with `left_out`.

    rustdoc checks its own pages.
    """
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
