"""The Fortran reference from linkspan.f90: types with bound procedures, and public procedures."""

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from .entry import entry, uncommented

GENERATOR = Path(__file__).resolve().parents[3] / "c-api/fortran/generate.py"
START = re.compile(r"^ +(?:(?:pure|impure|elemental|recursive|integer|logical|type\(\w+\)|character\([^)]*\)|real\(\w+\))[ ,\w()=:*]* )?(subroutine|function) (\w+)\(", re.I)
DECLARED = re.compile(r"^ +(?:type|class|integer|real|logical|character|complex|procedure|import)\b.*::")


def source():
    """Returns the module's text as an installation has it."""
    with TemporaryDirectory() as folder:
        subprocess.run([sys.executable, GENERATOR, folder], check=True)
        return (Path(folder) / "linkspan.f90").read_text()


def joined(lines):
    whole = ""
    for line in lines:
        whole += re.sub(r"^ *&?", "", line) if whole else line
        if not whole.rstrip().endswith("&"):
            yield whole
            whole = ""
        else:
            whole = whole.rstrip()[:-1]


def procedures(lines):
    """Returns call, argument declarations and comment of each procedure by name."""
    found, comment, at = {}, [], 0
    while at < len(lines):
        line = lines[at]
        if line.lstrip().startswith("!"):
            comment.append(uncommented(line, "!"))
        elif start := START.match(line):
            head = [line.strip()]
            while DECLARED.match(lines[at + 1]) and re.search(r"intent|optional|value|result", lines[at + 1]):
                at += 1
                head.append("   " + lines[at].strip())
            found.setdefault(start[2], ("\n".join(head), "\n".join(comment)))
            comment = []
        else:
            comment = []
        at += 1
    return found


def called(code, owner, name):
    """Returns the call of a type-bound procedure: the object precedes it and is not an argument."""
    head, *declared = code.split("\n")
    kind, arguments = re.search(r"(subroutine|function) \w+\(\w+,? ?(.*?)\)", head).groups()
    self = owner.removeprefix("linkspan_")
    call = f"{'call ' if kind == 'subroutine' else 'x = '}{self}%{name}({arguments})"
    return "\n".join([call, *(line for line in declared if not re.search(r"class\(", line))])


def bound(lines, owner, known):
    """Returns a type's bindings: `name => procedure`, or generic names with a comment above."""
    text, comment = "", []
    for line in lines:
        if line.lstrip().startswith("!"):
            comment.append(uncommented(line, "!"))
            continue
        if found := re.match(r" +(procedure|generic)(?:, \w+)*(?:, (?:public))? :: (\w+(?:\([^)]*\))?) => (.+)", line):
            if "private" not in line.split("::")[0]:
                kind, name, targets = found.groups()
                code, own = known.get(targets.split(",")[0].strip(), ("", ""))
                own = "\n".join(comment) or own
                code = called(code, owner, name) if kind == "procedure" else ""
                text += entry(4, name if "(" in name else f"{owner}%{name}", "fortran", code, own)
        comment = []
    return text


def page():
    lines = list(joined(source().split("\n")))
    known = procedures(lines)
    public = [name for line in lines if (found := re.match(r" +public :: (.+)", line)) for name in re.findall(r"linkspan_\w+", found[1])]
    types, procs, consts = "", "", []
    comment, at = [], 0
    while at < len(lines):
        line = lines[at]
        if found := re.match(r"^   type(?:, [\w()]+)* :: (linkspan_\w+)$", line):
            end = next(i for i in range(at, len(lines)) if lines[i].strip() == "end type")
            inside = lines[at + 1 : end]
            split = next((i for i, text in enumerate(inside) if text.strip() == "contains"), len(inside))
            fields = inside[:split]
            shown = "\n".join([line.strip(), *("   " + text.strip() for text in fields), "end type"])
            if found[1] in public:
                types += entry(3, found[1], "fortran", "" if any(text.strip() == "private" for text in fields) else shown, "\n".join(comment))
                types += bound(inside[split + 1 :], found[1], known)
            comment, at = [], end
        elif line.lstrip().startswith("!"):
            comment.append(uncommented(line, "!"))
        else:
            comment = []
        at += 1
    for name in public:
        if name in known:
            procs += entry(3, name, "fortran", *known[name])
    shown = {name for name in public if f"`{name}`" in types + procs}
    for found in re.finditer(r"^ +(\w+(?:\([^)]*\))?, parameter(?:, public)? :: (linkspan_\w+) = .+)$", "\n".join(lines), re.M):
        consts.append(found[1])
    generic = sorted(set(public) - shown - {re.search(r":: (\w+)", line)[1] for line in consts})
    body = "# Fortran: the module\n\n`use linkspan`, made from the module itself.\n\n## Types\n\n" + types + "## Procedures\n\n" + procs
    if generic:
        body += "Generic: " + ", ".join(f"`{name}`" for name in generic) + "\n\n"
    return body + "## Constants\n\n```fortran\n" + "\n".join(consts) + "\n```\n"
