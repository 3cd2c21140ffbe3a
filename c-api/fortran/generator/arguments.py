"""Adds checks for unallocated arguments to every procedure that reports an error.

An unallocated actual argument arrives as a null address. Required arguments with numbers, logicals or handles are
checked here; texts are checked when they are converted for C.
"""

import re

#: The first component of each type without a handle: its address is the address of the whole.
FIRST = {"timestamp": "nanoseconds", "task": "command"}
#: The types with a handle that are required arguments.
GIVEN = ["message", "channel", "pending_reply"]
#: The result of a function with an error.
NOTHING = {"integer": "0", "real": "0", "logical": ".false."}

BEGIN = re.compile(r"^ +(?:subroutine|function) (\w+)\(([^)]*)\)(?: result\((\w+)\))?$")
DECLARATION = re.compile(r"^ +(\w+)(?:\([^)]*\))?((?:, *[\w()*:]+)*) *:: *(.*)$")


def dummies(declared: str) -> list[tuple[str, str]]:
    """Returns the names in a declaration, each with its dimensions."""
    return re.findall(r"(\w+)(\([^)]*\))?", declared)


def checked(line: str, names: list[str]) -> list[tuple[str, str]]:
    """Returns the arguments in a declaration to check: name, and expression for a missing one."""
    found = DECLARATION.match(line)
    if not found or "intent(" not in found[2]:
        return []
    kind, attributes = found[1], found[2]
    if kind not in ("integer", "real", "complex", "logical", "type") or re.search(r"\b(optional|pointer|allocatable)\b", attributes):
        return []
    type_name = re.match(r" +type\(linkspan_(\w+)\)", line)
    if kind == "type" and not type_name:
        return []
    out = []
    for name, dims in dummies(found[3]):
        # Other code checks these: readers of elements check arrays of any rank, and counts check arrays of objects.
        if name not in names or name == "self" or dims == "(..)" or (type_name and dims):
            continue
        if not type_name:
            out.append((name, f"is_missing({name})"))
        elif type_name[1] in FIRST:
            out.append((name, f"is_missing({name}%{FIRST[type_name[1]]})"))
        else:
            assert type_name[1] in GIVEN, line
            out.append((name, f"is_no_object({name})"))
    return out


def object_procedures(name: str) -> str:
    """Returns the check for an unallocated object. gfortran passes a handle, a `c_ptr`, by value."""
    return f"""
   function is_no_{name}(object) result(is)
      type(linkspan_{name}), intent(in), target :: object
      logical :: is
      type(c_ptr), volatile :: place
      type(c_ptr) :: seen
      place = c_loc(object)
      seen = place
      is = .not. c_associated(seen)
   end function
"""


def refuse_unallocated(text: str) -> str:
    """Adds the checks after the declarations of each procedure with `stat` and `errmsg`."""
    lines, out = text.split("\n"), []
    names: list[str] = []
    checks: list[tuple[str, str]] = []
    result, at, count = "", 0, 0
    while at < len(lines):
        # A statement with its continuation lines.
        end = at
        while lines[end].endswith("&"):
            end += 1
        statement = re.sub(r" *&\s*", " ", "\n".join(lines[at : end + 1]))
        begin = BEGIN.match(statement)
        if begin:
            names = re.findall(r"\w+", begin[2])
            names = names if names[-2:] == ["stat", "errmsg"] and begin[1] != "finish" else []
            checks, result, back = [], begin[3] or "", ""
        elif names:
            comment = statement.lstrip().startswith("!")
            if "::" in statement and not comment:
                checks += checked(statement, names)
                kind = re.match(rf" +(\w+).*:: *{result}$", statement) if result else None
                back = NOTHING.get(kind[1], "") if kind else back
            elif not comment:
                key = next((name for name in names if name in ("key", "path")), None)
                for name, missing in checks:
                    count += 1
                    out += [f"      if ({missing}) then"]
                    out += [f"         {result} = {back}"] if back else []
                    out += [f'         call finish(unallocated("{name}"{f", {key}" if key else ""}), stat, errmsg)', "         return", "      end if"]
                names = []
        out += lines[at : end + 1]
        at = end + 1
    assert count > 40, count
    return "\n".join(out)
