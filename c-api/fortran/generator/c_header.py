"""The constants of the C header, and its functions as Fortran interfaces."""

import re
from pathlib import Path

HEADER = Path(__file__).resolve().parents[2] / "include" / "linkspan.h"
# Fortran cannot distinguish a constant's name from a type's.
RENAMED = {"linkspan_forever": None, "linkspan_max_rank": None}


def header() -> str:
    text = HEADER.read_text()
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.S)


def constants(code: str) -> list[tuple[str, str]]:
    found = []
    for name, value in re.findall(r"^#define (LINKSPAN_\w+) (-?\d+)$", code, flags=re.M):
        name = name.lower()
        if name not in RENAMED:
            found.append((name, value))
    assert len(found) > 50, found
    return found


def constant_lines(code: str) -> list[str]:
    # Programs use them with the default kind, which a compiler option may change. Calls of C convert them.
    kind = lambda name: "(c_int64_t)" if name == "linkspan_default" else ""
    return [f"integer{kind(n)}, parameter :: {n} = {v}" for n, v in constants(code)]


def argument(text: str) -> tuple[str, str]:
    """Returns the Fortran name and declaration of a C argument."""
    text = " ".join(text.replace("*", " * ").split())
    *words, name = text.split(" ")
    what = " ".join(w for w in words if w not in ("const", "struct"))
    const = words[0] == "const"
    by_value = {"int64_t": "integer(c_int64_t)", "uint64_t": "integer(c_int64_t)", "size_t": "integer(c_size_t)",
                "bool": "logical(c_bool)", "double": "real(c_double)", "int": "integer(c_int)",
                "int32_t": "integer(c_int32_t)", "float": "real(c_float)"}
    for alias in ["status", "encoding", "type", "dtype", "order", "role", "command", "state"]:
        by_value[f"linkspan_{alias}"] = "integer(c_int32_t)"
    structs = {"linkspan_array": "c_array", "linkspan_options": "c_options", "linkspan_error": "c_error",
               "linkspan_channel_info": "c_channel_info", "linkspan_message_info": "c_message_info",
               "linkspan_service_options": "c_service_options", "linkspan_task": "c_task",
               "linkspan_service_info": "c_service_info", "linkspan_command_request": "c_command_request"}
    if what in by_value:
        return name, f"{by_value[what]}, value :: {name}"
    if what == "char *" and const:
        return name, f"character(kind=c_char), intent(in), optional :: {name}(*)"
    base = what.removesuffix(" *")
    if base in by_value and const:
        return name, f"{by_value[base]}, intent(in), optional :: {name}(*)"
    if base in by_value:
        return name, f"{by_value[base]}, intent(out), optional :: {name}{'(*)' if name in ('dims', 'ready') else ''}"
    if base in structs:
        return name, f"type({structs[base]}), intent({'in' if const else 'inout'}) :: {name}"
    if name == "messages" and not const:
        return name, f"type(c_ptr), intent(out) :: {name}(*)"
    if what.endswith("* *") and words.count("const") < 2:
        # Bytes of a loan are taken back from the program.
        return name, f"type(c_ptr), intent({'inout' if base == 'uint8_t *' else 'out'}) :: {name}"
    return name, f"type(c_ptr), value :: {name}"


def interfaces(code: str) -> list[str]:
    lines = []
    # Walks are omitted: Fortran reads by path.
    prototype = re.compile(r"^(?:const )?(\w+)\s+(\*?)(linkspan_\w+)\(([^)]*)\);", flags=re.M)
    for result, pointer, name, arguments in prototype.findall(code):
        if name.startswith("linkspan_walk_"):
            continue
        given = [] if arguments.strip() == "void" else [argument(a) for a in arguments.split(",")]
        short = "c_" + name.removeprefix("linkspan_")
        names = ", ".join(n for n, _ in given)
        if result == "void" and not pointer:
            head, tail, back = "subroutine", "end subroutine", None
        else:
            kinds = {"linkspan_status": "integer(c_int32_t)", "int64_t": "integer(c_int64_t)"}
            back = "type(c_ptr)" if pointer else kinds[result]
            head, tail = "function", "end function"
        lines.append(f'{head} {short}({names}) bind(C, name="{name}")' + (" result(outcome)" if back else ""))
        lines.append("   import")
        lines += [f"   {declaration}" for _, declaration in given]
        if back:
            lines.append(f"   {back} :: outcome")
        lines.append(tail)
    assert len(lines) > 300
    return lines
