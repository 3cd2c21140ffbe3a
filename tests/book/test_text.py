"""Comment widths, the glossary, and the tool for texts of a change."""

import fnmatch
import re
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader

import pytest

from support.tree import ROOT, tracked

sys.dont_write_bytecode = True
LOADER = SourceFileLoader("text_tool", str(ROOT / "tools/text"))
tool = module_from_spec(spec_from_loader("text_tool", LOADER))
LOADER.exec_module(tool)

# Sources with comments of at most 120 columns, and their comment prefix.
WRAPPED = [
    (("*.rs", "c-api/include/*.h", "c-api/include/*.hpp"), r"\s*(//|/\*)"),
    (("c-api/fortran/*.f90.in", "c-api/fortran/generator/*.py"), r"\s*!"),
    (("php/stubs/*.php",), r"\s*/?\*"),
]


def test_comments_have_at_most_120_columns():
    """rustdoc tables cannot be wrapped."""
    wide = []
    for patterns, comment in WRAPPED:
        files = [(path, (ROOT / path).read_text()) for path in tracked() if any(fnmatch.fnmatchcase(path, one) for one in patterns)]
        assert files
        wide += [f"{path}:{number}" for path, text in files for number, line in enumerate(text.splitlines(), 1)
                 if len(line) > 120 and re.match(comment, line) and not re.match(r"\s*//[/!]? \|", line)]
    assert wide == []


def test_glossary_is_short_and_its_terms_are_words_of_the_code():
    section = (ROOT / "ARCHITECTURE.md").read_text().split("### Glossary")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    terms = [row for row in rows if row != "term" and not row.startswith("-")]
    assert 20 <= len(terms) <= 30
    sources = [path for path in tracked() if path.startswith("rust-core/") and "/src/" in path and path.endswith(".rs")]
    code = "\n".join((ROOT / path).read_text() for path in sources).lower().replace("_", " ")
    assert [word for term in terms for word in term.split(", ") if not re.search(rf"\b{word}", code)] == []


@pytest.mark.parametrize(
    "sentence",
    [
        "What was missed of one that is slow is counted.",
        "A file, of which the directory tells, is that of a program behind it.",
    ],
)
def test_sentence_with_two_hard_constructions_is_printed(sentence):
    assert [found for found, _ in tool.hard(tool.prose("a.md", f"Plain text. {sentence}\n"))] == [sentence]
    assert [found for found, _ in tool.hard(tool.prose("a.rs", f"let what = 1; // no comment of its own\n    /// {sentence}\n"))] == [sentence]


def test_plain_sentences_and_code_are_not_printed():
    text = "The recorder counts missed messages. Which file is it? What is a channel?\n\n```\nwhat was missed of one that is\n```\n"
    assert tool.hard(tool.prose("a.md", text)) == []
    assert tool.prose("a.rs", "let x = one_that; what_was(behind);\n").strip() == ""


def test_only_added_lines_are_read():
    diff = "--- a/x.md\n+++ b/x.md\n@@ -1 +1 @@\n-old\n+new\n--- a/y.md\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n"
    assert tool.added(diff) == {"x.md": "new\n"}


def test_subjects_that_are_long_or_no_order_are_printed():
    good, long, state = "aaa Bound the publishers of a recording", f"bbb Add {'x' * 80}", "ccc The publishers are bounded"
    assert tool.bad_subjects("\n".join((good, long, state))) == [f"{long} (84 characters)", f"{state} (not imperative)"]


def test_tool_reads_a_change_and_fails_nothing():
    done = subprocess.run([ROOT / "tools/text", "HEAD"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("0 sentences and 0 subjects")
    refused = subprocess.run([ROOT / "tools/text", "no-such-commit"], capture_output=True, text=True)
    assert refused.returncode == 1 and "no-such-commit" in refused.stderr
