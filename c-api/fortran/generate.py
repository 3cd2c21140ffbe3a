#!/usr/bin/env python3
"""Writes linkspan.f90 from linkspan.f90.in, services.f90.in and the C header; with --check only reports whether it is up to date.

What repeats is made here: the interfaces to C, the constants, `put` and `get` for each kind and rank, and what all
handles have in common.
"""

import sys
from pathlib import Path

from generator.c_header import constant_lines, constants, header, interfaces
from generator.gets import get_arrays, get_scalar
from generator.handles import handle_procedures
from generator.kinds import HANDLES, KINDS, LENDERS, RANKS
from generator.layout import split_long, tell_errmsg
from generator.loans import loan_names, loan_procedures
from generator.logicals import get_logical_arrays, logical_procedures
from generator.puts import put_procedures

HERE = Path(__file__).resolve().parent
TARGET = HERE / "linkspan.f90"


def specific_names(what: str) -> list[str]:
    if what == "get":
        names = [f"get_{k}_0" for k, _, _ in KINDS] + ["get_logical_0"] + [f"get_logical_{r}a" for r in RANKS]
        names += [f"get_{k}_{r}{form}" for k, _, _ in KINDS for r in RANKS for form in "ap"]
        return names + ["get_text", "get_texts", "get_timestamp"]
    names = [f"{what}_{k}" for k, _, _ in KINDS] + [f"{what}_logical"]
    return names + [f"{what}_text", f"{what}_texts", f"{what}_timestamp", f"{what}_message"]


def procedures() -> str:
    out = []
    for kind, declaration, dtype in KINDS:
        out.append(put_procedures(kind, declaration, dtype))
        out.append(get_scalar(kind, declaration, dtype))
        out += [get_arrays(kind, declaration, dtype, rank) for rank in RANKS]
    out.append(logical_procedures())
    out += [get_logical_arrays(rank) for rank in RANKS]
    return "".join(out).strip("\n")


def generated() -> str:
    code = header()
    names = [n for n, _ in constants(code) if n != "linkspan_default"]
    specifics = [n for what in ("put", "add", "get") for n in specific_names(what)]
    blocks = {
        "@generated-notice": ["! Written by generate.py from linkspan.f90.in and linkspan.h: change those."],
        "@constants": constant_lines(code),
        "@interfaces": interfaces(code),
        "@public-constants": ["public :: " + ", ".join(names)],
        "@private-bindings": [f"procedure, private :: {n}" for n in specifics],
        **{f"@private-{name}-loans": [f"procedure, private :: {n}" for n in loan_names(name)] for name in LENDERS},
        "@procedures": [procedures()],
        "@records": [(HERE / "records.f90.in").read_text().strip("\n")],
        "@services": [(HERE / "services.f90.in").read_text().strip("\n")],
        "@loans": ["".join(loan_procedures(name) for name in LENDERS).strip("\n")],
        "@handles": ["".join(handle_procedures(h) for h in HANDLES).strip("\n")],
    }
    lines = []
    for line in (HERE / "linkspan.f90.in").read_text().splitlines():
        mark = line.strip()
        if mark in blocks:
            indent = "" if mark in ("@procedures", "@handles", "@loans", "@services", "@records") else line[: len(line) - len(line.lstrip())]
            for text in blocks[mark]:
                lines += split_long(indent + text) if "\n" not in text else [text]
            continue
        for what in ("put", "add", "get"):
            line = line.replace(f"@{what}-names", ", ".join(specific_names(what)))
        for name in LENDERS:
            line = line.replace(f"@{name}-loan-names", ", ".join(loan_names(name)))
        lines += split_long(line)
    return "\n".join(part for line in tell_errmsg("\n".join(lines) + "\n").splitlines() for part in split_long(line)) + "\n"


def main() -> int:
    text = generated()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text() != text:
            print(f"{TARGET.name} is out of date; run {Path(__file__).name}", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
