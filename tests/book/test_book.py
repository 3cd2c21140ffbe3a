"""The book has every page, its references every public name, and its links lead to pages."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import linkspan
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools/book"))
import links  # noqa: E402
import pages  # noqa: E402
import reference  # noqa: E402


@pytest.fixture(scope="module")
def references():
    return {path.stem: text for path, text in reference.pages().items()}


def headings(text):
    return set(re.findall(r"^#+ `([^`]+)`", text, re.M))


def test_book_has_every_page_of_the_documentation():
    named = {str(path) for path in pages.chapters()}
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")}
    assert there - named == set()
    assert {name for name in named if not name.startswith("reference/")} - there == {
        "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "python/README.md", "php/README.md", "tests/README.md",
        "benches/README.md", "benches/RESULTS.md",
    }


def test_records_of_decisions_are_numbered_in_order():
    numbers = [(int(path.name[:4]), number) for path, number, _ in pages.decisions()]
    assert len(numbers) > 30 and all(name == number for name, number in numbers), numbers
    assert len({number for _, number in numbers}) == len(numbers), "a number stands for one record for good"


def test_reference_of_c_has_every_function_and_constant(references):
    functions = set((ROOT / "c-api/symbols.txt").read_text().split())
    assert len(functions) > 100
    assert functions - headings(references["c"]) == set()
    constants = set(re.findall(r"^#define (LINKSPAN_[A-Z0-9_]+) -?\d", (ROOT / "c-api/include/linkspan.h").read_text(), re.M))
    assert len(constants) > 50
    assert constants - set(re.findall(r"^\| `(LINKSPAN_\w+)`", references["c"], re.M)) == set()


def test_reference_of_python_has_every_public_name_with_a_text(references):
    names = {name for name in linkspan.__all__ if callable(getattr(linkspan, name))}
    assert len(names) > 50
    assert names - headings(references["python"]) == set()
    stub = ast.parse((ROOT / "python/linkspan/_native.pyi").read_text())
    channel = next(node for node in stub.body if isinstance(node, ast.ClassDef) and node.name == "Channel")
    methods = {f"Channel.{node.name}" for node in channel.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")}
    assert len(methods) > 10 and methods - headings(references["python"]) == set()
    send = references["python"].split("#### `Channel.send`")[1].split("####")[0]
    assert "def send(self, value: Any" in send and "sequence number" in send


def test_reference_of_php_has_every_function_and_method(references):
    stub = (ROOT / "php/stubs/linkspan.stub.php").read_text()
    names = {name for name in re.findall(r"^(?:final |abstract |readonly )*(?:function|class|enum|interface) (\w+)", stub, re.M)}
    assert len(names) > 40 and names - headings(references["php"]) == set()
    methods = re.findall(r"^    (?!private).*?function (\w+)\(", stub, re.M)
    assert len(methods) > 100
    assert len([name for name in re.findall(r"^### `\w+::(\w+)`", references["php"], re.M)]) == len(methods)


def test_reference_of_fortran_has_every_public_name(references):
    module = re.sub(r"&\s*\n\s*", "", reference.fortran.source())
    public = {name for line in re.findall(r"public :: (.+)", module) for name in re.findall(r"linkspan_\w+", line)}
    assert len(public) > 100
    assert {name for name in public if not re.search(rf"\b{name}\b", references["fortran"])} == set()
    call = references["fortran"].split("`linkspan_channel%call`")[1].split("####")[0]
    assert "call channel%call(request, reply, timeout, stat, errmsg)" in call and "self" not in call


def test_link_to_a_file_outside_the_book_becomes_its_path_and_a_dead_link_is_reported(tmp_path):
    rewritten = pages.Links({Path("README.md")})
    text = "[a](../README.md) [b](../examples/first) `[c](d)` [e](https://example.org) [f](../nothing.md#x)"
    assert rewritten.rewrite(Path("docs/page.md"), text) == (
        "[a](../index.html) b (`examples/first` in the source) `[c](d)` [e](https://example.org) f (`nothing.md` in the source), x"
    )
    assert rewritten.broken == [(Path("docs/page.md"), "../nothing.md#x")]


def test_check_of_links_finds_missing_files_and_headings(tmp_path):
    (tmp_path / "a.html").write_text('<h1 id="here">x</h1><a href="b.html#there">1</a><a href="c.html">2</a><a href="#here">3</a><img src="d.png">')
    (tmp_path / "b.html").write_text('<a href="a.html#here">1</a><a href="../outside.html">2</a><a href="https://example.org/x">3</a>')
    assert links.check(tmp_path) == [
        "a.html: links to b.html#there, but that page has no such heading",
        "a.html: links to c.html, which is not there",
        "a.html: links to d.png, which is not there",
        "b.html: links to ../outside.html, which is not there",
    ]


def slugs(text):
    """Returns the fragments of a page's headings in mdBook's form."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M):
        words = re.sub(r"\]\([^)]*\)", "", heading).strip().lower()
        slug = "".join("-" if char.isspace() else char for char in words if char.isalnum() or char.isspace() or char in "_-")
        found.add(next(name for name in (slug, *(f"{slug}-{n}" for n in range(1, 1000))) if name not in found))
    return found


def test_fragments_are_named_as_mdbook_names_them():
    text = "# One `code::Name`, two\n## [A link](to.md#x) _b_-c\n```sh\n# no heading\n```\n# Same\n# Same\n"
    assert slugs(text) == {"one-codename-two", "a-link-_b_-c", "same", "same-1"}


def test_links_of_pages_lead_to_existing_files_and_headings(tmp_path):
    assert pages.assemble(tmp_path, reference.pages()) == []
    book = {path: path.read_text() for path in tmp_path.rglob("*.md")}
    checked, dead = 0, []
    for page, text in book.items():
        for found in pages.LINK.finditer(text):
            target, _, fragment = (found["target"] or "").partition("#")
            if found["code"] or not found["target"] or re.match(r"[a-z]+:", target):
                continue
            there = (page.parent / target.replace("index.html", "README.md")).resolve() if target else page
            # rustdoc makes the pages below `rust`, outside the book.
            known = there.is_relative_to(tmp_path / "rust") or there.exists() and (not fragment or fragment in slugs(book[there]))
            if not known:
                dead.append(f"{page.relative_to(tmp_path)}: {found['target']}")
            checked += 1
    assert dead == [] and checked > 100, checked


@pytest.mark.mdbook
def test_book_is_built_without_warnings_and_without_dead_links():
    done = subprocess.run([sys.executable, ROOT / "tools/book/build.py", "--without-rustdoc"], capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
    index = Path(done.stdout.strip().splitlines()[-1])
    assert "Linkspan" in index.read_text()
    assert (index.parent / "docs/schema.html").exists() and (index.parent / "reference/c.html").exists()
