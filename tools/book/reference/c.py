"""The C reference from linkspan.h: functions, types and constants as cbindgen wrote them."""

import re
from pathlib import Path

from .entry import entry, uncommented

HEADER = Path(__file__).resolve().parents[3] / "c-api/include/linkspan.h"
# In page order: title, and prefixes after `linkspan_`; the last group takes the rest.
GROUPS = [
    ("Channels, listeners and servers", r"(channel|listener|server|request|role)"),
    ("Publish and subscribe", r"(publisher|subscriber|latest)"),
    ("Messages", r"(message|walk|item|writer|reader|array|type)"),
    ("Records of generated code", r"record"),
    ("Services and controllers", r"(service|controller|command|task|state\b|state_name)"),
    ("Regions", r"region"),
    ("Everything else", r""),
]


def items(text):
    """Returns name, declaration and comment of each item; blank lines separate items in the header."""
    for block in re.split(r"\n\n+", text):
        lines = block.split("\n")
        comment = [uncommented(line, "//") for line in lines if line.startswith("//")]
        code = "\n".join(line for line in lines if not line.startswith("//"))
        name = re.search(r"#define (LINKSPAN_\w+)|\b(linkspan_\w+)\(|(linkspan_\w+);\s*$|(linkspan_\w+)\s*\)\(", code)
        if comment and name:
            yield next(filter(None, name.groups())), code, "\n".join(comment)


def parts(text):
    """Joins each struct, whose members are separated by blank lines."""
    return re.sub(r"^typedef [^;\n]*\{.*?^\} \w+;", lambda found: re.sub(r"\n\n+", "\n", found[0]), text, flags=re.S | re.M)


def constants(found):
    rows = ["| constant | value | meaning |", "|---|---|---|"]
    for name, code, comment in found:
        value = re.match(r"#define \w+ ?(.*)", code)[1].replace("|", "\\|")
        rows.append(f"| `{name}` | `{value}` | {' '.join(comment.split())} |")
    return "## Constants\n\n" + "\n".join(rows) + "\n\n"


def page():
    text = HEADER.read_text()
    preface = re.match(r"/\* (.*?) \*/", text, re.S)[1]
    preface = re.sub(r"^ \* ?", "", preface.split("SPDX")[0], flags=re.M).strip()
    found = list(items(parts(text)))
    body = f"# C: the header\n\n`#include <linkspan.h>`, made from the header itself.\n\n{preface}\n\n"
    rest = [item for item in found if not item[1].startswith("#define")]
    for title, names in GROUPS:
        chosen = [item for item in rest if re.match(f"linkspan_{names}", item[0])]
        rest = [item for item in rest if item not in chosen]
        body += f"## {title}\n\n" + "".join(entry(3, name, "c", code, comment) for name, code, comment in chosen)
    return body + constants([item for item in found if item[1].startswith("#define")])
