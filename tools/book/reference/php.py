"""The reference of PHP, from the stub that editors read."""

import re
import textwrap
from pathlib import Path

from .entry import entry

STUB = Path(__file__).resolve().parents[3] / "php/stubs/linkspan.stub.php"
ITEM = re.compile(
    r"^(?P<doc>[ \t]*/\*\*(?:(?!\*/).)*\*/\s*\n)?"
    r"(?P<code>[ \t]*(?:final |abstract |readonly |public |static )*(?P<kind>function|class|interface|enum|const|case) (?P<name>\w+)(?:\([^{;]*\)[^\n{;]*|[^\n{;(]*))",
    re.S | re.M,
)


def comment(doc):
    """Returns the text of a /** … */ block, with a paragraph per tag."""
    text = re.sub(r"^\s*/\*\*|\*/\s*$", "", (doc or "").strip())
    text = textwrap.dedent(re.sub(r"^[ \t]*\* ?", "", text, flags=re.M)).strip()
    return re.sub(r"\s*@(param|return|throws|template|implements|extends|var) ", r"\n\n*\1* ", text).strip()


def page():
    text = STUB.read_text()
    preface, text = text.split("namespace Linkspan;", 1)
    body = f"# PHP: the extension\n\nEverything stands in the namespace `Linkspan`; made from the stub of the extension.\n\n{comment(preface.removeprefix('<?php'))}\n\n"
    outer, functions, classes = "", "", ""
    for found in ITEM.finditer(text):
        kind, name, code = found["kind"], found["name"], " ".join(found["code"].split())
        if found["code"][0] not in " \t":
            outer = name
            made = entry(3 if kind == "function" else 2, name, "php", code, comment(found["doc"]))
            functions, classes = (functions + made, classes) if kind == "function" else (functions, classes + made)
        elif kind == "function":
            classes += entry(3, f"{outer}::{name}", "php", code, comment(found["doc"]))
        else:
            classes += f"- `{code}` {' '.join(comment(found['doc']).split())}\n"
    classes = re.sub(r"^(- .*\n)(?=#)", r"\1\n", classes, flags=re.M)
    return body + "## Functions\n\n" + functions + classes
