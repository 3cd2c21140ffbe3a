#!/usr/bin/env python3
"""Writes the Fortran module from *.f90.in and the C header into a folder: generate.py FOLDER.

It makes linkspan.f90 and its include files. The include files have the private names behind generic names, so that
completion in editors shows only public names. The generator makes the repetitive parts: the interfaces to C, the
constants, `put` and `get` for each kind and rank, and the common procedures of handles.
"""

import sys
from pathlib import Path

from generator.arguments import GIVEN, object_procedures, refuse_unallocated
from generator.c_header import constant_lines, constants, header, interfaces
from generator.gets import get_names, get_procedures, into_names
from generator.handles import handle_procedures
from generator.kinds import HANDLES, KINDS, LENDERS
from generator.layout import split_long, tell_errmsg
from generator.loans import loan_names, loan_procedures, put_loan_names, put_loan_procedures
from generator.logicals import logical_procedures
from generator.puts import put_procedures

HERE = Path(__file__).resolve().parent


def specific_names(what: str) -> list[str]:
    if what == "get":
        return get_names()
    if what == "into":
        return into_names()
    names = [f"{what}_{k}" for k, _, _ in KINDS] + [f"{what}_logical"]
    return names + [f"{what}_text", f"{what}_texts", f"{what}_timestamp", f"{what}_message"]


def procedures() -> str:
    return "".join([*(put_procedures(*kind) for kind in KINDS), logical_procedures(), get_procedures()]).strip("\n")


def included() -> dict[str, str]:
    """Returns the private names of the types that have many."""
    bound = {name: loan_names(name) for name in LENDERS}
    bound["message"] += [n for what in ("put", "add", "get", "into") for n in specific_names(what)]
    bound["message"] += [n for what in ("put", "add") for n in put_loan_names(what)]
    notice = "! The procedures with the generic names of {}.\n"
    return {f"linkspan_{name}.inc": notice.format(name) + "".join(f"procedure, private :: {n}\n" for n in names) for name, names in bound.items()}


def module() -> str:
    code = header()
    names = [n for n, _ in constants(code) if n != "linkspan_default"]
    blocks = {
        "@generated-notice": ["! Written by generate.py from linkspan.f90.in and linkspan.h: change those."],
        "@constants": constant_lines(code),
        "@interfaces": interfaces(code),
        "@public-constants": ["public :: " + ", ".join(names)],
        "@procedures": [procedures()],
        "@records": [(HERE / "records.f90.in").read_text().strip("\n")],
        "@services": [(HERE / "services.f90.in").read_text().strip("\n")],
        "@put-loans": [put_loan_procedures().strip("\n")],
        "@loan-frees": ["module procedure :: " + ", ".join(f"loan_free_{k}" for k, _, _ in KINDS)],
        "@loans": ["".join(loan_procedures(name) for name in LENDERS).strip("\n")],
        "@objects": ["module procedure :: " + ", ".join(f"is_no_{h}" for h in GIVEN)],
        "@object-checks": ["".join(object_procedures(h) for h in GIVEN).strip("\n")],
        "@handles": ["".join(handle_procedures(h) for h in HANDLES).strip("\n")],
    }
    lines = []
    for line in (HERE / "linkspan.f90.in").read_text().splitlines():
        mark = line.strip()
        if mark in blocks:
            indent = "" if mark in ("@procedures", "@handles", "@loans", "@put-loans", "@services", "@records", "@object-checks") else line[: len(line) - len(line.lstrip())]
            for text in blocks[mark]:
                lines += split_long(indent + text) if "\n" not in text else [text]
            continue
        for what in ("put", "add", "get", "into"):
            line = line.replace(f"@{what}-names", ", ".join(specific_names(what)))
        for what in ("put", "add"):
            line = line.replace(f"@{what}-loan-names", ", ".join(put_loan_names(what)))
        for name in LENDERS:
            line = line.replace(f"@{name}-loan-names", ", ".join(loan_names(name)))
        lines += split_long(line)
    return "\n".join(part for line in tell_errmsg(refuse_unallocated("\n".join(lines) + "\n")).splitlines() for part in split_long(line)) + "\n"


def main() -> int:
    if len(sys.argv) != 2:
        print(f"usage: {Path(__file__).name} FOLDER", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"linkspan.f90": module(), **included()}.items():
        # An unchanged file keeps its time, so that nothing is compiled again.
        if not (folder / name).exists() or (folder / name).read_text() != text:
            (folder / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
